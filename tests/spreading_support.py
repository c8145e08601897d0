"""Workers without processes, and jobs that need no model."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecore.spreading.workers import Job, Lost, attempt

if TYPE_CHECKING:
    from posecore.model import PoseModel


class HereWorkers:
    """Does the work in this process, the answer of the worker that was sent something first coming first."""

    words = "this process"

    def __init__(self, job: Job[Any, Any], count: int = 2) -> None:
        self.count = count
        self.work = job.open()
        self.sent: deque[tuple[int, Sequence[Any]]] = deque()
        self.most_waiting = 0
        self.closed = False

    def send(self, worker: int, items: Sequence[Any]) -> None:
        self.sent.append((worker, items))
        self.most_waiting = max(self.most_waiting, len(self.sent))

    def receive(self) -> tuple[int, Sequence[Any] | Lost]:
        worker, items = self.sent.popleft()
        return worker, attempt(self.work, items)

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers, and notes each in a file; some numbers are trouble.

    Attributes:
        notes: Folder for a file per worker, a line for every number.
        kills: Number that ends the worker, the first time or always.
        always: Whether it always does.
        fails: Number that raises an error.
    """

    notes: Path
    kills: int | None = None
    always: bool = False
    fails: int | None = None

    def open(self) -> Callable[[Sequence[int]], list[int]]:
        return lambda numbers: [self._double(number) for number in numbers]

    def _double(self, number: int) -> int:
        killed = self.notes / "killed"
        if number == self.kills and (self.always or not killed.exists()):
            killed.touch()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            time.sleep(60)
        if number == self.fails:
            raise ValueError("this number cannot be doubled")
        with (self.notes / f"{os.getpid()}.txt").open("a") as file:
            file.write(f"{number}\n")
        return 2 * number


@dataclass(frozen=True)
class Unopened:
    """A job that no worker can open."""

    def open(self) -> Callable[[Sequence[int]], list[int]]:
        raise ValueError("there is no such model here")


def small_model(seed: int = 0) -> PoseModel:
    """A network that finds somebody everywhere."""
    # Here, for processes that need neither import this module too.
    import torch

    from posecore.families.posenet import POSENET
    from posecore.model import PoseModel

    torch.manual_seed(seed)
    network = POSENET.build("posenet-mobilenet_v1-050")
    torch.nn.init.constant_(network.get_parameter("heads.heatmaps.bias"), 3.0)
    return PoseModel(
        "posenet-mobilenet_v1-050.test",
        POSENET,
        "posenet-mobilenet_v1-050",
        network,
        "test",
        decode_settings={"max_poses": 3},
    )
