"""Tracking with and without prediction, smoothing against raw keypoints, angles against exact ones: all simulated.

Walkers cross each other's way. Whoever is behind is hidden while the two overlap; keypoints jitter, joints and whole
people are missed now and then. Run with ``python -m benchmarks.tracking [--scenes N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import OneEuro, SmoothingSettings, Track, Tracker, TrackingSettings, parse_measure, smooth_track

Array = NDArray[np.float64]
FPS = 30.0
#: Seconds of a scene.
SECONDS = 8.0
#: Height of a walker in pixels; jitter is a share of it.
HEIGHT = 220.0
JITTER = 0.012


def walking(times: Array, x: Array, y: float, height: float, phase: float) -> Array:
    """``(T, 17, 2)`` exact keypoints of somebody walking along ``x`` (T,), seen from the side."""
    index = COCO_17.index
    up = {
        "nose": 0.93, "left_eye": 0.95, "right_eye": 0.95, "left_ear": 0.94, "right_ear": 0.94, "left_shoulder": 0.82,
        "right_shoulder": 0.82, "left_hip": 0.5, "right_hip": 0.5,
    }  # fmt: skip
    keypoints = np.zeros((len(times), 17, 2))
    for name, share in up.items():
        aside = 0.03 * (name.startswith("left") - name.startswith("right"))
        keypoints[:, index(name)] = np.stack([x + aside * height, np.full_like(x, y - share * height)], 1)
    turn = 2 * np.pi * (0.9 * times + phase)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for start, first, second, length, swing, bend in (
            ("hip", "knee", "ankle", 0.25, 0.45, 0.5),
            ("shoulder", "elbow", "wrist", 0.17, -0.4, -0.4),
        ):
            upper = sign * swing * np.sin(turn)
            lower = upper - bend * (0.5 + 0.5 * np.cos(turn + (0 if sign > 0 else np.pi)))
            top = keypoints[:, index(f"{side}_{start}")]
            middle = top + length * height * np.stack([np.sin(upper), np.cos(upper)], 1)
            keypoints[:, index(f"{side}_{first}")] = middle
            keypoints[:, index(f"{side}_{second}")] = middle + length * height * np.stack(
                [np.sin(lower), np.cos(lower)], 1
            )
    return keypoints


@dataclass(frozen=True)
class Scene:
    """People who cross.

    Attributes:
        truth: ``(T, P, 17, 2)`` where everybody is.
        found: Per frame (indices of people, keypoints as found).
    """

    truth: Array
    found: list[tuple[NDArray[np.int64], Array]]


def crossing(seed: int, people: int = 4) -> Scene:
    """A scene of walkers who go to and fro at speeds of their own, two lanes deep."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(SECONDS * FPS)) / FPS
    truth, order = [], []
    for number in range(people):
        direction = 1 if number % 2 else -1
        pace = rng.uniform(0.5, 0.9) * HEIGHT
        x = 640 + direction * (pace * (times - SECONDS / 2) + rng.uniform(-150, 150))
        depth = rng.uniform(0.92, 1.08)
        truth.append(walking(times, x, 500 + 40 * depth, HEIGHT * depth, rng.uniform()))
        order.append(depth)
    exact = np.stack(truth, 1)
    found = [_found(rng, exact[t], np.array(order)) for t in range(len(times))]
    return Scene(exact, found)


def _found(rng: np.random.Generator, people: Array, depth: Array) -> tuple[NDArray[np.int64], Array]:
    """What a model would find in one frame, the best first in no order."""
    low, high = people.min(1), people.max(1)
    kept = []
    for index in range(len(people)):
        nearer = [
            other
            for other in range(len(people))
            if depth[other] > depth[index]
            and min(high[index, 0], high[other, 0]) - max(low[index, 0], low[other, 0])
            > 0.5 * (high[index, 0] - low[index, 0])
        ]
        if not nearer and rng.random() > 0.05:
            kept.append(index)
    chosen = rng.permutation(np.array(kept, np.int64))
    keypoints = people[chosen] + rng.normal(0, JITTER * HEIGHT, (len(chosen), 17, 2))
    keypoints[rng.random(keypoints.shape[:2]) < 0.1] = np.nan
    return chosen, keypoints


def follow(scene: Scene, settings: TrackingSettings) -> tuple[int, float]:
    """Identity switches and IDF1 (share of identities that fit when whole tracks are matched as well as can be)."""
    tracker = Tracker(COCO_17, settings)
    pairs: list[tuple[int, int]] = []
    for frame, (people, keypoints) in enumerate(scene.found):
        scores = np.full(len(people), 0.9, np.float32)
        sure = np.ones(keypoints.shape[:2], np.float32)
        poses = Poses(keypoints.astype(np.float32), sure, scores, COCO_17, (1280, 720))
        ids = tracker.update(poses, frame / FPS).track_ids
        pairs += [] if ids is None else [(int(a), int(b)) for a, b in zip(people, ids, strict=True)]
    named = [(person, tracker.names.get(number, number)) for person, number in pairs]
    switches = 0
    last: dict[int, int] = {}
    for person, number in named:
        switches += number > 0 and last.get(person, number) != number
        last[person] = number if number > 0 else last.get(person, number)
    numbers = sorted({number for _, number in named if number > 0})
    table = np.zeros((scene.truth.shape[1], max(len(numbers), 1)))
    for person, number in named:
        if number > 0:
            table[person, numbers.index(number)] += 1
    rows, columns = linear_sum_assignment(table, maximize=True)
    # Hidden people cannot be found by anybody, so truth counts people who were found.
    return switches, 2 * float(table[rows, columns].sum()) / (len(named) + float(table.sum()))


