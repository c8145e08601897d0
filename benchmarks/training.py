"""What the way to the gradient of strided depthwise convolutions brings to a training step, as ratios within one run.

Run with ``python -m benchmarks.training [--threads N] [--rounds N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.nn import functional as F

from benchmarks.timing import medians
from posecore.families import family_of
from posecore.families.backbones import ConvUnit, Pair
from posecore.settings import build_settings

#: Architecture and side of its training input in pixels.
TRAINED = (("movenet-lightning", 192), ("posenet-mobilenet_v1-075", 193))
BATCH = 16


def plain(unit: ConvUnit, x: torch.Tensor, stride: int, padding: Pair, dilation: Pair) -> torch.Tensor:
    """The convolution as it is written down."""
    return F.conv2d(x, unit.conv.weight, unit.conv.bias, stride, padding, dilation, unit.conv.groups)


def step(architecture: str, side: int) -> Callable[[], object]:
    """Forward and backward pass in bfloat16, channels last."""
    family = family_of(architecture)
    settings = build_settings(family.network_settings(architecture), {})
    network: Any = family.build(architecture, fused=False).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    pixels = (torch.rand(BATCH, 3, side, side) * 255).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = family.run(network, pixels, settings)
        loss = torch.stack([values.float().square().mean() for values in outputs.values()]).sum()
        torch.autograd.backward(loss)

    return run


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

        spent = medians({"strided": strided, "dense, then every other cell (ours)": ours}, arguments.rounds)
        figures[architecture] = spent
        base = spent["strided"]
        for name, value in spent.items():
            print(f"{architecture:26} {name:36} {value:7.1f} ms   {base / value:4.2f} × as fast")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "milliseconds": figures}))


if __name__ == "__main__":
    main()
