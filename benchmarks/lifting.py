"""How far lifted joints and angles are off, beside what one has without the network.

Motions of people who are in no training scene, before virtual cameras, at fixed stature and with proportions that vary;
once with exact keypoints and the camera's focal length, once with the errors that models make and a focal length that
is only assumed. Distances are of the twelve joints of limbs and trunk, at a stature of 1.70 m.

Run with ``python -m benchmarks.lifting --motions FOLDER [--weights FILE] [--json FILE] [--picture FILE]``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from posecore.lifting.bodies import Bodies, read_bodies
from posecore.lifting.features import REACH, see
from posecore.lifting.lift import lift_batch
from posecore.lifting.loss import BONES, angles_of
from posecore.lifting.poses3d import USUAL_HEIGHT
from posecore.lifting.scenes import Scenes, SceneSettings, draw_scenes
from posecore.lifting.weights import LoadedLifter, load_lifter
from posecore.skeleton import COCO_17

Array = NDArray[np.float64]
HELD_OUT = ("08", "11", "14")
EXCLUDED = ("09_10", "14_36")
LENGTH = 2 * REACH + 21
#: Frames of a scene that count; all others are there to be looked at.
COUNTED = slice(REACH, LENGTH - REACH, 4)
EXACT = SceneSettings(noise=(0, 0), clean=1, hidden=0, native=0, speed=(1, 1.0001), known_focal=1, any_roll=0)
NOISY = EXACT.model_copy(update={"noise": (1.0, 1.0), "clean": 0.0, "known_focal": 0.0})
BINS = (0, 60, 90, 120, 150, 165, 180)

#: ``(B, T, 17, 3)`` joints in statures of scenes, or ``(B, T, 8)`` angles in degrees.
Predict = Callable[[Scenes], Array]


def aligned(found: Array, truth: Array) -> Array:
    """``found`` (N, K, 3) turned, scaled and moved to lie as near as can be to ``truth``."""
    a, b = found - found.mean(1, keepdims=True), truth - truth.mean(1, keepdims=True)
    u, s, vt = np.linalg.svd(np.einsum("nki,nkj->nij", a, b))
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    s[:, 2] *= sign
    scale = s.sum(1) / np.maximum((a**2).sum((1, 2)), 1e-12)
    return np.asarray(scale[:, None, None] * (a @ (u @ vt)) + truth.mean(1, keepdims=True))


def figures(found: Array, truth: Array) -> dict[str, Any]:
    """Errors of joints or of angles ``(N, …)`` against true joints ``(N, 17, 3)``."""
    true_angles = np.degrees(angles_of(torch.from_numpy(truth)).numpy())
    result: dict[str, Any] = {}
    if found.shape[-1] == 3:
        limbs, true_limbs = found[:, 5:], truth[:, 5:]
        to_mm = 1000 * USUAL_HEIGHT
        result["mpjpe"] = to_mm * float(np.linalg.norm(limbs - true_limbs, axis=-1).mean())
        moved = aligned(limbs, true_limbs)
        result["p_mpjpe"] = to_mm * float(np.linalg.norm(moved - true_limbs, axis=-1).mean())
        bones = [np.linalg.norm(at[:, BONES[:, 1]] - at[:, BONES[:, 0]], axis=-1) for at in (found, truth)]
        result["bones"] = to_mm * float(np.abs(bones[0] - bones[1]).mean())
        angles = np.degrees(angles_of(torch.from_numpy(found)).numpy())
    else:
        angles = found
    for name, first in (("knee", 0), ("elbow", 2)):
        error = (angles - true_angles)[:, first : first + 2].ravel()
        wanted = true_angles[:, first : first + 2].ravel()
        result[name] = [float(np.median(np.abs(error))), float(np.percentile(np.abs(error), 90))]
        groups = np.digitize(wanted, BINS[1:-1])
        result[f"{name}_bias"] = [
            float(np.median(error[groups == group])) if (groups == group).sum() >= 30 else None
            for group in range(len(BINS) - 1)
        ]
    return result


def temporal(lifter: LoadedLifter) -> Predict:
    """The network as clips are lifted."""

    def predict(scenes: Scenes) -> Array:
        return lift_batch(scenes.rays, lifter)[0]

    return predict


def one_frame(lifter: LoadedLifter, median: int = 1) -> Predict:
    """The network as single pictures are lifted, and the median over so many frames."""

    def predict(scenes: Scenes) -> Array:
        joints = lift_batch(scenes.rays.reshape(-1, 1, 17, 2), lifter)[0].reshape(*scenes.rays.shape[:2], 17, 3)
        if median > 1:
            shifted = [np.roll(joints, by, 1) for by in range(-(median // 2), median // 2 + 1)]
            joints = np.median(shifted, axis=0)
        return np.asarray(joints)

    return predict


def live(lifter: LoadedLifter) -> Predict:
    """The network as a webcam's frames are lifted: nothing after the frame is known."""

    def predict(scenes: Scenes) -> Array:
        joints = np.zeros((*scenes.rays.shape[:2], 17, 3))
        for frame in range(*COUNTED.indices(LENGTH)):
            joints[:, frame] = lift_batch(scenes.rays[:, max(frame - 2 * REACH, 0) : frame + 1], lifter)[0][:, -1]
        return joints

    return predict


