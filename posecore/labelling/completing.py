"""What a model that looks at one person at a time adds to labels: joints that nobody labelled, and mended mistakes.

The model sees a square around every labelled person twice, as it is and mirrored. What it says of a joint counts only
where it is sure in both views and both agree, so that its own mistakes, most of which change when left and right are
exchanged, do not become labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset, Problem
from posecore.data.operations import mapped
from posecore.data.pictures import read_labelled
from posecore.errors import ImageError
from posecore.imaging import Picture, Region, square_around_box
from posecore.labelling.opinions import Opinion, OpinionFile
from posecore.labelling.proposals import check_shared_names
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import Settings
from posecore.skeleton import Skeleton

#: Side of the square that the model looks at, relative to the longer side of the person's box.
_EXPAND = 1.25
#: People that go through the network together, each in two views.
_BATCH = 16
#: What decoders are told, as far as they know it: answer, whatever the score.
_ALWAYS = {"keypoint_threshold": 0.0, "pose_threshold": 0.0, "root_threshold": 0.05}
#: Joints that both labels and model know of somebody whose left and right may be exchanged, at least.
_ENOUGH_TO_TELL_SIDES = 6
#: Joints that both know of somebody who is the same person for both, at least, and the part of them that must fit.
_ENOUGH_TO_TELL_PEOPLE, _MOST = 3, 0.6


class CompletionRules(Settings):
    """When a model's word counts against a person's, or where there is none."""

    sure: float = Field(0.3, ge=0, le=1, description="Lowest score, in both views, of a joint that is added.")
    surer: float = Field(0.4, ge=0, le=1, description="Lowest score, in both views, before which a label gives way.")
    agree: float = Field(
        0.5, ge=0, le=1, description="Lowest similarity (the keypoint's part of OKS) of the two views of one joint."
    )
    wrong: float = Field(
        0.1, ge=0, le=1, description="A label whose similarity with a surer joint is below this is replaced."
    )
    absent: float = Field(
        0.05,
        ge=0,
        le=1,
        description="An unlabelled joint that scores below this in both views is taken as not in the picture.",
    )


@dataclass(frozen=True, eq=False)
class Completed:
    """A completed set, and how many joints or people were ``kept``, ``added``, ``replaced``, ``absent``, ``turned``."""

    dataset: PoseDataset
    counts: Counter[str]


def complete_labels(
    model: PoseModel,
    dataset: PoseDataset,
    rules: CompletionRules | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    memory: Path | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Completed:
    """Complete and mend the labels of every person, in the model's skeleton.

    A person whose labels agree with the model only when left and right are exchanged is turned round first. A label
    that is far from where the model is surer than sure gives way to it; any other label stays. Unlabelled joints are
    added where the model is sure, and absent where it sees nothing at all.

    Args:
        model: A model that answers with one person.
        dataset: Labelled people.
        rules: When the model's word counts; the usual ones unless given.
        settings: Network and decode settings of the model.
        memory: File for what the model says, so that a broken-off call can be repeated; kept.
        advance: Called after every picture.

    Returns:
        The set in the model's skeleton; people in pictures that cannot be read keep their labels, and the pictures are
        among its ``problems``.

    Raises:
        DataError: When no keypoint of the model has a name that the set uses.
    """
    check_shared_names(model, dataset.skeleton)
    dataset, rules = mapped(dataset, model.skeleton), rules or CompletionRules()
    problems = list(dataset.problems)
    counts: Counter[str] = Counter()
    said = OpinionFile(memory, {"model": model.name, "weights": model.weights_id, "settings": dict(settings or {})})
    network, decode = model.split_settings(settings or {})
    known = model.decode_settings_class.model_fields
    decode = {**{name: value for name, value in _ALWAYS.items() if name in known}, **decode}
    places = _places(dataset, said, problems, advance)
    while some := list(islice(places, _BATCH)):
        opinions = _opinions(model, some, network, decode)
        said.add((image, index, opinion) for (image, index, _), opinion in zip(some, opinions, strict=True))
    images = tuple(
        replace(image, people=tuple(_heard(image, said, model.skeleton, rules, counts))) for image in dataset
    )
    return Completed(replace(dataset, images=images, problems=tuple(problems)), counts)


def _heard(
    image: AnnotatedImage, said: OpinionFile, skeleton: Skeleton, rules: CompletionRules, counts: Counter[str]
) -> Iterator[Person]:
    """The people of a picture, completed as far as something was said of them."""
    for index, person in enumerate(image.people):
        opinion = said.get(image, index)
        yield person if opinion is None else completed(person, opinion, skeleton, rules, counts)


_Place = tuple[AnnotatedImage, int, Picture]


def _places(
    dataset: PoseDataset, said: OpinionFile, problems: list[Problem], advance: Callable[[], object]
) -> Iterator[_Place]:
    """Everybody to be asked about who can be looked at: picture, index in its people, and its pixels."""
    for image in dataset:
        who = [index for index, one in enumerate(image.people) if not one.crowd and said.get(image, index) is None]
        try:
            picture = read_labelled(image) if who else None
        except ImageError as error:
            problems.append(Problem(image.path, f"image {image.image_id}", str(error)))
            picture = None
        advance()
        if picture is not None:
            yield from ((image, index, picture) for index in who)


def _opinions(
    model: PoseModel, places: list[_Place], network: Mapping[str, Any], decode: Mapping[str, Any]
) -> list[Opinion]:
    """What a model says of some people."""
    regions = [square_around_box(image.people[index].box, _EXPAND) for image, index, _ in places]
    pictures = [picture for _, _, picture in places]
    mirrored = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    turned = [_mirrored(region, picture.shape[1]) for region, picture in zip(regions, pictures, strict=True)]
    both = model.fields([*pictures, *mirrored], [*regions, *turned], **network)
    poses = [model.decode(fields, **decode) for fields in both]
    opinions = []
    for (image, index, picture), seen, reflected in zip(
        places, poses[: len(places)], poses[len(places) :], strict=True
    ):
        opinions.append(
            _joined(
                _answer(seen, model.skeleton),
                _turned_back(_answer(reflected, model.skeleton), picture.shape[1], model.skeleton),
                image.people[index].area,
                model.skeleton,
            )
        )
    return opinions


def _mirrored(region: Region, width: int) -> Region:
    return width - region[2], region[1], width - region[0], region[3]


_Answer = tuple[NDArray[np.float64], NDArray[np.float64]]


def _answer(poses: Poses, skeleton: Skeleton) -> _Answer:
    """``(K, 2)`` positions and ``(K,)`` scores of the best pose; NaN and 0 where there is none."""
    if not len(poses):
        return np.full((len(skeleton), 2), np.nan), np.zeros(len(skeleton))
    return poses.keypoints[0].astype(np.float64), poses.keypoint_scores[0].astype(np.float64)


def _turned_back(answer: _Answer, width: int, skeleton: Skeleton) -> _Answer:
    """What was said of a mirrored picture of ``width``, said of the picture."""
    xy, scores = answer
    order = skeleton.flip_permutation
    return np.column_stack([width - 1 - xy[order, 0], xy[order, 1]]), scores[order]


def _joined(first: _Answer, second: _Answer, area: float, skeleton: Skeleton) -> Opinion:
    scores = np.stack([first[1], second[1]])
    agreement = similarity(first[0], second[0], area, skeleton)
    return Opinion((first[0] + second[0]) / 2, scores.min(0), scores.max(0), agreement)


def similarity(
    a: NDArray[np.floating], b: NDArray[np.floating], area: float, skeleton: Skeleton
) -> NDArray[np.float64]:
    """``(K,)``: each keypoint's part of OKS between positions ``(K, 2)``; 0 where one is missing."""
    squared = ((np.asarray(a, np.float64) - b) ** 2).sum(-1)
    variance = (2 * np.asarray(skeleton.sigmas)) ** 2 * max(area, 1.0) * 2
    return np.asarray(np.nan_to_num(np.exp(-squared / variance)), np.float64)


