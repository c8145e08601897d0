"""Our OpenPose decoder against the literal one, on encoded scenes, one thread; and greedy against optimal matching.

Run with ``python -m benchmarks.openpose_decode [--matching] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.timing import medians
from posecore.families.openpose.codec import decode
from tests.oracles.openpose import decode_literally
from tests.oracles.precision import average_precision
from tests.oracles.scenes import (
    OPENPOSE_STRIDE,
    PEAK_THRESHOLD,
    crowd,
    openpose_maps,
    openpose_settings,
    scene,
    with_neck,
)


def compare_matching(scenes: int = 40) -> list[dict[str, Any]]:
    """Greedy against optimal matching on crowded scenes: AP, and how many people are right to 8 px throughout."""
    lines = []
    for people in (5, 10, 20):
        results: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {"greedy": [], "optimal": []}
        for seed in range(scenes):
            true = crowd(people, seed)
            maps = openpose_maps(true, noise=0.03, seed=seed)
            for matching, found in results.items():
                decoded = decode(maps, openpose_settings(matching=matching))
                found.append((true, decoded.xy * OPENPOSE_STRIDE + (OPENPOSE_STRIDE - 1) / 2, decoded.scores))
        for matching, found in results.items():
            complete = statistics.fmean(_complete(true, xy) for true, xy, _ in found)
            lines.append({"people": people, "matching": matching, "ap": average_precision(found), "complete": complete})
    return lines


def _complete(true: np.ndarray, found: np.ndarray) -> float:
    """Part of the people all of whose joints are found within 8 px in one pose."""
    worst = np.nan_to_num(np.linalg.norm(true[:, None] - found[None], axis=-1), nan=np.inf).max(-1)
    rows, columns = linear_sum_assignment(np.minimum(worst, 1e6))
    return float((worst[rows, columns] <= 8).sum() / len(true))


def compare_speed(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of our decoder and of the literal one, and of upsampling: of one processor, whatever else runs."""
    lines = []
    for noise in (0.0, 0.02):
        for people in (1, 5, 20, 50):
            maps = openpose_maps(with_neck(scene(people, seed=people)), noise)
            plain = openpose_settings()
            enlarged = openpose_settings(upsampling=8, smoothing=3)
            doubled = openpose_settings(upsampling=2)
            optimal = openpose_settings(matching="optimal")
            ours = medians(
                {
                    "ours": partial(decode, maps, plain),
                    "optimal": partial(decode, maps, optimal),
                    "upsampled ×2": partial(decode, maps, doubled),
                    "upsampled ×8, smoothed": partial(decode, maps, enlarged),
                },
                rounds,
                time.process_time,
            )
            literally = partial(decode_literally, maps, peak_threshold=PEAK_THRESHOLD)
            literal = medians({"literal": literally}, 3, time.process_time)
            found = len(decode(maps, plain).scores)
            lines.append({"people": people, "noise": noise, "found": found, **ours, **literal})
    return lines


def main() -> None:
    """Print a line per scene and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matching", action="store_true", help="compare greedy and optimal matching instead of speed")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if arguments.matching:
        lines = compare_matching()
        for line in lines:
            print(f"{line['people']:3} people, {line['matching']:8}: AP {line['ap']:.3f}, "  # noqa: T201
                  f"complete {line['complete']:.3f}")  # fmt: skip
    else:
        lines = compare_speed(arguments.rounds)
        for line in lines:
            ratio = line["literal"] / line["ours"]
            print(f"noise {line['noise']:4.2f}, {line['people']:3} people, {line['found']:3} found: "  # noqa: T201
                  f"{line['ours']:6.2f} ms, literal {line['literal']:8.1f} ms, ratio {ratio:6.1f}; "
                  f"optimal {line['optimal']:6.2f}, ×2 {line['upsampled ×2']:6.2f}, "
                  f"×8 smoothed {line['upsampled ×8, smoothed']:6.1f} ms")  # fmt: skip
    if arguments.json:
        arguments.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
