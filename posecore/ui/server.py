"""What happens once when the app's server starts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread
from typing import Any

from posecore.errors import PosecoreError

log = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Prepare in the background, so that the page can be shown meanwhile."""
    Thread(target=_warm_up, name="warm-up", daemon=True).start()
    yield


def _warm_up() -> None:
    # Imported here, because torch takes seconds that the page need not wait for.
    from posecore.ui.engine import warm_up
    from posecore.ui.sources import first_sample

    try:
        warm_up(first_sample())
    except PosecoreError as error:
        # The page says the same to whoever wants to use that model.
        log.warning("The default model was not loaded: %s", error)
