"""What a training step on a processor gains by our ways, as ratios within one run.

How strided depthwise convolutions find their gradient, what keeping freed memory saves (CPU time, processes of their
own by turns), and which arithmetic this processor is faster at.

Run with ``python -m benchmarks.training [--threads N] [--rounds N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional as F

from benchmarks.timing import medians
from posecore.families import family_of
from posecore.families.backbones import ConvUnit, Pair
from posecore.settings import build_settings
from posecore.training.memory import keep_freed_memory

#: Architecture and side of its training input in pixels.
TRAINED = (("movenet-lightning", 192), ("posenet-mobilenet_v1-075", 193))
BATCH = 16
#: Of the steps in processes of their own: as large as training on two cores is.
_LARGE_BATCH, _STEPS = 32, 5


def plain(unit: ConvUnit, x: torch.Tensor, stride: int, padding: Pair, dilation: Pair) -> torch.Tensor:
    """The convolution as it is written down."""
    return F.conv2d(x, unit.conv.weight, unit.conv.bias, stride, padding, dilation, unit.conv.groups)


def step(architecture: str, side: int, precision: str = "bfloat16", batch: int = BATCH) -> Callable[[], object]:
    """Forward and backward pass, channels last."""
    family = family_of(architecture)
    settings = build_settings(family.network_settings(architecture), {})
    network: Any = family.build(architecture, fused=False).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    pixels = (torch.rand(batch, 3, side, side) * 255).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            outputs = family.run(network, pixels, settings)
        loss = torch.stack([values.float().square().mean() for values in outputs.values()]).sum()
        torch.autograd.backward(loss)

    return run


def cpu_time(architecture: str, side: int, keep: bool) -> float:
    """CPU milliseconds of a step in float32 in this process, which keeps its freed memory or does not."""
    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    run = step(architecture, side, "float32", _LARGE_BATCH)
    run()
    before = time.process_time()
    for _ in range(_STEPS):
        run()
    return (time.process_time() - before) / _STEPS * 1000


def cpu_times(architecture: str, side: int, rounds: int) -> dict[str, float]:
    """Medians of :func:`cpu_time`, by turns."""
    ways = {"memory given back": False, "memory kept (ours)": True}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, keep in ways.items():
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                spent[name].append(pool.submit(cpu_time, architecture, side, keep).result())
    return {name: median(values) for name, values in spent.items()}


def tell(architecture: str, spent: dict[str, float]) -> None:
    """Print milliseconds, and how much faster than the first way each is."""
    base = next(iter(spent.values()))
    for name, value in spent.items():
        print(f"{architecture:26} {name:36} {value:7.1f} ms   {base / value:4.2f} × as fast")  # noqa: T201


def main() -> None:
    """Print milliseconds and ratios, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures = {}
    for architecture, side in TRAINED:
        ours = step(architecture, side)

        def strided(run: Callable[[], object] = ours) -> None:
            with patch.object(ConvUnit, "_convolve", plain):
                run()

        compared = (
            medians({"strided": strided, "dense, then every other cell (ours)": ours}, arguments.rounds),
            medians({"bfloat16": ours, "float32": step(architecture, side, "float32")}, arguments.rounds),
            cpu_times(architecture, side, max(arguments.rounds // 3, 1)),
        )
        for spent in compared:
            tell(architecture, spent)
        figures[architecture] = compared
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "milliseconds": figures}))


if __name__ == "__main__":
    main()
