"""Workers that do pieces of work somewhere else, and the processes of this machine as such.

A worker opens its job once (which is where a model is loaded) and then does one piece after another. It may die at any
time; whoever hands out work is told, and a new worker takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar

from posecore.errors import PosecoreError, told

Item_contra = TypeVar("Item_contra", contravariant=True)
Item = TypeVar("Item")
Result_co = TypeVar("Result_co", covariant=True)
Result = TypeVar("Result")

#: Workers on end that may fail to open their job before it is given up.
_STARTS = 3
#: Seconds that workers have to end by themselves.
_FAREWELL = 2.0


class Work(Protocol[Item_contra, Result_co]):
    """What an open job does: a result for each of some items, in their order."""

    def __call__(self, items: Sequence[Item_contra], /) -> Sequence[Result_co]:
        """Do the work; an error concerns all of the items."""


class Job(Protocol[Item_contra, Result_co]):
    """What workers do; goes to them by pickle."""

    def open(self) -> Work[Item_contra, Result_co]:
        """Load whatever the work needs; called once by every worker."""


@dataclass(frozen=True)
class Lost:
    """Why a piece of work has no result.

    Attributes:
        reason: A sentence.
        died: The worker died with it; it may be well that nothing is wrong with the work.
    """

    reason: str
    died: bool = False


class Workers(Protocol[Item_contra, Result_co]):
    """Workers by number, each with one piece of work at a time."""

    #: How many there are.
    count: int
    #: What they are, for people.
    words: str

    def send(self, worker: int, items: Sequence[Item_contra]) -> None:
        """Give a free worker its next piece."""

    def receive(self) -> tuple[int, Sequence[Result_co] | Lost]:
        """The next answer of any worker, which is free then.

        Raises:
            PosecoreError: When workers cannot open their job.
        """

    def close(self) -> None:
        """End them, whatever they are doing."""


def attempt(work: Work[Item, Result], items: Sequence[Item]) -> Sequence[Result] | Lost:
    """The results, or why there are none."""
    try:
        return work(items)
    except Exception as error:  # noqa: BLE001 - told to whoever handed it out; the rest of the work goes on
        return Lost(told(error))


class StartCheck:
    """Counts workers that could not open their job, one after another."""

    def __init__(self) -> None:
        self._failed = 0

    def opened(self) -> None:
        """One could."""
        self._failed = 0

    def failed(self, reason: str, final: bool = False) -> None:
        """One could not; raises ``PosecoreError`` when that is ``final`` or was so for the last few as well."""
        self._failed += 1
        if final or self._failed >= _STARTS:
            raise PosecoreError(f"A worker could not begin: {reason}")


@dataclass(frozen=True)
class Opened:
    """A worker's first word: its job is open, or why it cannot be opened."""

    failure: str = ""


@dataclass
class _Process:
    process: BaseProcess
    pipe: Connection
    opened: bool = False
    works: bool = False


class Processes(Generic[Item, Result]):
    """Processes of this machine.

    Args:
        job: What they do.
        count: How many; as many as there are processors unless given.
        most: As many as there is work for, if that is known.
    """

    def __init__(self, job: Job[Item, Result], count: int | None = None, most: int | None = None) -> None:
        self.count = as_many(count or processors(), most)
        self.words = f"{self.count} process{'es' if self.count > 1 else ''} of this machine"
        self._context = multiprocessing.get_context("spawn")
        self._job = job
        self._check = StartCheck()
        self._workers: dict[int, _Process] = {}

    def send(self, worker: int, items: Sequence[Item]) -> None:
        """See :class:`Workers`."""
        if not self._sent(worker, items):
            # It died while it was free.
            self._drop(worker)
            self._sent(worker, items)
        self._workers[worker].works = True

    def _sent(self, number: int, items: Sequence[Item]) -> bool:
        if number not in self._workers:
            self._workers[number] = self._start()
        try:
            self._workers[number].pipe.send(items)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> tuple[int, Sequence[Result] | Lost]:
        """See :class:`Workers`."""
        while True:
            ready = wait([one.pipe for one in self._workers.values()])
            number, worker = next((n, one) for n, one in self._workers.items() if one.pipe in ready)
            try:
                answer = worker.pipe.recv()
            except (EOFError, ConnectionResetError):
                end = self._drop(number)
                if not worker.opened:
                    self._check.failed(f"its process {end}.")
                if not worker.works:
                    continue
                return number, Lost(f"the process that worked on it {end}", died=True)
            if not isinstance(answer, Opened):
                worker.works = False
                return number, answer
            if answer.failure:
                self._check.failed(answer.failure, final=True)
            self._check.opened()
            worker.opened = True

    def _drop(self, number: int) -> str:
        """Forget a process that died; says how it ended."""
        worker = self._workers.pop(number)
        worker.pipe.close()
        worker.process.join()
        return _end(worker.process.exitcode)

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        # Theirs alone, so that its end is the end of the pipe.
        theirs.close()
        # Not among the arguments: where a process ends before it has read a large job, starting it would never return.
        with suppress(BrokenPipeError, ConnectionResetError):
            ours.send(self._job)
        return _Process(process, ours)

    def close(self) -> None:
        """See :class:`Workers`."""
        for worker in self._workers.values():
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(_FAREWELL)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()


def as_many(places: int, most: int | None) -> int:
    """How many workers there are, for so many places and ``most`` pieces of work; at least one."""
    return max(places if most is None else min(places, most), 1)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _serve(pipe: Connection) -> None:
    """What a worker process does until its pipe ends, which it does with whoever hands out work."""
    # Ctrl-C goes to all processes of a terminal; whoever hands out work decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            job: Job[Any, Any] = pipe.recv()
            work = job.open()
        except Exception as error:  # noqa: BLE001 - said where the work is handed out
            pipe.send(Opened(str(error) or type(error).__name__))
            return
        pipe.send(Opened())
        while True:
            pipe.send(attempt(work, pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {signal.Signals(-code).name}" if -code in set(signal.Signals) else "was ended"
    return f"ended with exit code {code}"
