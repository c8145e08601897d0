"""PoseNet's codec: fields to poses (NumPy, one picture) and labels to target fields (torch, a batch).

Decoding follows the published multi-person algorithm of PersonLab (Papandreou et al. 2018) as TensorFlow.js's PoseNet
2.2 runs it: roots in order of score, a walk over the tree by displacements with offset refinement after every hop.
All positions inside this module are (x, y) in pixels of the network's input, where cell (column, row) lies at
(column · stride, row · stride).

The walk is vectorised over candidates: all hops of equal depth of many people at once. It is exact, because in a tree
the position of a keypoint depends on the path from the root alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from posecore.families.maxima import local_maxima
from posecore.settings import DecodeSettings, max_poses_field, nms_radius_field, threshold_field
from posecore.skeleton import COCO_17, Edge, Skeleton

#: Directed edges (parent, child) of the published networks' displacement channels, COCO indices.
COCO_TREE: tuple[Edge, ...] = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15), (0, 6), (6, 8), (8, 10),
    (6, 12), (12, 14), (14, 16),
)  # fmt: skip

#: Radius in input pixels of the disk around a keypoint in which targets are defined (PersonLab).
DISK_RADIUS = 32.0

#: Candidates decoded together; bounds memory however many peaks there are.
_CHUNK = 32
#: The best candidates, among which those are chosen.
_WINDOW = 16 * _CHUNK

Array = NDArray[Any]
Index = NDArray[np.intp]


#: Other settings without which some have no effect.
_MULTI: dict[str, Any] = {"mode": "multi"}


class PoseNetDecodeSettings(DecodeSettings):
    """How PoseNet's fields become poses."""

    mode: Literal["multi", "single"] = Field(
        "multi",
        title="People",
        description="All (multi) finds everybody; One (single) takes the best cell of every heatmap, for pictures of "
        "one person.",
        json_schema_extra={"words": {"single": "One", "multi": "All"}},
    )
    root_threshold: float = threshold_field(
        0.4, "Root threshold", "Lowest heatmap peak from which a person may be started.", when=_MULTI
    )
    nms_radius: float = nms_radius_field(
        20.0,
        "Pixels of the network's input within which two equal joints belong to the same person.",
        when=_MULTI,
    )
    max_poses: int = max_poses_field(20, "Most people that are returned.", when=_MULTI)
    refinement_steps: int = Field(
        2,
        title="Refinement steps",
        ge=0,
        le=5,
        description="How often a joint's position is corrected by the offsets after each hop along the body.",
        json_schema_extra={"step": 1, "when": _MULTI},
    )


def tree_of(skeleton: Skeleton) -> tuple[Edge, ...]:
    """Directed edges of the displacement channels: the published ones for COCO-17, else a spanning tree."""
    return COCO_TREE if skeleton == COCO_17 else skeleton.directed_tree()


@dataclass(frozen=True)
class PoseNetMaps:
    """The decoder's input.

    Attributes:
        scores: ``(K, H, W)`` heatmap probabilities.
        offsets: ``(K, 2, H, W)`` (x, y) from cell to keypoint.
        displacements: ``(2E, 2, H, W)`` (x, y): all forward, then all backward.
        stride: Input pixels per cell.
        tree: E directed edges (parent, child).
    """

    scores: NDArray[np.float32]
    offsets: NDArray[np.float32]
    displacements: NDArray[np.float32]
    stride: float
    tree: tuple[Edge, ...]

    def cells_at(self, xy: Array) -> Index:
        """Flat index of the cell nearest to positions ``(N, 2)``; halves round up, outside is clamped."""
        height, width = self.scores.shape[1:]
        column_row = np.floor(xy / self.stride + 0.5)
        np.minimum(column_row, (width - 1, height - 1), out=column_row)
        np.maximum(column_row, 0, out=column_row)
        flat: Array = column_row @ (1.0, float(width))
        return flat.astype(np.intp)

    def position_of(self, cells: Index) -> Array:
        """Input position ``(N, 2)`` of flat cell indices."""
        row, column = np.divmod(cells, self.scores.shape[2])
        return np.stack([column, row], axis=1) * self.stride

    def refined(self, keypoints: Index, cells: Index) -> Array:
        """Position of the cells plus the offset found there for each keypoint."""
        flat = self.offsets.reshape(*self.offsets.shape[:2], -1)
        return self.position_of(cells) + flat[keypoints, :, cells]


