"""Local maxima of maps: where every decoder begins."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def local_maxima(maps: NDArray[np.float32], threshold: float, reach: int = 1) -> NDArray[np.intp]:
    """Cells that reach a threshold and that none of the cells around them exceeds; flat tops count whole.

    Args:
        maps: ``(K, H, W)``; each is looked at by itself.
        threshold: Lowest value of a maximum.
        reach: Cells along both axes within which nothing may be higher.

    Returns:
        ``(N,)`` rising indices into ``maps.reshape(-1)``.
    """
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    # A dilation takes the largest value of the window, and outside the map there is nothing.
    highest = np.empty_like(maps)
    for channel, values in enumerate(maps):
        highest[channel] = cv2.dilate(np.ascontiguousarray(values), window)
    return np.flatnonzero((maps >= threshold) & (maps >= highest))
