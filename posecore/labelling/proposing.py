"""Letting a model propose labels for many pictures while somebody works on others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from posecore.data.annotations import AnnotatedImage
from posecore.errors import ImageError
from posecore.imaging import read_image
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import check_shared_names, propose_people
from posecore.model import PoseModel


def propose_for(
    desk: LabelDesk,
    model: PoseModel,
    image: AnnotatedImage,
    settings: Mapping[str, Any],
    fewest: int,
    slot: AbstractContextManager[Any],
    *,
    unlabelled: bool = False,
) -> int:
    """Let a model look at one picture and keep what it proposes; returns how many people that are.

    Args:
        desk: The set.
        model: The model.
        image: The picture.
        settings: Network and decode settings.
        fewest: Joints a person must have.
        slot: Held while the network runs.
        unlabelled: Nothing is proposed where somebody has labelled the picture meanwhile, be it with nobody on it.

    Raises:
        PosecoreError: When the picture cannot be read, nothing of the model's fits the set, or nothing can be written.
        OSError: When the picture's file is gone.
    """
    check_shared_names(model, desk.stored.skeleton)
    picture = read_image(image.path)
    with slot:
        poses = model(picture, **settings)
    if unlabelled and desk.status(image.image_id) != "unlabelled":
        return 0
    # Looked up again: somebody may have labelled the picture meanwhile.
    proposals = propose_people(poses, desk.stored.image(image.image_id), desk.stored.skeleton, fewest)
    desk.propose(image.image_id, proposals)
    return len(proposals)


@dataclass(frozen=True)
class Proposed:
    """How far a model is that looks at many pictures.

    Attributes:
        total: Number of pictures.
        done: Pictures that were looked at.
        people: People who were proposed.
        problems: Sentences about pictures that could not be used.
    """

    total: int
    done: int = 0
    people: int = 0
    problems: tuple[str, ...] = ()


def propose_for_all(
    desk: LabelDesk,
    model: PoseModel,
    images: Sequence[AnnotatedImage],
    settings: Mapping[str, Any],
    fewest: int,
    slot: AbstractContextManager[Any],
    report: Callable[[Proposed], None] = lambda proposed: None,
    stop: Event | None = None,
) -> Proposed:
    """Let a model look at many pictures, one after the other, and keep what it proposes.

    Args:
        desk: The set.
        model: The model.
        images: The pictures; those that somebody has labelled meanwhile are left alone.
        settings: Network and decode settings.
        fewest: Joints a person must have.
        slot: Held for each picture while the network runs.
        report: Called after each picture.
        stop: Ends it after the picture that is being looked at when set; what was proposed stays.

    Raises:
        PosecoreError: When nothing of the model's fits the set, or nothing can be written.
    """
    check_shared_names(model, desk.stored.skeleton)
    so_far = Proposed(len(images))
    for image in images:
        if stop is not None and stop.is_set():
            break
        people, problems = 0, so_far.problems
        if desk.status(image.image_id) == "unlabelled":
            try:
                people = propose_for(desk, model, image, settings, fewest, slot, unlabelled=True)
            except (ImageError, OSError) as error:
                problems = (*problems, f"{image.path.name}: {error}")
        so_far = replace(so_far, done=so_far.done + 1, people=so_far.people + people, problems=problems)
        report(so_far)
    return so_far
