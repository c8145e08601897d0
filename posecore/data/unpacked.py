"""Packed sets that are read where they are: unpacked once into posecore's home, and gone from it with what they are
unpacked from.

Beyond ``POSECORE_DISK_CACHE_GB`` what was not used for longest goes first, as for all that can be made again.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

from filelock import FileLock

from posecore.data.disk_cache import limit
from posecore.data.packed import is_current, stamps_of, unpack
from posecore.errors import DataError
from posecore.home import home
from posecore.storage import DraftFolder, in_use, make_room, sweep, touch, writing

_FOLDER = re.compile(r".+-[0-9a-f]{12}")
_DRAFT, _LOCK = ".unpacking-", ".lock"


def unpacked(archive: Path) -> Path:
    """The folder in which a packed set is unpacked, under ``POSECORE_HOME/data``.

    It is used again as long as the set's files do not change. Folders of sets that are gone or changed are removed, and
    those used longest ago when there is too much.

    Raises:
        DataError: When it cannot be unpacked or the folder not be written.
        MissingExtraError: When unpacking needs a package that is not installed.
        SettingsError: When ``POSECORE_DISK_CACHE_GB`` is no number.
    """
    place = home() / "data"
    with writing(place, DataError):
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / _LOCK):
            return _unpacked(archive, place)


def sweep_unpacked() -> None:
    """Remove what is unpacked of sets that are gone or changed, and what is too much."""
    place = home() / "data"
    if place.is_dir():
        with writing(place, DataError), FileLock(place / _LOCK):
            _sweep(place)


def _unpacked(archive: Path, place: Path) -> Path:
    stamp = stamps_of(archive)
    stem = re.sub(r"[^\w.-]+", "-", archive.stem)
    target = place / f"{stem}-{hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:12]}"
    note = _note(target)
    if target.is_dir() and note.is_file():
        touch(target)
    else:
        shutil.rmtree(target, ignore_errors=True)
        with DraftFolder(_DRAFT, place) as draft:
            unpack(archive, draft)
            note.write_text(json.dumps(stamp), "utf-8")
            draft.rename(target)
    _sweep(place)
    return target


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _sweep(place: Path) -> None:
    sweep(place, _DRAFT)
    folders = [entry for entry in place.iterdir() if entry.is_dir() and _FOLDER.fullmatch(entry.name)]
    current = [folder for folder in folders if _is_current(folder)]
    for folder in folders:
        if folder not in current:
            _remove(folder)
    make_room(current, limit(), lambda folder: not in_use(folder) and _remove(folder))


def _remove(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    _note(folder).unlink(missing_ok=True)
    return not folder.exists()


def _is_current(folder: Path) -> bool:
    try:
        stamps = json.loads(_note(folder).read_text("utf-8"))
        return bool(stamps) and all(is_current(stamp) for stamp in stamps)
    except (OSError, DataError, ValueError, TypeError, LookupError):
        return False
