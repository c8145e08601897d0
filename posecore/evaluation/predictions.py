"""Running a model over labelled pictures in one of two ways, so that figures of different models can be compared.

*crops*: every labelled person on their own, in a square around their box; the model's best pose there.
*full*: the whole picture; everybody the model finds, or who is in boxes that it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import AnnotatedImage, Person, PoseDataset, Problem
from posecore.data.box_files import Box, PlacedBoxes
from posecore.data.pictures import read_labelled
from posecore.errors import ImageError, MissingExtraError, SettingsError, told
from posecore.fields import Fields
from posecore.imaging import Picture, Region, picture_id, square_around_box
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import Skeleton
from posecore.two_stage import BoxedModel
from posecore.words import counted

Protocol = Literal["crops", "full"]
Settings = dict[str, Any]

#: Side of the square that is looked at around a person, relative to the longer side of their box.
CROP_EXPAND = 1.25
#: Network inputs that go through the network together.
BATCH = 16
#: For whoever shares the network with nobody.
NO_SLOT: AbstractContextManager[None] = nullcontext()

#: Settings of each protocol; a model takes those it has. Crops leave a model its own way of decoding: one made for a
#: single person answers with that person, the others with their best pose.
_PROTOCOL: dict[Protocol, Settings] = {
    "crops": {"keypoint_threshold": 0.0, "pose_threshold": 0.0, "root_threshold": 0.05},
    "full": {
        "mode": "multi",
        "max_poses": 20,
        "keypoint_threshold": 0.0,
        "pose_threshold": 0.05,
        "root_threshold": 0.05,
    },
}


@dataclass(frozen=True, eq=False)
class PicturePoses:
    """What a model found in one labelled picture.

    Attributes:
        image: The picture and its labels.
        poses: In the labels' skeleton.
        answers: ``(P,)`` index in ``image.people`` of the person that each pose was asked for; None when the whole
            picture was looked at.
    """

    image: AnnotatedImage
    poses: Poses
    answers: NDArray[np.intp] | None = None


@dataclass(frozen=True, eq=False)
class View:
    """One input of the network: a picture, or a part of it around one person (an index in ``image.people``)."""

    image: AnnotatedImage
    person: int | None
    region: Region | None


def protocol_settings(
    model: PoseModel, protocol: Protocol, settings: Mapping[str, Any] | None = None
) -> tuple[Settings, Settings]:
    """All network settings and all decode settings of a run: the protocol's, with ``settings`` over them.

    Raises:
        SettingsError: For an unknown protocol or setting.
    """
    if protocol not in _PROTOCOL:
        raise SettingsError(f"There is no protocol {protocol!r}; choose {' or '.join(_PROTOCOL)}.")
    offered = {**model.network_settings_class.model_fields, **model.decode_settings_class.model_fields}
    wanted = {**_PROTOCOL[protocol], **model.comparison_settings(protocol == "crops")}
    wanted = {name: value for name, value in wanted.items() if name in offered}
    network, decode = model.split_settings({**wanted, **(settings or {})})
    return model.network_settings(**network).model_dump(), model.decode_settings(**decode).model_dump()


def crop_region(person: Person, expand: float = CROP_EXPAND) -> Region:
    """The square around a person's box, possibly reaching outside the picture."""
    return square_around_box(person.box, expand)


def views(image: AnnotatedImage, protocol: Protocol) -> list[View]:
    """What the network looks at in one picture: all of it, or every person who has a labelled keypoint."""
    if protocol == "full":
        return [View(image, None, None)]
    return [
        View(image, index, crop_region(person))
        for index, person in enumerate(image.people)
        if person.labelled.any() and not person.crowd
    ]


def analyse(
    model: PoseModel,
    images: Iterable[AnnotatedImage],
    protocol: Protocol,
    network: Mapping[str, Any],
    *,
    batch: int = BATCH,
    problems: list[Problem] | None = None,
    advance: Callable[[], object] = lambda: None,
    slot: AbstractContextManager[object] = NO_SLOT,
    boxes: PlacedBoxes | None = None,
    lost: set[int] | None = None,
) -> Iterator[tuple[View, Fields]]:
    """Fields of every view of every picture, in order; decoding them is left to the caller.

    Args:
        model: The model.
        images: Labelled pictures.
        protocol: What is looked at.
        network: Network settings.
        batch: Most views that go through the network together.
        problems: Takes pictures that cannot be read, are not of the size that the labels say, or that the network fails
            on; such are left out. Without it an error of the network ends the work.
        advance: Called after every picture read.
        slot: Held while the network runs.
        boxes: Where people are, for a :class:`posecore.two_stage.BoxedModel`, which looks at these alone.
        lost: Takes ids of pictures that the network fails on, of which other views may have been yielded.
    """
    pictures = pictures_of(images, protocol, problems, advance)
    while some := list(islice(pictures, batch)):
        look = looking(model, some, network, boxes, problems)
        with slot:
            made = look(range(len(some))) if problems is None else answers(look, range(len(some)))
        for (view, _, _), answer in zip(some, made, strict=True):
            if not isinstance(answer, str):
                yield view, answer
                continue
            if problems is not None:
                note(problems, view.image, answer)
            if lost is not None:
                lost.add(view.image.image_id)


