"""Working ahead: steps of a pipeline that overlap in time without ever holding more than a few items."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

#: How long a full or empty queue is waited for before looking whether anybody still needs it, in seconds.
_PATIENCE = 0.1


class _End:
    """Last item of a queue: the end, or the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Ahead(Generic[Item]):
    """Runs an iterable in a thread of its own and hands out its items through a bounded queue.

    At most ``room`` items wait. An error of the iterable is raised where its item was expected.

    Args:
        items: What to run; a generator is closed in its own thread.
        room: How many finished items may wait.
        stop: Ends the work when set. Stages that feed each other share one, so that none waits for another in vain.
    """

    def __init__(self, items: Iterable[Item], room: int, stop: threading.Event) -> None:
        self._queue: queue.Queue[Item | _End] = queue.Queue(room)
        self._stop = stop
        self._thread = threading.Thread(target=self._work, args=(items,), daemon=True)
        self._thread.start()

    def _work(self, items: Iterable[Item]) -> None:
        end = _End()
        iterator = iter(items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the item is awaited
            end = _End(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            self._put(end)

    def _put(self, item: Item | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[Item]:
        while True:
            try:
                item = self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._stop.is_set():
                    return
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def join(self) -> None:
        """Wait for the thread, which ends after its present item once ``stop`` is set."""
        self._thread.join()


class Stages:
    """Iterables that work ahead of each other, ended together when the ``with`` block is left.

    Args:
        room: How many items may wait after each stage.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._stop = threading.Event()
        self._running: list[Ahead[Any]] = []

    def ahead(self, items: Iterable[Item]) -> Iterator[Item]:
        """``items``, made in a thread of their own."""
        stage = Ahead(items, self._room, self._stop)
        self._running.append(stage)
        return iter(stage)

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for stage in self._running:
            stage.join()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class Stopwatch:
    """Adds up the seconds that each named stage works, waiting for others left out."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Book the time of a ``with`` block on ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items; the time to make each is booked on ``stage``."""
        iterator = iter(items)
        while True:
            with self.time(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
