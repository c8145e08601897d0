"""Labels to target fields, batched (torch)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from posecore.skeleton import Edge

#: Standard deviation of the heatmaps' peaks and half width of the limbs' bands, in input pixels (training at 368 px).
SIGMA = 7.0
HALF_WIDTH = 8.0


def encode(
    keypoints: torch.Tensor,
    labelled: torch.Tensor,
    grid: tuple[int, int],
    stride: float,
    limbs: Sequence[Edge],
    sigma: float = SIGMA,
    half_width: float = HALF_WIDTH,
) -> dict[str, torch.Tensor]:
    """Labels to target fields, batched, on the device of ``keypoints``.

    Heatmaps are Gaussians, the highest of all people's where they meet; the background is 1 less the highest of all
    keypoints'. Part affinity is the unit vector along a limb wherever that is at most ``half_width`` away (Cao et al.
    measure across the limb only; counting its ends keeps short limbs from falling between the cells), averaged over
    the people whose limbs overlap.

    Args:
        keypoints: ``(B, P, K, 2)`` (x, y) in input pixels; anything where not labelled.
        labelled: ``(B, P, K)`` bool.
        grid: (width, height) in cells.
        stride: Input pixels per cell; cell 0's centre lies at (stride − 1) / 2.
        limbs: E directed edges.
        sigma: Standard deviation of the peaks in input pixels.
        half_width: Half width of the bands in input pixels.

    Returns:
        ``heatmaps`` ``(B, K + 1, H, W)``, background last, and ``part_affinity`` ``(B, E, 2, H, W)`` (x, y).
    """
    origin = (stride - 1) / 2
    device = keypoints.device
    columns = torch.arange(grid[0], device=device) * float(stride) + origin
    rows = torch.arange(grid[1], device=device) * float(stride) + origin
    points = torch.where(labelled[..., None], keypoints, 0.0).float()
    # A Gaussian is a product of one over x and one over y: (B, P, K, H, W) is never exponentiated.
    across = torch.exp(-((columns - points[..., 0, None]) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - points[..., 1, None]) ** 2) / (2 * sigma**2))
    peaks = (down * labelled[..., None])[..., :, None] * across[..., None, :]
    heat = peaks.amax(1)
    heatmaps = torch.cat((heat, 1 - heat.amax(1, keepdim=True)), 1)
    return {"heatmaps": heatmaps, "part_affinity": _bands(points, labelled, columns, rows, limbs, half_width)}


def _bands(
    points: torch.Tensor,
    labelled: torch.Tensor,
    columns: torch.Tensor,
    rows: torch.Tensor,
    limbs: Sequence[Edge],
    half_width: float,
) -> torch.Tensor:
    """``(B, E, 2, H, W)`` part affinity of people whose joints are at ``points`` ``(B, P, K, 2)``."""
    starts = torch.tensor([edge[0] for edge in limbs], dtype=torch.long, device=points.device)
    ends = torch.tensor([edge[1] for edge in limbs], dtype=torch.long, device=points.device)
    origin, along = points[:, :, starts], points[:, :, ends] - points[:, :, starts]
    length = along.norm(dim=-1)
    there = labelled[:, :, starts] & labelled[:, :, ends] & (length > 1e-6)
    unit = along / length.clamp(min=1e-6)[..., None]
    total = points.new_zeros(len(points), len(limbs), 2, len(rows), len(columns))
    count = points.new_zeros(len(points), len(limbs), 1, len(rows), len(columns))
    # Person by person: all of them at once would take P times the memory of the result.
    for person in range(points.shape[1]):
        x = columns - origin[:, person, :, 0, None, None]
        y = rows[:, None] - origin[:, person, :, 1, None, None]
        ux, uy = (unit[:, person, :, axis, None, None] for axis in (0, 1))
        nearest = (x * ux + y * uy).clamp(min=0).minimum(length[:, person, :, None, None])
        squared = (x - nearest * ux) ** 2 + (y - nearest * uy) ** 2
        band = ((squared <= half_width**2) & there[:, person, :, None, None])[:, :, None]
        total += band * unit[:, person, :, :, None, None]
        count += band
    return total / count.clamp(min=1)