def completed(
    person: Person, opinion: Opinion, skeleton: Skeleton, rules: CompletionRules, counts: Counter[str]
) -> Person:
    """One person with what a model adds; ``counts`` is added to."""
    trusted = (opinion.low >= rules.sure) & (opinion.agreement >= rules.agree)
    surer = trusted & (opinion.low >= rules.surer)
    if _sides_exchanged(person, opinion, surer, skeleton):
        order = skeleton.flip_permutation
        person = replace(person, keypoints=person.keypoints[order], labels=person.labels[order])
        counts["turned"] += 1
    fits = similarity(person.keypoints, opinion.keypoints, person.area, skeleton) >= rules.wrong
    if not _same_person(person.labelled & trusted, fits):
        counts["kept"] += int(person.labelled.sum())
        counts["another person"] += 1
        return person
    unlabelled = person.labels == Label.UNLABELLED
    taken = {"replaced": person.labelled & surer & ~fits, "added": unlabelled & trusted}
    absent = unlabelled & (opinion.high < rules.absent)
    xy, labels = person.keypoints.copy(), person.labels.copy()
    for which in taken.values():
        xy[which], labels[which] = opinion.keypoints[which], Label.VISIBLE
    labels[absent] = Label.ABSENT
    kept = person.labelled & ~taken["replaced"]
    for name, which in {"kept": kept, "absent": absent, **taken}.items():
        counts[name] += int(which.sum())
    return replace(person, keypoints=xy.astype(np.float32), labels=labels)


def _same_person(compared: NDArray[np.bool_], fits: NDArray[np.bool_]) -> bool:
    """True when a model means the person who is labelled: most of the joints that both know are where both say."""
    return bool(compared.sum() >= _ENOUGH_TO_TELL_PEOPLE and fits[compared].mean() > _MOST)


def _sides_exchanged(person: Person, opinion: Opinion, surer: NDArray[np.bool_], skeleton: Skeleton) -> bool:
    """True for labels that agree with a model much better when left and right are exchanged."""
    order = skeleton.flip_permutation
    two_sided = order != np.arange(len(skeleton))
    compared = surer & person.labelled & person.labelled[order] & two_sided
    if compared.sum() < _ENOUGH_TO_TELL_SIDES:
        return False
    as_labelled, exchanged = (
        float(similarity(places, opinion.keypoints, person.area, skeleton)[compared].mean())
        for places in (person.keypoints, person.keypoints[order])
    )
    return exchanged > 0.5 > 2 * as_labelled
