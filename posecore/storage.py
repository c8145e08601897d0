"""How posecore writes: files are replaced as a whole, what a killed process left is swept, failures become sentences.

Whoever writes a draft holds a lock on it; the system lets go of the lock however the process ends, so that what a
killed one left is told from what is being written.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from posecore.errors import PosecoreError, SettingsError, StorageError
from posecore.home import home

try:
    import fcntl

    _HAS_LOCKS = True
except ImportError:  # Windows
    _HAS_LOCKS = False

Trouble = Literal["full", "forbidden", "other"]

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_SQLITE_TROUBLE: dict[str, Trouble] = {
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "forbidden",
    "SQLITE_PERM": "forbidden",
}
#: Where files are replaced: ``.NAME.…`` + this.
_PART = ".part"
#: Seconds after which a draft counts as left behind on a system without such locks.
_STALE = 24 * 3600.0
#: Seconds since its last use for which what can be made again counts as being used.
_IN_USE = 3600.0


# --- failures --------------------------------------------------------------------------------------------------------


def trouble(error: BaseException) -> Trouble | None:
    """What kept a file from being read or written; None for an error of another kind.

    What an error was raised from counts as well.
    """
    for cause in _with_causes(error):
        # Not all of FFmpeg's errors are the system's, but they have its numbers.
        if isinstance(number := getattr(cause, "errno", None), int):
            return "full" if number in _FULL else "forbidden" if number in _FORBIDDEN else "other"
        if isinstance(cause, sqlite3.OperationalError):
            name = getattr(cause, "sqlite_errorname", "")
            return next((kind for start, kind in _SQLITE_TROUBLE.items() if name.startswith(start)), "other")
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what led to it, and what led to that."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def sentence(error: BaseException, place: Path | str) -> str:
    """Why something could not be written or read, and what to do.

    Args:
        error: For which :func:`trouble` says something.
        place: What was being written; another file that the error names is named instead.
    """
    kind, place = trouble(error), Path(place)
    named = _named(error)
    ours = _inside(place, home())
    if kind == "full":
        where = "set POSECORE_HOME to a folder on another disk" if ours else "choose a folder on another disk"
        return f"{place} could not be written: the disk is full; free some space, or {where}."
    if named is not None and not (_inside(named, place) or _inside(named, place.parent)):
        return f"{named} cannot be read or written: {_plain(error)}."
    if kind == "forbidden":
        where = "set POSECORE_HOME to a folder of your own" if ours else "choose a folder of your own"
        return f"{place} may not be written to; {where}."
    return f"{place} could not be written: {_plain(error)}."


def _named(error: BaseException) -> Path | None:
    """The file that an error is about, if it says."""
    names = (cause.filename for cause in _with_causes(error) if isinstance(cause, OSError))
    return next((Path(name) for name in names if isinstance(name, str) and name), None)


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100 - links stay as they are


def _plain(error: BaseException) -> str:
    last = list(_with_causes(error))[-1]
    return str(getattr(last, "strerror", None) or last).rstrip(".")


@contextmanager
def writing(place: Path, kind: type[PosecoreError] = StorageError, lost: str = "") -> Iterator[None]:
    """Turn failures to write into ``kind`` with a sentence that says what to do.

    Args:
        place: What is written.
        kind: Class of the error.
        lost: Sentence that says how things stand afterwards.
    """
    try:
        yield
    except (OSError, sqlite3.Error, PosecoreError) as error:
        found = trouble(error)
        # An error that somebody explained already is explained anew only where the disk is to blame.
        if found is None or (isinstance(error, PosecoreError) and found != "full"):
            raise
        raise kind(" ".join(part for part in (sentence(error, place), lost) if part)) from error


# --- files that are replaced -----------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place at the end, or vanishes when something goes wrong.

    Readers see the old file or the new one, whatever happens in between. A file that is replaced keeps its permissions;
    a new one gets the usual ones. The folder is made when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, descriptor = _new_part(path)
    try:
        try:
            with suppress(OSError):
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            yield temporary
            os.fsync(descriptor)
        finally:
            # Before it is replaced: Windows moves no open file.
            os.close(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _new_part(path: Path) -> tuple[Path, int]:
    while True:
        # Not tempfile's: those are readable by their owner alone, and the permissions would stay. Cut, for names have
        # an end.
        part = path.with_name(f".{path.name[:60]}.{uuid.uuid4().hex}{_PART}")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _lock(descriptor) and _is_at(descriptor, part):
            return part, descriptor
        # Somebody swept it before it was locked.
        os.close(descriptor)


def write_json(path: Path, content: Any, readable: bool = False) -> None:
    """Replace a JSON file as a whole, its folder made where there is none; ``readable`` is for people as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, allow_nan=False, indent=2 if readable else None, ensure_ascii=not readable)
    write_text(path, f"{text}\n" if readable else text)


