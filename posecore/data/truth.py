"""What is known about a batch of training pictures: the one thing that every family makes its targets from.

Coordinates are (x, y) in pixels of the network's input, the centre of the top-left one at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch

from posecore.data.annotations import Label

#: A person's neighbourhood is its box made this much larger; unlabelled joints may lie anywhere in it.
NEIGHBOURHOOD = 1.2
#: Regions that are looked at together.
_AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about a batch of network inputs; every family makes its targets from this.

    Attributes:
        keypoints: ``(B, P, K, 2)`` float32 (x, y) in input pixels; meaningless unless labelled.
        labels: ``(B, P, K)`` uint8 of :class:`Label`.
        corners: ``(B, P, 4, 2)`` float32 corners of each person's neighbourhood, in order around it; NaN for nobody.
        ignore: ``(B, R, 4, 2)`` float32 corners of regions in which nothing is known; NaN for empty places.
        layers: ``(B, P)`` uint8: the layer of a composed picture that the person belongs to.
        ignore_layers: ``(B, R)`` uint8, likewise.
        owner: ``(B, H, W)`` uint8: the layer that is seen at each pixel.
    """

    keypoints: torch.Tensor
    labels: torch.Tensor
    corners: torch.Tensor
    ignore: torch.Tensor
    layers: torch.Tensor
    ignore_layers: torch.Tensor
    owner: torch.Tensor

    @property
    def labelled(self) -> torch.Tensor:
        """``(B, P, K)`` bool: positions that are given."""
        return (self.labels == Label.HIDDEN) | (self.labels == Label.VISIBLE)

    def unknown(self, stride: int) -> torch.Tensor:
        """Cells about which nothing is known.

        Returns:
            ``(B, K, H', W')`` bool for the grid with a cell at every ``stride``-th pixel: inside an ignore region, or
            in the neighbourhood of a person whose keypoint of this channel is unlabelled.
        """
        owner = self.owner[:, ::stride, ::stride]
        near = inside(self.corners, owner.shape[1:], stride) & (owner[:, None] == self.layers[..., None, None])
        missing = self.labels == Label.UNLABELLED
        channels = torch.einsum("bpk,bphw->bkhw", missing.float(), near.float()) > 0
        return channels | self._ignored(owner, stride)[:, None]

    def _ignored(self, owner: torch.Tensor, stride: int) -> torch.Tensor:
        """``(B, H', W')`` bool: cells in an ignore region of their layer."""
        found = torch.zeros_like(owner, dtype=torch.bool)
        # Some at a time: a square of a dense crowd may have a hundred regions.
        parts = zip(torch.split(self.ignore, _AT_ONCE, 1), torch.split(self.ignore_layers, _AT_ONCE, 1), strict=True)
        for regions, layers in parts:
            found |= (inside(regions, owner.shape[1:], stride) & (owner[:, None] == layers[..., None, None])).any(1)
        return found

    def select(self, rows: slice) -> Truth:
        """Some pictures of the batch."""
        return Truth(*(getattr(self, item.name)[rows] for item in fields(self)))


def inside(corners: torch.Tensor, grid: Sequence[int], stride: int = 1) -> torch.Tensor:
    """Which cells lie in convex quadrilaterals.

    Args:
        corners: ``(…, 4, 2)`` (x, y) in order around each; NaN makes an empty one.
        grid: (height, width) in cells.
        stride: Pixels per cell; cell (column, row) lies at (column · stride, row · stride).

    Returns:
        ``(…, height, width)`` bool.
    """
    columns = torch.arange(grid[1], device=corners.device, dtype=corners.dtype) * stride
    rows = (torch.arange(grid[0], device=corners.device, dtype=corners.dtype) * stride)[:, None]
    left: torch.Tensor | None = None
    right: torch.Tensor | None = None
    for start, end in zip(corners.unbind(-2), corners.roll(-1, -2).unbind(-2), strict=True):
        edge = (end - start)[..., None, None, :]
        origin = start[..., None, None, :]
        side = edge[..., 0] * (rows - origin[..., 1]) - edge[..., 1] * (columns - origin[..., 0])
        left = side >= 0 if left is None else left & (side >= 0)
        right = side <= 0 if right is None else right & (side <= 0)
    assert left is not None
    assert right is not None
    return left | right
