"""SSDLite's training loss, after Liu et al. 2016: of the anchors that are nobody's only the hardest are judged.

Boxes are those of the labels, cut off where the picture, or the part of it that a layer shows, ends. Where most of
somebody is out of sight, and in ignore regions, anchors are not judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field
from torch.nn import functional as F

from posecore.data.truth import NEIGHBOURHOOD, Truth
from posecore.families.contract import LossTerm, Target
from posecore.families.ssdlite.codec import encode
from posecore.families.ssdlite.network import STRIDES
from posecore.settings import Settings

#: Smallest box that is learnt, in input pixels.
_LEAST = 4.0
#: Anchors of a picture without people that are judged.
_OF_EMPTY = 16


class SSDLiteLossSettings(Settings):
    """How SSDLite's outputs are judged in training."""

    match_overlap: float = Field(
        0.5,
        title="Match overlap",
        gt=0,
        le=1,
        description="Overlap (intersection over union) with a person's box from which an anchor is theirs.",
    )
    unsure_overlap: float = Field(
        0.4, title="Unsure overlap", gt=0, le=1, description="Overlap from which an anchor is not judged as background."
    )
    negatives: float = Field(
        3.0,
        title="Negatives",
        gt=0,
        le=100,
        description="Anchors of the background that are judged for each one that is a person's: the worst ones.",
    )
    least_seen: float = Field(
        0.3,
        title="Least seen",
        ge=0,
        le=1,
        description="People of whose box less than this part is in the picture are neither learnt nor background.",
    )
    score_weight: float = Field(1.0, title="Score weight", ge=0, le=100, description="Weight in the total.")
    box_weight: float = Field(1.0, title="Box weight", ge=0, le=100, description="Weight in the total.")


def ssdlite_targets(truth: Truth, settings: SSDLiteLossSettings) -> dict[str, Target]:
    """What a batch of outputs should be.

    Args:
        truth: Labels in input pixels; of people only the corners of their neighbourhood are looked at.
        settings: Overlaps.

    Returns:
        For each stride s ``scores_s``, ``shifts_s`` and ``sizes_s``.
    """
    boxes, hidden = seen_boxes(truth, settings.least_seen)
    regions = _extents(truth.ignore)
    side = (truth.owner.shape[1], truth.owner.shape[2])
    matched = encode(
        boxes,
        torch.cat([regions, hidden], 1),
        side,
        settings.match_overlap,
        min(settings.unsure_overlap, settings.match_overlap),
    )
    targets = {}
    for stride, level in matched.items():
        weight = level.wanted.float()
        targets[f"scores_{stride}"] = Target(weight, level.known.float())
        targets[f"shifts_{stride}"] = Target(level.shifts, weight)
        targets[f"sizes_{stride}"] = Target(level.sizes, weight)
    return targets


def ssdlite_terms(
    outputs: Mapping[str, torch.Tensor], targets: Mapping[str, Target], settings: SSDLiteLossSettings
) -> dict[str, LossTerm]:
    """Compare a batch of outputs with its targets.

    Returns:
        ``scores`` and ``boxes``: sums over the batch, to be divided by the number of anchors that are people's.
    """
    scores = _together(outputs, "scores").float()
    wanted, known = (
        torch.cat([getattr(targets[f"scores_{stride}"], part).flatten(1) for stride in STRIDES], 1)
        for part in ("values", "weight")
    )
    loss = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
    judged = wanted.bool() | hardest(loss.detach(), wanted.bool(), known.bool(), settings.negatives)
    count = wanted.sum()
    off = torch.zeros((), device=scores.device)
    for name in (f"{part}_{stride}" for part in ("shifts", "sizes") for stride in STRIDES):
        error = F.smooth_l1_loss(outputs[name].float(), targets[name].values, reduction="none")
        off = off + (error.sum(2) * targets[name].weight).sum()
    return {
        "scores": LossTerm((loss * judged).sum(), count, settings.score_weight),
        "boxes": LossTerm(off, count, settings.box_weight),
    }


def hardest(loss: torch.Tensor, wanted: torch.Tensor, known: torch.Tensor, ratio: float) -> torch.Tensor:
    """``(B, N)`` bool: of the anchors that are known to be nobody's, the worst ``ratio`` for each that is somebody's.

    Args:
        loss: ``(B, N)`` loss of every anchor.
        wanted: ``(B, N)`` bool: is somebody's.
        known: ``(B, N)`` bool: it is known whether it is.
        ratio: How many.
    """
    background = known & ~wanted
    most = (ratio * wanted.sum(1)).round().clamp_min(_OF_EMPTY)
    order = torch.where(background, loss, torch.full_like(loss, -1.0)).argsort(1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(loss.shape[1], device=loss.device).expand_as(order))
    return background & (rank < most[:, None])


def seen_boxes(truth: Truth, least: float) -> tuple[torch.Tensor, torch.Tensor]:
    """``(B, P, 4)`` boxes of people as far as they are seen, and of those of whom too little is; NaN elsewhere.

    Args:
        truth: Labels.
        least: Part of the box that has to be seen.
    """
    middle = truth.corners.mean(2, keepdim=True)
    whole = _extents(middle + (truth.corners - middle) / NEIGHBOURHOOD)
    windows = _windows(truth)
    boxes = torch.cat(
        [torch.maximum(whole[..., :2], windows[..., :2]), torch.minimum(whole[..., 2:], windows[..., 2:])], 2
    )
    extents = boxes[..., 2:] - boxes[..., :2]
    there = (extents > 0).all(-1)
    part = extents.prod(-1) / (whole[..., 2:] - whole[..., :2]).prod(-1)
    enough = there & (part >= least) & (extents >= _LEAST).all(-1)
    nowhere = torch.full_like(boxes, torch.nan)
    return torch.where(enough[..., None], boxes, nowhere), torch.where((there & ~enough)[..., None], boxes, nowhere)


def _windows(truth: Truth) -> torch.Tensor:
    """``(B, P, 4)`` the part of the picture that each person's layer shows, in input positions."""
    height, width = truth.owner.shape[1:]
    windows = torch.zeros((*truth.layers.shape, 4), device=truth.owner.device)
    for level in range(int(truth.owner.max()) + 1):
        shown = truth.owner == level
        sides = [_ends(shown.any(1), width), _ends(shown.any(2), height)]
        window = torch.stack([sides[0][0], sides[1][0], sides[0][1], sides[1][1]], 1)
        windows = torch.where((truth.layers == level)[..., None], window[:, None], windows)
    return windows


def _ends(shown: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Edges of the first and the last of ``(B, length)`` that are shown, as positions."""
    places = torch.arange(length, device=shown.device, dtype=torch.float32)
    first = torch.where(shown, places, length).amin(1) - 0.5
    last = torch.where(shown, places, -1.0).amax(1) + 0.5
    return first, last


def _extents(corners: torch.Tensor) -> torch.Tensor:
    """``(…, 4, 2)`` corners to the ``(…, 4)`` boxes around them."""
    return torch.cat([corners.amin(-2), corners.amax(-2)], -1)


def _together(outputs: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """``(B, N)`` one output of all levels."""
    return torch.cat([outputs[f"{name}_{stride}"].flatten(1) for stride in STRIDES], 1)
