"""What the lifting network sees of keypoints, and back: the same for training and for use.

Every frame is looked at as if the camera pointed at the person (a virtual camera whose axis goes through the middle of
the trunk), in units of the person's size in the frames around. A joint that is missing is 0 and said to be missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import COCO_17

Array = NDArray[np.float64]

#: Frames before and after a frame that have a say in it.
REACH = 13

#: Numbers the network sees per frame: x, y and presence of 17 joints, and the person's size as an angle.
CHANNELS = 3 * len(COCO_17) + 1

_TRUNK = np.isin(
    np.arange(17), [COCO_17.index(f"{side}_{j}") for side in ("left", "right") for j in ("shoulder", "hip")]
)
#: Fewest trunk joints whose middle is taken for the person's.
_TRUNK_JOINTS = 2


@dataclass(frozen=True, eq=False)
class Seen:
    """Keypoints as the network sees them.

    Attributes:
        features: ``(…, T, CHANNELS)`` float32.
        turns: ``(…, T, 3, 3)`` float64: rotation from the camera's axes to the virtual camera's.
        flat: ``(…, T, 17, 2)`` float64: keypoints (x, y) relative to the virtual camera's axis in its focal lengths;
            NaN where missing.
    """

    features: NDArray[np.float32]
    turns: Array
    flat: Array


def see(rays: Array) -> Seen:
    """Features of keypoints over time.

    Args:
        rays: ``(…, T, 17, 2)`` positions (x, y) relative to the optical axis in focal lengths; NaN where missing.
    """
    present: NDArray[np.bool_] = np.asarray(np.isfinite(rays).all(-1))
    rays = np.where(present[..., None], rays, 0.0)
    trunk = present & _TRUNK
    enough = trunk.sum(-1, keepdims=True) >= _TRUNK_JOINTS
    weights = np.where(enough, trunk, present).astype(np.float64)
    middles = (rays * weights[..., None]).sum(-2) / np.maximum(weights.sum(-1), 1)[..., None]
    turns = turn_to(middles)
    points = np.einsum("...ij,...kj->...ki", turns[..., :2], rays) + turns[..., None, :, 2]
    flat = points[..., :2] / np.maximum(points[..., 2:], 0.05) * present[..., None]
    sizes = _sizes(flat, present)
    scaled = np.clip(flat / sizes[..., None, None], -5, 5)
    lead = scaled.shape[:-2]
    parts = [scaled.reshape(*lead, -1), present, np.log(sizes)[..., None] * present.any(-1, keepdims=True)]
    there = np.where(present[..., None], flat, np.nan)
    return Seen(np.concatenate(parts, -1).astype(np.float32), turns, there)


def turn_to(middles: Array) -> Array:
    """``(…, 3, 3)`` the least rotation that takes the direction of ``middles`` ``(…, 2)`` to the optical axis."""
    x, y = middles[..., 0], middles[..., 1]
    length = np.sqrt(x * x + y * y + 1)
    a, b, c = x / length, y / length, 1 / length
    share = 1 / (1 + c)
    rows = [
        np.stack([1 - a * a * share, -a * b * share, -a], -1),
        np.stack([-a * b * share, 1 - b * b * share, -b], -1),
        np.stack([a, b, c], -1),
    ]
    return np.stack(rows, -2)


def _sizes(flat: Array, present: NDArray[np.bool_]) -> Array:
    """``(…, T)`` the person's size: the geometric mean over the frames around, by how many joints they show."""
    counts = present.sum(-1).astype(np.float64)
    spans = np.sqrt((flat**2).sum((-1, -2)) / np.maximum(counts, 1))
    logs = np.log(np.maximum(spans, 1e-4))
    totals, weights = around(logs * counts), around(counts)
    return np.exp(np.where(weights > 0, totals / np.maximum(weights, 1), 0))


def around(values: Array) -> Array:
    """``(…, T)`` sums over ``REACH`` frames before and after."""
    length = values.shape[-1]
    sums = np.concatenate([np.zeros_like(values[..., :1]), np.cumsum(values, -1)], -1)
    frames = np.arange(length)
    return np.asarray(sums[..., np.minimum(frames + REACH + 1, length)] - sums[..., np.maximum(frames - REACH, 0)])
