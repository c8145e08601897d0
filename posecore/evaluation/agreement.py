"""How far results agree about a picture that nobody has labelled: the same people, and how far apart their joints are.

Two poses are as similar as OKS says (:mod:`posecore.evaluation.oks`), with the mean of both people's areas in place of
the label's, over all joints that either of them has: a joint that only one of them has counts as 0. The order of the
two makes no difference. People are paired so that the sum of similarities is largest, and a pair is the same person
from OKS .1 on, as in Ronchi and Perona, *Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation* (2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.data.people import AREA_OF_BOX
from posecore.evaluation.oks import assigned, common_keypoints
from posecore.poses import Poses
from posecore.skeleton import Skeleton

#: OKS from which two poses are the same person.
SAME_PERSON = 0.1


@dataclass(frozen=True, eq=False)
class Agreement:
    """What two results for one picture have in common.

    Attributes:
        pairs: ``(M, 2)`` places of the same person in the first and in the second result.
        similarity: ``(M,)`` OKS of each pair, 0 … 1.
        distances: ``(M, K)`` pixels between the two positions of each joint; NaN where either has none or joints do
            not compare.
        one_sided: ``(M, K)`` 1 where only the first has the joint, -1 where only the second has it, else 0.
        only_first: ``(N,)`` places of people whom only the first result has.
        only_second: ``(N,)`` places of people whom only the second result has.
        skeleton: The first result's, in which joints are counted.
    """

    pairs: NDArray[np.intp]
    similarity: NDArray[np.float64]
    distances: NDArray[np.float64]
    one_sided: NDArray[np.int8]
    only_first: NDArray[np.intp]
    only_second: NDArray[np.intp]
    skeleton: Skeleton

    @property
    def people(self) -> int:
        """People whom either result has, each once."""
        return len(self.pairs) + len(self.only_first) + len(self.only_second)

    @property
    def score(self) -> float:
        """OKS on average over everybody whom either has, 0 for those whom only one has; 1 where both have nobody."""
        return float(self.similarity.sum()) / self.people if self.people else 1.0


def agreement(first: Poses, second: Poses) -> Agreement:
    """Compare two results for the same picture.

    The second is brought to the first one's skeleton; joints that mean different places on the body are left out.
    """
    common = common_keypoints(first.skeleton, second.skeleton)
    second = second.to_skeleton(first.skeleton)
    similarity = pose_similarity(first, second, common)
    partner = assigned(similarity)
    partner[[row for row, column in enumerate(partner) if column >= 0 and similarity[row, column] < SAME_PERSON]] = -1
    rows = np.flatnonzero(partner >= 0)
    columns = partner[rows]
    here, there = first.present[rows] & common, second.present[columns] & common
    gaps = np.hypot(*np.moveaxis(first.keypoints[rows].astype(np.float64) - second.keypoints[columns], -1, 0))
    return Agreement(
        np.stack([rows, columns], axis=1),
        similarity[rows, columns],
        np.where(here & there, gaps, np.nan),
        here.astype(np.int8) - there.astype(np.int8),
        np.flatnonzero(partner < 0),
        np.setdiff1d(np.arange(len(second)), columns),
        first.skeleton,
    )


def pose_similarity(first: Poses, second: Poses, common: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(P, Q)`` OKS between the people of two results in one skeleton, over the ``(K,)`` ``common`` joints."""
    here, there = first.present & common, second.present & common
    areas = (_areas(first, here)[:, None] + _areas(second, there)[None]) / 2
    squared = ((first.keypoints[:, None].astype(np.float64) - second.keypoints[None]) ** 2).sum(-1)
    variance = 2 * (2 * np.asarray(first.skeleton.sigmas, np.float64)) ** 2 * (areas[..., None] + np.spacing(1))
    both, either = here[:, None] & there[None], here[:, None] | there[None]
    terms = np.where(both, np.exp(-np.where(both, squared, 0) / variance), 0)
    return np.asarray(terms.sum(-1) / np.maximum(either.sum(-1), 1), np.float64)


def _areas(poses: Poses, counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(P,)`` the area that OKS is scaled by, told from the box around the joints; 0 without any."""
    xy = np.where(counted[..., None], poses.keypoints.astype(np.float64), np.nan)
    sides = np.zeros((len(poses), 2))
    seen = counted.any(-1)
    if seen.any():
        sides[seen] = np.nanmax(xy[seen], axis=1) - np.nanmin(xy[seen], axis=1)
    return np.asarray(AREA_OF_BOX * sides.prod(-1), np.float64)


def same_people(results: Sequence[Poses]) -> list[NDArray[np.int64]]:
    """Numbers of people that mean the same person in every result, from 0 in the order in which people first appear.

    Each result's people join those of the results before it whom they are most similar to.
    """
    groups: list[list[tuple[int, int]]] = []
    numbers: list[NDArray[np.int64]] = []
    for place, poses in enumerate(results):
        matrix = np.zeros((len(groups), len(poses)))
        for before in range(place):
            similarity = _similarity(results[before], poses)
            for group, members in enumerate(groups):
                for result, person in members:
                    if result == before:
                        matrix[group] = np.maximum(matrix[group], similarity[person])
        own = np.full(len(poses), -1, np.int64)
        for group, person in enumerate(assigned(matrix).tolist()):
            if person >= 0 and matrix[group, person] >= SAME_PERSON:
                own[person] = group
        for person in np.flatnonzero(own < 0).tolist():
            own[person] = len(groups)
            groups.append([])
        for person, group in enumerate(own.tolist()):
            groups[group].append((place, person))
        numbers.append(own)
    return numbers


def _similarity(first: Poses, second: Poses) -> NDArray[np.float64]:
    common = common_keypoints(first.skeleton, second.skeleton)
    return pose_similarity(first, second.to_skeleton(first.skeleton), common)


@dataclass(frozen=True)
class JointDifference:
    """How far two results are apart about one joint, over the people whom both have.

    Attributes:
        joint: Its name.
        both: How often both have it.
        median: Pixels between the two in half of the cases at most; None when there are no cases.
        p90: The same for 90 of 100 cases.
        only_first: How often only the first has it.
        only_second: How often only the second has it.
    """

    joint: str
    both: int
    median: float | None
    p90: float | None
    only_first: int
    only_second: int


def joint_differences(agreements: Iterable[Agreement]) -> list[JointDifference]:
    """Differences joint by joint over pictures, all from the same two columns; empty when there are none."""
    every = list(agreements)
    if not every:
        return []
    distances = np.concatenate([one.distances for one in every])
    sides = np.concatenate([one.one_sided for one in every])
    told = []
    for index, joint in enumerate(every[0].skeleton.keypoints):
        known = distances[~np.isnan(distances[:, index]), index]
        median, p90 = (float(np.percentile(known, part)) if len(known) else None for part in (50, 90))
        only_first, only_second = (int((sides[:, index] == side).sum()) for side in (1, -1))
        told.append(JointDifference(joint, len(known), median, p90, only_first, only_second))
    return told
