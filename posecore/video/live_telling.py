"""What a camera sees, told to a browser that asks for it again and again.

Answers are worked out on threads of whoever serves the browser, and only as often as it asks.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from posecore.video.live import LiveSession
from posecore.video.live_options import LiveFrame

#: Seconds for which a question waits for the next picture.
_PATIENCE = 0.5


class LiveTeller(ABC):
    """Tells something of the newest picture, each of them once and one at a time.

    Args:
        running: The session that looks at the camera's pictures; None while there is none.
    """

    def __init__(self, running: Callable[[], LiveSession | None]) -> None:
        self._running = running
        self._lock = threading.Lock()
        self._session: LiveSession | None = None
        self._number = 0

    def newest(self) -> dict[str, Any] | None:
        """What a picture that was not told yet shows; None when there is none soon, or somebody else asks."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            frame = self._next()
            return None if frame is None else self.told(frame)
        finally:
            self._lock.release()

    @abstractmethod
    def told(self, frame: LiveFrame) -> dict[str, Any]:
        """What is told of a picture, as plain data."""

    @abstractmethod
    def forget(self) -> None:
        """Another session begins: nothing is known of whoever was there before."""

    def _next(self) -> LiveFrame | None:
        live = self._running()
        if live is not self._session:
            self._session, self._number = live, 0
            self.forget()
        frame = None if live is None else live.newer(self._number, _PATIENCE)
        if frame is not None:
            self._number = frame.number
        return frame
