"""Work that takes seconds or minutes, done beside the pages: at most one piece of a kind at a time.

A page starts a task by its key and asks for it again on later runs, also after a reload and from another tab. Nothing
here draws anything: threads must not.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import streamlit as st

from posecore.errors import PosecoreError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Ended tasks that are remembered, with their results.
KEPT = 8
#: Seconds that a task is waited for when the process ends.
_FAREWELL = 10.0


class Task(Generic[Result]):
    """One piece of work. Its attributes may be read from every thread.

    Attributes:
        progress: Part that is done, 0 … 1, as far as the work says so.
        result: What came out, once it is done.
        error: A sentence for people when it failed.
        stop: Set once somebody asked it to stop; what the work itself looks at.
    """

    def __init__(self) -> None:
        self.progress = 0.0
        self.result: Result | None = None
        self.error: str | None = None
        self.stop = threading.Event()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """True when nothing more will happen."""
        return self._ended.is_set()

    @property
    def cancelled(self) -> bool:
        """True once it was asked to stop."""
        return self.stop.is_set()

    def advance(self, part: float) -> None:
        """Called by the work: ``part`` (0 … 1) is done."""
        self.progress = min(max(part, 0.0), 1.0)

    def wait(self, seconds: float) -> bool:
        """Wait for the end for at most so long; True when it ended."""
        return self._ended.wait(seconds)

    def run(self, work: Callable[[Task[Result]], Result]) -> None:
        """Do the work; what goes wrong becomes a sentence."""
        try:
            if not self.cancelled:
                self.result = work(self)
        except PosecoreError as error:
            self.error = str(error)
        except Exception as error:
            log.exception("A background task failed")
            self.error = f"It failed unexpectedly: {type(error).__name__}: {error}"
        finally:
            self._ended.set()


class Tasks(Generic[Result]):
    """Tasks by key; they run one after the other.

    Args:
        name: What they do, as the name of their threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._slot = threading.Semaphore(1)
        self._lock = threading.Lock()
        self._tasks: OrderedDict[Hashable, Task[Result]] = OrderedDict()

    def get(self, key: Hashable) -> Task[Result] | None:
        """The task of this key, running or ended; one that was cancelled is forgotten."""
        with self._lock:
            task = self._tasks.get(key)
            return None if task is None or task.cancelled else task

    def start(self, key: Hashable, work: Callable[[Task[Result]], Result]) -> Task[Result]:
        """Begin ``work`` unless its key is known already; a failed or cancelled one begins again."""
        with self._lock:
            known = self._tasks.get(key)
            if known is not None and not known.cancelled and known.error is None:
                self._tasks.move_to_end(key)
                return known
            task: Task[Result] = Task()
            self._tasks[key] = task
            self._tasks.move_to_end(key)
            self._drop_oldest()
        threading.Thread(target=self._run, args=(task, work), name=self._name, daemon=True).start()
        return task

    def cancel_others(self, key: Hashable) -> None:
        """Ask all tasks but that of ``key`` to stop: nobody waits for their results any more."""
        with self._lock:
            for other, task in self._tasks.items():
                if other != key and not task.ended:
                    task.stop.set()

    def close(self) -> None:
        """Ask all tasks to stop and wait until they have: a process that ends under their feet would crash."""
        with self._lock:
            unfinished = [task for task in self._tasks.values() if not task.ended]
        for task in unfinished:
            task.stop.set()
        for task in unfinished:
            task.wait(_FAREWELL)

    def _run(self, task: Task[Result], work: Callable[[Task[Result]], Result]) -> None:
        with self._slot:
            task.run(work)

    def _drop_oldest(self) -> None:
        ended = [key for key, task in self._tasks.items() if task.ended]
        for key in ended[: max(len(ended) - KEPT, 0)]:
            del self._tasks[key]


@st.cache_resource(show_spinner=False)
def tasks(name: str) -> Tasks[object]:
    """The tasks of one kind, shared by all sessions."""
    made: Tasks[object] = Tasks(name)
    atexit.register(made.close)
    return made
