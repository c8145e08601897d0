"""Labelled pictures: the types that readers make, writers take, and training and evaluation use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.imaging import Region
from posecore.skeleton import Skeleton


class Label(IntEnum):
    """What is known about a keypoint; 0, 1 and 2 are COCO's visibility flags."""

    UNLABELLED = 0  #: nobody said where it is; training masks it
    HIDDEN = 1  #: labelled, but covered by something
    VISIBLE = 2  #: labelled and visible
    ABSENT = 3  #: known not to be in the picture; training learns that nothing is there


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled person (or object with keypoints).

    Attributes:
        keypoints: ``(K, 2)`` float32 (x, y) in picture pixels; NaN unless labelled.
        labels: ``(K,)`` uint8 of :class:`Label`.
        box: (x0, y0, x1, y1) in picture pixels.
        area: Area in square pixels that OKS is scaled by.
        crowd: True for a region of people that nobody separated.
        category: Class name.
    """

    keypoints: NDArray[np.float32]
    labels: NDArray[np.uint8]
    box: Region
    area: float
    crowd: bool = False
    category: str = "person"

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """``(K,)`` True where a position is given."""
        return np.asarray((self.labels == Label.HIDDEN) | (self.labels == Label.VISIBLE), bool)


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """One picture and what is labelled in it.

    Attributes:
        path: Picture file.
        size: (width, height) in pixels.
        people: Labelled people, crowds included.
        image_id: Number that results refer to, unique in its dataset.
        ignore: Regions in which unlabelled people may be: no loss and no penalty there.
        split: The set's own split (``train``, ``val``, ``test``), or None.
    """

    path: Path
    size: tuple[int, int]
    people: tuple[Person, ...]
    image_id: int
    ignore: tuple[Region, ...] = ()
    split: str | None = None

    @property
    def waits(self) -> bool:
        """True for a picture that nobody has labelled yet: an ignore region covers it whole, lest it is learnt from.

        That is what sets it apart from a picture known to have nobody on it.
        """
        return whole(self.size) in self.ignore


def whole(size: tuple[int, int]) -> Region:
    """The region (x0, y0, x1, y1) that covers a picture of ``size`` (width, height)."""
    return 0.0, 0.0, float(size[0]), float(size[1])


@dataclass(frozen=True)
class Problem:
    """An entry that was skipped.

    Attributes:
        file: The file it is in.
        place: Where in the file.
        reason: Why it was skipped.
        ignored: People among what was skipped whose place in the picture became an ignore region.
    """

    file: Path
    place: str
    reason: str
    ignored: int = 0

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.reason}"


@dataclass(frozen=True)
class Remark:
    """Something odd in a file that cost nothing, as it was read another way.

    Attributes:
        what: What was odd, and what it was read as.
        count: How often.
    """

    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.what} ({self.count} ×)"


@dataclass(frozen=True, eq=False)
class PoseDataset:
    """Labelled pictures that share a skeleton.

    Attributes:
        name: For people.
        skeleton: Meaning of the keypoints.
        images: The pictures.
        problems: What was skipped while reading, and why.
        remarks: What was odd and read all the same.
    """

    name: str
    skeleton: Skeleton
    images: tuple[AnnotatedImage, ...]
    problems: tuple[Problem, ...] = field(default=())
    remarks: tuple[Remark, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return iter(self.images)

    @property
    def people(self) -> int:
        """Number of labelled people, crowds not counted."""
        return sum(not person.crowd for image in self.images for person in image.people)

    @property
    def ignored(self) -> int:
        """Number of people who were skipped while reading and whose place became an ignore region."""
        return sum(problem.ignored for problem in self.problems)


def spread(images: Sequence[AnnotatedImage], most: int) -> tuple[AnnotatedImage, ...]:
    """At most so many pictures, from all over the sequence, in order."""
    if len(images) <= most:
        return tuple(images)
    return tuple(images[place] for place in np.linspace(0, len(images) - 1, most).round().astype(int))
