"""OpenPose's training loss (Cao et al. 2017, section 2): squared error of every stage's maps, masked.

What is not known has no loss: cells near a person whose keypoint is unlabelled (for limbs: either end), and ignore
regions. A labelled joint's own peak and band are always known.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field

from posecore.data.truth import Truth
from posecore.families.contract import LossTerm, Target
from posecore.families.openpose.codec import HALF_WIDTH, SIGMA, encode
from posecore.settings import Settings
from posecore.skeleton import Edge

#: A target above this is a joint's own peak, whatever lies around it.
_OWN_PEAK = 0.1


class OpenPoseLossSettings(Settings):
    """How OpenPose's outputs are judged in training."""

    sigma: float = Field(
        SIGMA,
        title="Peak width",
        gt=0,
        le=50,
        description="Standard deviation in input pixels of the peaks in the heatmaps.",
    )
    half_width: float = Field(
        HALF_WIDTH,
        title="Limb half width",
        gt=0,
        le=50,
        description="Half width in input pixels of the bands in the part affinity fields; at least 0.71 of the output "
        "stride, so that every limb holds a cell.",
    )
    heatmap_weight: float = Field(1.0, title="Heatmap weight", ge=0, le=100, description="Weight in the total.")
    affinity_weight: float = Field(1.0, title="Affinity weight", ge=0, le=100, description="Weight in the total.")
    foreground_weight: float = Field(
        1.0,
        title="Foreground weight",
        ge=1,
        le=100,
        description="Weight of cells on a peak or a limb against empty ones. 1 is as published; small networks learn "
        "faster with more, for most cells are empty.",
    )


def openpose_targets(
    truth: Truth, grid: tuple[int, int], limbs: tuple[Edge, ...], stride: int, settings: OpenPoseLossSettings
) -> dict[str, Target]:
    """What the outputs of every stage should be.

    Args:
        truth: Labels in input pixels.
        grid: (width, height) in cells.
        limbs: E directed edges.
        stride: Input pixels per cell.
        settings: Widths, and the weight of cells that are not empty.

    Returns:
        ``heatmaps``, the last one the background, and ``part_affinity``.
    """
    targets = encode(truth.keypoints, truth.labelled, grid, stride, limbs, settings.sigma, settings.half_width)
    known = ~truth.unknown(stride)
    heatmaps, affinity = targets["heatmaps"], targets["part_affinity"]
    first, second = _ends(limbs)
    own_band = affinity.square().sum(2) > 0
    known_limbs = (known[:, first] & known[:, second]) | own_band
    own_peak = heatmaps[:, :-1] > _OWN_PEAK
    # The background speaks of all keypoints at once: near one that is not labelled it is not known.
    known_peaks = torch.cat((known | own_peak, known.all(1, keepdim=True)), 1)
    on_peak = torch.cat((own_peak, own_peak.any(1, keepdim=True)), 1)
    extra = settings.foreground_weight - 1
    return {
        "heatmaps": Target(heatmaps, known_peaks * (1 + extra * on_peak)),
        "part_affinity": Target(affinity, known_limbs * (1 + extra * own_band)),
    }


def _ends(limbs: tuple[Edge, ...]) -> tuple[list[int], list[int]]:
    """Keypoints that limbs start from, and those they lead to."""
    return [start for start, _ in limbs], [end for _, end in limbs]


def openpose_terms(
    outputs: Mapping[str, torch.Tensor],
    targets: Mapping[str, Target],
    labelled: torch.Tensor,
    limbs: tuple[Edge, ...],
    settings: OpenPoseLossSettings,
) -> dict[str, LossTerm]:
    """Compare a batch of outputs with its targets.

    Args:
        outputs: ``heatmaps`` ``(B, K + 1, h, w)`` and ``part_affinity`` ``(B, E, 2, h, w)``, and the same of earlier
            stages under longer names.
        targets: From :func:`openpose_targets`.
        labelled: ``(B, P, K)`` bool: which joints have labels.
        limbs: E directed edges.
        settings: Widths and weights.

    Returns:
        ``heatmaps`` and ``part_affinity``: sums of squared errors over all stages, and the number of peaks or limbs of
        the batch times the number of stages to divide them by.
    """
    first, second = _ends(limbs)
    counts = {
        "heatmaps": labelled.sum(),
        "part_affinity": (labelled[:, :, first] & labelled[:, :, second]).sum(),
    }
    weights = {"heatmaps": settings.heatmap_weight, "part_affinity": settings.affinity_weight}
    terms = {}
    for name, target in targets.items():
        mask = target.weight if target.values.dim() == 4 else target.weight[:, :, None]
        stages = [values.float() for key, values in outputs.items() if key.startswith(name)]
        total = sum(((values - target.values).square() * mask).sum() for values in stages)
        terms[name] = LossTerm(torch.as_tensor(total), counts[name] * float(len(stages)), weights[name])
    return terms
