"""Scenes whose people are known, and their encoded fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from posecore.families.openpose.codec import LIMBS, OpenPoseDecodeSettings, OpenPoseMaps
from posecore.families.openpose.codec import encode as encode_openpose
from posecore.families.posenet.codec import COCO_TREE, PoseNetMaps
from posecore.families.posenet.codec import encode as encode_posenet
from posecore.skeleton import COCO_17, OPENPOSE_18, map_skeleton

#: Input of the scenes, pixels.
WIDTH, HEIGHT = 1281, 721
POSENET_STRIDE, OPENPOSE_STRIDE = 16, 8
#: A standing person in a box of height 1, (x, y), COCO order.
STANDING = np.array(
    [
        [0.00, 0.08], [0.02, 0.06], [-0.02, 0.06], [0.05, 0.07], [-0.05, 0.07], [0.12, 0.20], [-0.12, 0.20],
        [0.16, 0.36], [-0.16, 0.36], [0.17, 0.50], [-0.17, 0.50], [0.08, 0.52], [-0.08, 0.52], [0.09, 0.75],
        [-0.09, 0.75], [0.09, 0.97], [-0.09, 0.97],
    ]
)  # fmt: skip
#: Noise here is independent from cell to cell, as no network's is; lower thresholds would look for people in it.
PEAK_THRESHOLD = 0.1


def scene(people: int, seed: int) -> np.ndarray:
    """``(P, 17, 2)`` people on a jittered lattice in a 1281 × 721 input, sized so that they do not touch."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(people * WIDTH / HEIGHT)))
    rows = int(np.ceil(people / columns))
    cell = np.array([WIDTH / columns, HEIGHT / rows])
    size = 0.8 * min(cell[1], cell[0] * 2)
    places = [(index % columns, index // columns) for index in range(people)]
    centres = (np.array(places) + 0.5) * cell
    jitter = rng.normal(0, 0.01 * size, (people, 17, 2))
    return np.asarray(centres[:, None] + (STANDING - [0, 0.5]) * size + jitter)


def posenet_maps(people: np.ndarray, soft: bool) -> PoseNetMaps:
    """Encoded fields; ``soft`` lets scores fall off with the distance, as a trained network's do."""
    keypoints = torch.from_numpy(people)[None]
    labelled = torch.ones(keypoints.shape[:3], dtype=torch.bool)
    grid = ((WIDTH - 1) // POSENET_STRIDE + 1, (HEIGHT - 1) // POSENET_STRIDE + 1)
    fields = {
        name: value[0].numpy()
        for name, value in encode_posenet(keypoints, labelled, grid, POSENET_STRIDE, COCO_TREE).items()
    }
    scores = fields["heatmaps"]
    if soft:
        distance = np.linalg.norm(fields["offsets"], axis=1)
        noise = np.random.default_rng(0).uniform(0, 0.02, scores.shape)
        scores = (scores * np.exp(-((distance / 24) ** 2)) * 0.95 + noise).astype(np.float32)
    both = np.concatenate([fields["displacement_forward"], fields["displacement_backward"]])
    return PoseNetMaps(scores, fields["offsets"], both, POSENET_STRIDE, COCO_TREE)


def openpose_settings(**changes: Any) -> OpenPoseDecodeSettings:
    """Everybody, with ``changes``."""
    return OpenPoseDecodeSettings(max_poses=100, peak_threshold=PEAK_THRESHOLD, **changes)


def with_neck(people: np.ndarray) -> np.ndarray:
    """``(P, 17, 2)`` COCO people as ``(P, 18, 2)`` OpenPose people, the neck between the shoulders."""
    mapped, _ = map_skeleton(COCO_17, OPENPOSE_18).keypoints(people, np.ones(people.shape[:2]))
    return np.asarray(mapped, np.float64)


def openpose_maps(people: np.ndarray, noise: float = 0.0, seed: int = 0) -> OpenPoseMaps:
    """Encoded fields of ``(P, 18, 2)`` people; ``noise`` is the standard deviation of what is added to all values."""
    keypoints = torch.from_numpy(people)[None]
    labelled = torch.ones(keypoints.shape[:3], dtype=torch.bool)
    fields = encode_openpose(
        keypoints, labelled, (WIDTH // OPENPOSE_STRIDE, HEIGHT // OPENPOSE_STRIDE), OPENPOSE_STRIDE, LIMBS
    )
    heatmaps, affinity = (fields[name][0].numpy() for name in ("heatmaps", "part_affinity"))
    if noise:
        rng = np.random.default_rng(seed)
        heatmaps = heatmaps + rng.normal(0, noise, heatmaps.shape).astype(np.float32)
        affinity = affinity + rng.normal(0, noise, affinity.shape).astype(np.float32)
    return OpenPoseMaps(np.ascontiguousarray(heatmaps[:-1]), affinity, LIMBS, OPENPOSE_STRIDE)


def crowd(people: int, seed: int) -> np.ndarray:
    """``(P, 18, 2)`` people who stand close together and partly in front of each other, in poses of their own."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(180, 320, (people, 1, 1))
    middle = rng.uniform((0.3 * WIDTH, 0.35 * HEIGHT), (0.7 * WIDTH, 0.65 * HEIGHT), (people, 1, 2))
    poses = STANDING - [0, 0.5] + rng.normal(0, 0.03, (people, 17, 2))
    return with_neck(middle + poses * size)
