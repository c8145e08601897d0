"""The front of VGG-19 (Simonyan & Zisserman 2015)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones.layers import ConvUnit

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
