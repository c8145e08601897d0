"""Folders for what visitors give and what is made from it: each has an owner, and goes when its owner does.

An owner is a session of Streamlit's. Python's garbage collector is not asked: nobody can say when it comes. What a
killed server leaves is swept by the next one.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from posecore.home import home
from posecore.storage import DraftFolder, sweep
from posecore.ui.shared.presence import Presence, current_session
from posecore.ui.shared.quota import check_files

#: What the names of such folders begin with.
PREFIX = "posecore-visitor-"
#: Seconds between two looks for sessions that have ended.
TIDY_INTERVAL = 15.0


def kept_folder() -> Path:
    """Where what visitors had made is kept for longer than their session lasts."""
    return home() / "videos"


class VisitorFolders:
    """The folders of all visitors of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owned: dict[str, list[DraftFolder]] = {}
        self._presence = Presence()

    def new(self) -> DraftFolder:
        """A folder of the session that asks; it also goes when whoever holds it cleans it up."""
        owner = current_session()
        folder = DraftFolder(PREFIX)
        if owner is not None:
            with self._lock:
                self._owned.setdefault(owner, []).append(folder)
        return folder

    def check_room(self) -> None:
        """Go on while there is room for more of visitors' files; raises ``StorageError`` when there is none."""
        with self._lock:
            paths = [folder.path for owned in self._owned.values() for folder in owned]
        check_files([*paths, kept_folder()])

    def tidy(self, is_active: Callable[[str], bool], now: float | None = None) -> None:
        """Remove the folders of sessions that have been away for too long.

        Args:
            is_active: Tells of a session whether somebody is connected to it.
            now: Seconds of a clock that never goes back; by default ``time.monotonic``.
        """
        with self._lock:
            owners = self._presence.gone(list(self._owned), is_active, now)
            gone = [folder for owner in owners for folder in self._owned.pop(owner)]
        for folder in gone:
            folder.cleanup()

    def close(self) -> None:
        """Remove all folders: the server ends."""
        with self._lock:
            everything = [folder for owned in self._owned.values() for folder in owned]
            self._owned.clear()
        for folder in everything:
            folder.cleanup()


#: Those of this server.
visitor_folders = VisitorFolders()


def sweep_left_files() -> None:
    """Remove what servers that were killed left behind."""
    sweep(Path(tempfile.gettempdir()), PREFIX)
