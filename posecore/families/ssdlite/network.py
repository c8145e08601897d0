"""SSDLite (Sandler et al. 2018): a backbone, two more halvings, and small heads for scores and boxes at four strides.

Anchors are boxes of fixed sizes in the middle of every cell. The network says of each how likely it is to be a
person's, and how that person's box differs from it (Liu et al. 2016). Fully convolutional: any input whose sides are
multiples of 32 will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.families.backbones import Atrous, ConvUnit, MobileNetV2, Unit, fuse
from posecore.families.contract import Architecture

#: Input pixels per cell of the levels.
STRIDES = (16, 32, 64, 128)
#: Sides of the network's input are multiples of this: the backbone halves five times.
SIDE_MULTIPLE = 32
#: Sides of square anchors relative to the stride, half an octave apart from level to level.
_SCALES = (1.5, 1.5 * 2**0.5)
#: Width of anchors relative to their height: standing, sitting or half seen, lying.
_SHAPES = (0.35, 0.6, 1.2)
#: Anchors of a cell.
ANCHORS = len(_SCALES) * len(_SHAPES)
#: What the network's vectors are multiplied by: shifts in anchor sides, logarithms of sizes (Liu et al. 2016).
SHIFT, SIZE = 0.1, 0.2

#: Block of MobileNetV2 whose output is the level at stride 16.
_TAP = 12
#: Channels of the levels that the backbone does not have.
_EXTRAS = (256, 128)
#: Logit of an anchor before training: one in a hundred is believed to be a person's (Lin et al. 2017).
_PRIOR_LOGIT = -4.6


@dataclass(frozen=True)
class SSDLiteArchitecture(Architecture):
    """Adds the backbone's channel multiplier."""

    width: float = 1.0


ARCHITECTURES: dict[str, SSDLiteArchitecture] = {
    one.name: one
    for one in (
        SSDLiteArchitecture("ssdlite-mobilenet_v2", "SSDLite on MobileNetV2: boxes around people"),
        SSDLiteArchitecture("ssdlite-mobilenet_v2-035", "SSDLite on MobileNetV2 ×0.35: boxes around people", (), 0.35),
    )
}


@cache
def anchor_sizes(stride: int) -> NDArray[np.float64]:
    """``(A, 2)`` width and height in input pixels of the anchors of a level's cells."""
    sides = [scale * stride for scale in _SCALES]
    return np.array([(side * shape**0.5, side / shape**0.5) for side in sides for shape in _SHAPES])


def origin(stride: int) -> float:
    """Input position (x and y alike) of the middle of cell 0."""
    return (stride - 1) / 2


class Extra(Unit):
    """One more halving: 1×1 convolution to half the channels, separable 3×3 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        self.reduce = ConvUnit(inputs, outputs // 2, 1, norm=norm)
        # Padded alike whatever the size, so that exported graphs need not know it.
        self.depthwise = ConvUnit(outputs // 2, outputs // 2, 3, depthwise=True, norm=norm, explicit=True)
        self.pointwise = ConvUnit(outputs // 2, outputs, 1, norm=norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, outputs, ⌈H/2⌉, ⌈W/2⌉)``."""
        made: torch.Tensor = self.pointwise(self.depthwise(self.reduce(x), 2))
        return made


class Head(Unit):
    """Depthwise 3×3 convolution, then 1×1 to the maps."""

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        self.depthwise = ConvUnit(inputs, inputs, 3, depthwise=True, norm=norm)
        self.output = ConvUnit(inputs, outputs, 1, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` features to ``(B, outputs, H, W)``."""
        maps: torch.Tensor = self.output(self.depthwise(x))
        return maps


class SSDLite(nn.Module):
    """Backbone, further levels and heads.

    Args:
        architecture: One of ``ARCHITECTURES``.
        fused: Without BatchNorm (inference) or with (training).
    """

    def __init__(self, architecture: SSDLiteArchitecture, fused: bool) -> None:
        super().__init__()
        norm = not fused
        self.backbone = MobileNetV2(architecture.width, norm=norm)
        widths = [self.backbone.widths[_TAP], self.backbone.outputs, *_EXTRAS]
        self.extras = nn.ModuleList(
            Extra(before, after, norm) for before, after in zip(widths[1:], _EXTRAS, strict=False)
        )
        heads: dict[str, nn.Module] = {}
        for stride, width in zip(STRIDES, widths, strict=True):
            heads[f"scores_{stride}"] = scores = Head(width, ANCHORS, norm)
            heads[f"boxes_{stride}"] = Head(width, 4 * ANCHORS, norm)
            assert scores.output.conv.bias is not None
            nn.init.constant_(scores.output.conv.bias, _PRIOR_LOGIT)
        self.heads = nn.ModuleDict(heads)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255; H and W multiples of 32.

        Returns:
            For each stride s, on a grid of ⌈H/s⌉ × ⌈W/s⌉ cells and for A anchors: ``scores_s`` ``(B, A, h, w)``
            logits; ``shifts_s`` and ``sizes_s`` ``(B, A, 2, h, w)``: (x, y) from the middle of the cell to that of the
            box in anchor sides, and the logarithm of the box's (width, height) relative to the anchor's; see ``SHIFT``
            and ``SIZE``.

        Raises:
            ValueError: For sides that are not multiples of 32.
        """
        if pixels.shape[2] % SIDE_MULTIPLE or pixels.shape[3] % SIDE_MULTIPLE:
            raise ValueError(f"Input of {pixels.shape[3]} × {pixels.shape[2]}: sides must be multiples of 32.")
        levels = self.backbone(pixels * (2 / 255) - 1, Atrous(SIDE_MULTIPLE), (_TAP,))
        for extra in self.extras:
            levels.append(extra(levels[-1]))
        outputs = {}
        for stride, level in zip(STRIDES, levels, strict=True):
            outputs[f"scores_{stride}"] = self.heads[f"scores_{stride}"](level)
            boxes = self.heads[f"boxes_{stride}"](level).unflatten(1, (ANCHORS, 4))
            outputs[f"shifts_{stride}"], outputs[f"sizes_{stride}"] = boxes[:, :, :2], boxes[:, :, 2:]
        return outputs

    def fuse(self) -> SSDLite:
        """Fold BatchNorm into the convolutions, in place, for inference."""
        fuse(self)
        return self
