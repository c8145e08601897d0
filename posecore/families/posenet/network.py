"""PoseNet's networks: a MobileNetV1 or ResNet-50 backbone with four 1×1 heads (Papandreou et al. 2017, 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from posecore.families.backbones import MOBILENET_V1_BLOCKS, Atrous, MobileNetV1, ResNet, fuse
from posecore.families.contract import Architecture
from posecore.skeleton import Skeleton

#: Names of the heads, in the order of the published MobileNet graphs.
HEADS = ("heatmaps", "offsets", "displacement_forward", "displacement_backward")

#: ×0.50 and ×0.75 were published without the last stride and with its blocks at half the width.
_SHORT_BLOCKS = (*MOBILENET_V1_BLOCKS[:-2], (512, 1), (512, 1))


@dataclass(frozen=True)
class PoseNetArchitecture(Architecture):
    """Adds what the network needs: MobileNet's width, or None for ResNet-50."""

    width: float | None = None


ARCHITECTURES: dict[str, PoseNetArchitecture] = {
    architecture.name: architecture
    for architecture in (
        PoseNetArchitecture("posenet-mobilenet_v1-050", "PoseNet MobileNetV1 ×0.50", (4, 8, 16), 0.50),
        PoseNetArchitecture("posenet-mobilenet_v1-075", "PoseNet MobileNetV1 ×0.75", (4, 8, 16), 0.75),
        PoseNetArchitecture("posenet-mobilenet_v1-100", "PoseNet MobileNetV1 ×1.00", (4, 8, 16, 32), 1.00),
        PoseNetArchitecture("posenet-mobilenet_v1-101", "PoseNet MobileNetV1 ×1.01", (4, 8, 16, 32), 1.00),
        PoseNetArchitecture("posenet-resnet50", "PoseNet ResNet-50", (4, 8, 16, 32), None),
    )
}


class PoseNet(nn.Module):
    """Backbone and heads.

    Args:
        architecture: One of ``ARCHITECTURES``.
        skeleton: Gives the number of keypoints.
        edges: Number of directed tree edges that have displacements.
        fused: Without BatchNorm (inference, official files) or with (training).
    """

    def __init__(self, architecture: PoseNetArchitecture, skeleton: Skeleton, edges: int, fused: bool) -> None:
        super().__init__()
        self.backbone: MobileNetV1 | ResNet
        if architecture.width is None:
            self.backbone = ResNet(norm=not fused)
            # Mean RGB of ImageNet as slim's preprocessing subtracts it, without scaling.
            mean, scale = (123.15, 115.90, 103.06), 1.0
        else:
            blocks = MOBILENET_V1_BLOCKS if architecture.width == 1.0 else _SHORT_BLOCKS
            self.backbone = MobileNetV1(architecture.width, blocks, norm=not fused)
            mean, scale = (127.5, 127.5, 127.5), 127.5
        self.mean: torch.Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.scale = scale
        channels = {
            "heatmaps": len(skeleton),
            "offsets": 2 * len(skeleton),
            "displacement_forward": 2 * edges,
            "displacement_backward": 2 * edges,
        }
        self.heads = nn.ModuleDict({head: nn.Conv2d(self.backbone.outputs, channels[head], 1) for head in HEADS})

    def forward(self, pixels: torch.Tensor, output_stride: int = 16, square: bool = True) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255.
            output_stride: Input pixels per cell; strides beyond it become dilations.
            square: Dilate both axes (True), or as TensorFlow.js runs the published graphs (False).

        Returns:
            ``heatmaps`` ``(B, K, h, w)`` logits; ``offsets`` ``(B, K, 2, h, w)`` and both displacements
            ``(B, E, 2, h, w)`` in input pixels with components (x, y).
        """
        features = self.backbone((pixels - self.mean) / self.scale, Atrous(output_stride, square))
        return {head: output if head == "heatmaps" else _xy(output) for head, output in self._heads(features)}

    def _heads(self, features: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
        return [(name, head(features)) for name, head in self.heads.items()]

    def fuse(self) -> PoseNet:
        """Fold BatchNorm into the convolutions, in place, for inference."""
        fuse(self)
        return self


def _xy(output: torch.Tensor) -> torch.Tensor:
    """Published layout ``(B, 2C, h, w)``, all y then all x, to ``(B, C, 2, h, w)`` with (x, y)."""
    batch, doubled, height, width = output.shape
    return output.view(batch, 2, doubled // 2, height, width).flip(1).transpose(1, 2)