def mean_pose(training: Scenes) -> Predict:
    """The mean of all training poses."""
    mean = training.joints.astype(np.float64).mean((0, 1))
    return lambda scenes: np.tile(mean, (*scenes.rays.shape[:2], 1, 1))


def nearest(training: Scenes) -> Predict:
    """The training pose that looks most alike, over the joints that are there."""
    known = torch.from_numpy(training.features[:, 0, :34])
    joints = training.joints[:, 0].astype(np.float64)

    def predict(scenes: Scenes) -> Array:
        counted = np.zeros((*scenes.rays.shape[:2], 17, 3))
        features = see(scenes.rays[:, COUNTED].reshape(-1, 1, 17, 2)).features[:, 0]
        points, there = torch.from_numpy(features[:, :34]), torch.from_numpy(features[:, 34:51])
        there = there.repeat_interleave(2, 1)
        # |a - b|² over the joints that are there.
        far = (there @ (known**2).T) - 2 * (points * there) @ known.T
        found = joints[far.argmin(1).numpy()]
        counted[:, COUNTED] = found.reshape(len(scenes.rays), -1, 17, 3)
        return counted

    return predict


def in_the_picture(scenes: Scenes) -> Array:
    """Angles of the keypoints in the picture, without any lifting; a joint that is missing counts as the trunk's."""
    flat = np.concatenate([scenes.rays, np.zeros((*scenes.rays.shape[:3], 1))], -1)
    angles = np.degrees(angles_of(torch.from_numpy(flat)).numpy())
    return np.asarray(np.where(np.isfinite(angles), angles, np.nanmedian(angles, (0, 1))))


def bodies_of(folder: Path, held_out: bool) -> Bodies:
    """The motions that are held out, or all others."""
    paths = [path for path in folder.glob("*.bvh") if path.stem not in EXCLUDED]
    return read_bodies((path for path in paths if path.name.startswith(HELD_OUT) == held_out), 3)


def compare(lifter: LoadedLifter, folder: Path, count: int) -> dict[str, dict[str, Any]]:
    """Figures of every way under every condition."""
    held, seen = bodies_of(folder, True), bodies_of(folder, False)
    rng = np.random.default_rng(2)
    training = draw_scenes(seen, 16000, 1, EXACT, rng)
    ways: dict[str, Predict] = {
        "mean pose": mean_pose(training),
        "nearest neighbour in 2D": nearest(training),
        "angle in the picture": in_the_picture,
        "network, one frame": one_frame(lifter),
        "network, median of five single frames": one_frame(lifter, 5),
        "network, live": live(lifter),
        "network, clip": temporal(lifter),
    }
    conditions = {
        "exact": EXACT,
        "exact, focal length assumed": EXACT.model_copy(update={"known_focal": 0.0}),
        "exact, native proportions": EXACT.model_copy(update={"native": 1.0}),
        "errors of models": NOISY,
        "errors of models, half of the joints missing": NOISY,
    }
    result: dict[str, dict[str, Any]] = {}
    for condition, settings in conditions.items():
        scenes = draw_scenes(held, count, LENGTH, settings, np.random.default_rng(3))
        if "half" in condition:
            scenes = _halved(scenes)
        truth = scenes.joints[:, COUNTED].astype(np.float64).reshape(-1, 17, 3)
        result[condition] = {}
        for way, predict in ways.items():
            found = predict(scenes)[:, COUNTED]
            result[condition][way] = figures(found.reshape(-1, *found.shape[2:]), truth)
    return result


