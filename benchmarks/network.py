"""What folding, memory layout and bfloat16 bring to PoseNet's forward pass, as ratios within one run.

Run with ``python -m benchmarks.network [--threads N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from benchmarks.timing import medians
from posecore.families.posenet import POSENET

ARCHITECTURE = "posenet-mobilenet_v1-075"
#: (height, width) of the input: a 4 : 3 picture, longer side 481.
SIZE = (353, 481)


def main() -> None:
    """Print milliseconds and ratios to the plain form, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plain = POSENET.build(ARCHITECTURE, fused=False).eval()
    folded = POSENET.build(ARCHITECTURE).eval()
    last = POSENET.build(ARCHITECTURE).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = torch.rand(1, 3, *SIZE) * 255
    nhwc = pixels.contiguous(memory_format=torch.channels_last)

    def half() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return last(nhwc)

    with torch.inference_mode():
        figures = medians(
            {
                "BatchNorm apart, NCHW": lambda: plain(pixels),
                "folded, NCHW": lambda: folded(pixels),
                "folded, channels last (ours)": lambda: last(nhwc),
                "folded, channels last, bfloat16 (ours)": half,
            },
            arguments.rounds,
        )
    base = figures["BatchNorm apart, NCHW"]
    for name, value in figures.items():
        print(f"{name:40} {value:7.1f} ms   {base / value:4.2f} × as fast")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "size": SIZE, "milliseconds": figures}))


if __name__ == "__main__":
    main()
