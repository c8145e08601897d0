"""Where runs over videos are kept, so that they outlive the server: a folder for a visitor, in it one for a run.

A visitor's folder is named after a hash of what the browser says, a run's after its token, which cannot be guessed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.parsing import parse_json
from posecore.storage import DraftFolder, sweep, write_json
from posecore.ui.shared.visitor_files import PREFIX, kept_folder

#: Seconds for which a run is kept after somebody last looked at it, unless its visitor sits at the machine.
KEPT_SECONDS = 6 * 3600
#: Runs of one visitor that are kept at most.
KEPT_RUNS = 20
_RECORD = "run.json"
_AT_WORK = "at-work-"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


@dataclass(frozen=True)
class Owner:
    """Whose runs they are.

    Attributes:
        name: Of the visitor's folder.
        at_machine: Whether the visitor sits at the machine itself: runs then stay until they are removed.
    """

    name: str
    at_machine: bool


class RunFolder:
    """The files of one run.

    Args:
        path: Where they lie.

    Attributes:
        path: Where they lie.
        stays: False where the home cannot be written to, so that they go with the server.
    """

    def __init__(self, path: Path, spare: DraftFolder | None = None) -> None:
        self.path = path
        self.stays = spare is None
        self._spare = spare
        self._working: DraftFolder | None = None

    @classmethod
    def new(cls, owner: Owner, token: str) -> RunFolder:
        """A new folder; one that goes with the server where the home cannot be written to."""
        path = kept_folder() / owner.name / token
        try:
            path.mkdir(parents=True, mode=0o700)
        except OSError:
            spare = DraftFolder(PREFIX)
            return cls(spare.path, spare)
        return cls(path)

    def begin_work(self) -> None:
        """Somebody is at work here until :meth:`end_work`, or until this process ends."""
        if self._working is None:
            self._working = DraftFolder(_AT_WORK, self.path)

    def end_work(self) -> None:
        """Nobody is at work here any more."""
        if self._working is not None:
            self._working.cleanup()
            self._working = None

    @property
    def at_work(self) -> bool:
        """Whether this server or another one that shares the home is at work here."""
        sweep(self.path, _AT_WORK)
        return any(self.path.glob(f"{_AT_WORK}*"))

    def write(self, record: Mapping[str, Any]) -> None:
        """Write down what the run is and where it stands."""
        write_json(self.path / _RECORD, record)

    def read(self) -> dict[str, Any]:
        """What was written down; raises ``OSError`` or ``ValueError`` when nothing was."""
        record = parse_json((self.path / _RECORD).read_bytes())
        if not isinstance(record, dict):
            raise ValueError("a run's record is a table of names and values")
        return record

    def look(self) -> None:
        """Note that somebody looks at it."""
        with suppress(OSError):
            os.utime(self.path / _RECORD)

    @property
    def looked(self) -> float:
        """When somebody last looked at it, in seconds as files have them."""
        try:
            return (self.path / _RECORD).stat().st_mtime
        except OSError:
            return 0.0

    def remove(self) -> None:
        """Remove it with all that is in it, and the visitor's folder when it was the last one there."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._working is not None:
            self._working.release()
        if self._spare is not None:
            self._spare.cleanup()
        else:
            with suppress(OSError):
                self.path.parent.rmdir()


def run_folder(token: str) -> RunFolder | None:
    """Where a run is kept; None when there is none of that name."""
    if not _TOKEN.fullmatch(token):
        return None
    return next((RunFolder(path) for path in kept_folder().glob(f"*/{token}")), None)


def run_folders(owner: Owner) -> list[RunFolder]:
    """The runs of one visitor, in the order in which they were begun."""
    return [RunFolder(path) for path in sorted(_inside(kept_folder() / owner.name), key=_begun)]


def remove_old_runs(now: float | None = None) -> None:
    """Remove what nobody has looked at for long; ``now`` in seconds as files have them, by default the present."""
    now = time.time() if now is None else now
    for visitor in _inside(kept_folder()):
        for path in _inside(visitor):
            folder = RunFolder(path)
            if now - max(folder.looked, _begun(path)) > KEPT_SECONDS and not _stays(folder) and not folder.at_work:
                folder.remove()


def _stays(folder: RunFolder) -> bool:
    try:
        return bool(folder.read()["at_machine"])
    except (OSError, ValueError, KeyError):
        return False


def _inside(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _begun(path: Path) -> float:
    """When its video was put there: nothing is added to that folder later."""
    for folder in (path / "source", path):
        with suppress(OSError):
            return folder.stat().st_mtime
    return 0.0
