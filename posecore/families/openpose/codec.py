"""OpenPose's codec: fields to poses (NumPy, one picture) and labels to target fields (torch, a batch).

Decoding follows Cao et al. 2017: local maxima of the heatmaps are candidates for joints; a pair of candidates is
judged by the part affinity along the line between them; pairs are matched limb by limb and put together to people.
Positions inside this module are (x, y) in *cells* of the maps' grid unless said otherwise, so that stride and origin
matter only at its edges.

The maps are read where they are, on the coarse grid: peaks are refined to a fraction of a cell by fitting a Gaussian,
and part affinity is read bilinearly, which is what upsampling it bilinearly would give.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from posecore.settings import DecodeSettings, max_poses_field, nms_radius_field, threshold_field
from posecore.skeleton import OPENPOSE_18, Edge, Skeleton

#: Limbs of the published networks in the order of their part affinity channels: limb ``i`` has channels 2i (x), 2i + 1.
LIMBS: tuple[Edge, ...] = (
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 2), (2, 3), (3, 4), (2, 16), (1, 5), (5, 6), (6, 7),
    (5, 17), (1, 0), (0, 14), (0, 15), (14, 16), (15, 17),
)  # fmt: skip
#: The same limbs in the order in which people are put together (Cao et al.'s published decoding): the trunk first.
ASSEMBLY_ORDER: tuple[Edge, ...] = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17),
)  # fmt: skip

#: Standard deviation of the heatmaps' peaks and half width of the limbs' bands, in input pixels (training at 368 px).
SIGMA = 7.0
HALF_WIDTH = 8.0

#: Points at which the part affinity of a pair is read, both ends included (published).
SAMPLES = 10
#: Peaks of one keypoint that are looked at; bounds time and memory on maps full of noise.
MAX_PEAKS = 100
#: So few pairs are integrated at once.
_FEW = 600
#: Pairs that are looked at together.
_BLOCK = 4096
#: Lowest value relative to the peak that enters its Gaussian fit; smaller ones are noise around zero.
_FLOOR = 0.01

Array = NDArray[Any]
Index = NDArray[np.intp]


class OpenPoseDecodeSettings(DecodeSettings):
    """How OpenPose's fields become poses."""

    pose_threshold: float = threshold_field(
        0.1,
        "Pose threshold",
        "Lowest score of a person that is shown. A person of whom little is seen scores low.",
    )
    peak_threshold: float = threshold_field(0.05, "Peak threshold", "Lowest heatmap peak that can become a joint.")
    nms_radius: float = nms_radius_field(
        8.0, "Pixels of the network's input within which only the highest peak of a joint is kept."
    )
    limb_threshold: float = threshold_field(
        0.05,
        "Limb threshold",
        "Lowest part affinity along the line between two joints that speaks for a limb between them.",
    )
    limb_share: float = Field(
        0.6,
        title="Limb share",
        ge=0,
        le=0.9,
        description="More than this share of the points along the line must reach the limb threshold.",
        json_schema_extra={"step": 0.1},
    )
    matching: Literal["greedy", "optimal"] = Field(
        "greedy",
        title="Matching",
        description="greedy takes the best pair of joints first, as published; optimal makes the sum over all pairs of "
        "a limb as large as possible.",
    )
    min_keypoints: int = Field(
        4,
        title="Fewest joints",
        ge=1,
        le=18,
        description="People with fewer joints are left out.",
        json_schema_extra={"step": 1},
    )
    max_poses: int = max_poses_field(20, "Most people that are returned.")
    refine_peaks: bool = Field(
        True, title="Refine peaks", description="Find peaks to a fraction of a cell by fitting a Gaussian."
    )
    upsampling: Literal[1, 2, 4, 8] = Field(
        1,
        title="Upsampling",
        description="Enlarge the heatmaps before peaks are looked for, as the published decoding does by 8. Slower, "
        "and rarely better than refined peaks.",
    )
    smoothing: float = Field(
        0.0,
        title="Smoothing",
        ge=0,
        le=20,
        description="Smooth the heatmaps before peaks are looked for: standard deviation in input pixels. The "
        "published decoding takes 3.",
        json_schema_extra={"step": 0.5},
    )


