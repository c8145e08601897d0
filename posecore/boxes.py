"""Boxes and regions of pictures, which count from edges, and positions, which count from centres of pixels.

The first pixel reaches from 0 to 1, so that a whole picture is (0, 0, width, height); its centre is position (0, 0).
What goes from one to the other is half a pixel: :func:`to_edges`, :func:`to_positions`.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from posecore.errors import ImageError

#: (x0, y0, x1, y1), edges in source pixels; may reach outside the picture.
Region = tuple[float, float, float, float]
_Floats = TypeVar("_Floats", bound=np.floating[Any])


def to_edges(positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Positions ``(…, 2)`` as boxes count: half a pixel more."""
    return np.asarray(positions, np.float64) + 0.5


def to_positions(edges: NDArray[np.floating]) -> NDArray[np.float64]:
    """Corners ``(…, 2)`` of boxes as positions count: half a pixel less."""
    return np.asarray(edges, np.float64) - 0.5


def corners_of(boxes: NDArray[_Floats]) -> NDArray[_Floats]:
    """``(…, 4)`` boxes (x0, y0, x1, y1) to ``(…, 4, 2)`` corners in order around, the upper left one first."""
    x0, y0, x1, y1 = np.moveaxis(boxes, -1, 0)
    return np.stack([np.stack(pair, -1) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], -2)


def full_region(image_size: tuple[int, int]) -> Region:
    """The region that is the whole picture of ``image_size`` (width, height)."""
    return (0.0, 0.0, float(image_size[0]), float(image_size[1]))


def check_region(region: Region) -> Region:
    """A region as four floats; raises ``ImageError`` when it is empty or not finite."""
    x0, y0, x1, y1 = (float(value) for value in region)
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)) or x1 - x0 < 1 or y1 - y0 < 1:
        raise ImageError(f"Region {tuple(region)} is empty; give x0, y0, x1, y1 with x1 > x0 and y1 > y0.")
    return x0, y0, x1, y1


def square_around_box(box: Region, expand: float) -> Region:
    """The square with the box's centre and ``expand`` times its longer side."""
    x0, y0, x1, y1 = box
    half = max(x1 - x0, y1 - y0, 1.0) * expand / 2
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - half, y - half, x + half, y + half


def clipped(region: Region, inside: Region) -> Region | None:
    """The part of a region inside another; None when there is none."""
    x0, y0 = max(region[0], inside[0]), max(region[1], inside[1])
    x1, y1 = min(region[2], inside[2]), min(region[3], inside[3])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def area_of(region: Region) -> float:
    """Square pixels."""
    return (region[2] - region[0]) * (region[3] - region[1])


def shared_area(a: Region, b: Region) -> float:
    """Square pixels that lie in both."""
    both = clipped(a, b)
    return 0.0 if both is None else area_of(both)


def overlap(a: Region, b: Region) -> float:
    """Intersection over union, 0 … 1."""
    shared = shared_area(a, b)
    both = area_of(a) + area_of(b) - shared
    return shared / both if both > 0 else 0.0
