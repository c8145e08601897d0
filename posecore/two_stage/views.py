"""Where the second model looks: squares around the people that the first one found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, overlap, to_edges
from posecore.poses import Poses

#: Smallest square that is looked at, in pixels of the picture: in fewer there is nobody to be seen.
LEAST_SIDE = 8.0
#: Squares that overlap more than this (intersection over union) show the same; the surer person's is looked at.
SAME_VIEW = 0.7


@dataclass(frozen=True)
class View:
    """A part of a picture to be looked at closely.

    Attributes:
        region: (x0, y0, x1, y1) in source pixels, possibly reaching outside the picture.
        score: How sure it is that a person is there, 0 … 1.
    """

    region: Region
    score: float = 1.0


def square_around(keypoints: NDArray[np.floating], expand: float) -> Region | None:
    """A square around the present ones of ``keypoints`` ``(K, 2)`` in source pixels; None with fewer than two.

    Its side is ``expand`` times the longer side of the box around them; it may reach outside the picture.
    """
    present = keypoints[np.isfinite(keypoints).all(1)]
    if len(present) < 2:
        return None
    low, high = present.min(0), present.max(0)
    x, y = to_edges((low + high) / 2).tolist()
    half = max(expand * float((high - low).max()), LEAST_SIDE) / 2
    return x - half, y - half, x + half, y + half


def views_of(people: Poses, expand: float) -> list[tuple[int, Region]]:
    """Which of ``people`` are looked at, and where: nobody twice in nearly the same square."""
    chosen: list[tuple[int, Region]] = []
    for person in np.argsort(-people.scores, kind="stable").tolist():
        region = square_around(people.keypoints[person], expand)
        if region is not None and not shown_already(region, [known for _, known in chosen]):
            chosen.append((person, region))
    return chosen


def shown_already(region: Region, others: Sequence[Region]) -> bool:
    """Whether one of ``others`` shows nearly the same."""
    return any(overlap(region, other) > SAME_VIEW for other in others)
