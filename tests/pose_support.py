"""Poses from whatever numbers a test has at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecore.poses import Poses
from posecore.skeleton import Skeleton


def poses_from(
    keypoints: ArrayLike,
    keypoint_scores: ArrayLike,
    scores: ArrayLike,
    skeleton: Skeleton,
    image_size: tuple[int, int],
    track_ids: NDArray[np.int64] | None = None,
) -> Poses:
    """Poses from lists or arrays of any kind of number; see :class:`Poses` for shapes and units."""
    places, sureness, sums = (np.asarray(values, np.float32) for values in (keypoints, keypoint_scores, scores))
    return Poses(places, sureness, sums, skeleton, image_size, track_ids)
