"""The cases that cost most, small enough to be kept: the worst people, and the most certain poses about nobody."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from posecore.boxes import square_around_box, to_edges
from posecore.data.annotations import AnnotatedImage
from posecore.evaluation.error_kinds import KINDS, JudgedPose, poses_about_nobody
from posecore.evaluation.evaluate import Case, Evaluation, ranked
from posecore.evaluation.predictions import PicturePoses, crop_region
from posecore.evaluation.sheets import labelled_poses, pair_tile
from posecore.imaging import Picture, Region
from posecore.poses import Poses

What = Literal["not found", "poor", "nobody"]
#: How many are kept: people, and poses about nobody.
_PEOPLE, _NOBODY = 36, 12


@dataclass(frozen=True)
class WorstCase:
    """One person or pose.

    Attributes:
        what: ``not found``: a person no pose is about; ``poor``: a person and the pose about them; ``nobody``: a pose
            about nobody.
        image_id: Number of the picture in its set.
        path: Its file.
        region: Square of the picture to look at, possibly reaching outside.
        looked: What the network saw, when that was not the whole picture.
        oks: Similarity of pose and person; None for a pose about nobody.
        score: Of the pose.
        pose: Its place among the poses of what the network saw, best first; None without one.
        joint: The keypoint that is furthest off for its size; None where nothing was judged.
        kinds: Kind of error → how many keypoints are of it.
        labelled, found: The person and the pose, as :meth:`posecore.poses.Poses.to_dict` gives them.
    """

    what: What
    image_id: int
    path: str
    region: tuple[float, float, float, float]
    looked: tuple[float, float, float, float] | None
    oks: float | None
    score: float | None
    pose: int | None
    joint: str | None
    kinds: Mapping[str, int]
    labelled: Mapping[str, Any] | None
    found: Mapping[str, Any] | None


def worst(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> tuple[WorstCase, ...]:
    """The worst people, worst first, then the poses about nobody, the most certain first."""
    by_case = {(evaluation.predictions[one.picture].image.image_id, one.person): one for one in judged}
    people = [
        _person(case, evaluation, by_case.get((case.picture.image.image_id, case.person)))
        for case in ranked(evaluation)[:_PEOPLE]
    ]
    return (*people, *_about_nobody(evaluation, judged))


def _person(case: Case, evaluation: Evaluation, judged: JudgedPose | None) -> WorstCase:
    item = case.picture
    person = item.image.people[case.person]
    found = None if case.pose is None else item.poses.select([case.pose])
    joint: str | None = None
    kinds: dict[str, int] = {}
    if judged is not None:
        known = judged.kinds >= 0
        similarity = np.where(np.isnan(judged.similarity), np.inf, judged.similarity)
        # Left and right exchanged is as bad as not there at all, however near the other one is.
        similarity = np.where(judged.kinds >= KINDS.index("inversion"), similarity - 1, similarity)
        joint = evaluation.skeleton.keypoints[int(similarity.argmin())] if known.any() else None
        kinds = {kind: int((judged.kinds == index).sum()) for index, kind in enumerate(KINDS)}
    return WorstCase(
        "not found" if found is None else "poor",
        item.image.image_id,
        str(item.image.path),
        _plain(crop_region(person, 1.5)),
        None if item.answers is None else _plain(crop_region(person)),
        case.oks,
        None if found is None else float(found.scores[0]),
        None if case.pose is None else _place(item, case.pose),
        joint,
        kinds,
        labelled_poses([person], evaluation.skeleton, item.image.size).to_dict(),
        None if found is None else found.to_dict(),
    )


def _about_nobody(evaluation: Evaluation, judged: Sequence[JudgedPose]) -> Iterable[WorstCase]:
    if evaluation.protocol != "full":
        return
    found = [
        (float(item.poses.scores[pose]), index, pose)
        for index, (item, poses) in enumerate(
            zip(evaluation.predictions, poses_about_nobody(evaluation, judged), strict=True)
        )
        for pose in poses
    ]
    for score, index, pose in sorted(found, key=lambda one: (-one[0], one[1:]))[:_NOBODY]:
        item = evaluation.predictions[index]
        alone = item.poses.select([pose])
        x0, y0, x1, y1 = to_edges(alone.boxes().reshape(2, 2)).ravel().tolist()
        if math.isnan(x0):
            continue
        region = _plain(square_around_box((x0, y0, x1, y1), 1.5))
        place = _place(item, pose)
        yield WorstCase(
            "nobody",
            item.image.image_id,
            str(item.image.path),
            region,
            None,
            None,
            score,
            place,
            None,
            {},
            _others(item.image, evaluation),
            alone.to_dict(),
        )


def _others(image: AnnotatedImage, evaluation: Evaluation) -> Mapping[str, Any] | None:
    """Whoever is labelled in the picture."""
    people = [person for person in image.people if not person.crowd]
    return labelled_poses(people, evaluation.skeleton, image.size).to_dict() if people else None


def _place(item: PicturePoses, pose: int) -> int:
    """Place of a pose by falling score; 0 where the network was asked for one person."""
    if item.answers is not None:
        return 0
    return int(np.flatnonzero(np.argsort(-item.poses.scores, kind="stable") == pose)[0])


def _plain(region: Region) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(side) for side in region)
    return x0, y0, x1, y1


def worst_tile(case: WorstCase, side: int) -> Picture:
    """What is labelled and what was found beside each other; grey squares where the picture is gone."""
    labelled, found = (None if one is None else Poses.from_dict(dict(one)) for one in (case.labelled, case.found))
    captions = (f"#{case.image_id}", "" if found is not None else "not found")
    return pair_tile(Path(case.path), case.region, (labelled, found), captions, side)
