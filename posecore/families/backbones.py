"""Convolutional backbones, built from explicit block options and stateless about stride and dilation.

Strides and dilations are arguments of ``forward``: the same weights run at every output stride, from several threads
at once. Padding follows TensorFlow's SAME, whose asymmetry at stride 2 depends on the input's size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

Pair = tuple[int, int]

_ACTIVATIONS: dict[str | None, Callable[[torch.Tensor], torch.Tensor] | None] = {
    "relu6": F.relu6, "relu": F.relu, "hardswish": F.hardswish, None: None,
}  # fmt: skip


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
        activation: ``relu6``, ``relu``, ``hardswish`` or None.
        explicit: Pad as slim's ``conv2d_same`` instead of SAME.
        epsilon: BatchNorm's epsilon.
        bias: Whether the convolution has one; None means where there is no ``norm``.
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
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        with_bias = not norm if bias is None else bias
        self.conv = nn.Conv2d(inputs, outputs, kernel, groups=inputs if depthwise else 1, bias=with_bias)
        self.norm: nn.Module | None = nn.BatchNorm2d(outputs, eps=epsilon, momentum=0.03) if norm else None
        self.activation = _ACTIVATIONS[activation]
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
        x = self._convolve(x, stride, padding, dilation)
        if self.norm is not None:
            x = self.norm(x)
        return x if self.activation is None else self.activation(x)

    def _convolve(self, x: torch.Tensor, stride: int, padding: Pair, dilation: Pair) -> torch.Tensor:
        weight, bias, groups = self.conv.weight, self.conv.bias, self.conv.groups
        if stride > 1 and groups > 1 and x.device.type == "cpu" and x.requires_grad:
            # On the CPU the gradient of a strided depthwise convolution takes several times longer than that of a
            # dense one of which some cells are dropped (benchmarks/training.py).
            dense = F.conv2d(x, weight, bias, 1, padding, dilation, groups)
            channels_last = dense.is_contiguous(memory_format=torch.channels_last)
            order = torch.channels_last if channels_last else torch.contiguous_format
            return dense[:, :, ::stride, ::stride].contiguous(memory_format=order)
        return F.conv2d(x, weight, bias, stride, padding, dilation, groups)

    def fuse(self) -> None:
        """Fold BatchNorm's running statistics into the convolution, in place."""
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            self.conv.weight *= scale[:, None, None, None]
            self.conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self.norm = None


class ImageNorm(nn.Module):
    """Normalisation by a picture's own mean and variance, which some published graphs kept from training.

    It depends on the picture, so it cannot be folded into a convolution. Each picture of a batch is taken by itself.

    Args:
        channels: Number of channels.
        epsilon: Added to the variance.

    Attributes:
        active: 1 or 0, part of the state: weights whose normalisation was folded carry 0, and x passes unchanged.
    """

    def __init__(self, channels: int, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.active: torch.Tensor
        self.register_buffer("active", torch.zeros(()))
        self.epsilon = epsilon
        # A plain copy of the buffer: reading a tensor in forward would stop an accelerator, and tracing.
        self._normalises = False

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._normalises = not self.active.is_meta and bool(self.active)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)``, normalised over H and W when active."""
        if not self._normalises:
            return x
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.epsilon)


class ImageNormUnit(ConvUnit):
    """A :class:`ConvUnit` whose fused form can also hold a normalisation by the picture's own statistics."""

    def __init__(self, inputs: int, outputs: int, kernel: int, **options: Any) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        if self.norm is None:
            self.norm = ImageNorm(outputs)

    def fuse(self) -> None:
        """Fold BatchNorm; an inactive :class:`ImageNorm` takes its place."""
        super().fuse()
        if self.norm is None:
            self.norm = ImageNorm(self.conv.out_channels).to(self.conv.weight.device)


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
    """Depthwise k×k (3×3 unless said), then pointwise 1×1.

    ``depthwise_norm`` and ``depthwise_activation`` say whether the depthwise half has its own BatchNorm and
    activation: PoseNet's has both, the separable convolutions of tf-pose's OpenPose variants have neither.
    ``depthwise_bias`` is :class:`ConvUnit`'s ``bias`` of that half.
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
        depthwise_bias: bool | None = None,
        kernel: int = 3,
        pointwise_activation: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = ConvUnit(
            inputs,
            inputs,
            kernel,
            depthwise=True,
            norm=norm and depthwise_norm,
            activation=activation if depthwise_activation else None,
            bias=depthwise_bias,
        )
        self.pointwise = ConvUnit(
            inputs, outputs, 1, norm=norm, activation=activation if pointwise_activation else None
        )

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


def scaled_width(channels: float, divisor: int = 8) -> int:
    """Channels rounded to a multiple of ``divisor`` without losing more than a tenth, as the MobileNets do."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class SqueezeExcite(nn.Module):
    """Weighs every channel by what the picture holds as a whole (Hu et al. 2018), with MobileNetV3's hard sigmoid.

    Its convolutions see one value per channel and picture, so they have no BatchNorm.

    Args:
        channels: Number of channels.
        reduction: By how much the inner layer is narrower.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        inner = scaled_width(channels / reduction)
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)``."""
        mean = x.mean((2, 3), keepdim=True)
        return x * F.hardsigmoid(self.expand(F.relu(self.reduce(mean))))


