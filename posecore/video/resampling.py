"""What is known of some frames, at other times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def between(values: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(T, …)`` values at places between frames, linearly; NaN unless both neighbours are known.

    Args:
        values: One for each frame.
        places: Numbers of frames, fractional, from 0 to the last.
    """
    low = np.floor(places).astype(int).clip(0, len(values) - 1)
    part = (places - low).reshape(-1, *[1] * (values.ndim - 1))
    high = np.minimum(low + 1, len(values) - 1)
    # On a frame, or nearly, its neighbour makes no difference.
    return np.asarray(np.where(part < 1e-6, values[low], values[low] * (1 - part) + values[high] * part))
