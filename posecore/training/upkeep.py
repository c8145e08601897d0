"""What a server does once when it starts: tidy up what killed processes left under ``POSECORE_HOME``."""

from __future__ import annotations

import logging

from posecore.data.disk_cache import prune
from posecore.data.library import Library
from posecore.errors import PosecoreError
from posecore.runs import runs_folder
from posecore.storage import sweep
from posecore.zoo.places import cache_folder

log = logging.getLogger(__name__)


def tidy_home() -> None:
    """Remove parts of files and drafts that nobody holds, fold in labels, and keep caches within their limit."""
    places = [cache_folder(), runs_folder(), *runs_folder().glob("*/"), *runs_folder().glob("*/overlays/")]
    for place in places:
        sweep(place)
    for work in (Library().sweep, prune):
        try:
            work()
        except (OSError, PosecoreError) as error:
            # Nobody asked for it, and nothing depends on it.
            log.warning("Not everything could be tidied up: %s", error)
