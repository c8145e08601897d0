"""OpenPose's networks: features, then stages that each predict all maps and see those of the stage before.

Layouts are those of Cao et al. 2017 (``cmu``) and of tf-pose-estimation's lighter variants (I. Kim 2018). Every stage
has two branches: part affinity fields (L1 in the published names) and heatmaps (L2); from the second stage on both
read the previous stage's maps beside the features. Channels keep the published order, see ``codec.LIMBS``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from posecore.families.backbones import (
    MOBILENET_V1_BLOCKS,
    MOBILENET_V2_STAGES,
    VGG,
    Atrous,
    ConvUnit,
    ImageNormUnit,
    MobileNetV1,
    MobileNetV2,
    SeparableBlock,
    fuse,
    resize_legacy,
)
from posecore.families.contract import Architecture
from posecore.skeleton import Edge, Skeleton

#: tf-pose's MobileNetV1 keeps stride 8 behind the fifth block.
_V1_BLOCKS = tuple((width, 1 if index >= 5 else stride) for index, (width, stride) in enumerate(MOBILENET_V1_BLOCKS))
#: The stages of MobileNetV2 that are used: up to its 13th block, at stride 16.
_V2_STAGES = MOBILENET_V2_STAGES[:5]


@dataclass(frozen=True)
class OpenPoseArchitecture(Architecture):
    """Adds what the network needs.

    Attributes:
        backbone: ``vgg``, ``dsconv``, ``mobilenet``, ``thin`` or ``mobilenet_v2``.
        stages: Number of stages that were published.
        width: Channel multiplier of the backbone.
        refinement_width: Channel multiplier of the stages.
        refinement_kernel: Side of the kernels of the stages after the first.
    """

    output_strides: tuple[int, ...] = (8,)
    backbone: str = "vgg"
    stages: int = 6
    width: float = 1.0
    refinement_width: float = 1.0
    refinement_kernel: int = 7


ARCHITECTURES: dict[str, OpenPoseArchitecture] = {
    architecture.name: architecture
    for architecture in (
        OpenPoseArchitecture("openpose-cmu", "OpenPose VGG-19 (CMU)"),
        OpenPoseArchitecture("openpose-dsconv", "OpenPose separable VGG", backbone="dsconv"),
        OpenPoseArchitecture("openpose-mobilenet", "OpenPose MobileNetV1 ×0.75", (4,), "mobilenet", 5, 0.75),
        OpenPoseArchitecture("openpose-mobilenet_fast", "OpenPose MobileNetV1 ×0.50", (4,), "mobilenet", 5, 0.5, 0.5),
        OpenPoseArchitecture("openpose-mobilenet_accurate", "OpenPose MobileNetV1 ×1.00", (4,), "mobilenet", 5),
        OpenPoseArchitecture("openpose-mobilenet_thin", "OpenPose MobileNetV1 thin", (8,), "thin", 6, 0.75, 0.5, 3),
        OpenPoseArchitecture(
            "openpose-mobilenet_v2_large", "OpenPose MobileNetV2 ×1.4", (8,), "mobilenet_v2", 6, 1.4, 1.0, 3
        ),
        OpenPoseArchitecture(
            "openpose-mobilenet_v2_small", "OpenPose MobileNetV2 ×0.5", (8,), "mobilenet_v2", 6, 0.5, 0.5, 3
        ),
    )
}


def _separable(inputs: int, outputs: int, norm: bool, kernel: int = 3, activation: bool = True) -> SeparableBlock:
    """tf-pose's separable convolution: neither BatchNorm, bias nor activation between its halves, ReLU behind."""
    return SeparableBlock(
        inputs,
        outputs,
        norm=norm,
        activation="relu",
        depthwise_norm=False,
        depthwise_activation=False,
        depthwise_bias=False,
        kernel=kernel,
        pointwise_activation=activation,
    )


