"""How long a run will take and how much memory it needs, from a few real steps in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import posecore
from posecore.errors import PosecoreError, SettingsError
from posecore.training.config import RunConfig, make_config, placed
from posecore.training.jobs import threads_per_run

#: Seconds that an estimate may take.
_LIMIT = 180.0
#: Held-out cut-outs that are measured to know how long measuring takes.
_MEASURED = 32


@dataclass(frozen=True)
class Estimate:
    """What a run will cost.

    Attributes:
        seconds: All epochs with their measuring; less when patience ends the run early.
        seconds_per_epoch: One epoch with its measuring.
        memory_bytes: Largest memory that the training process had so far; it hardly grows later.
        steps_measured: Training steps that this comes from.
        note: What to know about it, as a sentence.
    """

    seconds: float
    seconds_per_epoch: float
    memory_bytes: int
    steps_measured: int
    note: str


def estimate(config: RunConfig, steps: int = 4, cancel: threading.Event | None = None) -> Estimate:
    """Take a few steps of a run, on this machine, in a process of their own.

    Only as many pictures are read as these steps need, so that large sets cost no more time than small ones.

    Args:
        config: The run; relative paths start from the working folder.
        steps: How many, besides a first one that is not counted.
        cancel: Ends the estimate when set.

    Raises:
        SettingsError: When the run could not be started like this (the message says why), the time was up, or it was
            cancelled.
    """
    request = {"config": placed(config, Path.cwd()).model_dump(mode="json"), "steps": steps}
    process = subprocess.Popen(
        [sys.executable, "-m", "posecore.training.estimate"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(posecore.__file__).parent.parent,
        text=True,
    )
    try:
        answer = _answer(process, json.dumps(request), cancel or threading.Event())
    finally:
        process.kill()
        process.wait()
    if "problem" in answer:
        raise SettingsError(answer["problem"])
    return Estimate(**answer)


def _answer(process: subprocess.Popen[str], request: str, cancel: threading.Event) -> dict[str, Any]:
    deadline = time.monotonic() + _LIMIT
    text: str | None = request
    while True:
        try:
            output, _ = process.communicate(text, timeout=0.2)
        except subprocess.TimeoutExpired:
            text = None
            if cancel.is_set():
                raise SettingsError("The estimate was cancelled.") from None
            if time.monotonic() > deadline:
                raise SettingsError(
                    f"A few steps took longer than {_LIMIT:.0f} seconds; choose a smaller model, batch or input side."
                ) from None
        else:
            if process.returncode < 0 or not output:
                return {"problem": "The trial ended without a word, perhaps for lack of memory; try a smaller batch."}
            answer: dict[str, Any] = json.loads(output)
            return answer


def _per_step(times: Sequence[float]) -> float:
    """Seconds between moments, without the first span where there are more: that step also allocates."""
    spans = [after - before for before, after in pairwise(times)]
    counted = spans[1:] or spans
    return sum(counted) / len(counted)


def take_steps(config: RunConfig, steps: int) -> Estimate:
    """Take the steps in this process."""
    # Imported here: a server that asks for an estimate need not load the engine itself.
    from lightning.pytorch.callbacks import LambdaCallback

    from posecore.training.module import PoseTraining
    from posecore.training.run import make_trainer, sample_data, seed_everything
    from posecore.training.start import starting_network

    seed_everything(config, threads_per_run())
    network = starting_network(config)
    sample = sample_data(config, max((steps + 1) * config.training.batch_size, _MEASURED))
    module = PoseTraining(config, network, sample.training, sample.held)
    times = [time.perf_counter()]
    timing = LambdaCallback(on_train_batch_end=lambda *_: times.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, Path(folder), callbacks=[timing], max_epochs=1, limit_train_batches=steps + 1)
        trainer.fit(module)
    begin = time.perf_counter()
    module.measure()
    measured = min(sum(map(len, sample.held.packs)), config.data.validation_limit)
    measuring = (
        (time.perf_counter() - begin) / max(measured, 1) * min(sample.held_pictures, config.data.validation_limit)
    )
    per_step = _per_step(times)
    steps_per_epoch = max(sample.pictures // config.training.batch_size, 1)
    epoch = per_step * steps_per_epoch + measuring
    seconds = epoch * config.schedule.epochs
    if config.schedule.minutes is not None:
        seconds = min(seconds, 60 * config.schedule.minutes)
    note = f"{sample.pictures} people per epoch in {steps_per_epoch} steps of {per_step:.2g} seconds on this machine"
    note += "; training may end earlier, when it no longer gets better." if config.training.patience else "."
    return Estimate(seconds, epoch, _peak_memory(), max(len(times) - 2, 1), note)


def _peak_memory() -> int:
    # Imported here: Windows has no such module, and the page that asks for estimates must open there too.
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return max(peak, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def main() -> int:
    """Read a request from standard input, write the answer to standard output."""
    from posecore.training.failures import sentence

    request = json.load(sys.stdin)
    config = make_config(request["config"])
    try:
        answer = asdict(take_steps(config, request["steps"]))
    except (PosecoreError, OSError, RuntimeError, MemoryError) as error:
        answer = {"problem": sentence(error, config, config.name)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
