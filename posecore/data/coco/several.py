"""Several COCO files that are one set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.checks import Problems
from posecore.data.people import without_twins
from posecore.errors import DataError

SEVERAL = "a picture that several files label; all its people are taken"


def read_alike(parts: Mapping[Path, PoseDataset], read: Callable[[Path, str], PoseDataset]) -> list[PoseDataset]:
    """The parts of a set, all for one category: the one that all of them together use most.

    Args:
        parts: File → what it holds of the category that it uses most itself.
        read: Reads a file for the category given.

    Returns:
        The parts as they are when their keypoints are the same, or differ whatever the category.
    """
    best = list(parts.values())
    if len({part.skeleton.keypoints for part in best}) < 2:
        return best
    people = -1
    for name in dict.fromkeys(name for part in parts.values() if (name := _usual_category(part)) is not None):
        try:
            alike = [read(file, name) for file in parts]
        except DataError:
            continue
        if (count := sum(part.people for part in alike)) > people:
            best, people = alike, count
    return best


def together(parts: Sequence[PoseDataset]) -> list[PoseDataset]:
    """The parts of a set, with a picture that several of them label only in the first, where all its people are."""
    remarks = Problems(Path())
    owners: dict[Path, tuple[int, int]] = {}
    images: list[list[AnnotatedImage]] = []
    for number, part in enumerate(parts):
        images.append([])
        for image in part:
            owner, at = owners.setdefault(image.path, (number, len(images[number])))
            if owner == number:
                images[number].append(image)
            else:
                images[owner][at] = _joined(images[owner][at], image, remarks.remark)
                remarks.remark(SEVERAL)
    alike = [replace(part, images=tuple(own)) for part, own in zip(parts, images, strict=True)]
    return [replace(alike[0], remarks=(*alike[0].remarks, *remarks.remarks)), *alike[1:]] if alike else alike


def _joined(first: AnnotatedImage, second: AnnotatedImage, remark: Callable[[str], None]) -> AnnotatedImage:
    people = without_twins(((None, person) for person in (*first.people, *second.people)), remark)
    ignore = tuple(dict.fromkeys((*first.ignore, *second.ignore)))
    return replace(first, people=people, ignore=ignore, split=first.split or second.split)


def _usual_category(part: PoseDataset) -> str | None:
    names = Counter(person.category for image in part for person in image.people)
    return names.most_common(1)[0][0] if names else None
