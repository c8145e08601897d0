"""Keypoints without the place and the size of the person: what a classifier of poses sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import Skeleton

#: The longest a body usually reaches from the middle of its hips, in trunk lengths.
_REACH = 2.5


def pose_features(keypoints: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.float32]:
    """Features of people, from wherever they stand and however large they are.

    Positions count from the middle of the hips (of all joints, where a hip is missing), in units of the largest
    distance of a joint from there, or of 2.5 trunk lengths where that is more: somebody who curls up stays small.

    Args:
        keypoints: ``(P, K, 2)`` pixels (x, y); NaN where missing.
        skeleton: Meaning of the keypoints.

    Returns:
        ``(P, 3 K)``: x and y of every keypoint in turn, about -1 … 1 and 0 where missing, then 1 for each that is
        there.
    """
    points = np.asarray(keypoints, np.float64).reshape(-1, len(skeleton), 2)
    there: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(-1))
    points = np.where(there[..., None], points, np.nan)
    hips, shoulders = (_middle(points, skeleton, part) for part in ("hip", "shoulder"))
    count = np.maximum(there.sum(1), 1)[:, None]
    middle = np.where(np.isfinite(hips), hips, np.nansum(points, axis=1) / count)
    away = points - middle[:, None]
    reach = np.nan_to_num(np.linalg.norm(away, axis=-1)).max(1, initial=0.0)
    trunk = np.nan_to_num(np.linalg.norm(shoulders - hips, axis=-1))
    size = np.maximum(np.maximum(reach, _REACH * trunk), 1e-6)
    placed = np.nan_to_num(away / size[:, None, None]).reshape(len(points), 2 * len(skeleton))
    return np.concatenate([placed, there], axis=1).astype(np.float32)


def _middle(points: NDArray[np.float64], skeleton: Skeleton, part: str) -> NDArray[np.float64]:
    """``(P, 2)`` between the left and the right one; NaN where one is missing or the skeleton has none."""
    names = [f"left_{part}", f"right_{part}"]
    if not set(names) <= set(skeleton.keypoints):
        return np.full((len(points), 2), np.nan)
    between: NDArray[np.float64] = points[:, [skeleton.index(name) for name in names]].mean(1)
    return between