def _halved(scenes: Scenes) -> Scenes:
    rays = scenes.rays.copy()
    rays[np.random.default_rng(4).random(rays.shape[:3]) < 0.5] = np.nan
    return Scenes(rays, see(rays).features, scenes.joints, scenes.exact)


def speed(lifter: LoadedLifter) -> dict[str, float]:
    """CPU milliseconds: of a clip's frame and person, and of a live frame of one person."""
    rays = np.random.default_rng(0).normal(0, 0.1, (600, 17, 2))

    def spent(work: Callable[[], object], times: int) -> float:
        work()
        began = time.process_time()
        for _ in range(times):
            work()
        return 1000 * (time.process_time() - began) / times

    def lifted(part: Array) -> object:
        return lift_batch(part[None], lifter)

    return {"clip": spent(lambda: lifted(rays), 5) / len(rays), "live": spent(lambda: lifted(rays[:27]), 50)}


def draw_errors(lifter: LoadedLifter, folder: Path, path: Path) -> None:
    """People as models see them, and from the side as they are (grey) and as they are lifted, from usual to worst."""
    scenes = draw_scenes(bodies_of(folder, True), 160, LENGTH, NOISY, np.random.default_rng(5))
    middle = LENGTH // 2
    found, truth = temporal(lifter)(scenes)[:, middle], scenes.joints[:, middle].astype(np.float64)
    off = np.linalg.norm(found - truth, axis=-1)[:, 5:].mean(1)
    shares = (50, 75, 90, 97, 100)
    figure, axes = plt.subplots(2, len(shares), figsize=(2.4 * len(shares), 5.2), sharey="row", layout="constrained")
    for column, share in zip(axes.T, shares, strict=True):
        scene = int(np.argsort(off)[round(share / 100 * (len(off) - 1))])
        seen = scenes.rays[scene, middle] - np.nanmean(scenes.rays[scene, middle], 0)
        _bones(column[0], seen / np.nanmax(np.abs(seen)), "tab:blue")
        for joints, color in ((truth, "0.7"), (found, "tab:red")):
            _bones(column[1], joints[scene][:, [2, 1]], color)
        column[0].set_title(f"{share} of 100 are nearer" if share < 100 else "the worst", fontsize=9)
        column[1].set_xlabel(f"{1000 * USUAL_HEIGHT * off[scene]:.0f} mm off", fontsize=9)
    axes[0, 0].set_ylabel("as seen")
    axes[1, 0].set_ylabel("from the side: true, lifted")
    figure.savefig(path, dpi=90)


def _bones(axis: Axes, points: Array, color: str) -> None:
    for start, end in COCO_17.edges:
        axis.plot(*points[[start, end]].T, color=color, linewidth=2)
    axis.set(aspect="equal", xticks=[], yticks=[])
    if not axis.yaxis_inverted():
        axis.invert_yaxis()


def _row(way: str, values: dict[str, Any]) -> str:
    joints = (
        f"{values['mpjpe']:.0f} / {values['p_mpjpe']:.0f} | {values['bones']:.0f}" if "mpjpe" in values else "– | –"
    )
    angles = " | ".join(f"{values[name][0]:.1f} / {values[name][1]:.0f}" for name in ("knee", "elbow"))
    bias = " | ".join(
        " ".join("–" if value is None else f"{value:+.0f}" for value in values[f"{name}_bias"])
        for name in ("knee", "elbow")
    )
    return f"| {way} | {joints} | {angles} | {bias} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--scenes", type=int, default=160)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path, help="draw people from usual to worst")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lifter = load_lifter(options.weights)
    result = compare(lifter, options.motions, options.scenes)
    edges = ", ".join(f"{low}–{high}" for low, high in pairwise(BINS))
    for condition, ways in result.items():
        head = f"MPJPE / P-MPJPE, mm | bones, mm | knee: median / 90 %, ° | elbow | knee: bias {edges} | elbow"
        sys.stdout.write(f"\n{condition}\n\n| | {head} |\n|---|---|---|---|---|---|---|\n")
        sys.stdout.writelines(_row(way, values) + "\n" for way, values in ways.items())
    timing = speed(lifter)
    sys.stdout.write(f"\nCPU ms: {timing['clip']:.3f} a frame of a clip, {timing['live']:.2f} a live frame\n")
    if options.picture:
        draw_errors(lifter, options.motions, options.picture)
    if options.json:
        options.json.write_text(json.dumps({"figures": result, "ms": timing}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
