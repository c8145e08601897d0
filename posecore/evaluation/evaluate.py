"""How good a model is on labelled pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import PoseDataset, Problem, Remark
from posecore.data.box_files import GivenBoxes
from posecore.errors import DataError, SettingsError
from posecore.evaluation.oks import (
    assigned,
    average_precision,
    common_keypoints,
    keypoint_similarity,
    similarity_matrix,
)
from posecore.evaluation.pck import all_correct_joints, correct_joints, limb_joints, mean_or_none
from posecore.evaluation.predictions import BATCH, NO_SLOT, PicturePoses, Protocol, predict, protocol_settings
from posecore.evaluation.progress import Tell, along, between, unheard
from posecore.model import PoseModel
from posecore.skeleton import PERSON_BOX, Skeleton
from posecore.two_stage import BoxedModel


@dataclass(frozen=True)
class KeypointFigures:
    """How well one keypoint is found.

    Attributes:
        count: How often it is labelled.
        similarity: Mean similarity (its term of OKS) over those, 0 where the person was not found.
        pck: Part of them that are close enough (crops protocol, people whose trunk is labelled), or None.
    """

    count: int
    similarity: float | None
    pck: float | None


@dataclass(frozen=True, eq=False)
class Case:
    """One labelled person and what the model made of them.

    Attributes:
        picture: Picture, labels and poses.
        person: Index in ``picture.image.people``.
        pose: Index in ``picture.poses``, or None when nothing was found for this person.
        oks: Similarity, 0 without a pose.
        pck: Part of the person's measured joints that are close enough, or None.
    """

    picture: PicturePoses
    person: int
    pose: int | None
    oks: float
    pck: float | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of one run.

    Attributes:
        protocol: ``crops`` or ``full``.
        precision: AP, AP50, AP75, AP_medium, AP_large and the same for AR; None where there was nobody.
        pck: PCK@0.2 over the limb joints (crops only), or None.
        per_keypoint: Figures of every keypoint that both the labels and the model have.
        predictions: What the figures are made of.
        common: ``(K,)`` keypoints of the labels' skeleton that count.
        skeleton: The labels' skeleton.
        model: Name of the model.
        dataset: Name of the set.
        settings: All network and decode settings.
        seconds: Time for reading, network and decoding.
        problems: Pictures that could not be used.
        remarks: What was odd about predictions or boxes that were read from a file.
    """

    protocol: Protocol
    precision: Mapping[str, float | None]
    pck: float | None
    per_keypoint: Mapping[str, KeypointFigures]
    predictions: Sequence[PicturePoses]
    common: NDArray[np.bool_]
    skeleton: Skeleton
    model: str = ""
    dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    problems: Sequence[Problem] = ()
    remarks: Sequence[Remark] = ()

    @cached_property
    def cases(self) -> Sequence[Case]:
        """Every labelled person that counts, in the order of the set."""
        return [
            Case(item, index, pose, oks, _pck_of(item, index, self))
            for item in self.predictions
            for index, pose, oks in _matches(item, self.common, self.skeleton)
        ]

    @property
    def people(self) -> int:
        """People with a labelled keypoint that counts; crowds not counted."""
        return sum(
            bool((person.labelled & self.common).any()) and not person.crowd
            for item in self.predictions
            for person in item.image.people
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        figures = {
            name: {"count": one.count, "similarity": one.similarity, "PCK@0.2": one.pck}
            for name, one in self.per_keypoint.items()
        }
        return {
            "model": self.model,
            "protocol": self.protocol,
            "dataset": self.dataset,
            **self.precision,
            "PCK@0.2": self.pck,
            "per_keypoint": figures,
            "pictures": len(self.predictions),
            "people": self.people,
            "poses": sum(len(item.poses) for item in self.predictions),
            "seconds": round(self.seconds, 2),
            "settings": dict(self.settings),
            "problems": [str(problem) for problem in self.problems],
            "remarks": [str(remark) for remark in self.remarks],
        }


def evaluate(
    model: PoseModel,
    dataset: PoseDataset,
    protocol: Protocol = "crops",
    settings: Mapping[str, Any] | None = None,
    *,
    limit: int | None = None,
    batch: int = BATCH,
    advance: Callable[[], object] = lambda: None,
    slot: AbstractContextManager[object] = NO_SLOT,
    tell: Tell = unheard,
    boxes: GivenBoxes | None = None,
    predicting: Callable[..., Sequence[PicturePoses]] = predict,
) -> Evaluation:
    """Measure a model on a set.

    Poses are mapped onto the labels' skeleton, and only keypoints that both have under one name count.

    Args:
        model: The model.
        dataset: Labelled pictures.
        protocol: ``crops`` or ``full``, see :mod:`posecore.evaluation.predictions`.
        settings: Network and decode settings over those of the protocol.
        limit: Only the first so many pictures.
        batch: Most inputs that go through the network together.
        advance: Called after every picture.
        slot: Held while the network runs.
        tell: Told how far the figures are, once the network has seen everything.
        boxes: Where people are, for a :class:`posecore.two_stage.BoxedModel` under the protocol ``full``.
        predicting: Looks at the pictures, given what :func:`posecore.evaluation.predictions.predict` is given.

    Raises:
        SettingsError: For an unknown setting or protocol, or when boxes, model and protocol do not go together.
        DataError: When labels and model have no keypoint in common, there is no picture that can be read, or the boxes
            are of other pictures.
    """
    if isinstance(model, BoxedModel) != (boxes is not None) or (boxes is not None and protocol != "full"):
        raise SettingsError("Boxes go with a BoxedModel and the protocol full; give all three or none.")
    network, decode = protocol_settings(model, protocol, settings)
    common_of(dataset.skeleton, model.skeleton)
    given = None if boxes is None else boxes.placed([i.path for i in dataset], [i.image_id for i in dataset])
    problems: list[Problem] = [] if given is None else list(given.problems)
    start = time.perf_counter()
    predictions = predicting(
        model,
        dataset,
        protocol,
        network,
        decode,
        limit=limit,
        batch=batch,
        problems=problems,
        advance=advance,
        slot=slot,
        boxes=given,
    )
    seconds = time.perf_counter() - start
    if not predictions:
        reason = f": {problems[0]}" if problems else ", or nobody in it has a labelled keypoint."
        raise DataError(f"No picture of {dataset.name} can be used{reason}")
    return measure(
        predictions,
        protocol,
        dataset.skeleton,
        model.skeleton,
        tell,
        model=model.name,
        dataset=dataset.name,
        settings={**network, **decode, **({} if given is None else {"boxes": given.file.name})},
        seconds=seconds,
        problems=problems,
        remarks=() if given is None else given.remarks,
    )


def common_of(labels: Skeleton, model: Skeleton) -> NDArray[np.bool_]:
    """:func:`common_keypoints`, refusing skeletons that have nothing in common."""
    common = common_keypoints(labels, model)
    if (labels == PERSON_BOX) != (model == PERSON_BOX):
        raise DataError(
            "Boxes and joints do not compare: models that find boxes are measured by “posecore evaluate”, on labels of "
            "any kind; labels that are boxes alone measure no others."
        )
    if not common.any():
        raise DataError(
            f"Labels of {labels.name!r} and a model of {model.name!r} have no keypoint name in common; rename the "
            "labels' keypoints."
        )
    return common


def measure(
    predictions: Sequence[PicturePoses],
    protocol: Protocol,
    labels: Skeleton,
    model_skeleton: Skeleton,
    tell: Tell = unheard,
    /,
    **about: Any,
) -> Evaluation:
    """Figures of predictions that are there already; ``about`` fills the descriptive attributes."""
    common = common_of(labels, model_skeleton)
    tell(0.0)
    correct = all_correct_joints(predictions, labels, common) if protocol == "crops" else None
    limbs = limb_joints(labels)
    precision = average_precision(predictions, labels, common)
    tell(0.6)
    return Evaluation(
        protocol,
        precision,
        None if correct is None else mean_or_none(correct[:, limbs]),
        _per_keypoint(predictions, labels, common, correct, between(tell, 0.6, 1.0)),
        predictions,
        common,
        labels,
        **about,
    )


def _per_keypoint(
    predictions: Sequence[PicturePoses],
    labels: Skeleton,
    common: NDArray[np.bool_],
    correct: NDArray[np.float64] | None,
    tell: Tell,
) -> dict[str, KeypointFigures]:
    rows = [np.full(len(labels), np.nan)]
    for item in along(predictions, tell):
        for index, pose, _ in _matches(item, common, labels):
            person = item.image.people[index]
            if pose is None:
                rows.append(np.where(person.labelled, 0.0, np.nan))
            else:
                rows.append(keypoint_similarity(person, item.poses.select([pose]), labels.sigmas)[0])
    similarity = np.array(rows)
    return {
        name: KeypointFigures(
            int((~np.isnan(similarity[:, index])).sum()),
            mean_or_none(similarity[:, index]),
            None if correct is None else mean_or_none(correct[:, index]),
        )
        for index, name in enumerate(labels.keypoints)
        if common[index]
    }


def _matches(item: PicturePoses, common: NDArray[np.bool_], skeleton: Skeleton) -> list[tuple[int, int | None, float]]:
    """(person, pose, OKS) of every person that counts: the pose asked for them, else the one assigned to them."""
    people = item.image.people
    matrix = similarity_matrix(people, item.poses, common, skeleton.sigmas)
    if item.answers is None:
        pose_of = {person: int(pose) for person, pose in enumerate(assigned(matrix)) if pose >= 0}
    else:
        pose_of = {int(person): pose for pose, person in enumerate(item.answers)}
    counted = [i for i, person in enumerate(people) if (person.labelled & common).any() and not person.crowd]
    found = [(index, pose_of.get(index)) for index in counted]
    return [(index, pose, 0.0 if pose is None else float(matrix[index, pose])) for index, pose in found]


def cases(evaluation: Evaluation) -> list[Case]:
    """Every labelled person that counts, in the order of the set."""
    return list(evaluation.cases)


def _pck_of(item: PicturePoses, index: int, evaluation: Evaluation) -> float | None:
    if evaluation.protocol != "crops":
        return None
    row = correct_joints(item, index, evaluation.skeleton, evaluation.common)
    return None if row is None else mean_or_none(row[limb_joints(evaluation.skeleton)])


def worst_cases(evaluation: Evaluation, count: int = 24) -> list[Case]:
    """The people the model did worst on, worst first: by similarity, then by joints close enough, larger ones first."""
    return ranked(evaluation)[:count]


def ranked(evaluation: Evaluation) -> list[Case]:
    """All cases, worst first."""
    return sorted(
        cases(evaluation),
        key=lambda case: (
            case.oks,
            1.0 if case.pck is None else case.pck,
            -case.picture.image.people[case.person].area,
        ),
    )
