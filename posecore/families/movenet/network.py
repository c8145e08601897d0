"""MoveNet's networks: a backbone, a feature pyramid down to stride 4, and one small head per field.

Layers and widths as in the three published graphs (Google 2021), whose backbone is MobileNetV2. Others stand in for it
in networks of one's own. All are fully convolutional: any input whose sides are multiples of 32 will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones import (
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
    Atrous,
    ConvUnit,
    MobileNetV2,
    MobileNetV3,
    SeparableBlock,
    ShuffleNetV2,
    Tapped,
    Unit,
    fuse,
)
from posecore.families.contract import Architecture
from posecore.skeleton import Skeleton

#: Input pixels per cell of every field.
STRIDE = 4
#: Sides of the network's input are multiples of this: the backbone halves five times.
SIDE_MULTIPLE = 32

#: Channels of the pyramid's levels at strides 4, 8, 16 and 32.
_PYRAMID = (24, 32, 64, 64)
#: Channels between the two convolutions of a head.
_HEAD_WIDTH = 96
#: Logit of a cell before training: one in ten is believed to be a keypoint (Lin et al. 2017, focal loss).
_PRIOR_LOGIT = -2.19


@dataclass(frozen=True)
class Trunk:
    """A backbone and where its features are taken.

    Attributes:
        make: Called with ``norm=`` (BatchNorm or not).
        taps: Blocks whose outputs enter the pyramid, at strides 4, 8 and 16; the final features do at 32.
    """

    make: Callable[..., Tapped]
    taps: tuple[int, int, int]


def _mobilenet_v2(width: float) -> Trunk:
    """The published backbone. Its level at stride 16 is the one before the channels grow to 96."""
    return Trunk(partial(MobileNetV2, width), (2, 5, 9))


_LIGHTNING = _mobilenet_v2(1.0)
_MOBILENET_V3 = {
    "large": Trunk(partial(MobileNetV3, MOBILENET_V3_LARGE), (2, 5, 11)),
    "small": Trunk(partial(MobileNetV3, MOBILENET_V3_SMALL), (0, 2, 7)),
}


def _shufflenet_v2(width: float) -> Trunk:
    return Trunk(partial(ShuffleNetV2, width), (0, 4, 12))


@dataclass(frozen=True)
class MoveNetArchitecture(Architecture):
    """Adds what the network needs.

    Attributes:
        trunk: Its backbone.
        input_size: Side of the input in pixels unless another is chosen.
        multi: With boxes, for several people.
        published: There are published weights of this layout.
    """

    trunk: Trunk = _LIGHTNING
    input_size: int = 192
    multi: bool = False
    published: bool = False


ARCHITECTURES: dict[str, MoveNetArchitecture] = {
    architecture.name: architecture
    for architecture in (
        MoveNetArchitecture("movenet-lightning", "MoveNet Lightning", (), _LIGHTNING, 192, published=True),
        MoveNetArchitecture("movenet-thunder", "MoveNet Thunder", (), _mobilenet_v2(1.75), 256, published=True),
        MoveNetArchitecture("movenet-multipose", "MoveNet MultiPose", (), _mobilenet_v2(1.5), 256, True, True),
        *(
            MoveNetArchitecture(
                f"movenet-mobilenet_v2-{100 * width:03.0f}",
                f"MoveNet with MobileNetV2 ×{width:.2f}",
                trunk=_mobilenet_v2(width),
            )
            for width in (0.5, 0.75)
        ),
        *(
            MoveNetArchitecture(
                f"movenet-mobilenet_v3-{size}", f"MoveNet with MobileNetV3 {size.capitalize()}", trunk=trunk
            )
            for size, trunk in _MOBILENET_V3.items()
        ),
        *(
            MoveNetArchitecture(
                f"movenet-shufflenet_v2-{100 * width:03.0f}",
                f"MoveNet with ShuffleNetV2 ×{width:.1f}",
                trunk=_shufflenet_v2(width),
            )
            for width in (0.5, 1.0, 1.5)
        ),
    )
}


class Pyramid(Unit):
    """Feature pyramid: every level is reduced, the coarser one is doubled and added, a separable convolution follows.

    Args:
        widths: Channels that arrive at strides 4, 8, 16 and 32.
        norm: With BatchNorm (training form).
    """

    def __init__(self, widths: tuple[int, ...], norm: bool) -> None:
        super().__init__()
        pairs = zip(widths, _PYRAMID, strict=True)
        self.lateral = nn.ModuleList(ConvUnit(a, b, 1, norm=norm, activation=None) for a, b in pairs)
        # Each smooths a sum and gives it the channels of the next finer level.
        finer = (_PYRAMID[0], *_PYRAMID[:2])
        self.smooth = nn.ModuleList(
            separable(inputs, outputs, norm) for inputs, outputs in zip(_PYRAMID[:3], finer, strict=True)
        )

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Levels ``(B, C, H, W)`` at strides 4, 8, 16 and 32 to ``(B, 24, H, W)`` at stride 4."""
        x: torch.Tensor = self.lateral[3](levels[3])
        for index in (2, 1, 0):
            # As TensorFlow's half_pixel_centers: the pictures' edges fall on each other, not the centres of cells.
            doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.smooth[index](doubled + self.lateral[index](levels[index]))
        return x


