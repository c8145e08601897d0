"""Pairs of candidates, judged by the part affinity along the line between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.families.openpose.codec.maps import Array, Index, OpenPoseMaps
from posecore.families.openpose.codec.peaks import Peaks
from posecore.families.openpose.codec.settings import OpenPoseDecodeSettings
from posecore.skeleton import Edge

#: Points at which the part affinity of a pair is read, both ends included (published).
SAMPLES = 10
#: So few pairs are integrated at once.
_FEW = 600
#: Pairs that are looked at together.
_BLOCK = 4096


@dataclass(frozen=True)
class Pairs:
    """Pairs of peaks that may be the two ends of a limb.

    Attributes:
        limbs: ``(M,)`` index into ``OpenPoseMaps.limbs``, rising.
        starts, ends: ``(M,)`` index into ``Peaks``.
        samples: ``(M, S)`` part affinity along the line, in its direction.
        scores: ``(M,)`` mean of the samples, less a penalty for limbs longer than half the map's height.
        accepted: ``(M,)`` enough samples reach the threshold, and the score is above zero.
    """

    limbs: Index
    starts: Index
    ends: Index
    samples: Array
    scores: Array
    accepted: NDArray[np.bool_]

    def select(self, which: Array) -> Pairs:
        """The pairs at ``which``."""
        return Pairs(*(value[which] for value in vars(self).values()))


def judge_pairs(maps: OpenPoseMaps, peaks: Peaks, settings: OpenPoseDecodeSettings, every: bool = False) -> Pairs:
    """Line integrals of part affinity for all pairs of peaks of all limbs.

    Most pairs are strangers to each other, and a look at a few points tells that; only the others are integrated.

    Args:
        maps: Fields.
        peaks: Candidates.
        settings: Thresholds.
        every: Also return the pairs that are out (the result is the same for the others).
    """
    limbs, starts, ends = _all_pairs(maps.limbs, peaks)
    needed = _needed(settings)
    if not every and len(limbs) > _FEW:
        possible = _possible(maps, peaks, (limbs, starts, ends), SAMPLES - needed, settings.limb_threshold)
        limbs, starts, ends = limbs[possible], starts[possible], ends[possible]
    samples = _read(maps, peaks, limbs, starts, ends)
    lengths = np.linalg.norm(peaks.xy[ends] - peaks.xy[starts], axis=1)
    longest = 0.5 * maps.heatmaps.shape[1]
    scores = samples.mean(1) + np.minimum(longest / np.maximum(lengths, 1e-9) - 1, 0)
    enough = (samples > settings.limb_threshold).sum(1) >= needed
    pairs = Pairs(limbs, starts, ends, samples, scores, enough & (scores > 0) & (lengths > 1e-9))
    return pairs if every else pairs.select(pairs.accepted)


def _needed(settings: OpenPoseDecodeSettings) -> int:
    """How many samples must exceed the threshold for "more than ``limb_share`` of them"."""
    return int(np.floor(round(settings.limb_share * SAMPLES, 6))) + 1


def _all_pairs(limbs: tuple[Edge, ...], peaks: Peaks) -> tuple[Index, Index, Index]:
    """Limb, start and end of every pair of kept peaks."""
    kept = peaks.kept
    bounds = np.searchsorted(peaks.keypoints[kept], np.arange(1 + max((max(edge) for edge in limbs), default=0) + 1))
    parts: list[list[Index]] = [[], [], []]
    for number, (a, b) in enumerate(limbs):
        starts, ends = kept[bounds[a] : bounds[a + 1]], kept[bounds[b] : bounds[b + 1]]
        parts[0].append(np.full(len(starts) * len(ends), number, np.intp))
        parts[1].append(np.repeat(starts, len(ends)))
        parts[2].append(np.tile(ends, len(starts)))
    if not limbs:
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, nothing
    first, second, third = (np.concatenate(part) for part in parts)
    return first, second, third


def _possible(
    maps: OpenPoseMaps, peaks: Peaks, pairs: tuple[Index, Index, Index], misses: int, threshold: float
) -> Index:
    """Pairs that can still exceed ``threshold`` at all but ``misses`` of their points, judged by a few of the points.

    Between four cells nothing exceeds the longest of their vectors; where none of them is longer than the threshold
    the point is missed, whichever way the line runs. More misses than allowed among a few points settle the matter.
    """
    _, _, height, width = maps.affinity.shape
    squared = maps.affinity[:, 0] * maps.affinity[:, 0]
    squared += maps.affinity[:, 1] * maps.affinity[:, 1]
    alive = squared > threshold * threshold
    alive[:, :-1] |= alive[:, 1:]
    alive[:, :, :-1] |= alive[:, :, 1:]
    flat = alive.reshape(-1)
    few = np.unique(np.linspace(0, SAMPLES - 1, misses + 3).round().astype(np.intp)[1:-1])
    inside = _inside(peaks.xy, width, height)
    kept = []
    limbs, starts, ends = pairs
    # In blocks that stay in the processor's cache.
    for begin in range(0, len(limbs), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        start = inside[starts[block]]
        along = inside[ends[block]] - start
        base = limbs[block] * (height * width)
        missed = np.zeros(len(base), np.int8)
        for part in few / (SAMPLES - 1):
            column_row = (start + along * np.float32(part)).astype(np.intp)
            missed += ~flat[base + column_row[:, 1] * width + column_row[:, 0]]
        kept.append(begin + np.flatnonzero(missed <= misses))
    return np.concatenate(kept)


def _inside(xy: Array, width: int, height: int) -> NDArray[np.float32]:
    """Positions moved into the span of the cells' centres; a refined peak may lie up to half a cell outside it."""
    return np.clip(xy, 0, (width - 1, height - 1)).astype(np.float32)


def _read(maps: OpenPoseMaps, peaks: Peaks, limbs: Index, starts: Index, ends: Index) -> Array:
    """``(M, S)`` part affinity in the direction of the line at ``SAMPLES`` points of it, bilinear."""
    height, width = maps.affinity.shape[2:]
    inside = _inside(peaks.xy, width, height)
    start = inside[starts]
    along = inside[ends] - start
    parts = np.linspace(0, 1, SAMPLES, dtype=np.float32)
    x, y = (start[:, axis, None] + along[:, axis, None] * parts for axis in (0, 1))
    # On the last column and row the cells before it are taken, with weight 0 for themselves.
    column = np.minimum(x.astype(np.intp), max(width - 2, 0))
    row = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, below = (x - column).astype(np.float32), (y - row).astype(np.float32)
    cell = limbs[:, None] * (2 * height * width) + row * width + column
    flat = maps.affinity.reshape(-1)
    step_x, step_y = int(width > 1), width * int(height > 1)
    unit = _directions(peaks, starts, ends)
    total = np.zeros(cell.shape, np.float32)
    for axis in (0, 1):
        here = cell + axis * height * width
        top = flat[here] * (1 - right) + flat[here + step_x] * right
        bottom = flat[here + step_y] * (1 - right) + flat[here + step_y + step_x] * right
        total += (top * (1 - below) + bottom * below) * unit[:, axis, None]
    return total


def _directions(peaks: Peaks, starts: Index, ends: Index) -> NDArray[np.float32]:
    """``(M, 2)`` unit vectors from start to end; zero where they coincide."""
    along = peaks.xy[ends] - peaks.xy[starts]
    unit: NDArray[np.float32] = (along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)).astype(
        np.float32
    )
    return unit
