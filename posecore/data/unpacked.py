"""Zips that are read where they are: unpacked once into posecore's home, and gone from it with the zip."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock

from posecore.data.archives import unpack_zip
from posecore.errors import DataError
from posecore.home import home

#: Zips that stay unpacked, and seconds for which one more stays because somebody may be reading it.
_KEPT, _IN_USE = 4, 3600.0
_FOLDER = re.compile(r".+-[0-9a-f]{12}")
_DRAFT = ".unpacking-"


def unpacked(archive: Path) -> Path:
    """The folder in which a zip is unpacked, under ``POSECORE_HOME/data``.

    It is used again as long as the zip does not change. Folders of zips that are gone or changed are removed, and all
    but the few used last.

    Raises:
        DataError: When the zip cannot be unpacked or the folder not be written.
    """
    place = home() / "data"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock"):
            return _unpacked(archive, place)
    except OSError as error:
        raise DataError(
            f"{place} cannot be written: {error.strerror or error}; set POSECORE_HOME to a folder of your own."
        ) from error


def _unpacked(archive: Path, place: Path) -> Path:
    stamp = _stamp(archive)
    target = place / f"{archive.stem}-{hashlib.sha256(json.dumps(stamp).encode()).hexdigest()[:12]}"
    note = _note(target)
    _sweep(place, keep=target)
    if not target.is_dir() or not note.is_file():
        shutil.rmtree(target, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=place))
        try:
            unpack_zip(archive, draft)
            note.write_text(json.dumps(stamp), "utf-8")
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    os.utime(note)
    return target


def _stamp(archive: Path) -> list[str | int]:
    """What changes when a zip does."""
    status = archive.stat()
    return [str(archive.resolve()), status.st_size, status.st_mtime_ns]


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _sweep(place: Path, keep: Path) -> None:
    """Remove what zips left that are gone or changed, what was never finished, and what was used long ago."""
    folders = [entry for entry in place.iterdir() if entry.is_dir() and _FOLDER.fullmatch(entry.name)]
    current = [folder for folder in folders if folder != keep and _is_current(folder)]
    current.sort(key=_last_use, reverse=True)
    old = [folder for folder in current[_KEPT - 1 :] if time.time() - _last_use(folder) > _IN_USE]
    stale = [folder for folder in folders if folder != keep and folder not in current]
    for folder in (*old, *stale, *place.glob(f"{_DRAFT}*")):
        shutil.rmtree(folder, ignore_errors=True)
        _note(folder).unlink(missing_ok=True)


def _is_current(folder: Path) -> bool:
    try:
        stamp = json.loads(_note(folder).read_text("utf-8"))
        return bool(_stamp(Path(stamp[0])) == stamp)
    except (OSError, ValueError, TypeError, LookupError):
        return False


def _last_use(folder: Path) -> float:
    try:
        return _note(folder).stat().st_mtime
    except OSError:
        return 0.0