def write_text(path: Path, text: str) -> None:
    """Replace a file of text as a whole."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """What changes whenever a file is replaced or grows; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


# --- what can be made again ------------------------------------------------------------------------------------------


def gigabytes(variable: str, usual: float) -> float:
    """Bytes that an environment variable allows, which gives them in gigabytes; ``usual`` gigabytes unless it is set.

    Raises:
        SettingsError: When it is no number from 0.
    """
    text = os.environ.get(variable, "")
    try:
        size = float(text or usual)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise SettingsError(f"{variable} is {text!r}; give a number of gigabytes from 0.")
    return 1e9 * size


def make_room(entries: Iterable[Path], most: float, remove: Callable[[Path], bool]) -> None:
    """Remove what was used longest ago until files and folders together take at most so many bytes.

    Args:
        entries: Files and folders; the time of each says when it was last used.
        most: Bytes that may stay.
        remove: Removes one of them; says whether it is gone. One that stays still counts.
    """
    dated = sorted((last_use(entry), _size(entry), entry) for entry in entries)
    room = most - sum(size for _, size, _ in dated)
    for _, size, entry in dated:
        if room >= 0:
            return
        if remove(entry):
            room += size


def touch(path: Path) -> None:
    """Say that a file or folder is used now."""
    with suppress(OSError):
        os.utime(path)


def in_use(path: Path) -> bool:
    """True for a file or folder that was used within the last hour: somebody may be reading it."""
    return time.time() - last_use(path) <= _IN_USE


def last_use(path: Path) -> float:
    """When a file or folder was last changed or touched, in seconds; 0 when it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    total = 0
    for file in path.rglob("*") if path.is_dir() else (path,):
        with suppress(OSError):
            total += file.stat().st_size
    return total


# --- folders that are drafts -----------------------------------------------------------------------------------------


class DraftFolder:
    """A folder that goes with whoever made it: when it is closed, or swept after the process died.

    Args:
        prefix: What its name begins with; :func:`sweep` takes the same.
        parent: Where it is made; the system's folder for temporary files unless given.

    Attributes:
        path: The folder.
    """

    _mine = False

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix)) if parent is None else _new_folder(prefix, parent)
            self._descriptor: int | None = os.open(self.path, os.O_RDONLY) if _HAS_LOCKS else None
            if self._descriptor is None or (_lock(self._descriptor) and _is_at(self._descriptor, self.path)):
                break
            os.close(self._descriptor)
        self._mine = True

    @property
    def name(self) -> str:
        """The folder, as text."""
        return str(self.path)

    def cleanup(self) -> None:
        """Remove it with all that is in it; nothing happens when it was moved or is gone."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let go of it without removing it."""
        self._mine = False
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def __del__(self) -> None:
        if self._mine:
            self.cleanup()


def _new_folder(prefix: str, parent: Path) -> Path:
    """With the usual permissions: it may stay, under another name."""
    path = parent / f"{prefix}{uuid.uuid4().hex[:12]}"
    path.mkdir()
    return path


def sweep(folder: Path, *prefixes: str) -> int:
    """Remove what killed processes left in a folder: parts of files, and drafts whose names begin with ``prefixes``.

    What somebody holds, and what belongs to another user, stays. Returns how much was removed.
    """
    removed = 0
    for entry in _entries(folder):
        name = entry.name
        part = name.startswith(".") and name.endswith(_PART)
        if not (part or (prefixes and name.startswith(prefixes))):
            continue
        with suppress(OSError):
            if not _is_left(entry):
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
            removed += 1
    return removed


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_left(path: Path) -> bool:
    """True for what nobody holds."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
        return False
    if not _HAS_LOCKS:
        return time.time() - status.st_mtime > _STALE
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if not _HAS_LOCKS:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
