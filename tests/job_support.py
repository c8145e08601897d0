"""Tiny training runs, and workers that do nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from posecore.training.config import RunConfig, make_config

ARCHITECTURE = "posenet-mobilenet_v1-050"
#: A worker that only lives.
IDLE = [sys.executable, "-c", "import time; time.sleep(60)"]


def tiny(name: str = "trial", **changes: Any) -> RunConfig:
    """A run of three epochs of three steps on drawn people, in single precision on one thread."""
    base: dict[str, Any] = {
        "name": name,
        "model": {"architecture": ARCHITECTURE},
        "data": {"train": [{"synthetic": 8, "seed": 7, "pack": {"side": 64, "min_keypoints": 1}}], "holdout": 0.2},
        "augment": {"mosaic": 0.2, "paste": 0.2},
        "optimizer": {"learning_rate": 0.002, "clip": 5.0},
        "schedule": {"epochs": 3},
        "training": {"batch_size": 4, "input_sides": [65], "threads": 1, "device": "cpu", "overlays": 2, "ema": 0.9},
    }
    return make_config({**base, **changes})


@contextmanager
def idle_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Let jobs start processes that hold the lock they inherit and do nothing else."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(program: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert program[1:3] == ["-m", "posecore.training.worker"]
        process = real(IDLE, pass_fds=options["pass_fds"], start_new_session=options["start_new_session"])
        started.append(process)
        return process

    monkeypatch.setattr("posecore.training.jobs.subprocess.Popen", start)
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def curve(folder: Path) -> list[str]:
    """The curve of a run without what depends on the clock."""
    lines = [line.split(",") for line in (folder / "curves.csv").read_text().splitlines()]
    column = lines[0].index("minutes")
    return [",".join(line[:column] + line[column + 1 :]) for line in lines]
