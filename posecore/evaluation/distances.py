"""How far keypoints are from where they belong: PCK at every fraction, and percentiles of the distance.

A distance is measured against a length of the person, which has to be said, as figures by different lengths do not
compare: *torso* from right hip to left shoulder, as :mod:`posecore.evaluation.pck`; *head* from the top of the head, or
the nose where that is not labelled, to the neck or between the shoulders (MPII's PCKh takes boxes of heads, which
labels here do not have); *box*, the longer side of the person's box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Person
from posecore.evaluation.evaluate import Case, Evaluation, cases
from posecore.evaluation.pck import trunk_length
from posecore.skeleton import Skeleton

Length = Literal["torso", "head", "box"]
#: Fractions at which a PCK curve is drawn.
FRACTIONS = tuple(round(0.05 * step, 2) for step in range(1, 11))
#: Percentiles of the distance that are told.
PERCENTILES = (50, 75, 90, 95, 99)
#: A head counts at least this many pixels.
SHORTEST_HEAD = 5.0
#: Where a head begins and ends, the first that is labelled.
_HEAD = (("head_top", "head", "nose"), ("neck", "upper_neck"))


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of one evaluation.

    Attributes:
        by: What they are divided by.
        pixels: ``(N, K)`` distance in pixels; infinite where a labelled keypoint was not found, NaN where nothing is
            labelled, does not count or the person has no such length.
        relative: ``(N, K)`` the same divided by the person's length.
        owners: ``(N,)`` the picture of each row.
        keypoints: Names of the columns.
        left_out: People who count but whose length is not known.
    """

    by: Length
    pixels: NDArray[np.float64]
    relative: NDArray[np.float64]
    owners: NDArray[np.intp]
    keypoints: tuple[str, ...]
    left_out: int

    def pck(self, fraction: float) -> float | None:
        """Part of the labelled keypoints nearer than this fraction of the length; None when there are none."""
        known = ~np.isnan(self.relative)
        return float((self.relative[known] < fraction).mean()) if known.any() else None

    def curve(self, fractions: Sequence[float] = FRACTIONS) -> dict[float, float | None]:
        """PCK at several fractions."""
        return {fraction: self.pck(fraction) for fraction in fractions}

    def percentiles(self, which: Sequence[int] = PERCENTILES) -> dict[int, tuple[float, float] | None]:
        """(pixels, part of the length) that this part in a hundred of the keypoints *that were found* stay within."""
        found = np.isfinite(self.relative)
        if not found.any():
            return dict.fromkeys(which)
        return {
            one: (float(np.percentile(self.pixels[found], one)), float(np.percentile(self.relative[found], one)))
            for one in which
        }

    @property
    def not_found(self) -> float | None:
        """Part of the labelled keypoints that have no position; None when nothing is labelled."""
        known = ~np.isnan(self.relative)
        return float(np.isinf(self.relative[known]).mean()) if known.any() else None


def distances(evaluation: Evaluation, by: Length = "torso") -> Distances:
    """Distances of every labelled keypoint that counts, in the order of :func:`posecore.evaluation.cases`."""
    rows, owners, lengths, left_out = [], [], [], 0
    for case in cases(evaluation):
        length = length_of(case.picture.image.people[case.person], evaluation.skeleton, by)
        if length is None:
            left_out += 1
            continue
        rows.append(_row(case, evaluation))
        owners.append(case.picture.image.image_id)
        lengths.append(length)
    pixels = np.array(rows, np.float64).reshape(-1, len(evaluation.skeleton))
    relative = pixels / np.array(lengths, np.float64)[:, None]
    return Distances(by, pixels, relative, np.array(owners, np.intp), evaluation.skeleton.keypoints, left_out)


def _row(case: Case, evaluation: Evaluation) -> NDArray[np.float64]:
    person = case.picture.image.people[case.person]
    judged = person.labelled & evaluation.common
    if case.pose is None:
        return np.where(judged, np.inf, np.nan)
    gap = np.hypot(*(case.picture.poses.keypoints[case.pose].astype(np.float64) - person.keypoints).T)
    return np.where(judged, np.where(np.isnan(gap), np.inf, gap), np.nan)


def length_of(person: Person, skeleton: Skeleton, by: Length) -> float | None:
    """The length in pixels that a person's distances are measured against; None when it is not labelled."""
    if by == "torso":
        return trunk_length(person, skeleton)
    if by == "box":
        x0, y0, x1, y1 = person.box
        return max(x1 - x0, y1 - y0, 1.0)
    ends = [_first_labelled(person, skeleton, names) for names in _HEAD]
    top, bottom = ends[0], ends[1] if ends[1] is not None else _between_shoulders(person, skeleton)
    return None if top is None or bottom is None else max(float(np.hypot(*(top - bottom))), SHORTEST_HEAD)


def _first_labelled(person: Person, skeleton: Skeleton, names: Sequence[str]) -> NDArray[np.float64] | None:
    for name in names:
        if name in skeleton.keypoints and person.labelled[skeleton.index(name)]:
            return np.asarray(person.keypoints[skeleton.index(name)], np.float64)
    return None


def _between_shoulders(person: Person, skeleton: Skeleton) -> NDArray[np.float64] | None:
    both = [_first_labelled(person, skeleton, (f"{side}_shoulder",)) for side in ("left", "right")]
    return None if both[0] is None or both[1] is None else (both[0] + both[1]) / 2
