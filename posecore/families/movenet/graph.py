"""MoveNet's decoders as operations of tensors, so that they can be part of an exported graph.

They do what :mod:`posecore.families.movenet.codec` does, for one picture, and answer in the published layouts.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.movenet.codec import CORNER, MoveNetDecodeSettings
from posecore.families.movenet.network import STRIDE

Outputs = Mapping[str, torch.Tensor]


class SingleDecoder(nn.Module):
    """As :func:`codec.decode_single`: outputs of the network to ``(1, 1, K, 3)``."""

    def __init__(self, settings: MoveNetDecodeSettings) -> None:
        super().__init__()
        self.distance_offset = settings.distance_offset

    def forward(self, outputs: Outputs) -> torch.Tensor:
        """See :class:`posecore.families.contract.GraphDecoder`."""
        heat = torch.sigmoid(outputs["heatmaps"][0])
        keypoints, height, width = heat.shape
        columns, rows = _axes(heat)
        away = torch.sqrt((columns - width / 2) ** 2 + (rows[:, None] - height / 2) ** 2)
        centre = torch.sigmoid(outputs["centre"][0, 0]) / (away + self.distance_offset)
        cell = torch.argmax(centre.reshape(1, height * width), 1)
        x, y = _pointed(outputs["regression"][0], cell)
        away = torch.sqrt((columns - x[0, :, None, None]) ** 2 + (rows[:, None] - y[0, :, None, None]) ** 2)
        found = torch.argmax((heat / (away + self.distance_offset)).reshape(keypoints, height * width), 1)[None]
        scores = _picked(heat.reshape(keypoints, height * width), found)
        return torch.stack([*_snapped(outputs["offsets"][0], found), scores], 2)[None]


class MultiDecoder(nn.Module):
    """As :func:`codec.decode_multi`: outputs of the network to ``(1, P, 3K + 5)``, the highest centres first."""

    def __init__(self, settings: MoveNetDecodeSettings) -> None:
        super().__init__()
        self.people = settings.max_poses
        self.spread = settings.search_spread
        self.reach = round(settings.nms_radius / STRIDE)

    def forward(self, outputs: Outputs) -> torch.Tensor:
        """See :class:`posecore.families.contract.GraphDecoder`."""
        heat = torch.sigmoid(outputs["heatmaps"][0])
        keypoints, height, width = heat.shape
        centre = torch.sigmoid(outputs["centre"])
        highest = F.max_pool2d(centre, 2 * self.reach + 1, 1, self.reach)
        # Nothing but the maxima of their surroundings.
        peaks = centre * (centre >= highest).float()
        heights, cells = torch.topk(peaks.reshape(height * width), self.people)
        x, y = _pointed(outputs["regression"][0], cells)
        columns, rows = _axes(heat)
        spread = self.spread * min(height, width)
        along_x = torch.exp(-((columns - x[..., None]) ** 2) / spread)
        along_y = torch.exp(-((rows - y[..., None]) ** 2) / spread)
        if "box_size" in outputs:
            low, high = _boxes(outputs["box_size"][0, 0], outputs["box_offset"][0, 0], cells)
            along_x = along_x * _between(columns, low[0], high[0])
            along_y = along_y * _between(rows, low[1], high[1])
        weighted = heat * along_y[..., :, None] * along_x[..., None, :]
        weighted = weighted.reshape(self.people * keypoints, height * width)
        found = torch.argmax(weighted, 1).reshape(self.people, keypoints)
        scores = torch.amax(weighted, 1).reshape(self.people, keypoints)
        confident = torch.clamp((scores > 0).float().sum(1), min=1)
        joint_y, joint_x = _snapped(outputs["offsets"][0], found)
        if "box_size" in outputs:
            box = [low[1] / height, low[0] / width, high[1] / height, high[0] / width]
        else:
            box = [joint_y.amin(1), joint_x.amin(1), joint_y.amax(1), joint_x.amax(1)]
        person = torch.stack([*box, heights * scores.sum(1) / confident], 1)
        joints = torch.stack([joint_y, joint_x, scores], 2).reshape(self.people, 3 * keypoints)
        return torch.cat([joints, person], 1)[None]


def _axes(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the columns ``(W,)`` and rows ``(H,)`` of maps ``(…, H, W)``."""
    height, width = maps.shape[-2:]
    columns, rows = (torch.arange(count, device=maps.device, dtype=torch.float32) for count in (width, height))
    return columns, rows


def _place(cells: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Column and row of flat indices."""
    row = torch.div(cells, width, rounding_mode="floor")
    return (cells - row * width).float(), row.float()


def _pointed(regression: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(P, K)`` x and y where the centres in flat ``cells`` ``(P,)`` point, from the grid's corner."""
    keypoints, _, height, width = regression.shape
    column, row = _place(cells, width)
    vectors = torch.index_select(regression.reshape(keypoints, 2, height * width), 2, cells).permute(1, 2, 0)
    return vectors[0] + column[:, None] + CORNER, vectors[1] + row[:, None] + CORNER


def _picked(maps: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """Values of maps ``(K, N)`` at flat ``cells`` ``(P, K)``, each keypoint in its own map."""
    keypoints, size = maps.shape
    start = torch.arange(keypoints, device=maps.device) * size
    return torch.index_select(maps.reshape(keypoints * size), 0, (cells + start).reshape(-1)).reshape(cells.shape)


def _snapped(offsets: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(P, K)`` y and x of ``cells`` moved by their offsets, as parts of the input's height and width."""
    keypoints, _, height, width = offsets.shape
    column, row = _place(cells, width)
    flat = offsets.reshape(keypoints, 2, height * width)
    x, y = column + _picked(flat[:, 0], cells) + CORNER, row + _picked(flat[:, 1], cells) + CORNER
    return y / height, x / width


def _boxes(size: torch.Tensor, offset: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners ``(2, P)`` (x, y) of the boxes at flat ``cells``, counted from the grid's corner, inside the grid."""
    _, height, width = size.shape
    flat = torch.stack([size, offset]).reshape(4, height * width)
    values = torch.index_select(flat, 1, cells)
    middle = torch.stack(_place(cells, width)) + values[2:] + CORNER
    half = torch.clamp(values[:2], min=0) / 2
    ends = [(middle - half), (middle + half)]
    low, high = (torch.stack([end[0].clamp(0, width), end[1].clamp(0, height)]) for end in ends)
    return low, high


def _between(cells: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """``(P, 1, N)`` 1 for the cells whose index lies in [low, high), along one axis."""
    return ((cells >= low[:, None]) & (cells < high[:, None])).float()[:, None]
