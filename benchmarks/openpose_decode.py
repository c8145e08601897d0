"""Our OpenPose decoder against the literal one, on encoded scenes, one thread; and greedy against optimal matching.

Run with ``python -m benchmarks.openpose_decode [--matching] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from benchmarks.literal_openpose import decode_literally
from benchmarks.posenet_decode import HEIGHT, STANDING, WIDTH
from benchmarks.posenet_decode import scene as coco_scene
from benchmarks.timing import medians
from posecore.families.openpose.codec import LIMBS, OpenPoseDecodeSettings, OpenPoseMaps, decode, encode
from posecore.skeleton import COCO_17, OPENPOSE_18, map_skeleton

STRIDE = 8
#: Noise here is independent from cell to cell, as no network's is; lower thresholds would look for people in it.
PEAK_THRESHOLD = 0.1


def settings_for(**changes: Any) -> OpenPoseDecodeSettings:
    """Everybody, with ``changes``."""
    return OpenPoseDecodeSettings(max_poses=100, peak_threshold=PEAK_THRESHOLD, **changes)


def with_neck(people: np.ndarray) -> np.ndarray:
    """``(P, 17, 2)`` COCO people as ``(P, 18, 2)`` OpenPose people, the neck between the shoulders."""
    mapped, _ = map_skeleton(COCO_17, OPENPOSE_18).keypoints(people, np.ones(people.shape[:2]))
    return np.asarray(mapped, np.float64)


def maps_of(people: np.ndarray, noise: float = 0.0, seed: int = 0) -> OpenPoseMaps:
    """Encoded fields of ``(P, 18, 2)`` people; ``noise`` is the standard deviation of what is added to all values."""
    keypoints = torch.from_numpy(people)[None]
    labelled = torch.ones(keypoints.shape[:3], dtype=torch.bool)
    fields = encode(keypoints, labelled, (WIDTH // STRIDE, HEIGHT // STRIDE), STRIDE, LIMBS)
    heatmaps, affinity = (fields[name][0].numpy() for name in ("heatmaps", "part_affinity"))
    if noise:
        rng = np.random.default_rng(seed)
        heatmaps = heatmaps + rng.normal(0, noise, heatmaps.shape).astype(np.float32)
        affinity = affinity + rng.normal(0, noise, affinity.shape).astype(np.float32)
    return OpenPoseMaps(np.ascontiguousarray(heatmaps[:-1]), affinity, LIMBS, STRIDE)


def crowd(people: int, seed: int) -> np.ndarray:
    """``(P, 18, 2)`` people who stand close together and partly in front of each other, in poses of their own."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(180, 320, (people, 1, 1))
    middle = rng.uniform((0.3 * WIDTH, 0.35 * HEIGHT), (0.7 * WIDTH, 0.65 * HEIGHT), (people, 1, 2))
    poses = STANDING - [0, 0.5] + rng.normal(0, 0.03, (people, 17, 2))
    return with_neck(middle + poses * size)


def average_precision(scenes: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """COCO-style AP over OKS thresholds 0.50 … 0.95.

    Args:
        scenes: (true ``(P, K, 2)``, found ``(Q, K, 2)``, scores ``(Q,)``) per scene.
    """
    sigmas = np.array(OPENPOSE_18.sigmas)
    similarity = []
    for true, found, _ in scenes:
        areas = np.ptp(true, axis=1).prod(1)[:, None, None]
        squared = ((true[:, None] - found[None]) ** 2).sum(-1)
        one = np.exp(-squared / (2 * areas * (2 * sigmas) ** 2))
        similarity.append(np.nan_to_num(one).mean(-1))
    return float(np.mean([_precision(scenes, similarity, threshold) for threshold in np.arange(0.5, 1.0, 0.05)]))


def _precision(scenes: Sequence[tuple[Any, Any, np.ndarray]], similarity: Sequence[np.ndarray], least: float) -> float:
    hits: list[tuple[float, bool]] = []
    for (_, _, scores), table in zip(scenes, similarity, strict=True):
        free = np.ones(len(table), bool)
        for index in np.argsort(-scores, kind="stable"):
            best = int(np.where(free, table[:, index], -1).argmax()) if len(table) else 0
            hit = bool(len(table)) and bool(free[best]) and table[best, index] >= least
            if hit:
                free[best] = False
            hits.append((float(scores[index]), hit))
    hits.sort(key=lambda item: -item[0])
    right = np.cumsum([hit for _, hit in hits])
    recall = right / sum(len(table) for table in similarity)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean(np.append(precision, 0)[np.minimum(at, len(precision))]))


def compare_matching(scenes: int = 40) -> list[dict[str, Any]]:
    """Greedy against optimal matching on crowded scenes: AP, and how many people are right to 8 px throughout."""
    lines = []
    for people in (5, 10, 20):
        results: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {"greedy": [], "optimal": []}
        for seed in range(scenes):
            true = crowd(people, seed)
            maps = maps_of(true, noise=0.03, seed=seed)
            for matching, found in results.items():
                decoded = decode(maps, settings_for(matching=matching))
                found.append((true, decoded.xy * STRIDE + (STRIDE - 1) / 2, decoded.scores))
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
            maps = maps_of(with_neck(coco_scene(people, seed=people)), noise)
            plain = settings_for()
            enlarged = settings_for(upsampling=8, smoothing=3)
            doubled = settings_for(upsampling=2)
            optimal = settings_for(matching="optimal")
            ours = medians(
                {
                    "ours": lambda m=maps, s=plain: decode(m, s),  # type: ignore[misc]
                    "optimal": lambda m=maps, s=optimal: decode(m, s),  # type: ignore[misc]
                    "upsampled ×2": lambda m=maps, s=doubled: decode(m, s),  # type: ignore[misc]
                    "upsampled ×8, smoothed": lambda m=maps, s=enlarged: decode(m, s),  # type: ignore[misc]
                },
                rounds,
                time.process_time,
            )
            literal = medians(
                {"literal": lambda m=maps: decode_literally(m, peak_threshold=PEAK_THRESHOLD)}, 3, time.process_time
            )  # type: ignore[misc]
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
