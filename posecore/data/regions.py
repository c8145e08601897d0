"""Masks as boxes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region

#: A box is split while less of it than this belongs to the mask …
_FULL = 0.7
#: … and its longer side has more pixels than this.
_SMALL = 16


def regions_of(mask: NDArray[np.bool_]) -> tuple[Region, ...]:
    """Boxes (x0, y0, x1, y1) that cover a mask and little else.

    Every connected part gets its box; one that is mostly empty, as around an outstretched arm, is halved until its
    pieces are mostly full or small.

    Args:
        mask: ``(H, W)``, True where the mask is.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found: list[Region] = []
    for number, (x, y, width, height, _) in enumerate(stats[1:].tolist(), 1):
        _cover(labels[y : y + height, x : x + width] == number, x, y, found)
    return tuple(found)


def _cover(part: NDArray[np.bool_], x: int, y: int, found: list[Region]) -> None:
    """Add boxes of ``part``, whose first pixel is at (x, y)."""
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    if not len(rows):
        return
    top, left = int(rows[0]), int(columns[0])
    part = part[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    x, y = x + left, y + top
    height, width = part.shape
    if part.mean() >= _FULL or max(height, width) <= _SMALL:
        found.append((float(x), float(y), float(x + width), float(y + height)))
    elif width >= height:
        _cover(part[:, : width // 2], x, y, found)
        _cover(part[:, width // 2 :], x + width // 2, y, found)
    else:
        _cover(part[: height // 2], x, y, found)
        _cover(part[height // 2 :], x, y + height // 2, found)
