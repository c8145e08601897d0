"""How alike two movements are: one held against another, whoever is faster, joint angle by joint angle.

The two are brought together in time by dynamic time warping (Sakoe and Chiba 1978, symmetric, without a window), over
the angles that both have. Angles do not change with the size of a person or their place, but with where the camera
stands: film both from the same side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SettingsError
from posecore.skeleton import Skeleton
from posecore.video.measures import Measure, joint_angles, parse_measure
from posecore.video.resampling import between
from posecore.video.sequence import Track

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Index = NDArray[np.intp]

#: Times a second at which movements are compared, and most of them: longer clips are compared less often.
_RATE, _MOST = 15.0, 4000
#: Part of the common times at which an angle is to be known on both sides.
_KNOWN = 0.2


@dataclass(frozen=True, eq=False)
class Alike:
    """Two movements brought together.

    Attributes:
        measures: What was compared, by the names of the first one's skeleton.
        times: ``(P, 2)`` seconds in the first and in the second at which they do the same, not decreasing.
        values: ``(P, 2, M)`` degrees in each; NaN where not known.
    """

    measures: tuple[Measure, ...]
    times: Array
    values: Array

    @property
    def differences(self) -> Array:
        """``(P, M)`` degrees by which the second has more; NaN where one is not known."""
        return np.asarray(self.values[:, 1] - self.values[:, 0])

    @property
    def mean(self) -> float:
        """Degrees by which the angles differ in the mean, each angle counting the same."""
        return float(np.nanmean(np.nanmean(np.abs(self.differences), axis=0)))

    def table(self) -> pd.DataFrame:
        """Tidy table: time, other_time, measure, value, other_value, difference; a row per common time and measure."""
        import pandas as pd

        parts = [
            pd.DataFrame(
                {
                    "time": self.times[:, 0],
                    "other_time": self.times[:, 1],
                    "measure": measure.text,
                    "value": self.values[:, 0, at],
                    "other_value": self.values[:, 1, at],
                    "difference": self.differences[:, at],
                }
            )
            for at, measure in enumerate(self.measures)
        ]
        return pd.concat(parts, ignore_index=True)

    def joints(self) -> list[Difference]:
        """What differs most first."""
        found = []
        for at, measure in enumerate(self.measures):
            size = np.abs(self.differences[:, at])
            worst = int(np.nanargmax(size))
            mean, most = float(np.nanmean(size)), float(np.nanpercentile(size, 90))
            found.append(Difference(measure, mean, most, float(self.times[worst, 0]), float(self.times[worst, 1])))
        return sorted(found, key=lambda one: -one.mean)


@dataclass(frozen=True)
class Difference:
    """How far one angle is from the other movement's, in degrees: the mean, nine times in ten less than ``most``; and
    the seconds in the first and in the second where it is farthest.
    """

    measure: Measure
    mean: float
    most: float
    time: float
    other_time: float


def compare_motion(
    one: Track,
    skeleton: Skeleton,
    other: Track,
    other_skeleton: Skeleton,
    measures: Sequence[str] = (),
    *,
    mirrored: bool = False,
) -> Alike:
    """Bring two movements together and say where they differ.

    Args:
        one: The reference.
        skeleton: Of its keypoints.
        other: The movement that is held against it.
        other_skeleton: Of its keypoints.
        measures: Angles to compare (``left_knee``, ``tilt:mid_hip-neck``); those of all joints that both have if empty.
        mirrored: Left of the one is right of the other, as when somebody follows a picture as they would a mirror.

    Raises:
        SettingsError: For a measure that one of them cannot have, is no angle, or of which too little is known.
    """
    texts = list(measures) or [measure.text for measure in joint_angles(skeleton)]
    pairs: list[tuple[Measure, Measure]] = []
    for text in texts:
        first = parse_measure(text, skeleton)
        if first.unit != "deg":
            raise SettingsError(f"{text!r} is no angle: movements are compared by angles alone.")
        try:
            pairs.append((first, parse_measure(_swapped(first.text) if mirrored else first.text, other_skeleton)))
        except SettingsError:
            if measures:
                raise
    step = max(1 / _RATE, *((track.times[-1] - track.times[0]) / _MOST for track in (one, other)))
    grids = [np.arange(track.times[0], track.times[-1] + step / 2, step) for track in (one, other)]
    sides = [
        np.stack([_sampled(track, pair[side], grid) for pair in pairs], axis=1) if pairs else np.zeros((len(grid), 0))
        for side, (track, grid) in enumerate(zip((one, other), grids, strict=True))
    ]
    known = [at for at in range(len(pairs)) if all(np.isfinite(side[:, at]).mean() >= _KNOWN for side in sides)]
    if not known:
        raise SettingsError(
            "No angle is known often enough in both movements; film whole limbs, or name other measures."
        )
    first_side, second_side = (side[:, known] for side in sides)
    at_one, at_other = align(_filled(first_side), _filled(second_side))
    return Alike(
        tuple(pairs[at][0] for at in known),
        np.stack([grids[0][at_one], grids[1][at_other]], axis=1),
        np.stack([first_side[at_one], second_side[at_other]], axis=1),
    )


def align(one: Array, other: Array) -> tuple[Index, Index]:
    """Which rows of two series belong together, from the first to the last of both.

    Args:
        one: ``(A, M)`` values; NaN where not known.
        other: ``(B, M)`` values likewise.

    Returns:
        ``(P,)`` rows of each, not decreasing, of which at least one rises by one from step to step.
    """
    costs = _costs(one, other)
    height, width = costs.shape
    total = np.full((height + 1, width + 1), np.inf)
    total[0, 0] = 0.0
    # All cells of one diagonal depend on the two before alone.
    for diagonal in range(height + width - 1):
        rows = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        columns = diagonal - rows
        here = costs[rows, columns]
        total[rows + 1, columns + 1] = np.minimum(
            total[rows, columns] + 2 * here,
            np.minimum(total[rows, columns + 1], total[rows + 1, columns]) + here,
        )
    path = [(height - 1, width - 1)]
    while path[-1] != (0, 0):
        row, column = path[-1]
        here = costs[row, column]
        ways = {
            (row - 1, column - 1): total[row, column] + 2 * here,
            (row - 1, column): total[row, column + 1] + here,
            (row, column - 1): total[row + 1, column] + here,
        }
        path.append(min((way for way in ways if min(way) >= 0), key=lambda way: ways[way]))
    found = np.array(path[::-1], np.intp)
    return found[:, 0], found[:, 1]


def _costs(one: Array, other: Array) -> Array:
    """``(A, B)`` mean differences of what both know; where nothing is known, what is usual."""
    total = np.zeros((len(one), len(other)))
    count = np.zeros((len(one), len(other)))
    for first, second in zip(one.T, other.T, strict=True):
        difference = np.abs(first[:, None] - second[None, :])
        there = np.isfinite(difference)
        total[there] += difference[there]
        count += there
    usual = total.sum() / max(count.sum(), 1)
    return np.where(count > 0, total / np.maximum(count, 1), usual)


def _sampled(track: Track, measure: Measure, times: Array) -> Array:
    """``(T,)`` values at other times, between neighbouring frames that are both known."""
    return between(measure.values(track), np.interp(times, track.times, np.arange(len(track))))


def _filled(values: Array) -> Array:
    """``(T, M)`` values with gaps bridged by straight lines, so that they say little about what belongs together."""
    result = values.copy()
    for column in result.T:
        there = np.isfinite(column)
        column[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), column[there])
    return result


def _swapped(text: str) -> str:
    """A measure's text with left for right."""
    return text.replace("left", "\0").replace("right", "left").replace("\0", "right")