@lru_cache(maxsize=32)
def limbs_of(skeleton: Skeleton) -> tuple[Edge, ...]:
    """Limbs in channel order: the published ones for OpenPose-18, else the edges and what joins parts left apart."""
    if skeleton == OPENPOSE_18:
        return LIMBS
    edges = list(dict.fromkeys(skeleton.edges))
    undirected = {frozenset(edge) for edge in edges}
    extra = [edge for edge in skeleton.directed_tree() if frozenset(edge) not in undirected]
    return (*edges, *(edge for edge in extra if not _joined(edge, edges)))


def _joined(edge: Edge, edges: Sequence[Edge]) -> bool:
    """True when ``edges`` already lead from one end of ``edge`` to the other."""
    reached, frontier = {edge[0]}, [edge[0]]
    while frontier:
        here = frontier.pop()
        for a, b in edges:
            for start, end in ((a, b), (b, a)):
                if start == here and end not in reached:
                    reached.add(end)
                    frontier.append(end)
    return edge[1] in reached


@lru_cache(maxsize=32)
def assembly_order(limbs: tuple[Edge, ...]) -> tuple[int, ...]:
    """Order in which limbs are put together: the published one, else by distance from the first limb's start."""
    if limbs == LIMBS:
        return tuple(LIMBS.index(limb) for limb in ASSEMBLY_ORDER)
    order: list[int] = []
    reached: set[int] = set()
    while len(order) < len(limbs):
        left = [index for index in range(len(limbs)) if index not in order]
        touching = [index for index in left if reached & set(limbs[index])]
        order.append((touching or left)[0])
        reached |= set(limbs[order[-1]])
    return tuple(order)


@dataclass(frozen=True)
class OpenPoseMaps:
    """The decoder's input.

    Attributes:
        heatmaps: ``(K, H, W)`` without background.
        affinity: ``(E, 2, H, W)`` with components (x, y).
        limbs: E directed edges (from, to).
        stride: Input pixels per cell.
    """

    heatmaps: NDArray[np.float32]
    affinity: NDArray[np.float32]
    limbs: tuple[Edge, ...]
    stride: float


@dataclass(frozen=True)
class Peaks:
    """Candidates for joints: by keypoint, and the highest first within one.

    Attributes:
        keypoints: ``(N,)`` indices, rising.
        cells: ``(N, 2)`` position (x, y) of the local maximum, in cells.
        xy: ``(N, 2)`` refined position (x, y), in cells.
        scores: ``(N,)`` height.
        rivals: ``(N,)`` index of the higher peak within ``nms_radius`` that a peak lost to, -1 for those that are kept.
    """

    keypoints: Index
    cells: Array
    xy: Array
    scores: Array
    rivals: Index

    @property
    def kept(self) -> Index:
        """Indices of the peaks that may become joints."""
        return np.flatnonzero(self.rivals < 0)


def find_peaks(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings, threshold: float | None = None) -> Peaks:
    """Local maxima of every heatmap that reach ``peak_threshold``, or ``threshold`` when it is given."""
    lowest = settings.peak_threshold if threshold is None else threshold
    factor = settings.upsampling
    found = [_maxima(heat, base, lowest) for base, heat in _prepared(maps, settings)]
    keypoints, x, y, heights, offsets = (np.concatenate([part[index] for part in found]) for index in range(5))
    at = np.stack([x, y], axis=1).astype(np.float64)
    fine = at + offsets.reshape(-1, 2) if settings.refine_peaks else at
    # The centre of fine cell u lies at coarse (u + 1/2) / factor − 1/2.
    cells, xy = ((position + 0.5) / factor - 0.5 for position in (at, fine))
    order = np.lexsort((-heights, keypoints))
    keypoints, heights, cells, xy = keypoints[order], heights[order], cells[order], xy[order]
    rank = np.arange(len(keypoints)) - np.searchsorted(keypoints, keypoints)
    kept = rank < MAX_PEAKS
    keypoints, heights, cells, xy = keypoints[kept], heights[kept], cells[kept], xy[kept]
    rivals = _suppressed(keypoints, xy, settings.nms_radius / maps.stride)
    return Peaks(keypoints, cells, xy, heights, rivals)


