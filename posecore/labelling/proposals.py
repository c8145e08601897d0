"""Labels that a model proposes: regions that look unlabelled, and people to start labelling from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, area_of, clipped, full_region, shared_area, to_edges
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset, Problem, whole
from posecore.data.checks import EntryError
from posecore.data.people import make_person
from posecore.data.pictures import picture_size, pictures_in
from posecore.errors import DataError, ImageError
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import Skeleton, map_skeleton

#: Pictures that go through the network together.
_BATCH = 8
#: A labelled person's box is widened by this part of its longer side before joints are looked for in it; joints within
#: that distance of a labelled one may be the person's.
_AROUND = 0.1
#: Room around the joints that a proposal is made from, relative to their extent: hands, feet and hair lie outside.
_MARGIN = 0.15


def propose_ignore(
    model: PoseModel,
    dataset: PoseDataset,
    settings: Mapping[str, Any] | None = None,
    *,
    fewest: int = 3,
    advance: Callable[[], object] = lambda: None,
) -> PoseDataset:
    """Mark regions where a model sees joints and nobody is labelled.

    A joint counts as explained when it lies in an ignore region, or in the box of a labelled person and belongs to the
    pose that fits this person best or is close to a labelled joint: others who stand in the box are not that person. A
    pose with at least ``fewest`` other joints gives a region: the box around them, a little widened.

    Args:
        model: A model that is better than the labels are complete.
        dataset: The set.
        settings: Network and decode settings; ``keypoint_threshold`` says which joints count.
        fewest: Unexplained joints that make a region.
        advance: Called after every picture.

    Returns:
        The set with more ignore regions; pictures that cannot be read keep theirs and are among its ``problems``.
    """
    problems = list(dataset.problems)
    images = []
    for image, poses in _posed(model, dataset.images, settings, problems, advance):
        regions = [] if poses is None else _unexplained(poses, image, fewest)
        images.append(replace(image, ignore=(*image.ignore, *regions)))
    return replace(dataset, images=tuple(images), problems=tuple(problems))


def _unexplained(poses: Poses, image: AnnotatedImage, fewest: int) -> list[Region]:
    found = [keypoints[present] for keypoints, present in zip(poses.keypoints, poses.present, strict=True)]
    own = [_own_pose(found, person) for person in image.people]
    regions = []
    for number, joints in enumerate(found):
        explained = np.zeros(len(joints), bool)
        for region in image.ignore:
            explained |= _inside(joints, region)
        for person, its in zip(image.people, own, strict=True):
            of_person = _inside(joints, _widened(person.box, _AROUND))
            explained |= of_person if its == number else of_person & _near(joints, person)
        left = joints[~explained]
        if len(left) >= fewest:
            regions.append(box_around(left, poses.image_size))
    return [region for region in regions if region is not None]


def _own_pose(found: Sequence[NDArray[np.floating]], person: Person) -> int | None:
    """The pose that fits a labelled person best: most joints close to those that are labelled, then most in the box."""
    box = _widened(person.box, _AROUND)
    fit = [(int(_near(joints, person).sum()), int(_inside(joints, box).sum())) for joints in found]
    return max(range(len(fit)), key=fit.__getitem__, default=None)


def _near(joints: NDArray[np.floating], person: Person) -> NDArray[np.bool_]:
    """Which of ``(N, 2)`` joints may be a labelled person's; any may where no joint is labelled."""
    labelled = person.keypoints[person.labelled]
    if person.crowd or not len(labelled):
        return np.ones(len(joints), bool)
    x0, y0, x1, y1 = person.box
    distances = np.linalg.norm(joints[:, None] - labelled[None], axis=-1)
    close: NDArray[np.bool_] = distances.min(1) <= _AROUND * max(x1 - x0, y1 - y0)
    return close


def _inside(joints: NDArray[np.floating], region: Region) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = region
    x, y = to_edges(joints).T
    inside: NDArray[np.bool_] = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return inside


@dataclass(frozen=True, eq=False)
class Proposal:
    """A person that a model proposes.

    Attributes:
        person: Joints that reach the model's keypoint threshold are visible, the others unlabelled.
        sureness: Mean score 0 … 1 over all joints that both the model and the set know; one that is missing counts 0.
    """

    person: Person
    sureness: float


def propose_labels(
    model: PoseModel,
    dataset: PoseDataset,
    settings: Mapping[str, Any] | None = None,
    *,
    fewest: int = 5,
    advance: Callable[[], object] = lambda: None,
) -> PoseDataset:
    """Add people that a model sees where nobody is labelled.

    Joints go by name from the model's skeleton to the set's. Those that reach ``keypoint_threshold`` become visible,
    the others are left unlabelled, and so are those that the model does not know.

    Args:
        model: The model.
        dataset: Labelled pictures, or :func:`unlabelled` ones.
        settings: Network and decode settings; a higher ``pose_threshold`` proposes fewer, surer people.
        fewest: Joints a person must have.
        advance: Called after every picture.

    Returns:
        The set with more people, in the same skeleton.

    Raises:
        DataError: When no keypoint of the model has a name that the set uses.
    """
    check_shared_names(model, dataset.skeleton)
    problems = list(dataset.problems)
    images = []
    for image, poses in _posed(model, dataset.images, settings, problems, advance):
        proposed = [] if poses is None else propose_people(poses, image, dataset.skeleton, fewest)
        images.append(replace(image, people=(*image.people, *(proposal.person for proposal in proposed))))
    return replace(dataset, images=tuple(images), problems=tuple(problems))


