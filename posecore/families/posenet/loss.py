"""PoseNet's training loss (PersonLab, Papandreou et al. 2018, sections 3.1 and 3.3).

Heatmaps: binary cross-entropy on logits against disks around the keypoints. Short-range offsets and both mid-range
displacements: smooth L1 inside the disk of the keypoint that they start from, in units of the disk's radius. What is
not known has no loss: cells where an unlabelled joint may lie, and ignore regions. Other people are never background
for each other's disks, because the targets hold everybody in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch.nn import functional as F

from posecore.data.truth import Truth
from posecore.families.contract import LossTerm, Target
from posecore.families.posenet.codec import DISK_RADIUS, encode
from posecore.settings import Settings
from posecore.skeleton import Edge


class PoseNetLossSettings(Settings):
    """How PoseNet's outputs are judged in training."""

    heatmap_radius: float = Field(
        DISK_RADIUS,
        title="Heatmap radius",
        gt=0,
        le=100,
        description="Radius in input pixels of the disks in the heatmaps; at least 0.71 of the output stride, so that "
        "every disk holds a cell.",
    )
    vector_radius: float = Field(
        DISK_RADIUS,
        title="Vector radius",
        gt=0,
        le=100,
        description="Radius in input pixels within which offsets and displacements are trained, if larger than the "
        "heatmap's.",
    )
    positive_weight: float = Field(
        1.0, title="Positive weight", gt=0, le=100, description="Weight of cells inside a disk against those outside."
    )
    focus: float = Field(
        0.0,
        title="Focus",
        ge=0,
        le=5,
        description="Exponent of the focal loss (Lin et al. 2017): how much cells that are already right count less.",
    )
    # The heatmaps' cross-entropy is a sum over all cells per cell inside a disk, so its values are about twenty times
    # those of the vectors' losses.
    heatmap_weight: float = Field(1.0, title="Heatmap weight", ge=0, le=100, description="Weight in the total.")
    offset_weight: float = Field(4.0, title="Offset weight", ge=0, le=100, description="Weight in the total.")
    displacement_weight: float = Field(
        1.5, title="Displacement weight", ge=0, le=100, description="Weight of each direction in the total."
    )
    smooth: float = Field(
        0.1,
        title="Smooth",
        ge=0,
        le=1,
        description="Errors below this part of the radius count quadratically; 0 is plain L1.",
    )


def posenet_targets(
    truth: Truth, grid: tuple[int, int], tree: tuple[Edge, ...], stride: int, settings: PoseNetLossSettings
) -> dict[str, Target]:
    """What a batch of outputs should be; vectors in input pixels.

    Args:
        truth: Labels in input pixels.
        grid: (width, height) in cells.
        tree: Directed edges of the displacement channels.
        stride: Input pixels per cell.
        settings: Radii.

    Returns:
        ``heatmaps``, ``offsets``, ``displacement_forward`` and ``displacement_backward``.
    """
    targets = encode(truth.keypoints, truth.labelled, grid, stride, tree, _radius(settings))
    near = targets["offsets"].square().sum(2) <= settings.heatmap_radius**2
    disks = near & (targets["offsets_mask"] > 0)
    vectors = ("offsets", "displacement_forward", "displacement_backward")
    return {
        "heatmaps": Target(disks.float(), ~truth.unknown(stride) | disks),
        **{name: Target(targets[name], targets[f"{name}_mask"]) for name in vectors},
    }


def _radius(settings: PoseNetLossSettings) -> float:
    """Radius of the disks in which vectors are trained."""
    return max(settings.vector_radius, settings.heatmap_radius)


def posenet_terms(
    outputs: Mapping[str, torch.Tensor], targets: Mapping[str, Target], settings: PoseNetLossSettings
) -> dict[str, LossTerm]:
    """Compare a batch of outputs with its targets.

    Args:
        outputs: From ``PoseNet.forward``: heatmaps are logits, vectors (x, y) in input pixels.
        targets: From :func:`posenet_targets`.
        settings: Radii and weights.

    Returns:
        ``heatmaps``, ``offsets``, ``displacement_forward``, ``displacement_backward``: sums over the batch with their
        denominators (cells inside disks), so that several processes can share one mean.
    """
    radius = _radius(settings)
    heat = targets["heatmaps"]
    terms = {"heatmaps": heatmap_term(outputs["heatmaps"].float(), heat.values, heat.weight, settings)}
    weights = {"offsets": settings.offset_weight}
    weights |= dict.fromkeys(("displacement_forward", "displacement_backward"), settings.displacement_weight)
    for name, weight in weights.items():
        mask = targets[name].weight
        error = F.smooth_l1_loss(
            outputs[name].float() / radius, targets[name].values / radius, reduction="none", beta=settings.smooth
        )
        # Two components per vector; a mean over x and y.
        total = (error.mean(2) * mask).sum()
        terms[name] = LossTerm(total, mask.sum(), weight)
    return terms


def heatmap_term(
    logits: torch.Tensor, disks: torch.Tensor, known: torch.Tensor, settings: PoseNetLossSettings
) -> LossTerm:
    """Cross-entropy over known cells; its denominator counts the cells inside disks, as background is mostly empty.

    Weighting cells inside disks by w raises the best logits by log w. The loss adds that itself, so that the network's
    own outputs stay probabilities: a weight changes what is learnt first, not what a score means.
    """
    target = disks.float()
    logits = logits + math.log(settings.positive_weight)
    loss = F.binary_cross_entropy_with_logits(
        logits, target, reduction="none", pos_weight=logits.new_tensor(settings.positive_weight)
    )
    if settings.focus:
        probability = torch.sigmoid(logits.detach())
        loss = loss * (target - probability).abs() ** settings.focus
    return LossTerm((loss * known).sum(), target.sum(), settings.heatmap_weight)
