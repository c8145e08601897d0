"""MobileNetV3 (Howard et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posecore.families.backbones.blocks import InvertedResidual, scaled_width
from posecore.families.backbones.layers import ConvUnit
from posecore.families.backbones.tapped import Block, Tapped


@dataclass(frozen=True)
class V3Block:
    """A row of MobileNetV3's tables, channels before the multiplier."""

    kernel: int
    width: int
    outputs: int
    squeeze: bool
    activation: str
    stride: int


def _rows(*rows: tuple[int, int, int, bool, str, int]) -> tuple[V3Block, ...]:
    names = {"RE": "relu", "HS": "hardswish"}
    return tuple(V3Block(k, width, outputs, se, names[nl], s) for k, width, outputs, se, nl, s in rows)


#: MobileNetV3-Large (Howard et al. 2019, table 1): kernel, expanded width, outputs, squeeze-excite, activation, stride.
MOBILENET_V3_LARGE = _rows(
    (3, 16, 16, False, "RE", 1), (3, 64, 24, False, "RE", 2), (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2), (5, 120, 40, True, "RE", 1), (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2), (3, 200, 80, False, "HS", 1), (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1), (3, 480, 112, True, "HS", 1), (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2), (5, 960, 160, True, "HS", 1), (5, 960, 160, True, "HS", 1),
)  # fmt: skip
#: MobileNetV3-Small (table 2).
MOBILENET_V3_SMALL = _rows(
    (3, 16, 16, True, "RE", 2), (3, 72, 24, False, "RE", 2), (3, 88, 24, False, "RE", 1), (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1), (5, 240, 40, True, "HS", 1), (5, 120, 48, True, "HS", 1), (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2), (5, 576, 96, True, "HS", 1), (5, 576, 96, True, "HS", 1),
)  # fmt: skip


class MobileNetV3(Tapped):
    """MobileNetV3: inverted residual blocks with squeeze-excite and hard swish, and a last 1×1 convolution.

    Args:
        rows: One of the published tables.
        width: Channel multiplier.
        norm: With BatchNorm (training form).
    """

    def __init__(self, rows: Sequence[V3Block] = MOBILENET_V3_LARGE, width: float = 1.0, norm: bool = False) -> None:
        channels = scaled_width(16 * width)
        stem = ConvUnit(3, channels, 3, norm=norm, activation="hardswish")
        blocks: list[Block] = []
        for row in rows:
            outputs, expanded = scaled_width(row.outputs * width), scaled_width(row.width * width)
            module = InvertedResidual(
                channels,
                expanded,
                outputs,
                row.stride,
                norm=norm,
                kernel=row.kernel,
                activation=row.activation,
                squeeze=row.squeeze,
            )
            blocks.append(Block(module, outputs, row.stride))
            channels = outputs
        # As wide as the last block's depthwise convolution in both tables.
        last = ConvUnit(channels, scaled_width(rows[-1].width * width), 1, norm=norm, activation="hardswish")
        super().__init__(stem, blocks, last)
