"""SSDLite's codec: fields to boxes (NumPy, one picture) and boxes to target fields (torch, a batch).

Boxes are (x0, y0, x1, y1) in positions of the input: the centre of its first pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.families.ssdlite.network import ANCHORS, SHIFT, SIZE, STRIDES, anchor_sizes, origin
from posecore.settings import DecodeSettings, max_poses_field, threshold_field

#: Most anchors that suppression looks at, the surest first.
_MOST = 400


class SSDLiteDecodeSettings(DecodeSettings):
    """How SSDLite's fields become boxes."""

    filters = ("keypoint_threshold", "pose_threshold")

    pose_threshold: float = threshold_field(0.4, "Pose threshold", "Lowest score of a person that is shown.")
    max_poses: int = max_poses_field(20, "People returned at most, best first.")
    nms_overlap: float = threshold_field(
        0.5,
        "Overlap",
        "Of two boxes that share more than this (intersection over union), the one with the higher score stays.",
    )


@dataclass(frozen=True)
class Decoded:
    """Boxes of one picture, the surest first.

    Attributes:
        boxes: ``(N, 4)`` input positions.
        scores: ``(N,)``.
        starts: ``(N, 2)`` input positions of the middles of the cells that they were found from.
        covered_by: ``(N,)`` index of the surer box that covers it; -1 for those that stay.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    starts: NDArray[np.float64]
    covered_by: NDArray[np.intp]


def decode(fields: Mapping[str, NDArray[np.float32]], settings: SSDLiteDecodeSettings) -> Decoded:
    """Boxes that score at least the threshold.

    Args:
        fields: For each stride s ``scores_s`` ``(A, h, w)`` probabilities, ``shifts_s`` and ``sizes_s``
            ``(A, 2, h, w)`` in input pixels: from the middle of the cell to that of the box, and its width and height.
        settings: Thresholds.
    """
    parts = [_found(fields, stride, settings.pose_threshold) for stride in STRIDES]
    boxes, scores, starts = (np.concatenate(some) for some in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")[:_MOST]
    boxes, scores, starts = boxes[order], scores[order], starts[order]
    return Decoded(boxes, scores, starts, suppressed(boxes, settings.nms_overlap))


def _found(
    fields: Mapping[str, NDArray[np.float32]], stride: int, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Boxes, scores and starts of one level."""
    scores = fields[f"scores_{stride}"]
    anchor, row, column = np.nonzero(scores >= threshold)
    starts = np.stack([column, row], 1).astype(np.float64) * stride + origin(stride)
    shifts, sizes = (fields[f"{name}_{stride}"][anchor, :, row, column] for name in ("shifts", "sizes"))
    known = scores[anchor, row, column].astype(np.float64)
    middles, halves = starts + shifts, sizes.astype(np.float64) / 2
    return np.concatenate([middles - halves, middles + halves], 1), known, starts


def suppressed(boxes: NDArray[np.float64], overlap: float) -> NDArray[np.intp]:
    """Greedy suppression of boxes ``(N, 4)``, the surest first.

    Returns:
        ``(N,)`` index of the box that stays and shares more than ``overlap`` with this one; -1 for those that stay.
    """
    covered = np.full(len(boxes), -1, np.intp)
    for index in range(len(boxes)):
        if covered[index] < 0:
            rest = index + 1 + np.flatnonzero(covered[index + 1 :] < 0)
            covered[rest[shares(boxes[index : index + 1], boxes[rest])[0] > overlap]] = index
    return covered