class VGGFeatures(nn.Module):
    """The first ten convolutions of VGG-19 and two more, at stride 8."""

    outputs = 128

    def __init__(self) -> None:
        super().__init__()
        self.vgg = VGG()
        self.extra = nn.ModuleList((ConvUnit(512, 256, 3, activation="relu"), ConvUnit(256, 128, 3, activation="relu")))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to ``(B, 128, H/8, W/8)``."""
        x = self.vgg(x)
        for layer in self.extra:
            x = layer(x)
        return x


class SeparableVGGFeatures(nn.Module):
    """VGG's layout with separable convolutions, strides in place of pooling."""

    outputs = 128
    _LAYERS = (
        (64, 2), (128, 1), (128, 2), (256, 1), (256, 1), (256, 1), (256, 2), (512, 1), (512, 1), (256, 1), (128, 1),
    )  # fmt: skip

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.stem = ConvUnit(3, 64, 3, activation="relu")
        widths = [64, *(width for width, _ in self._LAYERS)]
        self.blocks = nn.ModuleList(_separable(a, b, norm) for a, b in itertools.pairwise(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to ``(B, 128, H/8, W/8)``."""
        x = self.stem(x)
        for block, (_, stride) in zip(self.blocks, self._LAYERS, strict=True):
            x = block(x, stride)
        return x


class MobileNetV1Features(nn.Module):
    """Three levels of a MobileNetV1, side by side on one grid.

    Args:
        width: Channel multiplier.
        levels: Blocks (1 is the first) whose outputs are used. The first lies on a grid twice as fine and is pooled;
            any that lies on a coarser grid than the second is enlarged.
        norm: With BatchNorm (training form).
    """

    def __init__(self, width: float, levels: tuple[int, int, int], norm: bool) -> None:
        super().__init__()
        blocks = _V1_BLOCKS[: levels[-1]]
        self.backbone = MobileNetV1(width, blocks, norm=norm, activation="relu", depthwise=False)
        self.levels = levels
        self.outputs = sum(self.backbone.channels[level] for level in levels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features on the grid of the second level."""
        fine, middle, coarse = self.backbone.levels(x, self.levels)
        pooled = F.max_pool2d(fine, 2, ceil_mode=True)
        return torch.cat((pooled, middle, resize_legacy(coarse, _grid(middle))), 1)


class MobileNetV2Features(nn.Module):
    """Two levels of a MobileNetV2, strides 8 and 16, side by side at stride 8."""

    #: Index of the last block at stride 8.
    _TAP = 5

    def __init__(self, width: float, norm: bool) -> None:
        super().__init__()
        self.backbone = MobileNetV2(width, _V2_STAGES, last=None, norm=norm, unit=ImageNormUnit)
        self.outputs = self.backbone.widths[self._TAP] + self.backbone.widths[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised ``(B, 3, H, W)`` to features at stride 8."""
        fine, coarse = self.backbone(x, Atrous(16), (self._TAP,))
        return torch.cat((fine, resize_legacy(coarse, _grid(fine))), 1)


def _grid(x: torch.Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


class Branch(nn.Sequential):
    """One branch of a stage: convolutions, the last without activation."""


class Stage(nn.Module):
    """Both branches of one stage."""

    def __init__(self, fields: Branch, heatmaps: Branch) -> None:
        super().__init__()
        self.fields = fields
        self.heatmaps = heatmaps
        self._start_empty()

    def _start_empty(self) -> None:
        """Let random weights say nearly nothing but background: that is what most of a picture is."""
        for branch, background in ((self.fields, False), (self.heatmaps, True)):
            last = branch[-1]
            unit = last.pointwise if isinstance(last, SeparableBlock) else last
            assert isinstance(unit, ConvUnit)
            scaled = unit.norm if isinstance(unit.norm, nn.BatchNorm2d) else unit.conv
            assert scaled.bias is not None
            with torch.no_grad():
                scaled.weight *= 0.1
                scaled.bias.zero_()
                if background:
                    scaled.bias[-1] = 1

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (and earlier maps) to part affinity ``(B, 2E, h, w)`` and heatmaps ``(B, K + 1, h, w)``."""
        return self.fields(x), self.heatmaps(x)


#: (kernel, width, separable) per hidden layer of a branch.
Layer = tuple[int, int, bool]


def _branch_layers(architecture: OpenPoseArchitecture, first: bool) -> tuple[list[Layer], bool]:
    """Hidden layers of a branch, and whether its output layer is separable."""
    kernel = 3 if first else architecture.refinement_kernel
    width = int(128 * architecture.refinement_width)
    wide = int(512 * architecture.refinement_width)
    if architecture.backbone in ("vgg", "dsconv"):
        separable = architecture.backbone == "dsconv"
        return [*[(kernel, 128, separable)] * (3 if first else 5), (1, 512 if first else 128, False)], False
    return [*[(kernel, width, True)] * 3, (1, wide if first else width, True)], True


def _branch(inputs: int, outputs: int, architecture: OpenPoseArchitecture, first: bool, norm: bool) -> Branch:
    layers, separable_output = _branch_layers(architecture, first)
    modules: list[nn.Module] = []
    for kernel, width, separable in layers:
        modules.append(
            _separable(inputs, width, norm, kernel) if separable else ConvUnit(inputs, width, kernel, activation="relu")
        )
        inputs = width
    if separable_output:
        modules.append(_separable(inputs, outputs, norm, 1, activation=False))
    else:
        modules.append(ConvUnit(inputs, outputs, 1, activation=None))
    return Branch(*modules)


def _features(architecture: OpenPoseArchitecture, norm: bool) -> nn.Module:
    if architecture.backbone == "vgg":
        return VGGFeatures()
    if architecture.backbone == "dsconv":
        return SeparableVGGFeatures(norm)
    if architecture.backbone == "mobilenet_v2":
        return MobileNetV2Features(architecture.width, norm)
    levels = (1, 3, 7) if architecture.backbone == "mobilenet" else (3, 7, 11)
    return MobileNetV1Features(architecture.width, levels, norm)


class Mirror:
    """Turns the maps of a mirrored picture into those of the picture: sides change places, x changes its sign.

    Limbs without a mirror image among the limbs are left as the picture itself shows them.
    """

    def __init__(self, skeleton: Skeleton, limbs: tuple[Edge, ...]) -> None:
        swap = [int(index) for index in skeleton.flip_permutation]
        self.keypoints = [*swap, len(swap)]
        self.limbs: list[int] = []
        self.signs: list[tuple[float, float]] = []
        self.known: list[bool] = []
        for index, (a, b) in enumerate(limbs):
            there, back = (swap[a], swap[b]), (swap[b], swap[a])
            turned = there not in limbs and back in limbs
            self.known.append(turned or there in limbs)
            self.limbs.append(limbs.index(back if turned else there) if self.known[-1] else index)
            # A limb that the mirror image runs through the other way round changes both signs once more.
            self.signs.append((1.0, -1.0) if turned else (-1.0, 1.0))

    def averaged(
        self, seen: tuple[torch.Tensor, torch.Tensor], mirrored: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of (part affinity ``(B, E, 2, h, w)``, heatmaps ``(B, K + 1, h, w)``) and its mirrored counterpart."""
        fields, heatmaps = seen
        turned = mirrored[0][:, self.limbs].flip(-1) * fields.new_tensor(self.signs)[..., None, None]
        known = torch.tensor(self.known, device=fields.device)[:, None, None, None]
        fields = torch.where(known, (fields + turned) / 2, fields)
        return fields, (heatmaps + mirrored[1][:, self.keypoints].flip(-1)) / 2


class OpenPose(nn.Module):
    """Features and stages.

    Args:
        architecture: One of ``ARCHITECTURES``.
        skeleton: Meaning of the K keypoints.
        limbs: E directed edges.
        fused: Without BatchNorm (inference, official files) or with (training). ``cmu`` has none in either form.

    Attributes:
        mean, scale: The input is ``BGR · scale − mean``; part of the state, as published graphs differ in them.
        limbs: E.
        mirror: How the maps of a mirrored picture become those of the picture.
    """

    def __init__(
        self, architecture: OpenPoseArchitecture, skeleton: Skeleton, limbs: tuple[Edge, ...], fused: bool
    ) -> None:
        super().__init__()
        norm = not fused
        self.limbs = len(limbs)
        self.mirror = Mirror(skeleton, limbs)
        self.features = _features(architecture, norm)
        width = int(self.features.outputs)  # type: ignore[arg-type]
        affinity, heatmaps = 2 * len(limbs), len(skeleton) + 1
        seen = width + affinity + heatmaps
        self.stages = nn.ModuleList(
            Stage(
                _branch(width if first else seen, affinity, architecture, first, norm),
                _branch(width if first else seen, heatmaps, architecture, first, norm),
            )
            for first in (index == 0 for index in range(architecture.stages))
        )
        # VGG's published weights expect BGR / 256 − 0.5. tf-pose's MobileNets read raw pixels; a network that is
        # trained from random weights starts better from numbers near 1, and conversion overwrites both buffers.
        self.scale: torch.Tensor
        self.mean: torch.Tensor
        self.register_buffer("scale", torch.tensor(1 / 256))
        self.register_buffer("mean", torch.full((3, 1, 1), 0.5))

    def forward(
        self, pixels: torch.Tensor, stages: int | None = None, every: bool = False
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Run the network.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255; sides are multiples of 16.
            stages: How many stages to run, all unless said.
            every: Return the maps of every stage, not only of the last.

        Returns:
            Per stage: part affinity fields ``(B, E, 2, h, w)`` with components (x, y), and heatmaps
            ``(B, K + 1, h, w)``, the background last.
        """
        features = self.features(pixels.flip(1) * self.scale - self.mean)
        found: list[tuple[torch.Tensor, torch.Tensor]] = []
        x = features
        for stage in itertools.islice(self.stages, stages or len(self.stages)):
            fields, heatmaps = stage(x)
            x = torch.cat((fields, heatmaps, features), 1)
            found.append((fields.unflatten(1, (self.limbs, 2)), heatmaps))
        return found if every else found[-1:]

    def both_ways(
        self, pixels: torch.Tensor, stages: int | None = None, every: bool = False, flip: bool = True
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """As :meth:`forward`; with ``flip``, the mean of the picture's maps and those of its mirror image."""
        found: list[tuple[torch.Tensor, torch.Tensor]] = self(pixels, stages, every)
        if not flip:
            return found
        mirrored = self(pixels.flip(3), stages, every)
        return [self.mirror.averaged(*pair) for pair in zip(found, mirrored, strict=True)]

    def fuse(self) -> OpenPose:
        """Fold BatchNorm into the convolutions, in place, for inference."""
        fuse(self)
        return self
