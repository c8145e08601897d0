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
        self.settings = settings

    def forward(self, outputs: Outputs) -> torch.Tensor:
        """See :class:`posecore.families.contract.GraphDecoder`."""
        people = self.settings.max_poses
        heat = torch.sigmoid(outputs["heatmaps"][0])
        keypoints, height, width = heat.shape
        heights, cells = _centres(torch.sigmoid(outputs["centre"]), self.settings)
        claims = _Claims(outputs, cells, (heights > 0).float(), self.settings.search_spread * min(height, width))
        columns, rows = _axes(heat)
        weighted = heat * claims.of_people(columns, rows)
        found = torch.argmax(weighted.reshape(people * keypoints, height * width), 1).reshape(people, keypoints)
        scores = _picked(heat.reshape(keypoints, height * width), found) * claims.anybody(*_place(found, width))
        counts = (scores > self.settings.rescoring_threshold).float()
        mean = (scores * counts).sum(1) / torch.clamp(counts.sum(1), min=1)
        joint_y, joint_x = _snapped(outputs["offsets"][0], found)
        if claims.box is None:
            box = [joint_y.amin(1), joint_x.amin(1), joint_y.amax(1), joint_x.amax(1)]
        else:
            low, high = claims.box
            box = [low[1] / height, low[0] / width, high[1] / height, high[0] / width]
        person = torch.stack([*box, heights * mean], 1)
        joints = torch.stack([joint_y, joint_x, scores], 2).reshape(people, 3 * keypoints)
        return torch.cat([joints, person], 1)[None]


class _Claims:
    """How much people found at flat ``cells`` ``(P,)`` claim places; those whose ``counts`` are 0 claim none."""

    def __init__(self, outputs: Outputs, cells: torch.Tensor, counts: torch.Tensor, spread: float) -> None:
        self.x, self.y = _pointed(outputs["regression"][0], cells)
        self.counts, self.spread = counts, spread
        self.box: tuple[torch.Tensor, torch.Tensor] | None = None
        if "box_size" in outputs:
            self.box = _boxes(outputs["box_size"][0, 0], outputs["box_offset"][0, 0], cells)

    def of_people(self, columns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """``(P, K, H, W)`` for the cells of a grid."""
        along_x = self._along(columns[None, None], 0)
        along_y = self._along(rows[None, None], 1)
        return along_y[..., :, None] * along_x[..., None, :]

    def anybody(self, columns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """``(Q, K)``: the highest claim of all people on places ``(Q, K)``."""
        along_x = self._along(columns.transpose(0, 1)[None], 0)
        along_y = self._along(rows.transpose(0, 1)[None], 1)
        claims = along_x * along_y * self.counts[:, None, None]
        return torch.amax(claims, 0).transpose(0, 1)

    def _along(self, places: torch.Tensor, axis: int) -> torch.Tensor:
        """``(P, K, N)`` along x (0) or y (1), for ``places`` ``(1, 1 or K, N)``."""
        point = (self.x, self.y)[axis][..., None]
        claims = torch.exp(-((places - point) ** 2) / self.spread)
        if self.box is None:
            return claims
        low, high = (end[axis][:, None, None] for end in self.box)
        return claims * ((places >= low) & (places < high)).float()


def _centres(centre: torch.Tensor, settings: MoveNetDecodeSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Heights ``(P,)`` and flat cells of the highest maxima of a centre map ``(1, 1, H, W)``; height 0 for nobody."""
    reach = round(settings.nms_radius / STRIDE)
    highest = F.max_pool2d(centre, 2 * reach + 1, 1, reach)
    peaks = centre * ((centre >= highest) & (centre >= settings.root_threshold)).float()
    heights, cells = torch.topk(peaks.reshape(-1), settings.max_poses)
    return heights, cells


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
