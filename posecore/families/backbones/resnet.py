"""ResNet v1 (He et al. 2016) as slim builds it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones.atrous import Atrous
from posecore.families.backbones.layers import ConvUnit, Pair, Unit


class Bottleneck(Unit):
    """ResNet v1 bottleneck as slim builds it: the stride, if any, sits in the 3×3 convolution."""

    def __init__(self, inputs: int, width: int, outputs: int, norm: bool) -> None:
        super().__init__()
        unit = {"norm": norm, "epsilon": 1e-5}
        self.shortcut = ConvUnit(inputs, outputs, 1, activation=None, **unit) if inputs != outputs else None  # type: ignore[arg-type]
        self.conv1 = ConvUnit(inputs, width, 1, activation="relu", **unit)  # type: ignore[arg-type]
        self.conv2 = ConvUnit(width, width, 3, activation="relu", explicit=True, **unit)  # type: ignore[arg-type]
        self.conv3 = ConvUnit(width, outputs, 1, activation=None, **unit)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """A strided unit without a shortcut convolution subsamples its input, as slim's 1×1 max-pooling does."""
        kept = x[..., ::stride, ::stride] if self.shortcut is None else self.shortcut(x, stride)
        return F.relu(kept + self.conv3(self.conv2(self.conv1(x), stride, dilation)))


#: (bottleneck width, units, stride of the last unit) per block of slim's ResNet-50 v1.
RESNET_50_BLOCKS = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))


class ResNet(nn.Module):
    """Slim's ResNet v1: explicit padding, and each block's stride in its *last* unit.

    Args:
        blocks: (bottleneck width, number of units, stride of the last unit) per block.
        norm: With BatchNorm (training form).
    """

    def __init__(self, blocks: Sequence[tuple[int, int, int]] = RESNET_50_BLOCKS, norm: bool = False) -> None:
        super().__init__()
        self.stem = ConvUnit(3, 64, 7, norm=norm, activation="relu", explicit=True, epsilon=1e-5)
        units: list[nn.Module] = []
        strides: list[int] = []
        channels = 64
        for width, count, stride in blocks:
            for index in range(count):
                units.append(Bottleneck(channels, width, 4 * width, norm))
                strides.append(stride if index == count - 1 else 1)
                channels = 4 * width
        self.units = nn.ModuleList(units)
        self.strides = tuple(strides)
        self.outputs = channels

    def forward(self, x: torch.Tensor, atrous: Atrous) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features at ``atrous.output_stride`` (4 or more)."""
        x = F.max_pool2d(self.stem(x, 2), 3, 2, padding=1)
        for unit, (stride, dilation) in zip(self.units, atrous.plan(self.strides, start=4), strict=True):
            x = unit(x, stride, dilation)
        return x