@dataclass(frozen=True)
class Hops:
    """All hops of one depth, for every root keypoint; rows are padded to the same length.

    Attributes:
        count: ``(K,)`` number of hops of a root.
        source, target: ``(K, M)`` keypoints.
        channel: ``(K, M)`` index into ``PoseNetMaps.displacements``.
    """

    count: Index
    source: Index
    target: Index
    channel: Index


@lru_cache(maxsize=32)
def hop_plan(tree: tuple[Edge, ...], keypoints: int) -> tuple[Hops, ...]:
    """Hops by depth when walking ``tree`` outwards from any root."""
    links: dict[int, list[tuple[int, int]]] = {index: [] for index in range(keypoints)}
    for number, (parent, child) in enumerate(tree):
        links[parent].append((child, number))
        links[child].append((parent, len(tree) + number))
    levels: list[list[list[tuple[int, int, int]]]] = []
    for root in range(keypoints):
        reached, frontier, depth = {root}, [root], 0
        while frontier:
            hops = [(s, t, c) for s in frontier for t, c in links[s] if t not in reached]
            reached.update(t for _, t, _ in hops)
            frontier = [t for _, t, _ in hops]
            if hops:
                if depth == len(levels):
                    levels.append([[] for _ in range(keypoints)])
                levels[depth][root] = hops
            depth += 1
    return tuple(_padded(level) for level in levels)


def _padded(level: list[list[tuple[int, int, int]]]) -> Hops:
    count = np.array([len(hops) for hops in level], np.intp)
    table = np.zeros((3, len(level), count.max()), np.intp)
    for root, hops in enumerate(level):
        for slot, hop in enumerate(hops):
            table[:, root, slot] = hop
    return Hops(count, *table)


@dataclass(frozen=True)
class Peaks:
    """Candidates for roots, best first: keypoint ``(N,)``, position ``(N, 2)`` and score ``(N,)``."""

    keypoints: Index
    xy: Array
    scores: Array


def find_peaks(maps: PoseNetMaps, threshold: float) -> Peaks:
    """Cells that reach ``threshold`` and that none of their eight neighbours exceeds, moved by their offset."""
    scores = maps.scores
    flat = local_maxima(scores, threshold)
    heights = scores.reshape(-1)[flat].astype(np.float64)
    order = np.argsort(-heights, kind="stable")
    keypoints, cells = np.divmod(flat[order], scores.shape[1] * scores.shape[2])
    return Peaks(keypoints, maps.refined(keypoints, cells), heights[order])


@dataclass(frozen=True)
class Walk:
    """People grown from roots.

    Attributes:
        xy: ``(N, K, 2)``.
        scores: ``(N, K)``.
        path: ``(N, K, 2 + steps, 2)`` start, displaced and refined positions of every joint when recorded, else None.
    """

    xy: Array
    scores: Array
    path: Array | None


def grow(maps: PoseNetMaps, roots: Peaks, refinement_steps: int, record: bool = False) -> Walk:
    """Walk the tree from every root: displacement to the next joint, refinement by offsets, score where it ends."""
    people, keypoints = len(roots.scores), len(maps.scores)
    xy = np.full((people, keypoints, 2), np.nan)
    scores = np.zeros((people, keypoints))
    path = np.full((people, keypoints, 2 + refinement_steps, 2), np.nan) if record else None
    everyone = np.arange(people)
    xy[everyone, roots.keypoints] = roots.xy
    scores[everyone, roots.keypoints] = roots.scores
    flat_scores = maps.scores.reshape(keypoints, -1)
    flat_displacements = maps.displacements.reshape(*maps.displacements.shape[:2], flat_scores.shape[1])
    for hops in hop_plan(maps.tree, keypoints):
        slots = np.arange(hops.source.shape[1])
        person, slot = np.nonzero(slots < hops.count[roots.keypoints][:, None])
        root = roots.keypoints[person]
        source, target, channel = hops.source[root, slot], hops.target[root, slot], hops.channel[root, slot]
        start = xy[person, source]
        position = start + flat_displacements[channel, :, maps.cells_at(start)]
        if path is not None:
            path[person, target, 0], path[person, target, 1] = start, position
        cells = maps.cells_at(position)
        for step in range(refinement_steps):
            position = maps.refined(target, cells)
            cells = maps.cells_at(position)
            if path is not None:
                path[person, target, 2 + step] = position
        xy[person, target] = position
        scores[person, target] = flat_scores[target, cells]
    return Walk(xy, scores, path)


