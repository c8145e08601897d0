"""What kinds of errors a model makes, and what mending each kind would gain.

After M. R. Ronchi and P. Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation, ICCV 2017.

Poses and people are matched at an OKS of at least 0.1. Every labelled keypoint of a matched person is then judged by
its keypoint similarity (ks, its term of OKS) to the person's own keypoint, to its mirror image, and to both of
everybody else in the picture, each by the size of the person it belongs to; the largest decides, one's own first:

=========  ========================================================================================
good       own keypoint, ks at least 0.85
jitter     own keypoint, ks from 0.5 to 0.85: roughly there
inversion  mirror image of the own keypoint: left and right exchanged
swap       a keypoint of somebody else
miss       no ks reaches 0.5, or the model gave no position
=========  ========================================================================================

What a kind costs is the AP when every keypoint of this kind lies where it is no error of the kind any more: a jitter at
ks 0.85, a miss at 0.5, an inversion or swap as near its own keypoint as it was to the wrong one. Positions follow the
formula of OKS, with 2σ; the authors' program places corrected keypoints with σ, so that they end up at the fourth root
of the ks that is meant and its gains are larger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Person
from posecore.evaluation.evaluate import Evaluation
from posecore.evaluation.matching import PictureMatcher, average_precision_of
from posecore.evaluation.oks import keypoint_similarity, pardoned, similarity_matrix
from posecore.evaluation.predictions import PicturePoses
from posecore.evaluation.progress import Tell, along, between, unheard
from posecore.poses import Poses

Kind = Literal["good", "jitter", "inversion", "swap", "miss"]
#: Everything that a keypoint can be, best first.
KINDS: tuple[Kind, ...] = ("good", "jitter", "inversion", "swap", "miss")
#: What can be mended about keypoints, in the order in which the authors stack it.
LOCALISATION: tuple[Kind, ...] = ("miss", "swap", "inversion", "jitter")
#: Lowest OKS at which a pose is taken to be about a person at all.
LOOSE_MATCH = 0.1
#: Lowest similarity of a keypoint that is good, and of one that is roughly there.
GOOD, NEAR = 0.85, 0.5
#: Poses that are compared with all others at a time.
_AT_A_TIME = 500


@dataclass(frozen=True, eq=False)
class JudgedPose:
    """One matched pose, keypoint by keypoint.

    Attributes:
        picture: Index in ``Evaluation.predictions``.
        person: Index in ``picture.image.people``.
        pose: Index in ``picture.poses``.
        oks: Similarity of the two.
        kinds: ``(K,)`` index in :data:`KINDS`; -1 where nothing is labelled or the keypoint does not count.
        similarity: ``(K,)`` the ks that decided (for a miss: to the own keypoint); NaN where not judged.
    """

    picture: int
    person: int
    pose: int
    oks: float
    kinds: NDArray[np.int8]
    similarity: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ErrorKinds:
    """Errors of one evaluation by kind.

    Attributes:
        keypoints: Names of the keypoints, in the order of the columns of ``counts``.
        counts: ``(len(KINDS), K)`` how many keypoints of matched people are of each kind.
        judged: The matched poses.
        ap: Average precision as it is; None where there is nobody to find.
        gains: AP gained by mending one kind alone: the localisation kinds, ``score`` (poses ranked by the OKS that they
            reach), ``background`` (poses that match nobody taken away) and ``not found`` (people nobody found added).
        stacked: AP after mending the localisation kinds one after the other, in the order of :data:`LOCALISATION`.
        false_poses: Poses that match nobody, ignore regions excused.
        missed_people: People that no pose matches.
        disorder: Part of the pairs of matched poses whose scores stand in the wrong order of their OKS; None without
            a pair.
    """

    keypoints: tuple[str, ...]
    counts: NDArray[np.int64]
    judged: Sequence[JudgedPose]
    ap: float | None
    gains: Mapping[str, float]
    stacked: Mapping[str, float]
    false_poses: int
    missed_people: int
    disorder: float | None

    @property
    def shares(self) -> dict[Kind, float]:
        """Part of the judged keypoints that is of each kind; all 0 when nothing was judged."""
        total = max(int(self.counts.sum()), 1)
        return {kind: float(row.sum() / total) for kind, row in zip(KINDS, self.counts, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        per_keypoint = {
            name: dict(zip(KINDS, map(int, column), strict=True))
            for name, column in zip(self.keypoints, self.counts.T, strict=True)
        }
        return {
            "shares": self.shares,
            "AP_gained": dict(self.gains),
            "AP_stacked": dict(self.stacked),
            "false_poses": self.false_poses,
            "missed_people": self.missed_people,
            "disorder": self.disorder,
            "per_keypoint": per_keypoint,
        }


def error_kinds(evaluation: Evaluation, tell: Tell = unheard) -> ErrorKinds:
    """Sort the errors of an evaluation into kinds, and measure what each kind costs; ``tell`` is told how far it is."""
    judged = judged_poses(evaluation, between(tell, 0.0, 0.2))
    counts = np.zeros((len(KINDS), len(evaluation.skeleton)), np.int64)
    for one in judged:
        known = one.kinds >= 0
        np.add.at(counts, (one.kinds[known], np.flatnonzero(known)), 1)
    false_poses = sum(len(poses) for poses in poses_about_nobody(evaluation, judged))
    ap = evaluation.precision["AP"]
    gains, stacked = _gains(evaluation, judged, ap, between(tell, 0.2, 1.0))
    return ErrorKinds(
        evaluation.skeleton.keypoints,
        counts,
        judged,
        ap,
        gains,
        stacked,
        false_poses,
        evaluation.people - len(judged),
        _disorder(evaluation, judged),
    )


def judged_poses(evaluation: Evaluation, tell: Tell = unheard) -> list[JudgedPose]:
    """Every pose that is about somebody, picture by picture.

    Takes predictions of both protocols. Under *crops*, where every pose was asked for one person, poses are judged
    against that person.
    """
    return [one for index in along(range(len(evaluation.predictions)), tell) for one in _judged(evaluation, index)]


def _judged(evaluation: Evaluation, index: int) -> Iterator[JudgedPose]:
    item = evaluation.predictions[index]
    for person, pose, oks in _loose_matches(item, evaluation):
        kinds, similarity = _kinds(item.image.people, person, item.poses.select([pose]), evaluation)
        yield JudgedPose(index, person, pose, oks, kinds, similarity)


def _loose_matches(item: PicturePoses, evaluation: Evaluation) -> list[tuple[int, int, float]]:
    """(person, pose, OKS): poses choose in order of score, each the free person it resembles most."""
    people, common = item.image.people, evaluation.common
    matrix = np.nan_to_num(similarity_matrix(people, item.poses, common, evaluation.skeleton.sigmas))
    free = np.array([bool((one.labelled & common).any()) and not one.crowd for one in people], bool)
    found = []
    for pose in np.argsort(-item.poses.scores, kind="stable"):
        allowed = free if item.answers is None else free & (np.arange(len(people)) == item.answers[pose])
        similarity = np.where(allowed, matrix[:, pose], -1.0)
        best = int(similarity.argmax()) if len(similarity) else -1
        if best >= 0 and similarity[best] >= LOOSE_MATCH:
            free[best] = False
            found.append((best, int(pose), float(similarity[best])))
    return found


def _kinds(
    people: Sequence[Person], person: int, pose: Poses, evaluation: Evaluation
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Kind and deciding similarity of every keypoint of ``pose``, which is about ``people[person]``."""
    skeleton, mirror = evaluation.skeleton, evaluation.skeleton.flip_permutation
    own = people[person]
    # A person left out here has no keypoints that could be mistaken for one's own; crowds have none of their own.
    order = [person, *(index for index, one in enumerate(people) if index != person and not one.crowd)]
    candidates = []
    for index in order:
        same = np.nan_to_num(keypoint_similarity(people[index], pose, skeleton.sigmas)[0])
        turned = replace(people[index], keypoints=people[index].keypoints[mirror], labels=people[index].labels[mirror])
        other = np.nan_to_num(keypoint_similarity(turned, pose, skeleton.sigmas)[0])
        candidates += [same, np.where(mirror == np.arange(len(mirror)), 0.0, other)]
    table = np.stack(candidates)
    best = table.argmax(0)
    largest = table.max(0)
    kinds = np.select(
        [largest < NEAR, (best == 0) & (largest >= GOOD), best == 0, best == 1],
        [KINDS.index(kind) for kind in ("miss", "good", "jitter", "inversion")],
        KINDS.index("swap"),
    )
    judged = own.labelled & evaluation.common
    similarity = np.where(largest < NEAR, table[0], largest)
    return np.where(judged, kinds, -1).astype(np.int8), np.where(judged, similarity, np.nan)


