"""MoveNet's training loss, after CenterNet (Zhou et al. 2019) and its keypoint variant.

Centre map and heatmaps: penalty-reduced focal loss (Law & Deng 2018) or weighted squared error against Gaussians whose
width follows the person's size. Regression, offsets and boxes: smooth L1 where they are defined. Bones: smooth L1 of
the vectors between joined keypoints that the regression implies, so that limbs keep their length and direction. What is
not known has no loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch.nn import functional as F

from posecore.data.truth import Truth
from posecore.families.contract import LossTerm, Target
from posecore.families.movenet.codec import TargetShape, encode
from posecore.families.movenet.network import STRIDE
from posecore.settings import Settings
from posecore.skeleton import Edge


class MoveNetLossSettings(Settings):
    """How MoveNet's outputs are judged in training."""

    person: Literal["all", "central", "largest"] = Field(
        "all",
        title="Whose centre",
        description="Who has a centre: everybody, or in pictures of several only the person nearest the middle or the "
        "largest. Heatmaps always hold everybody.",
    )
    heatmap_loss: Literal["focal", "mse"] = Field(
        "focal",
        title="Heatmap loss",
        description="How the centre map and the heatmaps are compared: focal loss, or squared error.",
    )
    positive_weight: float = Field(
        20.0,
        title="Positive weight",
        gt=0,
        le=1000,
        description="Squared error: how much more a cell at a peak counts than one in the background.",
        json_schema_extra={"when": {"heatmap_loss": "mse"}},
    )
    gaussian_spread: float = Field(
        0.04,
        title="Gaussian spread",
        gt=0,
        le=0.5,
        description="Standard deviation of the Gaussians relative to the person's size.",
    )
    least_spread: float = Field(
        0.7, title="Least spread", gt=0, le=20, description="Lower bound of that deviation in cells of 4 pixels."
    )
    most_spread: float = Field(
        2.0, title="Most spread", gt=0, le=20, description="Upper bound of that deviation in cells of 4 pixels."
    )
    window: int = Field(
        3,
        title="Regression window",
        ge=0,
        le=20,
        description="Cells around a centre within which the regression is trained.",
    )
    offset_window: int = Field(
        1,
        title="Offset window",
        ge=0,
        le=10,
        description="Cells around a keypoint's own within which offsets are trained, as the decoder may choose a "
        "neighbour.",
    )
    centre_weight: float = Field(1.0, title="Centre weight", ge=0, le=100, description="Weight in the total.")
    heatmap_weight: float = Field(1.0, title="Heatmap weight", ge=0, le=100, description="Weight in the total.")
    regression_weight: float = Field(0.1, title="Regression weight", ge=0, le=100, description="Weight in the total.")
    offset_weight: float = Field(1.0, title="Offset weight", ge=0, le=100, description="Weight in the total.")
    bone_weight: float = Field(0.1, title="Bone weight", ge=0, le=100, description="Weight in the total.")
    box_weight: float = Field(0.1, title="Box weight", ge=0, le=100, description="Weight in the total.")
    smooth: float = Field(
        0.5, title="Smooth", ge=0, le=10, description="Errors below this many cells count quadratically; 0 is plain L1."
    )


def movenet_targets(truth: Truth, grid: tuple[int, int], settings: MoveNetLossSettings) -> dict[str, Target]:
    """What a batch of outputs should be; vectors in cells.

    Args:
        truth: Labels in input pixels.
        grid: (width, height) in cells.
        settings: Shapes, and who has a centre.

    Returns:
        ``centre``, ``heatmaps``, ``regression``, ``offsets``, ``box_size`` and ``box_offset``.
    """
    chosen = chosen_people(truth, (grid[0] * STRIDE, grid[1] * STRIDE), settings.person)
    shape = TargetShape(
        settings.gaussian_spread, settings.least_spread, settings.most_spread, settings.window, settings.offset_window
    )
    targets = encode(truth.keypoints, truth.labelled, grid, chosen, shape)
    unknown = truth.unknown(STRIDE)
    # A centre is unknown only where nothing at all is known.
    blank = {"centre": unknown.all(1, keepdim=True), "heatmaps": unknown}
    vectors = ("regression", "offsets", "box_size", "box_offset")
    return {
        **{name: Target(targets[name], ~cells | (targets[name] > 0.01)) for name, cells in blank.items()},
        **{name: Target(targets[name], targets[f"{name}_mask"]) for name in vectors},
    }


