"""The decoder's input, and the arrays it works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import Edge

Array = NDArray[Any]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class OpenPoseMaps:
    """The decoder's input.

    Attributes:
        heatmaps: ``(K, H, W)`` without background.
        affinity: ``(E, 2, H, W)`` with components (x, y).
        limbs: E directed edges (from, to).
        stride: Input pixels per cell.
    """

    heatmaps: NDArray[np.float32]
    affinity: NDArray[np.float32]
    limbs: tuple[Edge, ...]
    stride: float
