"""Arrows drawn on a picture."""

from __future__ import annotations

import math

import numpy as np

from posecore.drawing.colors import direction_colors
from posecore.drawing.shapes import OUTLINE, Points, Polygon, capsules, clip_segments, fill, polygons
from posecore.imaging import Picture


def draw_arrows(canvas: Picture, segments: Points) -> None:
    """Arrows of one width and heads in proportion, dark rims below."""
    if not len(segments):
        return
    colors = [tuple(int(v) for v in rgb) for rgb in direction_colors((segments[:, 1] - segments[:, 0]).T)]
    width = max(1.6, 0.0018 * math.hypot(*canvas.shape[:2]))
    rim = max(0.8, 0.3 * width)
    for extra, paint in ((rim, OUTLINE), (0.0, colors)):
        shafts, heads = _arrows(segments, width, extra, canvas)
        fill(canvas, shafts, paint)  # type: ignore[arg-type]
        fill(canvas, heads, paint)  # type: ignore[arg-type]


def _arrows(segments: Points, width: float, rim: float, canvas: Picture) -> tuple[list[Polygon], list[Polygon]]:
    """Shafts and triangular heads whose tips lie on the segments' ends, grown by ``rim`` on all sides."""
    clipped = clip_segments(segments, canvas, 12 * width + 8)
    step = clipped[:, 1] - clipped[:, 0]
    length = np.hypot(*step.T)[:, None]
    along = step / np.maximum(length, 1e-9)
    across = along[:, ::-1] * (-1, 1)
    # Short arrows have short heads, so that they still look like arrows.
    head = np.minimum(4.5 * width, 0.6 * length)
    neck = clipped[:, 1] - along * head
    half = 0.45 * head + rim
    tip = clipped[:, 1] + along * 1.5 * rim
    base = neck - along * rim
    triangle = np.stack([tip, base + across * half, base - across * half], axis=1)
    shaft = np.stack([clipped[:, 0], neck], axis=1)
    return capsules(shaft, width + 2 * rim, canvas, steps=4), polygons(triangle)
