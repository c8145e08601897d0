"""ShuffleNetV2 (Ma et al. 2018)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones.blocks import SeparableBlock
from posecore.families.backbones.layers import ConvUnit, Pair, Unit, same_padding
from posecore.families.backbones.tapped import Block, Tapped


class MaxPool(nn.Module):
    """3×3 max-pooling of values that are not negative."""

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """``(B, C, H, W)``, its sides shrunk by ``stride`` and rounded up."""
        vertical, horizontal = (same_padding(size, 3, stride, d) for size, d in zip(x.shape[2:], dilation, strict=True))
        return F.max_pool2d(F.pad(x, (*horizontal, *vertical)), 3, stride, dilation=dilation)


class ShuffleUnit(Unit):
    """ShuffleNetV2's unit: one half of the channels passes unchanged, then both halves are interleaved.

    With stride 2 nothing is halved: both branches take all channels, and the first has a separable convolution.

    Args:
        inputs, outputs: Channels; equal when the stride is 1.
        stride: Nominal stride.
        norm: With BatchNorm (training form).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, norm: bool) -> None:
        super().__init__()
        half = outputs // 2

        def separable(channels: int) -> SeparableBlock:
            return SeparableBlock(channels, half, norm=norm, activation="relu", depthwise_activation=False)

        self.shortcut = separable(inputs) if stride > 1 else None
        self.reduce = ConvUnit(inputs if stride > 1 else half, half, 1, norm=norm, activation="relu")
        self.separable = separable(half)

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """Stride and dilation act in the depthwise convolutions."""
        if self.shortcut is None:
            kept, changed = x.chunk(2, 1)
        else:
            kept, changed = self.shortcut(x, stride, dilation), x
        joined = torch.stack([kept, self.separable(self.reduce(changed), stride, dilation)], 2)
        return joined.flatten(1, 2)


#: Channels of ShuffleNetV2's three stages and its last convolution, by multiplier (Ma et al. 2018, table 5).
SHUFFLENET_V2_WIDTHS: dict[float, tuple[int, int, int, int]] = {
    0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024), 1.5: (176, 352, 704, 1024), 2.0: (244, 488, 976, 2048),
}  # fmt: skip


class ShuffleNetV2(Tapped):
    """ShuffleNetV2: a strided 3×3 stem, max-pooling (block 0), three stages of shuffle units, a last 1×1 convolution.

    Args:
        width: Channel multiplier, a key of ``SHUFFLENET_V2_WIDTHS``.
        counts: Units per stage; the first of each halves the sides.
        norm: With BatchNorm (training form).
    """

    def __init__(self, width: float = 1.0, counts: tuple[int, int, int] = (4, 8, 4), norm: bool = False) -> None:
        *stages, last = SHUFFLENET_V2_WIDTHS[width]
        channels = 24
        stem = ConvUnit(3, channels, 3, norm=norm, activation="relu")
        blocks = [Block(MaxPool(), channels, 2)]
        for outputs, count in zip(stages, counts, strict=True):
            for index in range(count):
                stride = 2 if index == 0 else 1
                blocks.append(Block(ShuffleUnit(channels, outputs, stride, norm), outputs, stride))
                channels = outputs
        super().__init__(stem, blocks, ConvUnit(channels, last, 1, norm=norm, activation="relu"))