class Head(Unit):
    """Separable 3×3 convolution, ReLU, 1×1 convolution.

    Args:
        inputs, outputs: Channels.
        norm: With BatchNorm before the ReLU (training form).
    """

    def __init__(self, inputs: int, outputs: int, norm: bool) -> None:
        super().__init__()
        self.hidden = separable(inputs, _HEAD_WIDTH, norm)
        self.output = ConvUnit(_HEAD_WIDTH, outputs, 1, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` features to ``(B, outputs, H, W)``."""
        maps: torch.Tensor = self.output(self.hidden(x))
        return maps


def separable(inputs: int, outputs: int, norm: bool) -> SeparableBlock:
    """Keras's separable convolution: nothing between its halves, ReLU behind them."""
    return SeparableBlock(
        inputs, outputs, norm=norm, activation="relu", depthwise_norm=False, depthwise_activation=False
    )


class MoveNet(nn.Module):
    """Backbone, pyramid and heads.

    Args:
        architecture: One of ``ARCHITECTURES``.
        skeleton: Gives the number of keypoints.
        fused: Without BatchNorm (inference, official files) or with (training).
    """

    def __init__(self, architecture: MoveNetArchitecture, skeleton: Skeleton, fused: bool) -> None:
        super().__init__()
        self.backbone = architecture.trunk.make(norm=not fused)
        self.taps = architecture.trunk.taps
        widths = (*(self.backbone.widths[tap] for tap in self.taps), self.backbone.outputs)
        self.pyramid = Pyramid(widths, norm=not fused)
        self.keypoints = keypoints = len(skeleton)
        channels = {"centre": 1, "regression": 2 * keypoints, "heatmaps": keypoints, "offsets": 2 * keypoints}
        if architecture.multi:
            channels |= {"box_size": 2, "box_offset": 2}
        heads = {name: Head(_PYRAMID[0], count, norm=not fused) for name, count in channels.items()}
        for name in ("centre", "heatmaps"):
            bias = heads[name].output.conv.bias
            assert bias is not None
            nn.init.constant_(bias, _PRIOR_LOGIT)
        self.heads = nn.ModuleDict(heads)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255; H and W multiples of 32.

        Returns:
            On the grid h = H / 4, w = W / 4: ``centre`` ``(B, 1, h, w)`` and ``heatmaps`` ``(B, K, h, w)`` logits;
            ``regression`` and ``offsets`` ``(B, K, 2, h, w)``, for MultiPose ``box_size`` (width, height) and
            ``box_offset`` ``(B, 1, 2, h, w)``: (x, y) in cells. Regression and offsets, of the box as well, start at
            the *middle* of a cell; the published graphs count from its top-left corner.

        Raises:
            ValueError: For sides that are not multiples of 32.
        """
        if pixels.shape[2] % SIDE_MULTIPLE or pixels.shape[3] % SIDE_MULTIPLE:
            raise ValueError(f"Input of {pixels.shape[3]} × {pixels.shape[2]}: sides must be multiples of 32.")
        normalised = pixels * (2 / 255) - 1
        levels = self.backbone(normalised, Atrous(SIDE_MULTIPLE), self.taps)
        features = self.pyramid(levels)
        return dict(self._outputs(features))

    def _outputs(self, features: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        for name, head in self.heads.items():
            output = head(features)
            if name not in ("centre", "heatmaps"):
                output = _xy(output)
            yield name, output if name in ("centre", "heatmaps", "box_size") else output - 0.5

    def fuse(self) -> MoveNet:
        """Fold BatchNorm into the convolutions, in place, for inference."""
        fuse(self)
        return self


def _xy(output: torch.Tensor) -> torch.Tensor:
    """Published layout ``(B, 2C, h, w)``, y and x of each keypoint in turn, to ``(B, C, 2, h, w)`` with (x, y)."""
    batch, doubled, height, width = output.shape
    return output.reshape(batch, doubled // 2, 2, height, width).flip(2)
