"""PCK@0.2: how many limb joints lie close to their label, measured by the size of the person's trunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Person
from posecore.evaluation.predictions import PicturePoses
from posecore.skeleton import Skeleton

#: Part of the trunk's length within which a joint counts as found.
PCK_FRACTION = 0.2
#: A trunk counts at least this many pixels, so that people seen from above or far away can be measured too.
SHORTEST_TRUNK = 20.0
#: The trunk runs between these two; people without both labelled are not measured.
TRUNK = ("right_hip", "left_shoulder")
#: The joints that are averaged: those that COCO and LSP share.
LIMB_JOINTS = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)


def trunk_length(person: Person, skeleton: Skeleton) -> float | None:
    """Pixels from right hip to left shoulder, at least ``SHORTEST_TRUNK``; None when either is not labelled."""
    if not all(name in skeleton.keypoints for name in TRUNK):
        return None
    hip, shoulder = (skeleton.index(name) for name in TRUNK)
    if not (person.labelled[hip] and person.labelled[shoulder]):
        return None
    return max(float(np.hypot(*(person.keypoints[hip] - person.keypoints[shoulder]))), SHORTEST_TRUNK)


def correct_joints(
    item: PicturePoses, index: int, skeleton: Skeleton, common: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """``(K,)`` per joint of one person 1 where it is close enough, 0 where not, NaN where it is not measured.

    None for a crowd and for a person whose trunk is not labelled. A person for whom no pose was found has all joints
    wrong. Needs predictions of the *crops* protocol.
    """
    assert item.answers is not None, "PCK is defined for the crops protocol"
    person = item.image.people[index]
    trunk = trunk_length(person, skeleton)
    if trunk is None or person.crowd:
        return None
    close = np.zeros(len(skeleton))
    for pose in np.flatnonzero(item.answers == index):
        distance = np.hypot(*(item.poses.keypoints[pose] - person.keypoints).T)
        close = (distance < PCK_FRACTION * trunk).astype(np.float64)  # 0 where the keypoint is missing
    return np.where(person.labelled & common, close, np.nan)


def all_correct_joints(
    predictions: Sequence[PicturePoses], skeleton: Skeleton, common: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``(people, K)`` :func:`correct_joints` of everybody who can be measured."""
    everybody = (
        correct_joints(item, index, skeleton, common) for item in predictions for index in range(len(item.image.people))
    )
    return np.array([row for row in everybody if row is not None], np.float64).reshape(-1, len(skeleton))


def limb_joints(skeleton: Skeleton) -> NDArray[np.bool_]:
    """``(K,)`` True for the joints that PCK averages over."""
    return np.array([name in LIMB_JOINTS for name in skeleton.keypoints])


def mean_or_none(values: NDArray[np.float64]) -> float | None:
    """Mean of the values that are not NaN; None when there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
