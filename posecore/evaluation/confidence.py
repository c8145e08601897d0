"""What a score promises and what it keeps: which joints and people a model had right, by the score it gave them.

A joint is right when its keypoint similarity to the person that the pose is about is at least 0.5, a person when the
OKS is. Poses about nobody are wrong in all they say; without that, background would look well calibrated. What cannot
be judged is left out: joints that nobody labelled, and poses in ignore regions and on crowds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.calibration import pose_sizes
from posecore.evaluation.chance import Interval, mean_interval
from posecore.evaluation.error_kinds import NEAR, JudgedPose, judged_poses
from posecore.evaluation.evaluate import Evaluation
from posecore.evaluation.oks import MATCH, keypoint_similarity, pardoned


@dataclass(frozen=True, eq=False)
class Samples:
    """Scores and whether they were right, a row each.

    Attributes:
        scores: ``(N,)`` what the model said, 0 … 1.
        right: ``(N,)`` whether that was so.
        sizes: ``(N,)`` longer side of the pose relative to that of the picture (or of the region looked at).
        joints: ``(N,)`` index of the keypoint; 0 for people.
        owners: ``(N,)`` picture of each.
        names: Names that ``joints`` refers to.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    sizes: NDArray[np.float64]
    joints: NDArray[np.intp]
    owners: NDArray[np.intp]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, which: NDArray[np.bool_]) -> Samples:
        """Those rows alone."""
        return Samples(
            self.scores[which],
            self.right[which],
            self.sizes[which],
            self.joints[which],
            self.owners[which],
            self.names,
        )

    def halves(self, seed: int = 0) -> tuple[Samples, Samples]:
        """The samples of one half of the pictures and those of the other."""
        pictures = np.unique(self.owners)
        chosen = np.random.default_rng(seed).permutation(pictures)[: (len(pictures) + 1) // 2]
        first = np.isin(self.owners, chosen)
        return self.select(first), self.select(~first)


def joint_samples(evaluation: Evaluation) -> Samples:
    """Every joint that a model gave, of the *full* protocol with thresholds low enough that poor ones are there too."""
    rows = [row for index, judged in _by_picture(evaluation) for row in _joints_of(evaluation, index, judged)]
    return _samples(rows, evaluation.skeleton.keypoints)


def person_samples(evaluation: Evaluation) -> Samples:
    """Every pose that a model gave, as one row."""
    rows = []
    for index, judged in _by_picture(evaluation):
        item = evaluation.predictions[index]
        sizes = pose_sizes(item.poses)
        for pose, match in _judgeable(evaluation, index, judged):
            right = match is not None and match.oks >= MATCH
            rows.append((float(item.poses.scores[pose]), right, sizes[pose], 0, item.image.image_id))
    return _samples(rows, ("person",))


def _by_picture(evaluation: Evaluation) -> Iterator[tuple[int, list[JudgedPose]]]:
    judged: list[list[JudgedPose]] = [[] for _ in evaluation.predictions]
    for one in judged_poses(evaluation):
        judged[one.picture].append(one)
    yield from enumerate(judged)


def _judgeable(
    evaluation: Evaluation, index: int, judged: Sequence[JudgedPose]
) -> Iterator[tuple[int, JudgedPose | None]]:
    """(pose, its match) of one picture: matched poses, and those about nobody that are not pardoned."""
    item = evaluation.predictions[index]
    matches = {one.pose: one for one in judged}
    pardon = pardoned(item.image, item.poses, evaluation.common, evaluation.skeleton.sigmas)
    for pose in range(len(item.poses)):
        if pose in matches or not pardon[pose]:
            yield pose, matches.get(pose)


def _joints_of(
    evaluation: Evaluation, index: int, judged: Sequence[JudgedPose]
) -> Iterator[tuple[float, bool, float, int, int]]:
    item, sigmas = evaluation.predictions[index], evaluation.skeleton.sigmas
    sizes, present = pose_sizes(item.poses), item.poses.present
    for pose, match in _judgeable(evaluation, index, judged):
        if match is None:
            similarity = np.zeros(len(evaluation.skeleton))
            known = evaluation.common
        else:
            person = item.image.people[match.person]
            similarity = keypoint_similarity(person, item.poses.select([pose]), sigmas)[0]
            known = person.labelled & evaluation.common
        for joint in np.flatnonzero(known & present[pose]):
            score = float(item.poses.keypoint_scores[pose, joint])
            yield score, bool(similarity[joint] >= NEAR), sizes[pose], int(joint), item.image.image_id


def _samples(rows: Sequence[tuple[float, bool, float, int, int]], names: tuple[str, ...]) -> Samples:
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Samples(
        np.clip(table[:, 0], 0.0, 1.0),
        table[:, 1].astype(bool),
        table[:, 2],
        table[:, 3].astype(np.intp),
        table[:, 4].astype(np.intp),
        names,
    )


@dataclass(frozen=True)
class Bin:
    """Samples of similar scores.

    Attributes:
        score: Their mean score.
        right: Part of them that was right.
        interval: Where that lies on other pictures.
        count: How many they are.
    """

    score: float
    right: float
    interval: Interval
    count: int


@dataclass(frozen=True)
class Reliability:
    """How well scores keep what they promise.

    Attributes:
        bins: Of as many samples each as can be, by rising score.
        ece: Expected calibration error: mean gap between score and part that was right, over bins of equal count.
        worst: Largest gap of a bin.
        brier: Mean squared error of the score as a probability.
        brier_interval: Where that lies on other pictures.
    """

    bins: tuple[Bin, ...]
    ece: float
    worst: float
    brier: float
    brier_interval: Interval


def reliability(samples: Samples, scores: NDArray[np.float64] | None = None, bins: int = 10) -> Reliability | None:
    """Measure scores against what was right; None without samples.

    Args:
        samples: What was judged.
        scores: ``(N,)`` other scores for the same samples, for example calibrated ones.
        bins: Number of bins of equal count; equal scores stay together.
    """
    if not len(samples):
        return None
    given = samples.scores if scores is None else scores
    order = np.argsort(given, kind="stable")
    edges = np.unique(np.linspace(0, len(order), bins + 1).astype(int))
    groups = np.searchsorted(given[order][edges[1:-1]], given, "right")
    found = tuple(_bin(samples, given, groups == group) for group in np.unique(groups))
    gaps = np.array([abs(one.score - one.right) for one in found])
    counts = np.array([one.count for one in found])
    errors = (given - samples.right) ** 2
    return Reliability(
        found,
        float((gaps * counts).sum() / counts.sum()),
        float(gaps.max()),
        float(errors.mean()),
        mean_interval(errors, samples.owners),
    )


def _bin(samples: Samples, scores: NDArray[np.float64], members: NDArray[np.bool_]) -> Bin:
    right = samples.right[members].astype(np.float64)
    interval = mean_interval(right, samples.owners[members])
    return Bin(float(scores[members].mean()), float(right.mean()), interval, int(members.sum()))