@dataclass(frozen=True)
class Decoded:
    """Poses in input pixels, best root first, and the evidence when it was asked for.

    Attributes:
        xy: ``(P, K, 2)``.
        keypoint_scores: ``(P, K)``.
        scores: ``(P,)``.
        roots: ``(P,)`` index into ``peaks`` of the root that started each pose.
        peaks: All candidates.
        taken_by: ``(N,)`` per peak: index of the pose that it started or lost to, -1 when it was never reached.
        paths: ``(P, K, 2 + steps, 2)`` or None.
    """

    xy: Array
    keypoint_scores: Array
    scores: Array
    roots: Index
    peaks: Peaks
    taken_by: Index
    paths: Array | None


def decode_multi(maps: PoseNetMaps, settings: PoseNetDecodeSettings, record: bool = False) -> Decoded:
    """Everybody in the picture.

    A peak is skipped when it lies within ``nms_radius`` of the same keypoint of an accepted person. A person's score
    is the sum of the scores of its keypoints that no accepted person overlaps, over K; a person below
    ``pose_threshold`` is dropped and suppresses nothing.
    """
    peaks = find_peaks(maps, settings.root_threshold)
    squared_radius = settings.nms_radius**2
    taken_by = np.full(len(peaks.scores), -1, np.intp)
    keypoints = len(maps.scores)
    xy = np.empty((settings.max_poses, keypoints, 2))
    accepted: list[tuple[int, Walk, int, float]] = []
    # Peaks that may still start a person, best first.
    pending = np.arange(len(peaks.scores))
    left = peaks
    rows: dict[int, int] = {}
    while len(accepted) < settings.max_poses and len(pending):
        peak, count = int(pending[0]), len(accepted)
        if peak not in rows:
            chunk = _apart(left, settings.nms_radius)
            walk = grow(maps, _subset(left, chunk), settings.refinement_steps, record)
            rows = {int(pending[place]): row for row, place in enumerate(chunk)}
        row = rows[peak]
        overlapped = (_squared(xy[:count] - walk.xy[row]) <= squared_radius).any(0)
        score = float(walk.scores[row][~overlapped].sum()) / keypoints
        if score < settings.pose_threshold:
            pending, left = pending[1:], _subset(left, slice(1, None))
            continue
        lost = _squared(left.xy - walk.xy[row].take(left.keypoints, 0)) <= squared_radius
        lost[0] = True
        taken_by[pending[lost]] = count
        xy[count] = walk.xy[row]
        accepted.append((peak, walk, row, score))
        kept = np.flatnonzero(~lost)
        pending, left = pending.take(kept), _subset(left, kept)
    return Decoded(
        xy[: len(accepted)],
        np.array([walk.scores[row] for _, walk, row, _ in accepted]).reshape(-1, keypoints),
        np.array([score for *_, score in accepted]),
        np.array([peak for peak, *_ in accepted], np.intp),
        peaks,
        taken_by,
        np.array([walk.path[row] for _, walk, row, _ in accepted if walk.path is not None]) if record else None,
    )


def decode_single(maps: PoseNetMaps, settings: PoseNetDecodeSettings) -> Decoded:
    """One person: the best cell of every heatmap, moved by its offset. Its score is the mean of its joints' scores."""
    keypoints = len(maps.scores)
    flat = maps.scores.reshape(keypoints, -1)
    cells = flat.argmax(1)
    every = np.arange(keypoints)
    peaks = Peaks(every, maps.refined(every, cells), flat[every, cells].astype(np.float64))
    score = float(peaks.scores.mean())
    people = int(score >= settings.pose_threshold)
    return Decoded(
        peaks.xy[None][:people],
        peaks.scores[None][:people],
        np.array([score][:people]),
        np.zeros(people, np.intp),
        peaks,
        np.zeros(keypoints, np.intp),
        None,
    )


