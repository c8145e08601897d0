"""How a run hears that it should stop, and how others see that it lives."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from posecore.errors import StorageError
from posecore.runs import Registry, Request

log = logging.getLogger(__name__)

#: Seconds between looks at what is asked of the run, and between signs of life, which change the list of runs.
_INTERVAL, _BEAT = 0.5, 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RunStopped(Exception):  # noqa: N818 - not an error: what somebody asked for
    """Leaves training where it is because somebody asked for it.

    Attributes:
        request: ``pause`` or ``cancel``.
        exact: True when everything up to the last step is kept for going on.
    """

    def __init__(self, request: Request, exact: bool = False) -> None:
        super().__init__(request)
        self.request, self.exact = request, exact


class Watch:
    """Gives signs of life in the background and notices requests, be they in the registry or SIGTERM and Ctrl-C.

    Training asks :attr:`request` after every step. Within :meth:`interruptible` nothing would be lost, and a request
    raises :class:`RunStopped` at once, where the process leaves signals to us.

    Args:
        registry: The list of runs.
        name: The run.
    """

    def __init__(self, registry: Registry, name: str) -> None:
        self.registry, self.name = registry, name
        self.request: Request = ""
        self._interruptible = False
        self._handles_signals = False
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Watch as long as this lasts."""
        previous = {kind: signal.getsignal(kind) for kind in _SIGNALS}
        self.listen()
        thread = threading.Thread(target=self._beat, name=f"watch {self.name}", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()
            if self._handles_signals:
                for kind, handler in previous.items():
                    signal.signal(kind, handler)

    def listen(self) -> None:
        """Take the signals; once more when training begins, for Lightning adds a handler that ends the process."""
        self._handles_signals = threading.current_thread() is threading.main_thread()
        if self._handles_signals:
            for kind in _SIGNALS:
                signal.signal(kind, self._on_signal)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Work that may be broken off anywhere."""
        self.check()
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def check(self) -> None:
        """Raise :class:`RunStopped` when something is asked."""
        if self.request:
            raise RunStopped(self.request)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.request and number == signal.SIGINT:
            # A second Ctrl-C: somebody does not want to wait for the step to end.
            raise KeyboardInterrupt
        if not self.request:
            self.request = "pause"
        if self._interruptible:
            self._interruptible = False
            raise RunStopped(self.request)

    def _beat(self) -> None:
        entered = time.monotonic()
        while not self._ended.wait(_INTERVAL):
            if time.monotonic() - entered >= _BEAT:
                entered = self._enter_time(entered)
            try:
                asked = self.registry.asked(self.name)
            except StorageError as error:
                # A full or busy disk; the next look may get through, and training itself does not depend on it.
                log.warning("%s", error)
                continue
            if asked and asked != self.request:
                self.request = asked
                if self._interruptible and self._handles_signals:
                    # Wakes the main thread, which alone can leave what it is doing.
                    signal.raise_signal(signal.SIGTERM)
        self._enter_time(entered)

    def _enter_time(self, since: float) -> float:
        """Enter the time spent ``since`` then, which is a sign of life; returns up to when it is entered."""
        now = time.monotonic()
        try:
            self.registry.beat(self.name, now - since)
        except StorageError as error:
            log.warning("%s", error)
            return since
        return now
