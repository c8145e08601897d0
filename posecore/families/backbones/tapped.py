"""A backbone any of whose blocks' outputs can be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from posecore.families.backbones.atrous import Atrous
from posecore.families.backbones.layers import ConvUnit


@dataclass(frozen=True)
class Block:
    """One block of a :class:`Tapped` backbone: the module, its output channels and its nominal stride."""

    module: nn.Module
    width: int
    stride: int = 1


class Tapped(nn.Module):
    """A stem of stride 2, blocks, and perhaps a last 1×1 convolution; any block's output can be had.

    Args:
        stem: First convolution.
        blocks: In order. Their ``forward`` takes (x, stride, dilation).
        last: Last convolution, or None.

    Attributes:
        strides: Nominal strides of the stem and of every block.
        widths: Output channels of every block.
        outputs: Channels of the final features.
    """

    def __init__(self, stem: ConvUnit, blocks: Sequence[Block], last: ConvUnit | None) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(block.module for block in blocks)
        self.last = last
        self.strides = (2, *(block.stride for block in blocks))
        self.widths = [block.width for block in blocks]
        self.outputs = self.widths[-1] if last is None else last.conv.out_channels

    def forward(self, x: torch.Tensor, atrous: Atrous, taps: Sequence[int] = ()) -> list[torch.Tensor]:
        """Normalised ``(B, 3, H, W)`` to the outputs of the blocks ``taps``, in order, and then the final features."""
        tapped: list[torch.Tensor] = []
        plan = atrous.plan(self.strides)
        x = self.stem(x, *plan[0])
        for index, (block, step) in enumerate(zip(self.blocks, plan[1:], strict=True)):
            x = block(x, *step)
            if index in taps:
                tapped.append(x)
        return [*tapped, x if self.last is None else self.last(x)]
