"""PoseNet's decoder for one person as operations of tensors, so that it can be part of an exported graph."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


class SingleDecoder(nn.Module):
    """As :func:`codec.decode_single`: outputs of the network to ``(1, 1, K, 3)``.

    Args:
        stride: Input pixels per cell.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """See :class:`posecore.families.contract.GraphDecoder`."""
        heat = torch.sigmoid(outputs["heatmaps"][0])
        keypoints, height, width = heat.shape
        size = height * width
        cells = torch.argmax(heat.reshape(keypoints, size), 1)
        start = torch.arange(keypoints, device=heat.device) * size
        row = torch.div(cells, width, rounding_mode="floor")
        column = cells - row * width
        offsets = outputs["offsets"][0].reshape(keypoints, 2, size)
        along_x, along_y = (
            torch.index_select(offsets[:, axis].reshape(keypoints * size), 0, start + cells) for axis in (0, 1)
        )
        scores = torch.index_select(heat.reshape(keypoints * size), 0, start + cells)
        # The middle of the first pixel is at 0, half a pixel from the input's edge; the sides are k · stride + 1.
        x = (column * self.stride + along_x + 0.5) / ((width - 1) * self.stride + 1)
        y = (row * self.stride + along_y + 0.5) / ((height - 1) * self.stride + 1)
        return torch.stack([y, x, scores], 1)[None, None]
