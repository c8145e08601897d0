"""Work that takes seconds or minutes, done beside the pages: the one way to do so.

A kind of work is a :class:`Tasks`, a piece of it a :class:`Task`. Pages start a task by its key and ask for it again on
later runs, also after a reload and from another tab; ``watch`` (``ui/shared/widgets/watching.py``) draws one while it
lasts::

    def benchmarks() -> Tasks[Benchmark, float]:
        return tasks("benchmark")

    task = benchmarks().get(key)
    if task is None or task.stopping:
        if st.button("Measure"):
            benchmarks().start(key, lambda task: measure(task.tell, task.stop), ends_with_session=True)
            st.rerun()
    elif task.active:
        watch(task, lambda: st.progress(task.report or 0.0))
    elif task.error:
        st.error(task.error)
    elif task.result is not None:
        show(task.result)

Of a kind, ``at_once`` tasks work at the same time and the others wait in order. The work tells how far it is and looks
at ``task.stop`` every now and then. Whatever it raises becomes a sentence. Nothing here draws anything: threads must
not. What has to outlive the server is no task but a process of its own, as training runs are.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from posecore.errors import PosecoreError
from posecore.home import home
from posecore.storage import sentence, trouble
from posecore.ui.shared.presence import Presence, current_session

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Report = TypeVar("Report")
State = Literal["waiting", "working", "done", "cancelled", "failed"]

#: Ended tasks of a kind that are remembered, with their results.
KEPT = 8
#: Tasks of a kind that may wait.
MOST_WAITING = 40
#: Seconds that a task is waited for when the process ends.
_FAREWELL = 10.0


class BusyError(PosecoreError):
    """Too much is waiting already."""


@dataclass(eq=False)
class Task(Generic[Result, Report]):
    """One piece of work. Its attributes may be read from every thread, and each changes in one step.

    Attributes:
        key: Its name within its kind.
        state: Where it stands. A task that was asked to stop and gave back what it had is ``cancelled``, with a result.
        report: What the work last told of its progress: a share (0 … 1), or more.
        result: What came out, set before ``state`` says so.
        error: Why it failed, as a sentence for people; empty else.
        stop: Set once somebody asked it to stop; what the work itself looks at.
        owners: Sessions that it ends with; None when it goes on while nobody looks.
    """

    key: Hashable
    state: State = "waiting"
    report: Report | None = None
    result: Result | None = None
    error: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    owners: set[str] | None = None
    _withdraw: Callable[[Task[Result, Report]], None] = field(default=lambda task: None, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def active(self) -> bool:
        """True while it waits or works."""
        return self.state in ("waiting", "working")

    @property
    def stopping(self) -> bool:
        """True once it was asked to stop, also after it has ended."""
        return self.stop.is_set()

    def tell(self, report: Report) -> None:
        """Called by the work: how far it is."""
        self.report = report

    def cancel(self) -> None:
        """Ask it to stop; one that waits ends now. May be used as a callback."""
        self.stop.set()
        self._withdraw(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; True when it ended."""
        return self._ended.wait(seconds)


@dataclass(frozen=True, eq=False)
class _Order(Generic[Result, Report]):
    task: Task[Result, Report]
    work: Callable[[Task[Result, Report]], Result]
    on_end: Callable[[], None] | None

    def do(self) -> None:
        """Do the work; what goes wrong becomes a sentence."""
        task = self.task
        if task.stopping:
            self.end("cancelled")
            return
        try:
            task.result = self.work(task)
        except PosecoreError as error:
            self.end("cancelled" if task.stopping else "failed", str(error))
        except Exception as error:
            log.exception("A task failed")
            said = sentence(error, home()) if trouble(error) else f"{type(error).__name__}: {error}"
            self.end("failed", f"It failed unexpectedly: {said}")
        else:
            self.end("cancelled" if task.stopping else "done")

    def end(self, state: State, error: str = "") -> None:
        """Nothing more will happen to the task."""
        self.task.error = "" if state == "cancelled" else error
        self.task.state = state
        try:
            if self.on_end is not None:
                self.on_end()
        finally:
            self.task._ended.set()