def movenet_terms(
    outputs: Mapping[str, torch.Tensor],
    targets: Mapping[str, Target],
    edges: Sequence[Edge],
    settings: MoveNetLossSettings,
) -> dict[str, LossTerm]:
    """Compare a batch of outputs with its targets.

    Args:
        outputs: From ``MoveNet.forward``: centre and heatmaps are logits, vectors (x, y) in cells.
        targets: From :func:`movenet_targets`.
        edges: Pairs of keypoints that are joined by a bone.
        settings: Shapes and weights.

    Returns:
        ``centre``, ``heatmaps``, ``regression``, ``offsets``, ``bones`` and, with boxes, ``box_size`` and
        ``box_offset``: sums over the batch with their denominators (people, keypoints, or cells where a vector is
        defined).
    """
    terms = {}
    for name, weight in (("centre", settings.centre_weight), ("heatmaps", settings.heatmap_weight)):
        target = targets[name].values
        compare = _focal if settings.heatmap_loss == "focal" else _squared
        loss = compare(outputs[name].float(), target, settings.positive_weight)
        terms[name] = LossTerm((loss * targets[name].weight).sum(), (target == 1).sum(), weight)
    weights = {"regression": settings.regression_weight, "offsets": settings.offset_weight}
    weights |= {name: settings.box_weight for name in ("box_size", "box_offset") if name in outputs}
    for name, weight in weights.items():
        difference = outputs[name].float() - targets[name].values
        terms[name] = _vector_term(difference, targets[name].weight, weight, settings.smooth)
    terms["bones"] = _bone_term(outputs["regression"].float(), targets["regression"], edges, settings)
    return terms


def chosen_people(
    truth: Truth, size: tuple[int, int], person: Literal["all", "central", "largest"]
) -> torch.Tensor | None:
    """``(B, P)`` bool: who has a centre; None means everybody.

    Args:
        truth: Labels in input pixels.
        size: (width, height) of the input.
        person: Which person of a picture.
    """
    if person == "all":
        return None
    known = truth.labelled[..., None]
    low = torch.where(known, truth.keypoints, torch.inf).amin(2)
    high = torch.where(known, truth.keypoints, -torch.inf).amax(2)
    if person == "largest":
        rank = -(high - low).amax(-1)
    else:
        middle = (truth.keypoints.new_tensor(size) - 1) / 2
        rank = ((low + high) / 2 - middle).norm(dim=-1)
    absent = ~truth.labelled.any(2)
    best = torch.where(absent, torch.inf, rank).argmin(1, keepdim=True)
    return torch.zeros_like(absent).scatter(1, best, True) & ~absent


def _focal(logits: torch.Tensor, target: torch.Tensor, _: float) -> torch.Tensor:
    """Penalty-reduced focal loss with exponents 2 and 4: cells near a peak are judged mildly."""
    probability = torch.sigmoid(logits)
    positive = -F.logsigmoid(logits) * (1 - probability) ** 2
    negative = -F.logsigmoid(-logits) * probability**2 * (1 - target) ** 4
    return torch.where(target == 1, positive, negative)


def _squared(logits: torch.Tensor, target: torch.Tensor, positive_weight: float) -> torch.Tensor:
    """Squared error of probabilities, weighted by how near a peak is."""
    return (torch.sigmoid(logits) - target) ** 2 * (1 + positive_weight * target)


def _vector_term(difference: torch.Tensor, mask: torch.Tensor, weight: float, smooth: float) -> LossTerm:
    """Smooth L1 of ``(B, C, 2, H, W)`` in cells where ``mask`` ``(B, C, H, W)`` is 1; a mean over x and y."""
    error = F.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=smooth)
    return LossTerm((error.mean(2) * mask).sum(), mask.sum(), weight)


def _bone_term(
    regression: torch.Tensor, target: Target, edges: Sequence[Edge], settings: MoveNetLossSettings
) -> LossTerm:
    """The regression's error in the vectors between joined keypoints."""
    starts, ends = ([edge[end] for edge in edges] for end in (0, 1))
    difference = regression - target.values
    return _vector_term(
        difference[:, ends] - difference[:, starts],
        target.weight[:, starts] * target.weight[:, ends],
        settings.bone_weight,
        settings.smooth,
    )
