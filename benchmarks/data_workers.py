"""Batches a second that Ray's workers hand on, as a ratio to those that the training process makes itself.

Run with ``python -m benchmarks.data_workers [--workers N] [--batches N] [--size N] [--json FILE]``; needs the extra
``cluster``. Both ways make the same batches of drawn people, in turns, so that a busy machine slows both alike. On one
machine workers share its processors with each other: the ratio shows what handing on costs, and only with processors to
spare, or other machines (``RAY_ADDRESS``), what it brings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.timing import medians
from posecore.data.augment import Draw
from posecore.training.config import make_config
from posecore.training.data import EpochBatches, EpochPlan, load_data, loader
from posecore.training.data_workers import RayWorkers


def main() -> None:
    """Print pictures a second and their ratio, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["POSECORE_HOME"] = home
        figures = measure(arguments.workers, arguments.batches, arguments.size, arguments.rounds)
    sys.stdout.write(
        f"local {figures['local']:.0f} pictures/s, {arguments.workers} workers of Ray {figures['ray']:.0f}: "
        f"ratio {figures['ratio']:.2f}\n"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def measure(workers: int, batches: int, size: int, rounds: int) -> dict[str, float]:
    """Pictures a second either way, and their ratio."""
    config = make_config(
        {
            "name": "workers",
            "model": {"architecture": "posenet-mobilenet_v1-075"},
            "data": {"train": [{"synthetic": 40, "repeat": max(size * batches / 40, 1.0)}], "holdout": 0.0},
            "training": {"data_workers": "ray", "data_worker_count": workers, "batch_size": size},
        }
    )
    training, _ = load_data(config)
    plan = EpochPlan(193, size, 0, 0)
    local = EpochBatches(training, config.augment, plan)
    steps = min(len(local), batches)
    far = RayWorkers(config)

    def by_ray() -> int:
        return sum(_pictures(batch) for batch in far.batches(plan, steps))

    def here() -> int:
        ready = loader(local)
        return sum(_pictures(batch) for batch, _ in zip(ready, range(steps), strict=False))

    try:
        spent = medians({"local": here, "ray": by_ray}, rounds)
    finally:
        far.close()
    rates = {name: 1000 * steps * size / milliseconds for name, milliseconds in spent.items()}
    return {**rates, "ratio": rates["ray"] / rates["local"]}


def _pictures(batch: Draw) -> int:
    return batch.pictures


if __name__ == "__main__":
    main()
