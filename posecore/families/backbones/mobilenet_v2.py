"""MobileNetV2 (Sandler et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from posecore.families.backbones.blocks import InvertedResidual, scaled_width
from posecore.families.backbones.layers import ConvUnit
from posecore.families.backbones.tapped import Block, Tapped

#: (expansion, width, number of blocks, stride of the first) of MobileNetV2 (Sandler et al. 2018, table 2).
MOBILENET_V2_STAGES: tuple[tuple[int, int, int, int], ...] = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class MobileNetV2(Tapped):
    """MobileNetV2: a strided 3×3 stem, inverted residual blocks and, when asked for, a last 1×1 convolution.

    Args:
        width: Channel multiplier of everything but the last convolution.
        stages: (expansion, width before the multiplier, number of blocks, stride of the first block) per stage.
        last: Channels of the last 1×1 convolution, or None for none.
        norm: With BatchNorm (training form).
        unit: Class of the convolutions.
    """

    def __init__(
        self,
        width: float,
        stages: Sequence[tuple[int, int, int, int]] = MOBILENET_V2_STAGES,
        last: int | None = 1280,
        norm: bool = False,
        unit: type[ConvUnit] = ConvUnit,
    ) -> None:
        channels = scaled_width(32 * width)
        stem = unit(3, channels, 3, norm=norm)
        blocks: list[Block] = []
        for expansion, base, count, first in stages:
            outputs = scaled_width(base * width)
            for index in range(count):
                stride = first if index == 0 else 1
                module = InvertedResidual(channels, channels * expansion, outputs, stride, norm=norm, unit=unit)
                blocks.append(Block(module, outputs, stride))
                channels = outputs
        super().__init__(stem, blocks, unit(channels, last, 1, norm=norm) if last is not None else None)