def _ap(evaluation: Evaluation, predictions: Sequence[PicturePoses], tell: Tell) -> float:
    """As pycocotools has it, at a thirtieth of the time; 0 where there is nobody to find."""
    common, sigmas = evaluation.common, evaluation.skeleton.sigmas
    matchers = (PictureMatcher(item.image, item.poses, common, sigmas) for item in along(predictions, tell))
    ap, _ = average_precision_of([matcher.match() for matcher in matchers])
    return ap or 0.0


def _gains(
    evaluation: Evaluation, judged: Sequence[JudgedPose], ap: float | None, tell: Tell
) -> tuple[dict[str, float], dict[str, float]]:
    if ap is None:
        return {}, {}
    alone: dict[str, list[PicturePoses]] = {kind: mended(evaluation, judged, (kind,)) for kind in LOCALISATION}
    others = {
        "score": _ranked_by_oks(evaluation, evaluation.predictions),
        "background": _without_background(evaluation, judged),
        "not found": _with_everybody(evaluation, judged),
    }
    each = len(alone) + len(others) + len(LOCALISATION)
    told = (between(tell, place / each, (place + 1) / each) for place in range(each))
    gains = {name: _ap(evaluation, items, next(told)) - ap for name, items in (alone | others).items()}
    stacked: dict[str, float] = {
        kind: _ap(evaluation, mended(evaluation, judged, LOCALISATION[: index + 1]), next(told))
        for index, kind in enumerate(LOCALISATION)
    }
    return gains, stacked


