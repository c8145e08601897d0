"""What can be done to a set of labels: split, filter, map to another skeleton, join.

Every operation returns a new set; pictures are not touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.merging import merged
from posecore.data.naming import mirror_pairs, tells_sides
from posecore.data.person_boxes import as_boxes
from posecore.errors import DataError, SkeletonError
from posecore.skeleton import COCO_17, PERSON_BOX, Skeleton, SkeletonMapping, map_skeleton
from posecore.words import meant

__all__ = ["Filters", "filtered", "mapped", "mapped_as", "merged", "paired", "renamed", "split_by_ratio", "split_named"]


def split_by_ratio(
    dataset: PoseDataset, ratios: Mapping[str, float] | None = None, seed: int = 0
) -> dict[str, PoseDataset]:
    """Distribute the pictures over parts at random.

    Args:
        dataset: The set.
        ratios: Part → share; they need not add up to one. 0.8 ``train`` and 0.2 ``val`` when None.
        seed: The same seed and pictures give the same parts, whatever order the pictures are in.

    Returns:
        Part → set, every picture in exactly one and marked with it.

    Raises:
        DataError: When a share is not positive.
    """
    shares = {"train": 0.8, "val": 0.2} if ratios is None else dict(ratios)
    if not shares or not all(np.isfinite(share) and share > 0 for share in shares.values()):
        raise DataError(f"Split shares must be more than 0, not {shares}.")
    images = sorted(dataset.images, key=lambda image: image.image_id)
    order = np.random.default_rng(seed).permutation(len(images))
    ends = np.rint(np.cumsum(list(shares.values())) / sum(shares.values()) * len(images)).astype(int)
    parts = {}
    for name, members in zip(shares, np.split(order, ends[:-1]), strict=True):
        chosen = tuple(replace(images[index], split=name) for index in sorted(members))
        parts[name] = replace(dataset, name=f"{dataset.name}-{name}", images=chosen)
    return parts


def split_named(dataset: PoseDataset) -> dict[str, PoseDataset]:
    """The set's own split; raises ``DataError`` when a picture belongs to none."""
    names = [image.split for image in dataset]
    if not all(names):
        raise DataError(
            f"{names.count(None)} of {len(names)} pictures of {dataset.name} belong to no split; split by ratio."
        )
    parts = sorted({name for name in names if name})
    return {
        part: replace(
            dataset, name=f"{dataset.name}-{part}", images=tuple(image for image in dataset if image.split == part)
        )
        for part in parts
    }


@dataclass(frozen=True)
class Filters:
    """Which people are kept.

    Attributes:
        crowds: Keep crowd regions.
        keypoints: Fewest labelled keypoints.
        visible: Fewest *visible* keypoints.
        box_area: Smallest box in square pixels.
        categories: Class names, or None for all.
        drop_empty: Also leave out pictures on which nobody is left.
        remember: Turn the boxes of people who are left out into ignore regions, so that their being in the picture is
            neither learnt as background nor counted as a mistake.
    """

    crowds: bool = True
    keypoints: int = 0
    visible: int = 0
    box_area: float = 0.0
    categories: Collection[str] | None = None
    drop_empty: bool = False
    remember: bool = True

    def keep(self, person: Person) -> bool:
        """True for a person who passes all filters."""
        x0, y0, x1, y1 = person.box
        return (
            (self.crowds or not person.crowd)
            and int(person.labelled.sum()) >= self.keypoints
            and int((person.labels == Label.VISIBLE).sum()) >= self.visible
            and (x1 - x0) * (y1 - y0) >= self.box_area
            and (self.categories is None or person.category in self.categories)
        )


def filtered(dataset: PoseDataset, filters: Filters) -> PoseDataset:
    """The set with only the people who pass.

    People of other categories are simply left out; the rest leave an ignore region (see ``Filters.remember``).

    Raises:
        DataError: When a category is asked for that nobody in the set has.
    """
    known = {person.category for image in dataset for person in image.people}
    missing = sorted(set(filters.categories or ()) - known)
    if missing:
        raise DataError(f"Nobody in {dataset.name} is a {missing[0]!r}; {meant(missing[0], sorted(known))}")

    def of(image: AnnotatedImage) -> AnnotatedImage:
        kept = tuple(person for person in image.people if filters.keep(person))
        left_out = [
            person
            for person in image.people
            if not filters.keep(person) and (filters.categories is None or person.category in filters.categories)
        ]
        ignore = (*image.ignore, *(person.box for person in left_out)) if filters.remember else image.ignore
        return replace(image, people=kept, ignore=ignore)

    images = tuple(of(image) for image in dataset)
    if filters.drop_empty:
        images = tuple(image for image in images if image.people)
    return replace(dataset, images=images)


