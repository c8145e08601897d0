"""Changes to a large JSON file that are not in it yet: a line each in a file beside it, so that saving stays quick.

A change says what is true from now on, not what to do: applied once more it changes nothing. Whoever reads the file
applies what stands beside it; whoever has time folds it in.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from posecore.data.checks import load_json
from posecore.errors import DataError
from posecore.storage import replacing, stamp

log = logging.getLogger(__name__)

#: How often a file is read again that was replaced meanwhile.
_ATTEMPTS = 20
#: Seconds without a change after which changes are folded in.
_QUIET = 20.0


class Place(NamedTuple):
    """How far a journal was read: in which file, and up to which byte."""

    file: int
    end: int


class Journal:
    """The changes beside one file.

    Only whoever holds the file's lock may write.

    Args:
        file: The JSON file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.path = file.with_name(f"{file.name}.changes")

    def append(self, change: Mapping[str, Any]) -> None:
        """Add a change; it is on the disk when this returns, and nothing has changed when it fails."""
        line = json.dumps(change, allow_nan=False).encode() + b"\n"
        with os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
            end = _end_of_lines(file)
            try:
                # What a killed process began.
                file.truncate(end)
                file.seek(end)
                _write_all(file, line)
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(end)
                raise

    def place(self) -> Place:
        """The end of the journal now."""
        try:
            status = self.path.stat()
        except OSError:
            return Place(0, 0)
        return Place(status.st_ino, status.st_size)

    def read(self, start: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Changes from byte ``start`` on, and where the next one will begin.

        Raises:
            DataError: When a line is damaged.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                text = file.read()
        except FileNotFoundError:
            return [], start
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        # A last line without its end is one that is being written, or never was.
        whole = text[: text.rfind(b"\n") + 1]
        changes = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                change = json.loads(line)
            except (ValueError, RecursionError):
                change = None
            if not isinstance(change, dict):
                raise DataError(f"{self.path} is damaged {number} lines from byte {start}; remove that line.")
            changes.append(change)
        return changes, start + len(whole)

    def drop(self, end: int) -> None:
        """Forget what stands before byte ``end``."""
        try:
            rest = self.path.read_bytes()[end:]
        except FileNotFoundError:
            return
        if not rest:
            self.path.unlink()
            return
        with replacing(self.path) as temporary:
            temporary.write_bytes(rest)

    def load(self) -> tuple[Any, list[dict[str, Any]], Place]:
        """Content of the file, the changes to it, and how far those were read: all of one moment.

        Raises:
            DataError: When either cannot be read.
        """
        for _ in range(_ATTEMPTS):
            before, place = stamp(self.file), self.place()
            content = load_json(self.file)
            changes, end = self.read()
            # Folding replaces the file before it drops the changes.
            if stamp(self.file) == before:
                return content, changes, Place(place.file, end)
        raise DataError(f"{self.file} is changed all the time; try again.")


def _end_of_lines(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def _write_all(file: BinaryIO, data: bytes) -> None:
    """Unbuffered files may take a part at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


_folding: dict[Path, threading.Timer] = {}


def fold_soon(file: Path, fold: Callable[[], None]) -> None:
    """Have the changes beside a file folded in when nothing was saved for a while, or when the process ends before.

    Args:
        file: The JSON file.
        fold: Puts them into it; raises ``DataError`` when it cannot, and they stay where they are.
    """
    cancel_folding(file)
    timer = threading.Timer(_QUIET, _fold, (file, fold))
    timer.daemon = True
    _folding[file] = timer
    timer.start()


def cancel_folding(file: Path) -> None:
    """Forget that the changes beside a file are to be folded in."""
    if (waiting := _folding.pop(file, None)) is not None:
        waiting.cancel()


def _fold(file: Path, fold: Callable[[], None]) -> None:
    _folding.pop(file, None)
    try:
        fold()
    except DataError as error:
        # They are safe where they are; the next one who has time tries again.
        log.info("The changes of %s wait: %s", file, error)


@atexit.register
def _fold_all() -> None:
    for timer in list(_folding.values()):
        timer.cancel()
        timer.function(*timer.args)