def mended(evaluation: Evaluation, judged: Sequence[JudgedPose], kinds: Sequence[Kind]) -> list[PicturePoses]:
    """The predictions with every keypoint of these kinds moved to where it is none any more."""
    wanted = [KINDS.index(kind) for kind in kinds]
    keypoints = [item.poses.keypoints.astype(np.float64) for item in evaluation.predictions]
    variance = 2 * (2 * np.asarray(evaluation.skeleton.sigmas, np.float64)) ** 2
    target = np.zeros(len(KINDS))
    target[KINDS.index("jitter")], target[KINDS.index("miss")] = GOOD, NEAR
    for one in judged:
        person = evaluation.predictions[one.picture].image.people[one.person]
        places = np.isin(one.kinds, wanted)
        # A kind whose place is not set keeps the similarity that it had to the wrong keypoint.
        ks = np.where(target[one.kinds] > 0, target[one.kinds], one.similarity)
        distance = np.sqrt(-np.log(np.clip(ks, 1e-12, 1.0)) * variance * (person.area + np.spacing(1)))
        row = keypoints[one.picture][one.pose]
        towards = row - person.keypoints
        length = np.hypot(*towards.T)[:, None]
        known = np.isfinite(length) & (length > 0)
        direction = np.where(known, towards / np.where(known, length, 1.0), (1.0, 0.0))
        row[places] = (person.keypoints + direction * distance[:, None])[places]
    return [
        replace(item, poses=replace(item.poses, keypoints=moved.astype(np.float32)))
        for item, moved in zip(evaluation.predictions, keypoints, strict=True)
    ]


def _ranked_by_oks(evaluation: Evaluation, predictions: Sequence[PicturePoses]) -> list[PicturePoses]:
    ranked = []
    for item in predictions:
        matrix = similarity_matrix(item.image.people, item.poses, evaluation.common, evaluation.skeleton.sigmas)
        best = np.nan_to_num(matrix).max(0, initial=0.0)
        ranked.append(replace(item, poses=replace(item.poses, scores=best)))
    return ranked


def _without_background(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> list[PicturePoses]:
    kept: list[list[int]] = [[] for _ in evaluation.predictions]
    for one in judged:
        kept[one.picture].append(one.pose)
    return [
        replace(
            item,
            poses=item.poses.select(which),
            answers=None if item.answers is None else item.answers[np.array(which, int)],
        )
        for item, which in zip(evaluation.predictions, kept, strict=True)
    ]


def _with_everybody(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> list[PicturePoses]:
    """Everybody who was not found is found exactly, after all that the model found."""
    found = {(one.picture, one.person) for one in judged}
    lowest = min((float(item.poses.scores.min(initial=0.0)) for item in evaluation.predictions), default=0.0)
    completed = []
    for index, item in enumerate(evaluation.predictions):
        missing = [
            number
            for number, person in enumerate(item.image.people)
            if (person.labelled & evaluation.common).any() and not person.crowd and (index, number) not in found
        ]
        exact = [item.image.people[number].keypoints for number in missing]
        poses = replace(
            item.poses,
            keypoints=np.concatenate([item.poses.keypoints, *(one[None] for one in exact)]),
            keypoint_scores=np.concatenate(
                [item.poses.keypoint_scores, *(np.isfinite(one[None, :, 0]).astype(np.float32) for one in exact)]
            ),
            scores=np.concatenate([item.poses.scores, np.full(len(exact), lowest - 1, np.float32)]),
            track_ids=None,
        )
        answers = None if item.answers is None else np.concatenate([item.answers, np.array(missing, np.intp)])
        completed.append(replace(item, poses=poses, answers=answers))
    return completed


def poses_about_nobody(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> list[list[int]]:
    """Of every picture the poses that match nobody and are not pardoned for it."""
    taken: defaultdict[int, set[int]] = defaultdict(set)
    for one in judged:
        taken[one.picture].add(one.pose)
    found = []
    for index, item in enumerate(evaluation.predictions):
        pardon = pardoned(item.image, item.poses, evaluation.common, evaluation.skeleton.sigmas)
        found.append([pose for pose in range(len(item.poses)) if pose not in taken[index] and not pardon[pose]])
    return found


def _disorder(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> float | None:
    """Part of the pairs of poses, any pictures, of which the better one has the lower score."""
    oks = np.array([one.oks for one in judged])
    scores = np.array([float(evaluation.predictions[one.picture].poses.scores[one.pose]) for one in judged])
    pairs = wrong = 0
    # In pieces: thousands of people make many millions of pairs.
    for start in range(0, len(oks), _AT_A_TIME):
        better = oks[start : start + _AT_A_TIME, None] > oks[None, :]
        pairs += int(better.sum())
        wrong += int((better & (scores[start : start + _AT_A_TIME, None] < scores[None, :])).sum())
    return wrong / pairs if pairs else None
