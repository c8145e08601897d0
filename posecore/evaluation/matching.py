"""Who matches whom, for many thresholds on the same poses.

Does what pycocotools' ``COCOeval`` does, picture by picture and equal to the last figure, but keeps the similarities of
single keypoints, so that hiding weak joints or weak people afterwards costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import AnnotatedImage, Person
from posecore.evaluation.oks import MATCH, centre_in
from posecore.poses import Poses

#: Similarities from which a person counts as found.
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)
#: Name of a size in COCO's figures → areas in square pixels from which and up to which people count.
AREAS: Mapping[str, tuple[float, float]] = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
#: Poses of a picture that count, best first.
MAX_POSES = 20


@dataclass(frozen=True, eq=False)
class Matches:
    """What was made of the poses of one picture, for the ten :data:`OKS_THRESHOLDS`.

    Attributes:
        picture: ``image_id``.
        people: How many there are to find.
        scores: ``(P,)`` of the poses, falling.
        right, wrong: ``(10, P)`` bool: poses that found somebody and poses that found nobody; those that do not count
            are neither.
        mistaken: Poses that found nobody at an OKS of 0.5, second ones of a person among them; those with their centre
            on a crowd or on a person without labels are excused.
    """

    picture: int
    people: int
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    mistaken: int


class PictureMatcher:
    """Poses and people of one picture, compared once.

    Args:
        image: The picture and its labels.
        poses: In the labels' skeleton.
        common: ``(K,)`` keypoints that count.
        sigmas: ``(K,)`` of OKS.
    """

    def __init__(self, image: AnnotatedImage, poses: Poses, common: NDArray[np.bool_], sigmas: Sequence[float]) -> None:
        self._image, self._poses = image, poses
        self._counted = np.array([one.labelled & common for one in image.people], bool).reshape(-1, len(common))
        self._crowd = np.array([one.crowd for one in image.people], bool)
        self._labelled = np.asarray(self._counted.any(axis=1), bool)
        self._ignored = self._crowd | ~self._labelled
        # People whose keypoints nobody labelled are compared by the place of every joint, as pycocotools does it.
        self._weights = np.where(self._labelled[:, None], self._counted, True)
        variance = 2 * (2 * np.asarray(sigmas, np.float64)) ** 2
        rows = [
            np.exp(-_squared(one, counted, poses) / (variance * (one.area + np.spacing(1))))
            for one, counted in zip(image.people, self._counted, strict=True)
        ]
        shape = (len(image.people), len(poses), len(common))
        self._similarity = np.nan_to_num(np.array(rows, np.float64).reshape(shape))
        self._order = np.argsort(-poses.scores.astype(np.float64), kind="mergesort")
        self._areas = np.array([one.area for one in image.people], np.float64)
        self._shadows = [one.box for one, ignored in zip(image.people, self._ignored, strict=True) if ignored]

    def match(self, keypoint_threshold: float = -np.inf, pose_threshold: float = -np.inf) -> Matches:
        """Matches when joints and people with lower scores are hidden, as :meth:`Poses.filter` hides them.

        Unless thresholds are given nothing is hidden: scores of other programs may be below 0.
        """
        return self.match_size("all", keypoint_threshold, pose_threshold)

    def match_size(self, size: str, keypoint_threshold: float = -np.inf, pose_threshold: float = -np.inf) -> Matches:
        """:meth:`match` for people of one size of :data:`AREAS`.

        The others are neither to be found nor held against anybody, as in COCO's figures by size.
        """
        area = AREAS[size]
        poses = self._poses
        order = self._order[poses.scores[self._order] >= np.float32(pose_threshold)]
        present = poses.present[order] & (poses.keypoint_scores[order] >= np.float32(keypoint_threshold))
        oks = self._oks(order, present)
        nobody = ~np.asarray((oks[self._labelled] >= MATCH).any(axis=0), bool)
        low, high = _boxes(poses.keypoints[order], present)
        centres = np.asarray((low + high) / 2, np.float32)
        kept = ~(nobody & centre_in(centres, self._image.ignore))
        order, centres = order[kept][:MAX_POSES], centres[kept][:MAX_POSES]
        ignored = self._ignored | (self._areas < area[0]) | (self._areas > area[1])
        found, excused = self._assign(oks[:, kept][:, :MAX_POSES], ignored)
        sides = np.nan_to_num(high.astype(np.float64) - low)[kept][:MAX_POSES]
        outside = (sides.prod(1) < area[0]) | (sides.prod(1) > area[1])
        mistaken = ~found[0] & ~outside & ~centre_in(centres, self._shadows)
        return Matches(
            self._image.image_id,
            int((~ignored).sum()),
            poses.scores[order].astype(np.float64),
            found & ~excused,
            ~found & ~outside,
            int(mistaken.sum()),
        )

    def _oks(self, order: NDArray[np.intp], present: NDArray[np.bool_]) -> NDArray[np.float64]:
        """``(people, poses)``."""
        terms = self._similarity[:, order] * present * self._weights[:, None]
        return np.asarray(terms.sum(2) / np.maximum(self._weights.sum(1), 1)[:, None])

    def _assign(
        self, oks: NDArray[np.float64], ignored: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """``(10, poses)``: who found somebody, and who found somebody who does not count."""
        steps, poses = len(OKS_THRESHOLDS), oks.shape[1]
        found, excused = np.zeros((steps, poses), bool), np.zeros((steps, poses), bool)
        if not len(oks):
            return found, excused
        taken = np.zeros((steps, len(oks)), bool)
        rows, last = np.arange(steps), len(oks) - 1
        for pose in range(poses):
            reaches = (oks[:, pose] >= np.minimum(OKS_THRESHOLDS, 1 - 1e-10)[:, None]) & (~taken | self._crowd)
            for allowed in (~ignored, ignored):
                similarity = np.where(reaches & allowed & ~found[:, pose, None], oks[:, pose], -1.0)
                # Of equals the last one is taken.
                best = last - similarity[:, ::-1].argmax(1)
                hit = similarity[rows, best] >= 0
                taken[rows[hit], best[hit]] = True
                found[hit, pose] = True
                excused[hit, pose] = ignored[best[hit]]
        return found, excused


def _squared(person: Person, counted: NDArray[np.bool_], poses: Poses) -> NDArray[np.float64]:
    """``(P, K)`` squared distance of every keypoint; to twice the box of a person who has none labelled."""
    xy = poses.keypoints.astype(np.float64)
    if counted.any():
        return np.asarray(((xy - person.keypoints) ** 2).sum(-1))
    low, high = np.array(person.box[:2], np.float64), np.array(person.box[2:], np.float64)
    size = high - low
    outside = np.maximum(0, low - size - xy) + np.maximum(0, xy - (low + 2 * size))
    return np.asarray((outside**2).sum(-1))


def _boxes(
    keypoints: NDArray[np.float32], present: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``(P, 2)`` corners of the box around the present keypoints; NaN without any."""
    somewhere = np.asarray(present.any(1), bool)[:, None]
    low = np.where(present[..., None], keypoints, np.inf).min(1, initial=np.inf)
    high = np.where(present[..., None], keypoints, -np.inf).max(1, initial=-np.inf)
    return np.asarray(np.where(somewhere, low, np.nan), np.float32), np.asarray(
        np.where(somewhere, high, np.nan), np.float32
    )