def shares(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N, M)`` intersection over union of boxes ``(N, 4)`` and ``(M, 4)``."""
    result: NDArray[np.float64] = overlaps(torch.from_numpy(one), torch.from_numpy(other)).numpy()
    return result


def overlaps(one: torch.Tensor, other: torch.Tensor, of_first: bool = False) -> torch.Tensor:
    """Intersection over union of boxes ``(…, N, 4)`` and ``(…, M, 4)``, or over the first's area: ``(…, N, M)``."""
    low = torch.maximum(one[..., :, None, :2], other[..., None, :, :2])
    high = torch.minimum(one[..., :, None, 2:], other[..., None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    first = (one[..., 2:] - one[..., :2]).prod(-1)[..., :, None]
    second = (other[..., 2:] - other[..., :2]).prod(-1)[..., None, :]
    return shared / (first if of_first else first + second - shared).clamp_min(1e-9)


@dataclass(frozen=True, eq=False)
class Matched:
    """What the anchors of a level are for, in a batch.

    Attributes:
        wanted: ``(B, A, h, w)`` bool: is a person's.
        known: ``(B, A, h, w)`` bool: it is known whether it is.
        shifts, sizes: ``(B, A, 2, h, w)``, as the network's outputs; 0 unless wanted.
    """

    wanted: torch.Tensor
    known: torch.Tensor
    shifts: torch.Tensor
    sizes: torch.Tensor


def encode(
    boxes: torch.Tensor,
    ignore: torch.Tensor,
    side: tuple[int, int],
    match: float = 0.5,
    between: float = 0.4,
) -> dict[int, Matched]:
    """Give every person the anchors that overlap with their box, the best one in any case.

    Args:
        boxes: ``(B, P, 4)`` input positions of people; NaN for nobody.
        ignore: ``(B, R, 4)`` regions in which nothing is known; NaN for none.
        side: (height, width) of the input.
        match: Overlap from which an anchor is a person's.
        between: Overlap from which it is not known whether it is.

    Returns:
        Stride → what its anchors are for.
    """
    anchors = anchor_boxes(side).to(boxes)
    share = overlaps(anchors.expand(len(boxes), -1, -1), boxes).nan_to_num(0)
    best, person = share.max(2)
    # Everybody's own best anchor is theirs; of several people who want it, the last.
    own = share.argmax(1)
    there = torch.isfinite(boxes).all(-1) & (share.amax(1) > 0)
    for place in range(boxes.shape[1]):
        rows = torch.nonzero(there[:, place])[:, 0]
        person[rows, own[rows, place]] = place
        best[rows, own[rows, place]] = 2.0
    wanted = best >= match
    blank = overlaps(anchors.expand(len(boxes), -1, -1), ignore, of_first=True).nan_to_num(0).amax(2) > 0.5
    known = wanted | ((best < between) & ~blank)
    theirs = boxes.gather(1, person[..., None].expand(-1, -1, 4))
    middles, extents = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    shifts = ((theirs[..., :2] + theirs[..., 2:]) / 2 - middles) / extents / SHIFT
    sizes = torch.log((theirs[..., 2:] - theirs[..., :2]).clamp_min(1e-3) / extents) / SIZE
    vectors = [torch.where(wanted[..., None], one, torch.zeros_like(one)) for one in (shifts, sizes)]
    return _by_level(side, wanted, known, *vectors)


def _by_level(
    side: tuple[int, int], wanted: torch.Tensor, known: torch.Tensor, shifts: torch.Tensor, sizes: torch.Tensor
) -> dict[int, Matched]:
    """Values of all anchors ``(B, N[, 2])``, in the order of :func:`anchor_boxes`, as maps."""
    found, start = {}, 0
    for stride in STRIDES:
        grid = _grid(side, stride)
        part = slice(start, start + ANCHORS * grid[0] * grid[1])
        start = part.stop
        flags = [one[:, part].reshape(len(one), ANCHORS, *grid) for one in (wanted, known)]
        vectors = [one[:, part].reshape(len(one), ANCHORS, *grid, 2).movedim(-1, 2) for one in (shifts, sizes)]
        found[stride] = Matched(flags[0], flags[1], vectors[0], vectors[1])
    return found


def anchor_boxes(side: tuple[int, int]) -> torch.Tensor:
    """``(N, 4)`` float32 boxes of all anchors of an input of ``side`` (height, width), level by level."""
    return torch.cat([_anchors_of(stride, _grid(side, stride)) for stride in STRIDES])


def _grid(side: tuple[int, int], stride: int) -> tuple[int, int]:
    """(height, width) in cells."""
    return -(-side[0] // stride), -(-side[1] // stride)


def _anchors_of(stride: int, grid: tuple[int, int]) -> torch.Tensor:
    """``(A · h · w, 4)`` boxes of a level's anchors."""
    sizes = torch.from_numpy(anchor_sizes(stride))[:, None, None, :].expand(-1, *grid, -1)
    row, column = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    middles = (torch.stack([column, row], -1) * stride + origin(stride)).expand_as(sizes)
    return torch.cat([middles - sizes / 2, middles + sizes / 2], -1).flatten(0, 2).float()
