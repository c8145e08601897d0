"""Convolutions with TensorFlow's padding, their normalisation and its fusing, and resizing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from posecore.families.backbones.int8 import Rounding

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


class Unit(nn.Module):
    """A piece of a network that means something by itself, so that it can be compared with that of another network."""


class ConvUnit(Unit):
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
        #: How it is computed in 8-bit integers, see :mod:`posecore.families.backbones.int8`; None for floating point.
        self.rounding: Rounding | None = None

    def forward(self, x: torch.Tensor, stride: int = 1, dilation: Pair = (1, 1)) -> torch.Tensor:
        """``(B, C, H, W)``, its sides shrunk by ``stride`` and rounded up; ``dilation`` is (vertical, horizontal)."""
        kernel = self.conv.kernel_size[0]
        if self.rounding is not None:
            x = self.rounding.inputs(x)
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
        if self.rounding is not None:
            weight = self.rounding.weights(weight)
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