def average_precision_of(matches: Sequence[Matches]) -> tuple[float | None, float | None]:
    """AP and AR of many pictures, as pycocotools accumulates them; None where there is nobody to find."""
    total = sum(one.people for one in matches)
    if not total:
        return None, None
    scores = np.concatenate([one.scores for one in matches])
    order = np.argsort(-scores, kind="mergesort")
    right = np.concatenate([one.right for one in matches], 1)[:, order]
    wrong = np.concatenate([one.wrong for one in matches], 1)[:, order]
    ap, recall = precision_curve(right.astype(np.float64), wrong.astype(np.float64), np.full(len(right), float(total)))
    return float(ap.mean()), float(recall.mean())


#: Places on the axis of recall at which COCO reads precision.
RECALLS = np.linspace(0, 1, 101)


def precision_curve(
    right: NDArray[np.float64], wrong: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean precision over 101 recalls, and highest recall; arguments as for :func:`precision_at_recalls`."""
    precision, recall = precision_at_recalls(right, wrong, total)
    return precision.mean(1), recall


def precision_at_recalls(
    right: NDArray[np.float64], wrong: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(N, 101)`` precision at :data:`RECALLS`, 0 where they are not reached, and ``(N,)`` highest recall.

    Args:
        right, wrong: ``(N, P)`` weights of poses in order of falling score, for N thresholds or draws.
        total: ``(N,)`` how many people there are to find.
    """
    if right.shape[1] == 0:
        return np.zeros((len(right), len(RECALLS))), np.zeros(len(right))
    hits, misses = right.cumsum(1), wrong.cumsum(1)
    recall = hits / np.maximum(total, 1)[:, None]
    precision = hits / np.maximum(hits + misses, np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    padded = np.concatenate([precision, np.zeros((len(precision), 1))], 1)
    # Recall is a count divided by a count: without slack, rounding would miss a place it just reaches.
    places = np.stack([np.searchsorted(row, RECALLS - 1e-9) for row in recall])
    return np.take_along_axis(padded, places, 1), recall[:, -1]