def looking(
    model: PoseModel,
    some: Sequence[tuple[View, Picture, str]],
    network: Mapping[str, Any],
    boxes: PlacedBoxes | None = None,
    problems: list[Problem] | None = None,
) -> Callable[[Sequence[int]], Sequence[Fields]]:
    """Runs the network on those of some views that are named by their places."""
    if boxes is not None and isinstance(model, BoxedModel):
        given = [_boxes_of(view.image, boxes, problems) for view, _, _ in some]
        return lambda places: model.look_in(
            [some[at][1] for at in places],
            [given[at] for at in places],
            picture=[some[at][2] for at in places],
            **network,
        )
    return lambda places: model.fields(
        [some[at][1] for at in places],
        [some[at][0].region for at in places],
        picture=[some[at][2] for at in places],
        **network,
    )


def answers(look: Callable[[Sequence[int]], Sequence[Fields]], places: Sequence[int]) -> list[Fields | str]:
    """What the network says about each of some views, or why it fails: an error costs the view alone that it is about.

    Args:
        look: Runs it on views that are named by their places.
        places: Of those that are wanted.

    Raises:
        SettingsError, MissingExtraError: From ``look``: they are about all views.
    """
    try:
        return [*look(places)]
    except (SettingsError, MissingExtraError):
        raise
    except Exception as error:  # noqa: BLE001 - told as a problem of this picture; the others go on
        if len(places) == 1:
            return [told(error)]
    return [answer for at in places for answer in answers(look, [at])]


def note(problems: list[Problem], image: AnnotatedImage, reason: str) -> None:
    """Add to ``problems`` that a picture is left out, once however many of its views are concerned."""
    place = f"image {image.image_id}"
    if not any((one.file, one.place) == (image.path, place) for one in problems):
        problems.append(Problem(image.path, place, reason))


def _boxes_of(image: AnnotatedImage, boxes: PlacedBoxes, problems: list[Problem] | None) -> list[Box]:
    """The boxes in a picture; how many more lie outside it is a problem."""
    seen, outside = boxes.inside(image.path, image.size)
    if outside and problems is not None:
        where = counted(outside, "box lies", "boxes lie")
        problems.append(Problem(boxes.file, image.path.name, f"{where} outside the picture"))
    return seen


def pictures_of(
    images: Iterable[AnnotatedImage],
    protocol: Protocol,
    problems: list[Problem] | None,
    advance: Callable[[], object],
) -> Iterator[tuple[View, Picture, str]]:
    """Every view with its picture and the identity of that; every file is read once. See :func:`analyse`."""
    for image in images:
        try:
            picture = read_labelled(image)
        except ImageError as error:
            if problems is not None:
                problems.append(Problem(image.path, f"image {image.image_id}", str(error)))
            continue
        finally:
            advance()
        name = picture_id(picture)
        yield from ((view, picture, name) for view in views(image, protocol))


def predict(
    model: PoseModel,
    dataset: PoseDataset,
    protocol: Protocol,
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    *,
    limit: int | None = None,
    batch: int = BATCH,
    problems: list[Problem] | None = None,
    advance: Callable[[], object] = lambda: None,
    slot: AbstractContextManager[object] = NO_SLOT,
    boxes: PlacedBoxes | None = None,
) -> list[PicturePoses]:
    """Poses of every picture that can be read and looked at; see :func:`analyse` for the arguments.

    ``limit`` takes only the first pictures.
    """
    images = islice(dataset, limit)
    lost: set[int] = set()
    found = analyse(
        model, images, protocol, network,
        batch=batch, problems=problems, advance=advance, slot=slot, boxes=boxes, lost=lost,
    )  # fmt: skip
    decoded = ((view, model.decode(fields, **decode)) for view, fields in found)
    return [one for one in collect(decoded, dataset.skeleton) if one.image.image_id not in lost]


def collect(decoded: Iterable[tuple[View, Poses]], skeleton: Skeleton) -> list[PicturePoses]:
    """Join the poses of each picture's views, in the labels' skeleton. Views of one picture must follow each other."""
    results = []
    for _, members in groupby(decoded, key=lambda item: item[0].image.image_id):
        answered = list(members)
        image, person = answered[0][0].image, answered[0][0].person
        if person is None:
            results.append(PicturePoses(image, answered[0][1].to_skeleton(skeleton)))
            continue
        best = [(view, best_pose(poses)) for view, poses in answered if len(poses)]
        joined = _joined([poses for _, poses in best], skeleton, image.size)
        results.append(PicturePoses(image, joined, np.array([view.person for view, _ in best], np.intp)))
    return results


def best_pose(poses: Poses) -> Poses:
    """The pose with the highest score alone, scored by the mean of its keypoint scores."""
    best = poses.select([int(poses.scores.argmax())])
    return replace(best, scores=best.keypoint_scores.mean(1))


def _joined(parts: Sequence[Poses], skeleton: Skeleton, size: tuple[int, int]) -> Poses:
    if not parts:
        return Poses.empty(skeleton, size)
    mapped = [part.to_skeleton(skeleton) for part in parts]
    return Poses(
        np.concatenate([part.keypoints for part in mapped]),
        np.concatenate([part.keypoint_scores for part in mapped]),
        np.concatenate([part.scores for part in mapped]),
        skeleton,
        size,
    )
