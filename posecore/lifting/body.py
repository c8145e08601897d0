"""The body as a tree of bones: places that files and measures know by name, made of whatever keypoints there are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import Skeleton

Array = NDArray[np.float64]

#: Place → the place on which it hangs, from the root outwards.
PARENTS: Mapping[str, str] = {
    "neck": "mid_hip",
    "head": "neck",
    **{
        f"{side}_{place}": f"{side}_{parent}" if parent in ("shoulder", "elbow", "hip", "knee") else parent
        for side in ("left", "right")
        for parent, place in (
            ("neck", "shoulder"),
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("mid_hip", "hip"),
            ("hip", "knee"),
            ("knee", "ankle"),
        )
    },
}
ROOT = "mid_hip"
#: Places that are the mean of keypoints: the first group of which a skeleton has any.
_MEANS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "mid_hip": (("mid_hip",), ("left_hip", "right_hip")),
    "neck": (("left_shoulder", "right_shoulder"), ("neck",)),
    "head": (("left_ear", "right_ear"), ("head_top",), ("nose",)),
}
#: Places that one of two keypoints is enough for.
_EITHER = frozenset({"head"})


def places_of(keypoints: NDArray[np.floating], skeleton: Skeleton) -> dict[str, Array]:
    """All places of the body.

    Args:
        keypoints: ``(T, K, D)`` positions; NaN where missing.
        skeleton: Their meaning.

    Returns:
        Place → ``(T, D)`` positions; NaN where unknown, in all frames where the skeleton has nothing of the kind.
    """
    return {name: _place(name, keypoints, skeleton) for name in (ROOT, *PARENTS)}


def _place(name: str, keypoints: NDArray[np.floating], skeleton: Skeleton) -> Array:
    for group in _MEANS.get(name, ((name,),)):
        known = [skeleton.index(one) for one in group if one in skeleton.keypoints]
        if len(known) == len(group):
            positions = np.asarray(keypoints[:, known], np.float64)
            return _mean_of_known(positions) if name in _EITHER else positions.mean(1)
    return np.full((len(keypoints), keypoints.shape[-1]), np.nan)


def _mean_of_known(positions: Array) -> Array:
    with warnings.catch_warnings():
        # Frames of which nothing is known are NaN, as they should be.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(positions, 1))


def mirrored(place: str) -> str:
    """The same place on the body's other side; the place itself in the middle."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if place.startswith(side):
            return other + place.removeprefix(side)
    return place


def bone_lengths(places: Mapping[str, Array]) -> dict[str, float]:
    """Place → length of the bone that ends there, the same on both sides: the median over all frames.

    A bone that was never seen is not in it.
    """
    lengths: dict[str, float] = {}
    for place, parent in PARENTS.items():
        both = [(place, parent), (mirrored(place), mirrored(parent))]
        seen = np.concatenate([np.linalg.norm(places[end] - places[start], axis=1) for end, start in both])
        seen = seen[np.isfinite(seen)]
        if len(seen):
            lengths[place] = float(np.median(seen))
    return lengths