def tracking_figures(scenes: int) -> dict[str, dict[str, float]]:
    """Mean figures over scenes, per way of following."""
    ways = {
        f"{association}, {'with' if predict else 'without'} prediction": TrackingSettings(
            association=association, predict=predict
        )
        for association in ("oks", "iou")
        for predict in (True, False)
    }
    made = [crossing(seed) for seed in range(scenes)]
    figures = {}
    for name, settings in ways.items():
        results = [follow(scene, settings) for scene in made]
        figures[name] = {
            "switches": float(sum(switches for switches, _ in results)),
            "IDF1": float(np.mean([share for _, share in results])),
        }
    return figures


def smoothing_figures(seed: int = 0) -> dict[str, dict[str, float]]:
    """Jitter (px between frames beyond the true motion), error (px) and lag (ms) of wrists and ankles."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(20 * FPS)) / FPS
    truth = walking(times, np.full_like(times, 600.0), 500, HEIGHT, 0.0)
    noisy = truth + rng.normal(0, JITTER * HEIGHT, truth.shape)
    track = Track(1, np.arange(len(times)), times, noisy, np.ones(noisy.shape[:2]))
    live = OneEuro(SmoothingSettings().min_cutoff, SmoothingSettings().beta)
    one_euro = np.stack([live(one, time, HEIGHT) for one, time in zip(noisy, times, strict=True)])
    offline = smooth_track(track, COCO_17, SmoothingSettings(smooth="offline"))[0].keypoints
    return {name: _quality(times, truth, values) for name, values in
            (("raw", noisy), ("live (One-Euro)", one_euro), ("offline (zero-phase)", offline))}  # fmt: skip


def _quality(times: Array, truth: Array, values: Array) -> dict[str, float]:
    moving = [COCO_17.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("wrist", "ankle")]
    resting = [COCO_17.index(name) for name in ("nose", "left_hip", "right_hip", "left_shoulder", "right_shoulder")]
    error = (values - truth)[15:]
    shifts = np.arange(-2, 6.01, 0.05) / FPS
    misfit = []
    for shift in shifts:
        late = np.stack([np.interp(times - shift, times, truth[:, k, 0]) for k in moving], 1)
        misfit.append(float(((values[15:-15, moving, 0] - late[15:-15]) ** 2).mean()))
    return {
        "jitter at rest": float(np.abs(np.diff(error[:, resting], axis=0)).mean()),
        "jitter in motion": float(np.abs(np.diff(error[:, moving], axis=0)).mean()),
        "error in motion": float(np.sqrt((error[:, moving] ** 2).sum(-1).mean())),
        "lag ms": 1000 * float(shifts[int(np.argmin(misfit))]),
    }


def angle_figures() -> dict[str, float]:
    """Largest and typical error of knee angles in degrees: exact keypoints, then noisy ones raw and smoothed."""
    rng = np.random.default_rng(3)
    times = np.arange(int(10 * FPS)) / FPS
    truth = walking(times, 300 + 100 * times, 500, HEIGHT, 0.0)
    noisy = truth + rng.normal(0, JITTER * HEIGHT, truth.shape)
    turn = 2 * np.pi * 0.9 * times
    exact = 180 - np.degrees(0.5 * (0.5 + 0.5 * np.cos(turn)))
    knee = parse_measure("angle:left_knee", COCO_17)

    def measured(keypoints: Array) -> Array:
        return knee.values(Track(1, np.arange(len(times)), times, keypoints, np.ones(keypoints.shape[:2])))

    track = Track(1, np.arange(len(times)), times, noisy, np.ones(noisy.shape[:2]))
    smooth = smooth_track(track, COCO_17, SmoothingSettings(smooth="offline"))[0]
    return {
        "exact keypoints, largest": float(np.abs(measured(truth) - exact).max()),
        "noisy keypoints, mean": float(np.abs(measured(noisy) - exact).mean()),
        "noisy keypoints smoothed offline, mean": float(np.abs(knee.values(smooth) - exact).mean()),
    }


def main() -> None:
    """Print all figures, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {
        "tracking": tracking_figures(arguments.scenes),
        "smoothing": smoothing_figures(),
        "knee angle, degrees": {"error": angle_figures()},
    }
    for part, rows in figures.items():
        print(part)  # noqa: T201
        for name, values in rows.items():
            print(f"  {name:28}", "  ".join(f"{key} {value:.4g}" for key, value in values.items()))  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
