"""Several COCO files that are one set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from posecore.data.annotations import PoseDataset
from posecore.errors import DataError


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


def _usual_category(part: PoseDataset) -> str | None:
    names = Counter(person.category for image in part for person in image.people)
    return names.most_common(1)[0][0] if names else None