class Tasks(Generic[Result, Report]):
    """Tasks of one kind, by key.

    Args:
        name: What they do, as the name of their threads.
        at_once: Tasks that work at the same time; the others wait in the order in which they came.
        kept: Ended tasks that are remembered.
    """

    def __init__(self, name: str, at_once: int = 1, kept: int = KEPT) -> None:
        self._name, self._at_once, self._kept = name, at_once, kept
        self._lock = threading.RLock()
        self._known: OrderedDict[Hashable, Task[Result, Report]] = OrderedDict()
        self._waiting: deque[_Order[Result, Report]] = deque()
        self._working: set[Task[Result, Report]] = set()

    def get(self, key: Hashable) -> Task[Result, Report] | None:
        """The newest task of this key; None when there was none, or it is long over."""
        with self._lock:
            return self._known.get(key)

    def start(
        self,
        key: Hashable,
        work: Callable[[Task[Result, Report]], Result],
        *,
        again: bool = False,
        ends_with_session: bool = False,
        on_end: Callable[[], None] | None = None,
    ) -> Task[Result, Report]:
        """Have something done, unless its key is at work or done already; what failed or was stopped begins again.

        Args:
            key: What is the same piece of work, whoever asks.
            work: Called in a thread of its own, with the task; returns the result.
            again: Do it again although it is done.
            ends_with_session: Stop it when every visitor who asked for it has gone.
            on_end: Called once the task has ended in whatever way, also when it never began.

        Raises:
            BusyError: When too many wait already.
        """
        owner = current_session() if ends_with_session else None
        with self._lock:
            known = self._known.get(key)
            if known is not None and not known.stopping and (known.active or (known.state == "done" and not again)):
                _own(known, owner)
                self._known.move_to_end(key)
                return known
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError(f"{len(self._waiting)} others wait for the same already; try again in a few minutes.")
            task: Task[Result, Report] = Task(key, owners=None if owner is None else {owner}, _withdraw=self._withdraw)
            self._known[key] = task
            self._known.move_to_end(key)
            self._waiting.append(_Order(task, work, on_end))
            self._begin()
        return task

    def waiting_before(self, task: Task[Result, Report]) -> int:
        """How many tasks come before one that waits."""
        with self._lock:
            return next((place for place, order in enumerate(self._waiting) if order.task is task), 0)

    def cancel_others(self, key: Hashable) -> None:
        """Ask all tasks but that of ``key`` to stop: nobody waits for their results any more."""
        for task in self._active():
            if task.key != key:
                task.cancel()

    def close(self) -> None:
        """Ask all tasks to stop and wait until they have: a process that ends under their feet would crash."""
        unfinished = self._active()
        for task in unfinished:
            task.cancel()
        for task in unfinished:
            task.wait(_FAREWELL)

    def stop_left(self, gone: Collection[str]) -> None:
        """Stop tasks whose last owner is among those who have ``gone``."""
        for task in self._active():
            with self._lock:
                if not task.owners:
                    continue
                task.owners = task.owners.difference(gone)
            if not task.owners:
                task.cancel()

    def owners(self) -> set[str]:
        """Sessions that tasks at work end with."""
        return {owner for task in self._active() for owner in task.owners or ()}

    def _active(self) -> list[Task[Result, Report]]:
        with self._lock:
            return [*self._working, *(order.task for order in self._waiting)]

    def _begin(self) -> None:
        """Let as many work as may; called with the lock held."""
        while self._waiting and len(self._working) < self._at_once:
            order = self._waiting.popleft()
            order.task.state = "working"
            self._working.add(order.task)
            threading.Thread(target=self._work, args=(order,), name=self._name, daemon=True).start()
        ended = [key for key, task in self._known.items() if not task.active]
        for key in ended[: max(len(ended) - self._kept, 0)]:
            del self._known[key]

    def _work(self, order: _Order[Result, Report]) -> None:
        try:
            order.do()
        finally:
            with self._lock:
                self._working.discard(order.task)
                self._begin()

    def _withdraw(self, task: Task[Result, Report]) -> None:
        """End a task that waits."""
        with self._lock:
            order = next((order for order in self._waiting if order.task is task), None)
            if order is None:
                return
            self._waiting.remove(order)
        order.end("cancelled")


def _own(task: Task[Any, Any], owner: str | None) -> None:
    """One more who asked for it; one who may leave makes it go on for good."""
    if owner is None:
        task.owners = None
    elif task.owners is not None:
        task.owners = task.owners | {owner}


_kinds: dict[str, Tasks[Any, Any]] = {}
_kinds_lock = threading.Lock()
_presence = Presence()


def tasks(name: str, at_once: int = 1, kept: int = KEPT) -> Tasks[Any, Any]:
    """The tasks of one kind, shared by all sessions; made when they are asked for first. See :class:`Tasks`."""
    with _kinds_lock:
        return _kinds.setdefault(name, Tasks(name, at_once, kept))


def stop_left_tasks(is_active: Callable[[str], bool], now: float | None = None) -> None:
    """Stop the tasks that end with sessions which have been away for too long, see :class:`Presence`."""
    with _kinds_lock:
        kinds = list(_kinds.values())
    gone = _presence.gone({owner for kind in kinds for owner in kind.owners()}, is_active, now)
    for kind in kinds:
        kind.stop_left(gone)


@atexit.register
def close_all_tasks() -> None:
    """Stop and forget everything: the server ends."""
    with _kinds_lock:
        kinds = list(_kinds.values())
        _kinds.clear()
    for kind in kinds:
        kind.close()