def _apart(peaks: Peaks, radius: float) -> Index:
    """The first peak and others that it and each other are unlikely to suppress, best first.

    On maps with flat tops most peaks fall to a neighbour. This only saves growing them: a peak that is left out here
    and not suppressed either has its turn later.
    """
    # Squares of the radius; where peaks share one, the first is taken.
    column, row = np.floor(peaks.xy[:_WINDOW] / max(radius, 1.0)).astype(np.int64).T
    square = (peaks.keypoints[:_WINDOW] << 40) + (row << 20) + column
    first = np.unique(square, return_index=True)[1]
    return np.sort(first)[:_CHUNK]


def _subset(peaks: Peaks, which: Array | slice) -> Peaks:
    return Peaks(peaks.keypoints[which], peaks.xy[which], peaks.scores[which])


def _squared(difference: Array) -> Array:
    squares: Array = difference * difference
    return squares[..., 0] + squares[..., 1]


def encode(
    keypoints: torch.Tensor,
    labelled: torch.Tensor,
    grid: tuple[int, int],
    stride: int,
    tree: Sequence[Edge],
    radius: float = DISK_RADIUS,
) -> dict[str, torch.Tensor]:
    """Target fields of a batch of labelled people; the inverse of decoding.

    Inside the disk around a keypoint the heatmap is 1, the offset points from the cell to the keypoint, and the
    displacement is the vector from the keypoint to its neighbour. The displacement is constant over the disk because
    the decoder adds it to the refined keypoint, not to the cell. Where disks of several people overlap the nearest
    keypoint owns the cell.

    Args:
        keypoints: ``(B, P, K, 2)`` (x, y) in input pixels; values of unlabelled keypoints are ignored.
        labelled: ``(B, P, K)`` bool.
        grid: (width, height) in cells.
        stride: Input pixels per cell.
        tree: E directed edges (parent, child).
        radius: Disk radius in input pixels.

    Returns:
        ``heatmaps`` ``(B, K, H, W)`` 0 or 1; ``offsets`` ``(B, K, 2, H, W)``; ``displacement_forward`` and
        ``displacement_backward`` ``(B, E, 2, H, W)``; and ``offsets_mask`` ``(B, K, H, W)``, ``…_forward_mask`` and
        ``…_backward_mask`` ``(B, E, H, W)``, 1 where the vector target is defined.
    """
    keypoints = torch.where(labelled[..., None], keypoints, torch.inf).float()
    columns = torch.arange(grid[0], device=keypoints.device) * float(stride)
    rows = torch.arange(grid[1], device=keypoints.device) * float(stride)
    # (B, P, K, H, W) squared distances; people on axis 1.
    squared = (keypoints[..., 1, None, None] - rows[:, None]) ** 2 + (keypoints[..., 0, None, None] - columns) ** 2
    nearest, owner = squared.min(dim=1)
    inside = nearest <= radius**2
    cells = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))

    def owned(vectors: torch.Tensor, who: torch.Tensor, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pick ``(B, P, C, 2)`` vectors of the owner of every cell; zero and masked where undefined."""
        index = who[:, None, :, None].expand(-1, 1, -1, 2, -1, -1)
        spread = vectors[..., None, None].expand(-1, -1, -1, -1, *who.shape[-2:])
        picked = spread.gather(1, index).squeeze(1)
        mask = where & picked.isfinite().all(2)
        return torch.where(mask[:, :, None], picked, 0.0), mask.float()

    position, mask = owned(keypoints, owner, inside)
    targets = {"heatmaps": inside.float(), "offsets": (position - cells) * mask[:, :, None], "offsets_mask": mask}
    parents, children = (torch.tensor([edge[end] for edge in tree], dtype=torch.long) for end in (0, 1))
    for name, start, end in (("forward", parents, children), ("backward", children, parents)):
        vectors = keypoints[:, :, end] - keypoints[:, :, start]
        key = f"displacement_{name}"
        targets[key], targets[f"{key}_mask"] = owned(vectors, owner[:, start], inside[:, start])
    return targets
