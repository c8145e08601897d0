"""Object keypoint similarity (OKS) and the average precision built on it.

OKS of a labelled person and a pose is the mean over labelled keypoints of exp(-d² / (2 · area · (2σ)²)), d the distance
in pixels and σ the keypoint's constant (https://cocodataset.org/#keypoints-eval). Average precision and recall
are computed by pycocotools; the similarity itself is also computed here, for cases, sweeps and single keypoints.

What does not count against a model: crowds and people without any labelled keypoint, as COCO does it; and poses that
match nobody (OKS below 0.5 with every labelled person) whose centre lies in one of the picture's ignore regions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from posecore.boxes import Region, to_edges
from posecore.data.annotations import AnnotatedImage, Person
from posecore.evaluation.coco_figures import coco_figures
from posecore.evaluation.predictions import PicturePoses
from posecore.poses import Poses
from posecore.skeleton import DERIVED, Skeleton

#: Lowest similarity that counts as having found a person, here and in AP50.
MATCH = 0.5
#: The names of pycocotools' ten figures.
_STATS = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")
#: Where a missing keypoint is put for pycocotools, which knows no missing ones: as far as can be from everything.
_FAR = -1e6


def common_keypoints(labels: Skeleton, model: Skeleton) -> NDArray[np.bool_]:
    """``(K,)`` of the labels' keypoints: True for those that the model has under the same name.

    Between different skeletons, keypoints that some define as the middle of others (neck, mid-hip) are left out:
    their place on the body differs from set to set.
    """
    if labels.keypoints == model.keypoints:
        return np.ones(len(labels), bool)
    shared = set(model.keypoints) - set(DERIVED)
    return np.array([name in shared for name in labels.keypoints])


def keypoint_similarity(person: Person, poses: Poses, sigmas: Sequence[float]) -> NDArray[np.float64]:
    """``(P, K)`` similarity of every keypoint of every pose to the person's; NaN where the person has no label."""
    squared = ((poses.keypoints.astype(np.float64) - person.keypoints) ** 2).sum(-1)
    variance = (2 * np.asarray(sigmas)) ** 2 * (person.area + np.spacing(1)) * 2
    similarity = np.asarray(np.exp(-squared / variance), np.float64)
    similarity[~poses.present] = 0
    similarity[:, ~person.labelled] = np.nan
    return similarity


def similarity_matrix(
    people: Sequence[Person], poses: Poses, common: NDArray[np.bool_], sigmas: Sequence[float]
) -> NDArray[np.float64]:
    """``(people, poses)`` OKS over the ``common`` keypoints; NaN for a person who has none of them labelled."""
    matrix = np.full((len(people), len(poses)), np.nan)
    for row, person in enumerate(people):
        counted = person.labelled & common
        if counted.any() and len(poses):
            matrix[row] = keypoint_similarity(person, poses, sigmas)[:, counted].mean(1)
    return matrix


def assigned(matrix: NDArray[np.float64]) -> NDArray[np.intp]:
    """``(people,)`` index of the pose each person gets when the sum of similarities is largest; -1 for none."""
    result = np.full(len(matrix), -1, np.intp)
    if matrix.size:
        rows, columns = linear_sum_assignment(np.nan_to_num(matrix), maximize=True)
        useful = np.nan_to_num(matrix[rows, columns]) > 0
        result[rows[useful]] = columns[useful]
    return result


def excused(
    image: AnnotatedImage, poses: Poses, common: NDArray[np.bool_], sigmas: Sequence[float]
) -> NDArray[np.bool_]:
    """``(P,)`` True for poses that match nobody and whose box has its centre in an ignore region."""
    if not image.ignore or not len(poses):
        return np.zeros(len(poses), bool)
    matrix = np.nan_to_num(similarity_matrix(image.people, poses, common, sigmas))
    unmatched = ~(matrix >= MATCH).any(0)
    return unmatched & centre_in(_box_centres(poses), image.ignore)


def pardoned(
    image: AnnotatedImage, poses: Poses, common: NDArray[np.bool_], sigmas: Sequence[float]
) -> NDArray[np.bool_]:
    """``(P,)`` True for poses that are no mistake even where they match nobody.

    Those are :func:`excused` ones and those whose box has its centre on a crowd or on a person without labels.
    """
    excuse = excused(image, poses, common, sigmas)
    shadows = [one.box for one in image.people if one.crowd or not (one.labelled & common).any()]
    either: NDArray[np.bool_] = excuse | centre_in(_box_centres(poses), shadows)
    return either


def _box_centres(poses: Poses) -> NDArray[np.float32]:
    boxes = poses.boxes()
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)


def centre_in(centres: NDArray[np.float32], regions: Sequence[Region]) -> NDArray[np.bool_]:
    """``(N,)`` True for positions ``(N, 2)`` that lie in any of the regions."""
    x, y = to_edges(centres).T
    inside = np.zeros(len(centres), bool)
    for x0, y0, x1, y1 in regions:
        inside |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return inside


def average_precision(
    predictions: Sequence[PicturePoses], skeleton: Skeleton, common: NDArray[np.bool_]
) -> dict[str, float | None]:
    """AP and AR over similarities 0.50 … 0.95, as pycocotools computes them; None where there is nobody to find.

    Args:
        predictions: Poses and labels, in ``skeleton``.
        skeleton: Gives the sigmas.
        common: ``(K,)`` keypoints that count.
    """
    pictures = [item.image.image_id for item in predictions]
    found = _found(predictions, skeleton, common)
    return coco_figures(pictures, _truth(predictions, common), found, _STATS, skeleton.sigmas)


def _truth(predictions: Iterable[PicturePoses], common: NDArray[np.bool_]) -> Iterable[dict[str, Any]]:
    for item in predictions:
        for person in item.image.people:
            counted = person.labelled & common
            x0, y0, x1, y1 = person.box
            yield {
                "image_id": item.image.image_id,
                "iscrowd": int(person.crowd),
                "keypoints": _triples(person.keypoints, counted, np.where(counted, person.labels, 0)),
                "num_keypoints": int(counted.sum()),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": person.area,
            }


def _found(
    predictions: Iterable[PicturePoses], skeleton: Skeleton, common: NDArray[np.bool_]
) -> Iterable[dict[str, Any]]:
    for item in predictions:
        poses = item.poses.select(~excused(item.image, item.poses, common, skeleton.sigmas))
        boxes = np.nan_to_num(poses.boxes()).astype(float)
        for index, (x0, y0, x1, y1) in enumerate(boxes):
            yield {
                "image_id": item.image.image_id,
                "keypoints": _triples(poses.keypoints[index], poses.present[index], poses.keypoint_scores[index]),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "score": float(poses.scores[index]),
            }


def _triples(xy: NDArray[Any], there: NDArray[np.bool_], third: NDArray[Any]) -> list[float]:
    placed = np.where(there[:, None], xy.astype(np.float64), _FAR)
    values: list[float] = np.column_stack([placed, third]).ravel().tolist()
    return values
