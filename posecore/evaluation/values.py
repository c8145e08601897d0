"""An evaluation as arrays, picture by picture and person by person: what figures are drawn again and compared from.

Who matches whom is decided within a picture, so a figure of any choice of pictures follows from these alone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import AnnotatedImage
from posecore.evaluation.evaluate import Case, Evaluation, cases
from posecore.evaluation.matching import OKS_THRESHOLDS, Matches, PictureMatcher
from posecore.evaluation.oks import keypoint_similarity
from posecore.evaluation.pck import correct_joints, limb_joints
from posecore.evaluation.progress import Tell, along, between, unheard


@dataclass(frozen=True, eq=False)
class Values:
    """The arrays of one evaluation, of N pictures, P poses, M people that count and K keypoints.

    Attributes:
        pictures: ``(N,)`` ``image_id``.
        keys: ``(N,)`` hash of each picture's file name and labels: who has the same has the same picture to judge.
        sizes: Sizes of people that were told apart, of :data:`posecore.evaluation.matching.AREAS`.
        wanted: ``(sizes, N)`` how many people there are to find.
        pose_owners: ``(P,)`` index of the picture of every pose.
        scores: ``(P,)`` of the poses.
        right, wrong: ``(sizes, 10, P)`` bool, see :class:`posecore.evaluation.matching.Matches`.
        owners: ``(M,)`` index of the picture of every person.
        oks: ``(M,)`` similarity, 0 for people who were not found.
        similarity: ``(M, K)`` the same keypoint by keypoint; NaN where nothing is labelled or counts.
        joints: ``(M, 2)`` limb joints that are close enough (PCK@0.2), and how many were measured.
    """

    pictures: NDArray[np.int64]
    keys: NDArray[np.int64]
    sizes: tuple[str, ...]
    wanted: NDArray[np.int64]
    pose_owners: NDArray[np.intp]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    owners: NDArray[np.intp]
    oks: NDArray[np.float64]
    similarity: NDArray[np.float64]
    joints: NDArray[np.float64]


def values_of(evaluation: Evaluation, sizes: Sequence[str] = ("all",), tell: Tell = unheard) -> Values:
    """The arrays of an evaluation, its pictures in their order."""
    pictures = np.array([item.image.image_id for item in evaluation.predictions], np.int64)
    matched = _matched(evaluation, sizes, between(tell, 0.0, 0.5))
    lengths = [len(matches[0].scores) for matches in matched]
    everybody = cases(evaluation)
    place = {image_id: index for index, image_id in enumerate(pictures.tolist())}
    keypoints = len(evaluation.skeleton)
    people = along(everybody, between(tell, 0.7, 1.0))
    return Values(
        pictures,
        _keys([item.image for item in evaluation.predictions]),
        tuple(sizes),
        np.array([[one.people for one in matches] for matches in matched], np.int64).reshape(-1, len(sizes)).T,
        np.repeat(np.arange(len(pictures)), np.array(lengths, np.intp)),
        np.concatenate([np.zeros(0), *(matches[0].scores for matches in matched)]),
        _flags([[one.right for one in matches] for matches in matched], len(sizes)),
        _flags([[one.wrong for one in matches] for matches in matched], len(sizes)),
        np.array([place[case.picture.image.image_id] for case in everybody], np.intp),
        np.array([case.oks for case in everybody], np.float64),
        np.array([_similarity(case, evaluation) for case in people], np.float64).reshape(-1, keypoints),
        np.array([_joints(case, evaluation) for case in everybody], np.float64).reshape(-1, 2),
    )


def _keys(images: Sequence[AnnotatedImage]) -> NDArray[np.int64]:
    seen: Counter[bytes] = Counter()
    keys = []
    for image in images:
        content = hashlib.blake2b(f"{image.path.name} {image.size} {image.ignore}".encode(), digest_size=8)
        for person in image.people:
            content.update(np.nan_to_num(person.keypoints).astype(np.float32).tobytes() + person.labels.tobytes())
            content.update(repr((*map(float, person.box), float(person.area), person.crowd)).encode())
        alike = content.digest()
        if seen[alike]:
            # Empty pictures of several folders may have one name.
            content.update(str(seen[alike]).encode())
        seen[alike] += 1
        keys.append(int.from_bytes(content.digest(), "little", signed=True))
    return np.array(keys, np.int64)


def _matched(evaluation: Evaluation, sizes: Sequence[str], tell: Tell) -> list[list[Matches]]:
    """Of every picture the matches by size; all sizes have the same poses in the same order."""
    common, sigmas = evaluation.common, evaluation.skeleton.sigmas
    items = along(evaluation.predictions, tell)
    matchers = (PictureMatcher(item.image, item.poses, common, sigmas) for item in items)
    return [[matcher.match_size(size) for size in sizes] for matcher in matchers]


def _flags(parts: Sequence[Sequence[NDArray[np.bool_]]], sizes: int) -> NDArray[np.bool_]:
    """``(sizes, 10, P)``."""
    empty = np.zeros((sizes, len(OKS_THRESHOLDS), 0), bool)
    return np.concatenate([empty, *(np.stack(part) for part in parts)], 2)


def _similarity(case: Case, evaluation: Evaluation) -> NDArray[np.float64]:
    person = case.picture.image.people[case.person]
    counted = person.labelled & evaluation.common
    if case.pose is None:
        return np.where(counted, 0.0, np.nan)
    found = keypoint_similarity(person, case.picture.poses.select([case.pose]), evaluation.skeleton.sigmas)[0]
    return np.where(counted, found, np.nan)


def _joints(case: Case, evaluation: Evaluation) -> tuple[float, float]:
    if evaluation.protocol != "crops":
        # Of whole pictures PCK is not defined.
        return 0.0, 0.0
    row = correct_joints(case.picture, case.person, evaluation.skeleton, evaluation.common)
    limbs = np.zeros(0) if row is None else row[limb_joints(evaluation.skeleton)]
    return float(np.nansum(limbs)), float(np.isfinite(limbs).sum())