def check_shared_names(model: PoseModel, skeleton: Skeleton) -> None:
    """Raise ``DataError`` when a model's keypoints tell nothing about those of ``skeleton``."""
    if not map_skeleton(model.skeleton, skeleton).known.any():
        raise DataError(
            f"{model.name} finds {_listed(model.skeleton)}, but the labels are of {_listed(skeleton)}: no name is "
            "shared, so nothing can be proposed. Rename the set's keypoints, or choose another model."
        )


def _listed(skeleton: Skeleton) -> str:
    names = [name.replace("_", " ") for name in skeleton.keypoints]
    return ", ".join(names[:4]) + (" …" if len(names) > 4 else "")


def propose_people(poses: Poses, image: AnnotatedImage, skeleton: Skeleton, fewest: int = 5) -> list[Proposal]:
    """The people of ``poses`` who are not labelled in ``image`` and are not in one of its ignore regions.

    An ignore region over the whole picture, which a picture without labels has, hides nobody.

    Args:
        poses: What a model found in the picture, in any skeleton.
        image: The picture.
        skeleton: The skeleton of the proposals.
        fewest: Joints a person must have.
    """
    boxes = [person.box for person in image.people]
    boxes += [region for region in image.ignore if region != whole(image.size)]
    known = map_skeleton(poses.skeleton, skeleton).known
    mapped = poses.to_skeleton(skeleton)
    proposals = []
    for keypoints, scores, present in zip(mapped.keypoints, mapped.keypoint_scores, mapped.present, strict=True):
        seen = keypoints[present]
        if len(seen) < max(fewest, 1):
            continue
        box = box_around(seen, image.size)
        if box is None or any(_share(box, other) > 0.5 for other in boxes):
            continue
        labels = np.where(present, Label.VISIBLE, Label.UNLABELLED).astype(np.uint8)
        proposals.append(Proposal(make_person(keypoints, labels, box), float(scores[known].mean())))
    return proposals


def unlabelled(folder: str | Path, model: PoseModel) -> PoseDataset:
    """The pictures of a folder and those below, with nobody labelled, in a model's skeleton.

    Raises:
        DataError: When there are none.
    """
    root = Path(folder)
    images: list[AnnotatedImage] = []
    problems = []
    for path in pictures_in(root):
        try:
            images.append(AnnotatedImage(path, picture_size(path), (), len(images)))
        except EntryError as error:
            problems.append(Problem(path, "the picture", str(error)))
    if not images:
        raise DataError(f"{root} holds no pictures that can be read.")
    return PoseDataset(root.name, model.skeleton, tuple(images), tuple(problems))


def _posed(
    model: PoseModel,
    images: Iterable[AnnotatedImage],
    settings: Mapping[str, Any] | None,
    problems: list[Problem],
    advance: Callable[[], object],
) -> Iterator[tuple[AnnotatedImage, Poses | None]]:
    """Every picture with the model's poses, or None when it cannot be read."""
    network, decode = model.split_settings(settings or {})
    waiting = iter(images)
    while some := list(islice(waiting, _BATCH)):
        pictures = {}
        for position, image in enumerate(some):
            try:
                pictures[position] = read_image(image.path)
            except (ImageError, OSError) as error:
                problems.append(Problem(image.path, f"image {image.image_id}", str(error)))
        found = model.fields(list(pictures.values()), **network) if pictures else []
        poses = {place: model.decode(fields, **decode) for place, fields in zip(pictures, found, strict=True)}
        for position, image in enumerate(some):
            advance()
            yield image, poses.get(position)


def box_around(points: NDArray[np.floating], size: tuple[int, int]) -> Region | None:
    """The box of a person of whom ``(N, 2)`` joints are known, within a picture of ``size`` (width, height).

    It is wider than the joints, for hands, feet and hair lie outside. None when nothing of it is in the picture.
    """
    corners = to_edges(points)
    low, high = corners.min(0), corners.max(0)
    box = _widened((float(low[0]), float(low[1]), float(high[0]), float(high[1])), _MARGIN)
    return clipped(box, full_region(size))


def _widened(box: Region, part: float) -> Region:
    extra = max(part * max(box[2] - box[0], box[3] - box[1]), 1.0)
    return box[0] - extra, box[1] - extra, box[2] + extra, box[3] + extra


def _share(a: Region, b: Region) -> float:
    """Shared area as a part of the smaller region."""
    smaller = min(area_of(a), area_of(b))
    return shared_area(a, b) / smaller if smaller > 0 else 0.0
