"""Where a network's input lies in a picture."""

from __future__ import annotations

import math

from posecore.imaging import InputTransform, Region, check_region, full_region, letterbox


def nearest_multiple(side: float, multiple: int) -> int:
    """The multiple that is nearest to ``side``, at least one."""
    return max(round(side / multiple), 1) * multiple


def fit(image_size: tuple[int, int], region: Region | None, side: int, multiple: int) -> InputTransform:
    """The region with its longer side as ``side`` pixels, its shape kept, padded to multiples of ``multiple``."""
    x0, y0, x1, y1 = check_region(region or full_region(image_size))
    factor = side / max(x1 - x0, y1 - y0)
    # The shorter side rounds up, so that all of the region is seen; a rounding error must not cost a whole step.
    width, height = (math.ceil(round(length * factor, 6) / multiple) for length in (x1 - x0, y1 - y0))
    return letterbox(image_size, (width * multiple, height * multiple), region, half_pixel=True)
