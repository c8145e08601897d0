"""The published grouping of OpenPose, one candidate at a time, without any vectorisation.

Written from Cao et al. 2017 and the description of its ports, with their known faults mended: nothing is read outside
the maps, joint 0 is a joint like any other, and a limb never replaces a joint that a person already has. It is the
oracle that the tests compare the codec with, and what the benchmark is a ratio to. Positions are (x, y) in cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.families.openpose.codec import OpenPoseMaps, assembly_order

#: x, y, height, number.
Peak = tuple[float, float, float, int]
#: start peak's number, end peak's number, score.
Connection = tuple[int, int, float]
Sampler = Callable[[NDArray[np.float32], float, float], float]

SAMPLES = 10


@dataclass
class LiteralPerson:
    """Keypoint → peak, the sum of joint and limb scores, and that sum relative to a whole person's."""

    joints: dict[int, Peak]
    total: float
    score: float = 0.0


def nearest(values: NDArray[np.float32], x: float, y: float) -> float:
    """Value of the cell nearest to a position, as published."""
    height, width = values.shape
    return float(values[min(max(round(y), 0), height - 1), min(max(round(x), 0), width - 1)])


def bilinear(values: NDArray[np.float32], x: float, y: float) -> float:
    """Value between cells, as our decoder reads part affinity on the coarse grid."""
    height, width = values.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    column, row = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    right, below = x - column, y - row
    total = 0.0
    for c, weight_x in ((column, 1 - right), (column + 1, right)):
        for r, weight_y in ((row, 1 - below), (row + 1, below)):
            if c < width and r < height:
                total += float(values[r, c]) * weight_x * weight_y
    return total


def decode_literally(
    maps: OpenPoseMaps,
    *,
    peak_threshold: float = 0.05,
    limb_threshold: float = 0.05,
    limb_share: float = 0.6,
    min_keypoints: int = 4,
    pose_threshold: float = 0.1,
    sampler: Sampler = nearest,
    peaks: list[list[Peak]] | None = None,
) -> list[LiteralPerson]:
    """People in the order of their scores.

    Args:
        maps: Fields.
        peak_threshold, limb_threshold, limb_share, min_keypoints, pose_threshold: As the codec's settings.
        sampler: How part affinity is read.
        peaks: Candidates per keypoint; found here when not given.
    """
    if peaks is None:
        peaks = find_literally(maps.heatmaps, peak_threshold)
    connections = [
        _connections(maps, limb, peaks[a], peaks[b], limb_threshold, limb_share, sampler)
        for limb, (a, b) in enumerate(maps.limbs)
    ]
    by_number = {peak[3]: peak for found in peaks for peak in found}
    people: list[LiteralPerson] = []
    for limb in assembly_order(maps.limbs):
        a, b = maps.limbs[limb]
        for connection in connections[limb]:
            _add(people, a, b, by_number, connection)
    for person in people:
        person.score = min(max(person.total / (2 * len(maps.heatmaps)), 0.0), 1.0)
    kept = [p for p in people if len(p.joints) >= min_keypoints and p.score >= pose_threshold]
    return sorted(kept, key=lambda person: -person.score)


def find_literally(heatmaps: NDArray[np.float32], threshold: float) -> list[list[Peak]]:
    """Cells that reach the threshold and that no neighbour exceeds, highest first within a keypoint."""
    number = 0
    found: list[list[Peak]] = []
    for heat in heatmaps:
        height, width = heat.shape
        peaks: list[tuple[float, float, float]] = []
        for row in range(height):
            for column in range(width):
                value = float(heat[row, column])
                if value >= threshold and value > 0 and _is_peak(heat, value, row, column):
                    peaks.append((column, row, value))
        peaks.sort(key=lambda peak: -peak[2])
        found.append([(*peak, number + index) for index, peak in enumerate(peaks)])
        number += len(peaks)
    return found


def _is_peak(heat: NDArray[np.float32], value: float, row: int, column: int) -> bool:
    height, width = heat.shape
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(column - 1, 0), min(column + 2, width)):
            if heat[r, c] > value:
                return False
    return True


def _connections(
    maps: OpenPoseMaps,
    limb: int,
    starts: list[Peak],
    ends: list[Peak],
    threshold: float,
    share: float,
    sampler: Sampler,
) -> list[Connection]:
    """Greedy matching of one limb: the best pair first."""
    candidates: list[Connection] = []
    height, width = maps.heatmaps.shape[1:]
    for start in starts:
        for end in ends:
            dx, dy = end[0] - start[0], end[1] - start[1]
            length = math.sqrt(dx * dx + dy * dy)
            if length <= 1e-9:
                continue
            # A refined peak may lie up to half a cell outside the outermost cells' centres.
            x0, y0 = min(max(start[0], 0.0), width - 1.0), min(max(start[1], 0.0), height - 1.0)
            x1, y1 = min(max(end[0], 0.0), width - 1.0), min(max(end[1], 0.0), height - 1.0)
            values = []
            for step in range(SAMPLES):
                x, y = x0 + (x1 - x0) * step / (SAMPLES - 1), y0 + (y1 - y0) * step / (SAMPLES - 1)
                along = sampler(maps.affinity[limb, 0], x, y) * dx + sampler(maps.affinity[limb, 1], x, y) * dy
                values.append(along / length)
            score = sum(values) / SAMPLES + min(0.5 * height / length - 1, 0)
            good = sum(value > threshold for value in values)
            if good > round(share * SAMPLES, 6) and score > 0:
                candidates.append((start[3], end[3], score))
    candidates.sort(key=lambda candidate: -candidate[2])
    used_starts: set[int] = set()
    used_ends: set[int] = set()
    chosen = []
    for candidate in candidates:
        if candidate[0] not in used_starts and candidate[1] not in used_ends:
            chosen.append(candidate)
            used_starts.add(candidate[0])
            used_ends.add(candidate[1])
    return chosen


def _add(people: list[LiteralPerson], a: int, b: int, peaks: dict[int, Peak], connection: Connection) -> None:
    """Put one connection between keypoints ``a`` and ``b`` to the people found so far."""
    start, end, score = peaks[connection[0]], peaks[connection[1]], connection[2]
    involved = [p for p in people if (a in p.joints and p.joints[a] == start) or (b in p.joints and p.joints[b] == end)]
    if not involved:
        people.append(LiteralPerson({a: start, b: end}, start[2] + end[2] + score))
    elif len(involved) == 1:
        person = involved[0]
        for joint, peak in ((a, start), (b, end)):
            if joint in person.joints and person.joints[joint] != peak:
                return
        for joint, peak in ((a, start), (b, end)):
            if joint not in person.joints:
                person.joints[joint] = peak
                person.total += peak[2]
        person.total += score
    else:
        first, second = involved
        if set(first.joints) & set(second.joints):
            return
        first.joints.update(second.joints)
        first.total += second.total + score
        people.remove(second)
