"""What training keeps under ``POSECORE_HOME/training`` and can make again: cut-outs of pictures, and drawn scenes.

It goes with the pictures that it was made from. Beyond ``POSECORE_DISK_CACHE_GB`` (50 unless set), what was not used
for longest goes first.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path

from filelock import FileLock, Timeout

from posecore.data.checks import load_json
from posecore.errors import DataError
from posecore.home import home
from posecore.storage import gigabytes, in_use, make_room, sweep, write_json

#: In an entry: what it was made from. When it was last used is the time of its folder.
_NOTE = "made-from.json"
#: What the name of a draft of an entry begins with.
DRAFT = ".making-"
_DRAWN = "synthetic-"
#: What the name of cut-outs of one shard begins with.
SHARD = "shard-"
_USUAL_LIMIT = 50.0


def cache_folder() -> Path:
    """Where it is kept."""
    return home() / "training"


def limit() -> float:
    """Most bytes; raises ``SettingsError`` when ``POSECORE_DISK_CACHE_GB`` is no number."""
    return gigabytes("POSECORE_DISK_CACHE_GB", _USUAL_LIMIT)


def lock_of(entry: Path) -> FileLock:
    """Held while an entry is made, opened or removed."""
    return FileLock(entry.with_name(f"{entry.name}.lock"), timeout=-1)


def note(entry: Path, folders: Iterable[Path]) -> None:
    """Say which folders the pictures of an entry came from."""
    write_json(entry / _NOTE, {"folders": sorted({str(folder.absolute()) for folder in folders})})


def forget(place: Path) -> None:
    """Remove all that was made from pictures in ``place`` or below."""
    for entry in _entries(cache_folder()):
        if any(folder.is_relative_to(place.absolute()) for folder in _made_from(entry) or ()):
            _remove(entry)


def prune(folder: Path | None = None) -> None:
    """Remove what killed processes left, what was made from pictures that are gone, and what is too much.

    What was used within the last hour is never too much.

    Args:
        folder: Another place than :func:`cache_folder`.
    """
    place = folder or cache_folder()
    sweep(place, DRAFT)
    sweep(place / "packs", DRAFT)
    left = []
    for entry in _entries(place):
        made_from = _made_from(entry)
        if made_from is None or not all(folder.is_dir() for folder in made_from):
            _remove(entry)
        else:
            left.append(entry)
    make_room(left, limit(), lambda entry: not in_use(entry) and _remove(entry))


def drop_shards(place: Path, keep: Collection[Path]) -> None:
    """Remove cut-outs of shards that are too much, those used longest ago first, however short that is ago.

    Args:
        place: Folder of the cut-outs.
        keep: What stays; others may go on reading what they have open.
    """
    shards = [entry for entry in place.glob(f"{SHARD}*") if entry.is_dir()]
    make_room(shards, limit(), lambda entry: entry not in keep and _remove(entry))


def _entries(place: Path) -> list[Path]:
    packs = [entry for entry in (place / "packs").glob("*") if entry.is_dir() and not entry.name.startswith(".")]
    return [*packs, *(entry for entry in place.glob(f"{_DRAWN}*") if entry.is_dir())]


def _made_from(entry: Path) -> list[Path] | None:
    """Folders of pictures; None for cut-outs that do not say."""
    if entry.name.startswith(_DRAWN):
        return []
    try:
        return [Path(folder) for folder in load_json(entry / _NOTE)["folders"]]
    except (DataError, LookupError, TypeError):
        return None


def _remove(entry: Path) -> bool:
    """Remove an entry that nobody is making or opening; True when it is gone."""
    try:
        with lock_of(entry).acquire(timeout=0):
            shutil.rmtree(entry, ignore_errors=True)
    except (Timeout, OSError):
        return False
    return not entry.exists()
