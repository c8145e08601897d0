"""What whoever works on a training run keeps in its folder: a lock while it lives, and its last words.

The system lets go of the lock when the process that holds it ends, however it ends: a dead run never looks alive.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from posecore.errors import SettingsError
from posecore.storage import writing

try:
    import fcntl

    _HAS_LOCKS = True
except ImportError:  # Windows: runs can be listed and their models used, but not started.
    _HAS_LOCKS = False

#: Bytes kept for the last words of a run.
_ROOM = 4096


class RunLock:
    """A lock on a file that ends with the process that holds it.

    Args:
        path: The file; made, with its folder, when it is not there. Its content means nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def acquire(self, patience: float = 0.0) -> bool:
        """Try for ``patience`` seconds; True when the lock is ours.

        Raises:
            SettingsError: On a system without such locks.
            StorageError: When the file cannot be made.
        """
        if not _HAS_LOCKS:
            raise SettingsError("Training needs file locks that this system does not have; use Linux or macOS.")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.02)
            else:
                self.descriptor = descriptor
                return True

    def adopt(self, descriptor: int) -> None:
        """Take over the lock that the process which started this one took and passed on."""
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor

    def release(self) -> None:
        """Let go; nothing happens when the lock is not ours."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    @property
    def held(self) -> bool:
        """Whether anybody holds it."""
        if not _HAS_LOCKS:
            return False
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:
            return False
        try:
            # Shared, so that several who look at once do not take each other for the holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


class LastWords:
    """Why a run failed, in room that was kept for it while there was some: on a full disk nothing else can be written.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ending"

    def reserve(self) -> None:
        """Keep the room, and forget what stands in it."""
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
            self._fill("")

    def say(self, message: str) -> None:
        """Write the reason down; without room nothing happens."""
        with suppress(OSError):
            self._fill(message)

    def heard(self) -> str:
        """The reason, or nothing."""
        try:
            return self.path.read_bytes()[:_ROOM].decode("utf-8", "ignore").strip()
        except OSError:
            return ""

    def _fill(self, text: str) -> None:
        # In place: what is written anew needs new room.
        with self.path.open("r+b") as file:
            file.write(text.encode()[:_ROOM].ljust(_ROOM))
            file.flush()
            os.fsync(file.fileno())
