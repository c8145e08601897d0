"""Actors of a Ray as workers: of one that is started here, or of a cluster that is there already.

Ray's core is enough: who hands out work says what is done again and where results go, so that a piece is never done
twice into one folder; Ray finds places for workers, moves pieces and results, and tells when a worker or a whole
machine is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

from posecore.errors import PosecoreError
from posecore.extras import require
from posecore.spreading.workers import Item, Job, Lost, Opened, Result, StartCheck, as_many, attempt, processors

#: Seconds after which work that waits for a place is given to a worker that has none.
_PATIENCE = 5.0


class _Actor:
    """What runs in a Ray worker."""

    def __init__(self, job: Job[Any, Any]) -> None:
        self._failure = ""
        try:
            self._work = job.open()
        except Exception as error:  # noqa: BLE001 - said where the work is handed out
            self._failure = str(error) or type(error).__name__

    def opened(self) -> Opened:
        """The worker's first word."""
        return Opened(self._failure)

    def do(self, items: Sequence[Any]) -> Any:
        """Do a piece of work."""
        return attempt(self._work, items)


@dataclass(eq=False)
class _Worker:
    """An actor, and its first word as a promise."""

    actor: Any
    opened: Any


@dataclass(eq=False)
class _Given:
    """A piece of work on its way: whose it is, where it is done."""

    number: int
    worker: _Worker
    items: Sequence[Any]


class RayWorkers(Generic[Item, Result]):
    """Actors of a Ray, one a processor, or one a graphics card where these are asked for.

    Args:
        job: What they do.
        address: Of a cluster, as ``ray.init`` takes it; None starts a Ray of this machine.
        most: As many as there is work for, if that is known.
        device: ``cuda`` asks for a graphics card for each.

    Raises:
        MissingExtraError: When Ray is not installed.
        PosecoreError: When there is no Ray at the address, or none can be started.
    """

    def __init__(self, job: Job[Item, Result], address: str | None, most: int | None, device: str = "cpu") -> None:
        require("cluster")
        import ray

        self._ray = ray
        self._free: list[_Worker] = []
        self._given: dict[Any, _Given] = {}
        self._was_there = ray.is_initialized()
        if not self._was_there:
            self._join(address)
        card = device.startswith("cuda")
        places = int(ray.cluster_resources().get("GPU" if card else "CPU", 0))
        if not places:
            self.close()
            raise PosecoreError(f"The Ray has no {'graphics card' if card else 'processor'} for a worker.")
        self.count = as_many(places, most)
        where = "of this machine" if address is None else f"at {address}"
        self.words = f"{self.count} worker{'s' if self.count > 1 else ''} of the Ray {where}"
        self._job = ray.put(job)
        self._kind: Any = ray.remote(num_cpus=1, num_gpus=1 if card else 0, max_restarts=0)(_Actor)
        self._check = StartCheck()

    def _join(self, address: str | None) -> None:
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if address is None:
                self._ray.init(address="local", num_cpus=processors(), include_dashboard=False, **quiet)
            else:
                self._ray.init(address=address, **quiet)
        except Exception as error:
            # Ray's own kinds, ConnectionError, ValueError, gRPC's.
            what = "A Ray of this machine cannot be started" if address is None else f"No Ray answers at {address}"
            raise PosecoreError(f"{what} ({error!s:.200}); --cluster processes works without one.") from error

    def send(self, worker: int, items: Sequence[Item]) -> None:
        """See :class:`posecore.spreading.workers.Workers`."""
        self._give(worker, self._free.pop() if self._free else self._start(), items)

    def _start(self) -> _Worker:
        actor = self._kind.remote(self._job)
        return _Worker(actor, actor.opened.remote())

    def _give(self, number: int, worker: _Worker, items: Sequence[Any]) -> None:
        self._given[worker.actor.do.remote(items)] = _Given(number, worker, items)

    def receive(self) -> tuple[int, Sequence[Result] | Lost]:
        """See :class:`posecore.spreading.workers.Workers`."""
        while not (ready := self._ray.wait(list(self._given), num_returns=1, timeout=_PATIENCE)[0]):
            self._give_waiting_to_free()
        given = self._given.pop(ready[0])
        try:
            opened: Opened = self._ray.get(given.worker.opened)
        except self._ray.exceptions.RayError:
            self._check.failed("its Ray worker died.")
            return given.number, Lost("the Ray worker for it died", died=True)
        if opened.failure:
            self._check.failed(opened.failure, final=True)
        self._check.opened()
        try:
            answer: Sequence[Result] | Lost = self._ray.get(ready[0])
        except self._ray.exceptions.RayError:
            return given.number, Lost("the Ray worker that worked on it died", died=True)
        self._free.append(given.worker)
        return given.number, answer

    def _give_waiting_to_free(self) -> None:
        """Where a machine is gone there may be no place for workers in place of its own; others have time."""
        for future, given in list(self._given.items()):
            if self._free and not self._ray.wait([given.worker.opened], timeout=0)[0]:
                del self._given[future]
                self._ray.kill(given.worker.actor)
                self._give(given.number, self._free.pop(), given.items)

    def close(self) -> None:
        """See :class:`posecore.spreading.workers.Workers`; a Ray that was there before goes on without them."""
        if not self._was_there:
            self._ray.shutdown()
            return
        for worker in [*self._free, *(given.worker for given in self._given.values())]:
            self._ray.kill(worker.actor)
