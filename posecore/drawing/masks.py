"""Cells of a map that do not count, hatched over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.imaging import Picture

#: Pixels from stripe to stripe, and how wide the bright and the dark ones are.
_PERIOD, _BRIGHT, _DARK = 14, 3, 6


def hatch_cells(picture: Picture, cells: NDArray[np.bool_], stride: float, origin: float, side: int) -> Picture:
    """Diagonal stripes over some cells of a map.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB of the network's input, at any scale; not changed.
        cells: ``(h, w)`` bool: the cells to mark.
        stride: Input pixels between two cells.
        origin: Input position of the centre of cell 0.
        side: Side of the square input in pixels.

    Returns:
        A new picture.
    """
    height, width = picture.shape[:2]
    rows = _nearest(height, side, stride, origin, cells.shape[0])
    columns = _nearest(width, side, stride, origin, cells.shape[1])
    marked = cells[rows[:, None], columns]
    stripe = (np.arange(height)[:, None] + np.arange(width)) % _PERIOD
    result = picture.copy()
    for colour, inside in ((255, stripe < _BRIGHT), (0, (stripe >= _BRIGHT) & (stripe < _DARK))):
        where = marked & inside
        result[where] = (0.45 * result[where] + 0.55 * colour).astype(np.uint8)
    return result


def _nearest(pixels: int, side: int, stride: float, origin: float, count: int) -> NDArray[np.intp]:
    """Index of the cell nearest to every pixel along an axis."""
    position = (np.arange(pixels) + 0.5) * (side / pixels) - 0.5
    return np.asarray(np.rint((position - origin) / stride).clip(0, count - 1), np.intp)
