"""Batches made by workers on other processors or machines, in the order and with the content that one process makes.

A batch depends on seed, epoch, step and process alone, so that it does not matter who makes it. Ray's workers each read
the run's sources and keep their cut-outs in a cache of their machine, as the training process does; what goes over the
network is a step's number, and the batch as drawn: cut-outs, labels and where they go. Pictures are composed where the
network runs, as always.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from posecore.data.augment import Draw
from posecore.errors import DataError, PosecoreError
from posecore.extras import require
from posecore.training.config import RunConfig, make_config
from posecore.training.data import EpochBatches, EpochPlan, load_data

#: Batches that are asked for at a time, for each worker: one that it makes, and one that lies ready.
_AHEAD = 2
#: How often a worker that died is started anew, and its batches are made again.
_LIVES = 20


class BatchMaker:
    """Makes batches of a run, somewhere.

    Args:
        config: The (placed) configuration as JSON.
    """

    def __init__(self, config: str) -> None:
        self.config = make_config(json.loads(config))
        self.training, _ = load_data(self.config)
        self._batches: EpochBatches | None = None

    def make(self, plan: EpochPlan, step: int) -> Draw:
        """One batch of an epoch."""
        if self._batches is None or plan != self._batches.plan:
            self._batches = EpochBatches(self.training, self.config.augment, plan)
        return self._batches[step]


class RayWorkers:
    """Ray actors that make a run's batches; on the cluster of ``RAY_ADDRESS``, else on a Ray of this machine.

    Args:
        config: The (placed) configuration.

    Raises:
        MissingExtraError: When Ray is not installed.
        DataError: When there is no cluster at ``RAY_ADDRESS``.
    """

    def __init__(self, config: RunConfig) -> None:
        require("cluster")
        import ray

        count = config.training.data_worker_count
        self._mine = not ray.is_initialized()
        if self._mine:
            _connect()
        # No processor is set aside: where there are too few, workers share them, and nobody waits for ever.
        maker = ray.remote(max_restarts=_LIVES, max_task_retries=_LIVES, scheduling_strategy="SPREAD")(BatchMaker)
        self._workers = [maker.remote(config.model_dump_json()) for _ in range(count)]

    def batches(self, plan: EpochPlan, steps: int, done: int = 0) -> RayBatches:
        """The batches of an epoch in order, after the first ``done``."""
        return RayBatches(self._workers, plan, steps, done)

    def close(self) -> None:
        """End the workers, and Ray where it was begun for them."""
        import ray

        for worker in self._workers:
            ray.kill(worker)
        self._workers = []
        if self._mine:
            ray.shutdown()


def _connect() -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(configure_logging=False, log_to_driver=False, **options)
    # A Ray that does not start says so by nothing more special.
    except Exception as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        place = f"There is no Ray at {address}" if address else "No Ray could be started on this machine"
        what = "Mend RAY_ADDRESS" if address else "Start again when the machine is less busy"
        raise DataError(f"{place}: {why:.200}. {what}, or leave training.data_workers out.") from error


class RayBatches:
    """Batches of one epoch, made by workers in turn and handed on in order.

    At most two for each worker are asked for at a time, so that memory is bounded however slow the network learns. A
    worker that dies is started anew, elsewhere where its machine is gone, and makes its batches again.

    Args:
        workers: Actors of :class:`BatchMaker`.
        plan: Which epoch.
        steps: Batches of the whole epoch.
        done: Those that were taken before a pause.
    """

    def __init__(self, workers: list[Any], plan: EpochPlan, steps: int, done: int = 0) -> None:
        self._workers, self._plan, self._steps, self._done = workers, plan, steps, done
        self.in_flight: deque[Any] = deque()

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Draw]:
        import ray

        self.in_flight.clear()
        following = iter(range(self._done, self._steps))
        for step in following:
            self.in_flight.append(self._workers[step % len(self._workers)].make.remote(self._plan, step))
            if len(self.in_flight) == _AHEAD * len(self._workers):
                break
        while self.in_flight:
            try:
                batch: Draw = ray.get(self.in_flight[0])
            except ray.exceptions.RayError as error:
                raise _told(error) from error
            self.in_flight.popleft()
            if (step := next(following, -1)) >= 0:
                self.in_flight.append(self._workers[step % len(self._workers)].make.remote(self._plan, step))
            yield batch


def _told(error: Any) -> PosecoreError:
    """What went wrong with a worker as a sentence."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, PosecoreError):
        return cause
    first = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
    why = re.sub(r"^[\w.]*(Error|Exception): ", "", first.strip()).rstrip(".")
    return DataError(
        f"The data workers cannot make batches: {why:.300}. Each machine of the cluster needs posecore and "
        "the pictures under the same paths or addresses."
    )