class InvertedResidual(nn.Module):
    """The block of MobileNetV2 and V3: 1×1 expansion, depthwise convolution, 1×1 projection without activation.

    Args:
        inputs: Channels that come in.
        width: Channels of the depthwise convolution; as many as ``inputs`` need no expanding convolution.
        outputs: Channels that go out.
        stride: Nominal stride; the block adds its input when it is 1 and the channels agree.
        norm: With BatchNorm (training form).
        kernel: Side of the depthwise kernel.
        activation: Of expansion and depthwise convolution.
        squeeze: With :class:`SqueezeExcite` before the projection.
        unit: Class of the convolutions.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        stride: int,
        *,
        norm: bool,
        kernel: int = 3,
        activation: str = "relu6",
        squeeze: bool = False,
        unit: type[ConvUnit] = ConvUnit,
    ) -> None:
        super().__init__()
        self.expand = unit(inputs, width, 1, norm=norm, activation=activation) if width != inputs else None
        self.depthwise = unit(width, width, kernel, depthwise=True, norm=norm, activation=activation)
        self.squeeze = SqueezeExcite(width) if squeeze else None
        self.project = unit(width, outputs, 1, norm=norm, activation=None)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """Stride and dilation act in the depthwise convolution."""
        y = x if self.expand is None else self.expand(x)
        y = self.depthwise(y, stride, dilation)
        y = self.project(y if self.squeeze is None else self.squeeze(y))
        return x + y if self.residual else y


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


class MaxPool(nn.Module):
    """3×3 max-pooling of values that are not negative."""

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """``(B, C, H, W)``, its sides shrunk by ``stride`` and rounded up."""
        vertical, horizontal = (same_padding(size, 3, stride, d) for size, d in zip(x.shape[2:], dilation, strict=True))
        return F.max_pool2d(F.pad(x, (*horizontal, *vertical)), 3, stride, dilation=dilation)


class ShuffleUnit(nn.Module):
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


#: Width of VGG-19's convolutions up to conv4_2, and where 2×2 max-pooling halves the sides (Simonyan & Zisserman 2015).
VGG_19_FRONT: tuple[int | None, ...] = (64, 64, None, 128, 128, None, 256, 256, 256, 256, None, 512, 512)


class VGG(nn.Module):
    """A run of 3×3 convolutions with ReLU and without BatchNorm, and 2×2 max-pooling at the places marked None."""

    def __init__(self, layers: Sequence[int | None] = VGG_19_FRONT) -> None:
        super().__init__()
        widths = [3, *(width for width in layers if width is not None)]
        self.convs = nn.ModuleList(ConvUnit(a, b, 3, activation="relu") for a, b in itertools.pairwise(widths))
        self.layers = tuple(layers)
        self.outputs = widths[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features."""
        convs = iter(self.convs)
        for width in self.layers:
            x = F.max_pool2d(x, 2) if width is None else next(convs)(x)
        return x


def resize_legacy(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear resizing as TensorFlow 1 did it: source = destination · (old size / new size), no half-pixel shift.

    Args:
        x: ``(B, C, H, W)``.
        size: New (height, width).
    """
    for axis, target in zip((2, 3), size, strict=True):
        length = x.shape[axis]
        if length == target:
            continue
        source = torch.arange(target, device=x.device, dtype=torch.float32) * (length / target)
        lower = source.floor()
        weight = (source - lower).to(x.dtype).view(-1, *(1,) * (3 - axis))
        first = lower.long()
        second = (first + 1).clamp(max=length - 1)
        x = torch.lerp(x.index_select(axis, first), x.index_select(axis, second), weight)
    return x
