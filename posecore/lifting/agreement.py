"""Lifted joints put where the picture shows them, as far as the picture can be believed.

The network has its own idea of where joints are across the picture, smoother than keypoints and less exact. Where the
two differ little, keypoints are right; where they differ much, most likely a model was wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.features import around
from posecore.skeleton import COCO_17

Array = NDArray[np.float64]

#: Differences in statures at which a keypoint, and at which the keypoints of the frames around, count half.
_KEYPOINT, _FRAMES = 0.06, 0.016
#: Larger differences count as this much in the mean over frames.
_MOST = 0.1

_HIPS = [COCO_17.index("left_hip"), COCO_17.index("right_hip")]


def agreeing(joints: Array, seen: Array) -> Array:
    """Joints ``(…, T, 17, 3)`` in statures moved across the picture to where keypoints ``(…, T, 17, 2)`` show them.

    Both are in the axes of one camera, the keypoints in focal lengths from its axis and NaN where missing. Depths stay.
    """
    roots = place_roots(joints, seen)
    shown = seen * (joints[..., 2:] + roots[..., None, 2:]) - roots[..., None, :2]
    shift = np.where(np.isfinite(shown), shown - joints[..., :2], 0)
    far = np.linalg.norm(shift, axis=-1)
    there = np.isfinite(shown[..., 0])
    counts = around(there.sum(-1).astype(np.float64))
    mean = around((np.minimum(far, _MOST) * there).sum(-1)) / np.maximum(counts, 1)
    belief = _half_at(far, _KEYPOINT) * _half_at(mean, _FRAMES)[..., None]
    moved = joints.copy()
    moved[..., :2] += belief[..., None] * shift
    return np.asarray(moved - moved[..., _HIPS, :].mean(-2, keepdims=True))


def _half_at(difference: Array, middle: float) -> Array:
    return np.asarray(1 / (1 + (difference / middle) ** 4))


def place_roots(joints: Array, rays: Array) -> Array:
    """``(…, 3)`` where the hips' middle must be for ``joints`` (…, 17, 3) to be seen at ``rays`` (…, 17, 2).

    Least squares over the joints that are seen, in the joints' units; NaN where fewer than two are, or where the answer
    lies behind the camera.
    """
    present = np.isfinite(rays[..., 0]) & np.isfinite(joints[..., 0])
    weights = present.astype(np.float64)
    rays = np.where(present[..., None], rays, 0)
    joints = np.where(present[..., None], joints, 0)
    # x + tx = u (z + tz), and the same for y: linear in t.
    aside = rays * joints[..., 2:] - joints[..., :2]
    counts = weights.sum(-1)
    means = (rays * weights[..., None]).sum(-2)
    matrix = np.zeros((*counts.shape, 3, 3))
    matrix[..., 0, 0] = matrix[..., 1, 1] = counts
    matrix[..., :2, 2] = matrix[..., 2, :2] = -means
    matrix[..., 2, 2] = ((rays**2).sum(-1) * weights).sum(-1)
    wanted = np.concatenate(
        [(aside * weights[..., None]).sum(-2), -((rays * aside).sum(-1) * weights).sum(-1, keepdims=True)], -1
    )
    solvable = (counts >= 2) & (np.abs(np.linalg.det(matrix)) > 1e-12)
    roots = np.full((*counts.shape, 3), np.nan)
    roots[solvable] = np.linalg.solve(matrix[solvable], wanted[solvable, :, None])[..., 0]
    roots[~(roots[..., 2] > 0)] = np.nan
    return roots