def _prepared(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first keypoint, heatmaps) to look for peaks in: all at once, or enlarged and smoothed one by one."""
    factor, sigma = settings.upsampling, settings.smoothing * settings.upsampling / maps.stride
    if factor == 1 and sigma == 0:
        yield 0, maps.heatmaps
        return
    height, width = maps.heatmaps.shape[1:]
    for keypoint, heat in enumerate(maps.heatmaps):
        if factor > 1:
            heat = cv2.resize(heat, (width * factor, height * factor), interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        if sigma > 0:
            heat = cv2.GaussianBlur(heat, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        yield keypoint, heat[None]


def _maxima(heat: NDArray[np.float32], base: int, threshold: float) -> tuple[Array, Array, Array, Array, Array]:
    """Keypoint, column, row, height and offset ``(N · 2)`` (x, y) of the cells that no neighbour exceeds."""
    _, height, width = heat.shape
    flat = heat.reshape(-1)
    # Few cells reach the threshold; their neighbours are cheaper to look up than all maxima are to compute.
    cells = np.flatnonzero(flat >= max(threshold, float(np.finfo(np.float32).tiny)))
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            if down or across:
                still = flat[cells] >= flat[_beside(cells, across, down, width, height)]
                cells = cells[still]
    keypoints, rest = np.divmod(cells, height * width)
    rows, columns = np.divmod(rest, width)
    offsets = np.stack([_offset(flat, cells, columns, 1, width), _offset(flat, cells, rows, width, height)], axis=1)
    return keypoints + base, columns, rows, flat[cells].astype(np.float64), offsets.reshape(-1)


def _beside(cells: Index, across: int, down: int, width: int, height: int) -> Index:
    """Flat indices of the neighbours of ``cells``; at the edge of the map, of the nearest cell inside."""
    columns = cells % width
    rows = cells // width % height
    return (
        cells + np.clip(columns + across, 0, width - 1) - columns + (np.clip(rows + down, 0, height - 1) - rows) * width
    )


def _offset(flat: NDArray[np.float32], cells: Index, places: Index, step: int, length: int) -> Array:
    """Where between −1/2 and 1/2 cell the Gaussian through a maximum and its two neighbours along one axis peaks.

    The logarithm of a Gaussian is a parabola, so that three values give its vertex exactly. At the edge of the map the
    missing neighbour is extrapolated from the two cells on the other side by the same parabola.

    Args:
        flat: Maps as one run of numbers.
        cells: ``(N,)`` flat indices of the maxima.
        places: ``(N,)`` their column or row.
        step: Distance between neighbours along the axis in ``flat``.
        length: Number of columns or rows.
    """
    if length < 3:
        return np.zeros(len(cells))
    values = flat[cells]

    def log_at(shift: Index | int) -> Array:
        inside = np.clip(places + shift, 0, length - 1) - places
        return np.log(np.maximum(flat[cells + inside * step], _FLOOR * values))

    before, here, behind = log_at(-1), np.log(values), log_at(1)
    at_start, at_end = places == 0, places == length - 1
    if at_start.any() or at_end.any():
        before = np.where(at_start, 3 * here - 3 * behind + log_at(2), before)
        behind = np.where(at_end, 3 * here - 3 * before + log_at(-2), behind)
    curvature = before - 2 * here + behind
    offset = np.divide(before - behind, 2 * curvature, out=np.zeros(len(cells)), where=curvature < 0)
    return np.clip(offset, -0.5, 0.5)


def _suppressed(keypoints: Index, xy: Array, radius: float) -> Index:
    """For each peak: index of a kept, higher one of the same keypoint within ``radius`` cells, or -1."""
    rivals = np.full(len(keypoints), -1, np.intp)
    if not len(keypoints):
        return rivals
    rank = np.arange(len(keypoints)) - np.searchsorted(keypoints, keypoints)
    # One row per keypoint, so that only peaks of the same one are compared.
    table = np.full((2, keypoints[-1] + 1, rank.max() + 1), np.nan, np.float32)
    table[:, keypoints, rank] = xy.T
    apart = table[:, :, :, None] - table[:, :, None]
    apart *= apart
    near = apart[0] + apart[1] <= radius * radius
    crowded = np.flatnonzero(near.sum((1, 2)) > np.isfinite(table[0]).sum(1))
    starts = np.searchsorted(keypoints, crowded)
    for keypoint, start in zip(crowded.tolist(), starts.tolist(), strict=True):
        for index in range(int(rank[keypoints == keypoint].max()) + 1):
            if rivals[start + index] < 0:
                lower = start + index + 1 + np.flatnonzero(near[keypoint, index, index + 1 :])
                rivals[lower[rivals[lower] < 0]] = start + index
    return rivals


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


def match(pairs: Pairs, limbs: int, settings: OpenPoseDecodeSettings) -> Index:
    """Accepted pairs such that no peak ends two limbs of a kind; the best first within a limb."""
    candidates = np.flatnonzero(pairs.accepted)
    candidates = candidates[np.lexsort((-pairs.scores[candidates], pairs.limbs[candidates]))]
    if settings.matching == "optimal":
        return _matched_optimally(pairs, candidates, limbs)
    used: set[tuple[int, int, int]] = set()
    chosen = []
    rows = zip(
        candidates.tolist(),
        pairs.limbs[candidates].tolist(),
        pairs.starts[candidates].tolist(),
        pairs.ends[candidates].tolist(),
        strict=True,
    )
    for pair, limb, start, end in rows:
        first, second = (limb, 0, start), (limb, 1, end)
        if first not in used and second not in used:
            used.add(first)
            used.add(second)
            chosen.append(pair)
    return np.array(chosen, np.intp)


def _matched_optimally(pairs: Pairs, candidates: Index, limbs: int) -> Index:
    """The matching of each limb with the largest sum of scores."""
    chosen = [np.zeros(0, np.intp)]
    bounds = np.searchsorted(pairs.limbs[candidates], np.arange(limbs + 1))
    for begin, end in itertools.pairwise(bounds):
        these = candidates[begin:end]
        if not len(these):
            continue
        starts, row = np.unique(pairs.starts[these], return_inverse=True)
        ends, column = np.unique(pairs.ends[these], return_inverse=True)
        gain = np.zeros((len(starts), len(ends)))
        gain[row, column] = pairs.scores[these]
        pair_at = np.full(gain.shape, -1, np.intp)
        pair_at[row, column] = these
        picked = pair_at[linear_sum_assignment(gain, maximize=True)]
        picked = picked[picked >= 0]
        chosen.append(picked[np.argsort(-pairs.scores[picked], kind="stable")])
    return np.concatenate(chosen)


@dataclass
class Person:
    """A person being put together.

    Attributes:
        joints: Keypoint → index into ``Peaks``.
        partners: Keypoint → the keypoint over whose limb it came; absent for the first one.
        limbs: Sum of the scores of its limbs.
    """

    joints: dict[int, int]
    partners: dict[int, int]
    limbs: float


def assemble(limbs: tuple[Edge, ...], pairs: Pairs, chosen: Index) -> tuple[list[Person], dict[int, str]]:
    """Put matched limbs together to people.

    Limbs come in the published order, the best of a kind first. A limb starts a person, adds a joint to one, joins two
    that have no joint in common, or confirms what is known; where it contradicts, what was there first stays.

    Returns:
        The people, and pair → why it was not used.
    """
    owner: dict[int, Person] = {}
    people: list[Person] = []
    unused: dict[int, str] = {}
    bounds = np.searchsorted(pairs.limbs[chosen], np.arange(len(limbs) + 1))
    for limb in assembly_order(limbs):
        a, b = limbs[limb]
        for pair in chosen[bounds[limb] : bounds[limb + 1]].tolist():
            start, end, score = int(pairs.starts[pair]), int(pairs.ends[pair]), float(pairs.scores[pair])
            first, second = owner.get(start), owner.get(end)
            if first is None and second is None:
                first = Person({a: start, b: end}, {b: a}, score)
                people.append(first)
                owner[start] = owner[end] = first
            elif first is second:
                assert first is not None
                first.limbs += score
            elif first is None or second is None:
                person, joint, peak, partner = (first, b, end, a) if first is not None else (second, a, start, b)
                assert person is not None
                if joint in person.joints:
                    unused[pair] = "the person has another such joint"
                    continue
                person.joints[joint], person.partners[joint] = peak, partner
                person.limbs += score
                owner[peak] = person
            elif first.joints.keys() & second.joints.keys():
                unused[pair] = "it would join two people"
            else:
                _merge(first, second, (b, a), score, owner)
                people = [person for person in people if person is not second]
    return people, unused


def _merge(person: Person, other: Person, joint: tuple[int, int], score: float, owner: dict[int, Person]) -> None:
    """Make ``other`` part of ``person``; ``joint`` is the keypoint of ``other`` that came over which of ``person``."""
    partners = dict(other.partners)
    # The other's first joint hung on nothing; from the limb's end to it, the way turns round.
    here, partner = joint
    while here in partners:
        following = partners[here]
        partners[here] = partner
        here, partner = following, here
    partners[here] = partner
    person.joints.update(other.joints)
    person.partners.update(partners)
    person.limbs += other.limbs + score
    for peak in other.joints.values():
        owner[peak] = person


@dataclass(frozen=True)
class Decoded:
    """Poses in cells, best first, and what is needed to explain them.

    Attributes:
        xy: ``(P, K, 2)`` (x, y); NaN where there is no joint.
        keypoint_scores: ``(P, K)``; 0 where there is none.
        scores: ``(P,)``.
        people: The P people, best first, then those that were left out.
        left_out: Reason and setting for each of the latter.
        peaks: All candidates.
        pairs: All pairs that were judged.
        chosen: Pairs that were matched.
        unused: Pair → why it was matched but not used.
    """

    xy: Array
    keypoint_scores: Array
    scores: Array
    people: tuple[Person, ...]
    left_out: tuple[tuple[str, str], ...]
    peaks: Peaks
    pairs: Pairs
    chosen: Index
    unused: dict[int, str]


def person_score(person: Person, heights: Array, keypoints: int) -> float:
    """Sum of a person's joint and limb scores, over twice the number of keypoints: 0 … 1.

    The published score is their mean over the joints that were found. That ranks a sure fragment above a whole person,
    and has the lower average precision for it.
    """
    total = sum(float(heights[peak]) for peak in person.joints.values()) + person.limbs
    return min(max(total / (2 * keypoints), 0.0), 1.0)


def decode(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings, record: bool = False) -> Decoded:
    """Everybody in the picture; ``record`` keeps pairs that were rejected, for the trace. The poses are the same."""
    peaks = find_peaks(maps, settings)
    pairs = judge_pairs(maps, peaks, settings, every=record)
    chosen = match(pairs, len(maps.limbs), settings)
    people, unused = assemble(maps.limbs, pairs, chosen)
    keypoints = len(maps.heatmaps)
    fewest = min(settings.min_keypoints, keypoints)
    if fewest == 1:
        people += _lonely(people, peaks)
    scores = [person_score(person, peaks.scores, keypoints) for person in people]
    order = sorted(range(len(people)), key=lambda index: -scores[index])
    kept: list[int] = []
    dropped: list[tuple[int, tuple[str, str]]] = []
    for index in order:
        if len(people[index].joints) < fewest:
            dropped.append((index, ("its person has too few joints", "min_keypoints")))
        elif scores[index] < settings.pose_threshold:
            dropped.append((index, ("its person scores too low", "pose_threshold")))
        elif len(kept) == settings.max_poses:
            dropped.append((index, ("enough people were found", "max_poses")))
        else:
            kept.append(index)
    xy = np.full((len(kept), keypoints, 2), np.nan)
    heights = np.zeros((len(kept), keypoints))
    for row, index in enumerate(kept):
        which, at = (list(part) for part in zip(*people[index].joints.items(), strict=True))
        xy[row, which], heights[row, which] = peaks.xy[at], peaks.scores[at]
    return Decoded(
        xy,
        np.minimum(heights, 1.0),
        np.array([scores[index] for index in kept]),
        tuple(people[index] for index in (*kept, *(index for index, _ in dropped))),
        tuple(reason for _, reason in dropped),
        peaks,
        pairs,
        chosen,
        unused,
    )


def _lonely(people: Sequence[Person], peaks: Peaks) -> list[Person]:
    """A person of one joint for every kept peak that nobody has."""
    taken = {peak for person in people for peak in person.joints.values()}
    return [Person({int(peaks.keypoints[i]): i}, {}, 0.0) for i in peaks.kept.tolist() if i not in taken]


def weaker_peaks(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings) -> Peaks:
    """Peaks that stay below ``peak_threshold`` but reach half of it: what a lower threshold would have brought."""
    peaks = find_peaks(maps, settings, 0.5 * settings.peak_threshold)
    weak = np.flatnonzero(peaks.scores < settings.peak_threshold)
    return replace(peaks, **{name: getattr(peaks, name)[weak] for name in vars(peaks)})


def encode(
    keypoints: torch.Tensor,
    labelled: torch.Tensor,
    grid: tuple[int, int],
    stride: float,
    limbs: Sequence[Edge],
    sigma: float = SIGMA,
    half_width: float = HALF_WIDTH,
) -> dict[str, torch.Tensor]:
    """Labels to target fields, batched, on the device of ``keypoints``.

    Heatmaps are Gaussians, the highest of all people's where they meet; the background is 1 less the highest of all
    keypoints'. Part affinity is the unit vector along a limb wherever that is at most ``half_width`` away (Cao et al.
    measure across the limb only; counting its ends keeps short limbs from falling between the cells), averaged over
    the people whose limbs overlap.

    Args:
        keypoints: ``(B, P, K, 2)`` (x, y) in input pixels; anything where not labelled.
        labelled: ``(B, P, K)`` bool.
        grid: (width, height) in cells.
        stride: Input pixels per cell; cell 0's centre lies at (stride − 1) / 2.
        limbs: E directed edges.
        sigma: Standard deviation of the peaks in input pixels.
        half_width: Half width of the bands in input pixels.

    Returns:
        ``heatmaps`` ``(B, K + 1, H, W)``, background last, and ``part_affinity`` ``(B, E, 2, H, W)`` (x, y).
    """
    origin = (stride - 1) / 2
    device = keypoints.device
    columns = torch.arange(grid[0], device=device) * float(stride) + origin
    rows = torch.arange(grid[1], device=device) * float(stride) + origin
    points = torch.where(labelled[..., None], keypoints, 0.0).float()
    # A Gaussian is a product of one over x and one over y: (B, P, K, H, W) is never exponentiated.
    across = torch.exp(-((columns - points[..., 0, None]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - points[..., 1, None]) ** 2) / (2 * sigma**2))
    peaks = (down * labelled[..., None])[..., :, None] * across[..., None, :]
    heat = peaks.amax(1)
    heatmaps = torch.cat((heat, 1 - heat.amax(1, keepdim=True)), 1)
    return {"heatmaps": heatmaps, "part_affinity": _bands(points, labelled, columns, rows, limbs, half_width)}


def _bands(
    points: torch.Tensor,
    labelled: torch.Tensor,
    columns: torch.Tensor,
    rows: torch.Tensor,
    limbs: Sequence[Edge],
    half_width: float,
) -> torch.Tensor:
    """``(B, E, 2, H, W)`` part affinity of people whose joints are at ``points`` ``(B, P, K, 2)``."""
    starts = torch.tensor([edge[0] for edge in limbs], dtype=torch.long, device=points.device)
    ends = torch.tensor([edge[1] for edge in limbs], dtype=torch.long, device=points.device)
    origin, along = points[:, :, starts], points[:, :, ends] - points[:, :, starts]
    length = along.norm(dim=-1)
    there = labelled[:, :, starts] & labelled[:, :, ends] & (length > 1e-6)
    unit = along / length.clamp(min=1e-6)[..., None]
    total = points.new_zeros(len(points), len(limbs), 2, len(rows), len(columns))
    count = points.new_zeros(len(points), len(limbs), 1, len(rows), len(columns))
    # Person by person: all of them at once would take P times the memory of the result.
    for person in range(points.shape[1]):
        x = columns - origin[:, person, :, 0, None, None]
        y = rows[:, None] - origin[:, person, :, 1, None, None]
        ux, uy = (unit[:, person, :, axis, None, None] for axis in (0, 1))
        nearest = (x * ux + y * uy).clamp(min=0).minimum(length[:, person, :, None, None])
        squared = (x - nearest * ux) ** 2 + (y - nearest * uy) ** 2
        band = ((squared <= half_width**2) & there[:, person, :, None, None])[:, :, None]
        total += band * unit[:, person, :, :, None, None]
        count += band
    return total / count.clamp(min=1)
