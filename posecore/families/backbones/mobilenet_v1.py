"""MobileNetV1 (Howard et al. 2017)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from posecore.families.backbones.atrous import Atrous
from posecore.families.backbones.blocks import SeparableBlock
from posecore.families.backbones.layers import ConvUnit, Pair

#: (width, stride) of MobileNetV1's blocks after the stem (Howard et al. 2017, table 1).
MOBILENET_V1_BLOCKS: tuple[Pair, ...] = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


class MobileNetV1(nn.Module):
    """MobileNetV1: a strided 3×3 stem and separable blocks.

    Args:
        width: Channel multiplier.
        blocks: (width before the multiplier, nominal stride) per block.
        norm: With BatchNorm (training form).
        activation: Of stem and blocks.
        depthwise: Whether the depthwise halves have BatchNorm (or its folded bias) and activation of their own.
    """

    def __init__(
        self,
        width: float,
        blocks: Sequence[Pair] = MOBILENET_V1_BLOCKS,
        norm: bool = False,
        activation: str = "relu6",
        depthwise: bool = True,
    ) -> None:
        super().__init__()
        self.strides = (2, *(stride for _, stride in blocks))
        self.channels = [int(32 * width), *(int(channels * width) for channels, _ in blocks)]
        self.stem = ConvUnit(3, self.channels[0], 3, norm=norm, activation=activation)
        self.blocks = nn.ModuleList(
            SeparableBlock(
                a,
                b,
                norm=norm,
                activation=activation,
                depthwise_norm=depthwise,
                depthwise_activation=depthwise,
                depthwise_bias=None if depthwise else False,
            )
            for a, b in itertools.pairwise(self.channels)
        )
        self.outputs = self.channels[-1]

    def levels(self, x: torch.Tensor, wanted: Sequence[int]) -> list[torch.Tensor]:
        """Outputs of the layers ``wanted`` in rising order: 0 is the stem, 1 the first block. Later ones do not run."""
        found: list[torch.Tensor] = []
        layers = zip((self.stem, *self.blocks), self.strides, strict=True)
        for index, (layer, stride) in enumerate(itertools.islice(layers, max(wanted) + 1)):
            x = layer(x, stride)
            if index in wanted:
                found.append(x)
        return found

    def forward(self, x: torch.Tensor, atrous: Atrous) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features at ``atrous.output_stride``."""
        for layer, (stride, dilation) in zip((self.stem, *self.blocks), atrous.plan(self.strides), strict=True):
            x = layer(x, stride, dilation)
        return x
