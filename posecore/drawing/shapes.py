"""The strokes that everything drawn is made of: antialiased lines, discs and polygons, and tables of colours.

Positions are (x, y) in pixels, the centre of the top-left one at (0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from posecore.imaging import Picture

Color = tuple[int, int, int]


Points = NDArray[np.float64]


#: ``(N, 2)`` corners in OpenCV's fixed-point pixels; without corners when nothing is visible.
Polygon = NDArray[np.int32]


OUTLINE: Color = (18, 20, 26)


WHITE: Color = (255, 255, 255)


_SHIFT = 4  # Fractional bits of the coordinates handed to OpenCV.


# OpenCV's antialiased edge adds this much to what is filled; taken off again, so that widths come out as asked for.
_EXCESS = 1.5


@lru_cache(maxsize=32)
def color_table(colormap: str) -> NDArray[np.uint8]:
    """``(256, 3)`` RGB values of a Matplotlib colormap.

    Raises:
        ValueError: When Matplotlib has none of that name.
    """
    if colormap not in mpl.colormaps:
        raise ValueError(f"There is no colormap {colormap!r}; try viridis, magma, inferno, plasma, cividis or turbo.")
    table = np.asarray(mpl.colormaps[colormap](np.linspace(0, 1, 256), bytes=True))[:, :3].copy()
    table.setflags(write=False)
    return table


def clip_segments(segments: Points, canvas: Picture, margin: float) -> Points:
    """Cut segments ``(N, 2, 2)`` at a frame ``margin`` pixels around the picture; those that miss it become NaN.

    Keeps every coordinate small enough for OpenCV's fixed-point arithmetic, without turning a line.
    """
    height, width = canvas.shape[:2]
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    low, high = np.array([-margin, -margin]), np.array([width - 1 + margin, height - 1 + margin])
    with np.errstate(divide="ignore", invalid="ignore"):
        # Shares of the way at which a line crosses the frame; 0 / 0 lies on it and counts as inside.
        first, second = (low - start) / step, (high - start) / step
        first, second = np.where(np.isnan(first), -np.inf, first), np.where(np.isnan(second), np.inf, second)
    enter = np.minimum(first, second).max(-1).clip(0, None)
    leave = np.maximum(first, second).min(-1).clip(None, 1)
    clipped = np.stack([start + step * enter[:, None].clip(0, 1), start + step * leave[:, None].clip(0, 1)], axis=1)
    clipped[(enter > leave) | ~np.isfinite(segments).all((1, 2))] = np.nan
    return clipped


def capsules(segments: Points, width: float, canvas: Picture, steps: int = 6) -> list[Polygon]:
    """Round-ended lines ``width`` pixels wide along segments ``(N, 2, 2)``, as one polygon per segment."""
    clipped = clip_segments(segments, canvas, 4 * width + 8)
    radius = max(width - _EXCESS, 0.1) / 2
    direction = clipped[:, 1] - clipped[:, 0]
    angle = np.arctan2(direction[:, 1], direction[:, 0])[:, None]
    sweep = np.linspace(-np.pi / 2, np.pi / 2, steps)
    cap = radius * np.stack([np.cos(angle + sweep), np.sin(angle + sweep)], axis=-1)
    return polygons(np.concatenate([clipped[:, 1, None] + cap, clipped[:, 0, None] - cap], axis=1))


def discs(centres: Points, radius: float, canvas: Picture) -> list[Polygon]:
    """Circles around ``(N, 2)`` centres, as one polygon each."""
    height, width = canvas.shape[:2]
    # NaN compares false and so is not near the canvas either.
    near = np.all((centres > -radius - 1) & (centres < (width + radius, height + radius)), axis=1, keepdims=True)
    turns = np.linspace(0, 2 * np.pi, 12 + int(4 * math.sqrt(radius)), endpoint=False)
    circle = max(radius - _EXCESS / 2, 0.1) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    return polygons(np.where(near, centres, np.nan)[:, None] + circle)


def polygons(shapes: Points) -> list[Polygon]:
    """Shapes ``(N, M, 2)`` in fixed point, ready for :func:`fill`; shapes with a NaN lose all their corners."""
    if not len(shapes):
        return []
    seen = np.asarray(np.isfinite(shapes).reshape(len(shapes), -1).all(axis=1))
    fixed = np.rint(np.nan_to_num(shapes) * (1 << _SHIFT)).astype(np.int32)
    return [polygon if visible else polygon[:0] for polygon, visible in zip(fixed, seen, strict=True)]


def fill(canvas: Picture, shapes: Sequence[Polygon], color: Color | Sequence[Color]) -> None:
    """Fill convex polygons, antialiased, in one colour or in one each."""
    each = [color] * len(shapes) if color and isinstance(color[0], int) else color
    for polygon, paint in zip(shapes, each, strict=True):
        if len(polygon):
            cv2.fillConvexPoly(canvas, polygon, paint, cv2.LINE_AA, _SHIFT)  # type: ignore[arg-type]
