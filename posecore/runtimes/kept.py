"""Converted graphs under ``POSECORE_HOME/graphs``: found by what they were made of, checked when read, within bounds.

Every graph is a folder with the runtime's files and a note that holds their checksums.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from posecore.home import home
from posecore.parsing import MalformedError, parse_json
from posecore.storage import make_room, sweep, write_json

log = logging.getLogger(__name__)

#: Bytes that all graphs together may take; what was not used for longest goes first.
LIMIT = 1_000_000_000
#: What the name of a folder begins with in which a graph is being made.
DRAFT = ".making-"
_NOTE = "about.json"


def graphs_folder() -> Path:
    """Where they are."""
    return home() / "graphs"


def entry_of(made_of: Mapping[str, Any]) -> Path:
    """The folder of a graph that was made of these weights, settings, size and versions."""
    text = json.dumps(made_of, sort_keys=True)
    return graphs_folder() / hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def find(made_of: Mapping[str, Any]) -> Path | None:
    """The folder of a graph whose files are whole, None where there is none; a damaged one is removed."""
    entry = entry_of(made_of)
    try:
        note = parse_json((entry / _NOTE).read_bytes())
        whole = isinstance(note, dict) and note.get("files") == _checksums(entry)
    except FileNotFoundError:
        return None
    except (OSError, MalformedError):
        whole = False
    if not whole:
        log.warning("The converted graph in %s is damaged; it is made again.", entry)
        shutil.rmtree(entry, ignore_errors=True)
        return None
    with suppress(OSError):
        os.utime(entry)
    return entry


def keep(folder: Path, made_of: Mapping[str, Any]) -> Path:
    """Move a folder with a new graph to its place and return that; raises ``OSError`` when it cannot be written."""
    entry = entry_of(made_of)
    write_json(folder / _NOTE, {"files": _checksums(folder), "made_of": dict(made_of)})
    try:
        folder.rename(entry)
    except OSError:
        # Somebody else was quicker.
        if not entry.is_dir():
            raise
    prune(entry)
    return entry


def prune(fresh: Path) -> None:
    """Remove what killed processes left, and graphs beyond ``LIMIT``, but not ``fresh``."""
    sweep(graphs_folder(), DRAFT)
    entries = [path for path in graphs_folder().iterdir() if path.is_dir() and not path.name.startswith(".")]

    def remove(entry: Path) -> bool:
        if entry == fresh:
            return False
        shutil.rmtree(entry, ignore_errors=True)
        return True

    make_room(entries, LIMIT, remove)


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.name != _NOTE)
    return {path.name: hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in files}