def renamed(dataset: PoseDataset, names: Mapping[str, str]) -> PoseDataset:
    """Give keypoints other names (old → new), so that they can be mapped onto a skeleton that uses those.

    Where nobody has said which keypoints are left and right, new names of all of them may.

    Raises:
        DataError: When an old name does not exist or a new one would occur twice.
    """
    old = dataset.skeleton
    unknown = sorted(set(names) - set(old.keypoints))
    if unknown:
        raise DataError(f"There is no keypoint {unknown[0]!r} to rename; {meant(unknown[0], old.keypoints)}")
    try:
        given = tuple(names.get(name, name) for name in old.keypoints)
        skeleton = replace(old, keypoints=given)
        if not old.sides_known and set(names) == set(old.keypoints):
            pairs = mirror_pairs(given)
            skeleton = replace(skeleton, flip_pairs=pairs, sides_known=tells_sides(given, pairs))
    except SkeletonError as error:
        raise DataError(f"Renaming does not work: {error}") from error
    return replace(dataset, skeleton=skeleton)


def paired(dataset: PoseDataset, pairs: Sequence[tuple[str, str]]) -> PoseDataset:
    """Say which keypoints are each other's mirror image; every other one is its own.

    Args:
        dataset: The set.
        pairs: Names (left, right).

    Raises:
        DataError: When a name does not exist or stands in two pairs.
    """
    old = dataset.skeleton
    for name in itertools.chain.from_iterable(pairs):
        if name not in old.keypoints:
            raise DataError(f"There is no keypoint {name!r} to pair; {meant(name, old.keypoints)}")
    flips = tuple((old.index(left), old.index(right)) for left, right in pairs)
    try:
        return replace(dataset, skeleton=replace(old, flip_pairs=flips, sides_known=True))
    except SkeletonError as error:
        raise DataError(f"These mirror images do not work: {error}") from error


def mapped(dataset: PoseDataset, target: Skeleton) -> PoseDataset:
    """The set in another skeleton.

    Keypoints that the set's skeleton does not know become *unlabelled*. One that is the mean of several is labelled
    only when all of them are, hidden when one of them is, and absent when all are. ``PERSON_BOX`` takes people's boxes,
    whatever keypoints there are.
    """
    if target == PERSON_BOX:
        return as_boxes(dataset)
    # COCO's names for keypoints without names are a guess, and stay one under another skeleton.
    guessed = dataset.skeleton == COCO_17 and not dataset.skeleton.sides_known
    sides_known = target.sides_known and not guessed
    if dataset.skeleton == target:
        return dataset if dataset.skeleton.sides_known == sides_known else replace(dataset, skeleton=target)
    mapping = map_skeleton(dataset.skeleton, target)
    if not mapping.known.any():
        raise DataError(
            f"No keypoint of {dataset.skeleton.name!r} ({', '.join(dataset.skeleton.keypoints)}) has a name that "
            f"{target.name!r} uses; rename keypoints first."
        )
    return mapped_as(dataset, replace(mapping, target=replace(target, sides_known=sides_known)))


def mapped_as(dataset: PoseDataset, mapping: SkeletonMapping) -> PoseDataset:
    """The set in the skeleton that ``mapping`` leads to from its own; labels as :func:`mapped` says."""

    def person_of(person: Person) -> Person:
        xy, _ = mapping.keypoints(person.keypoints, person.labelled.astype(np.float32))
        labels = np.array([_joined(person.labels[list(found)]) for found in mapping.sources], np.uint8)
        return replace(person, keypoints=xy, labels=labels)

    images = tuple(replace(image, people=tuple(map(person_of, image.people))) for image in dataset)
    return replace(dataset, skeleton=mapping.target, images=images)


def _joined(labels: np.ndarray) -> Label:
    """The label of a keypoint that is the mean of keypoints with ``labels``."""
    if not len(labels) or (labels == Label.UNLABELLED).any():
        return Label.UNLABELLED
    absent = labels == Label.ABSENT
    if absent.any():
        return Label.ABSENT if absent.all() else Label.UNLABELLED
    return Label(int(labels.min()))
