"""Values and directions as colours over a picture, and the wheel that explains the directions."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.drawing.field_values import Values
from posecore.drawing.shapes import OUTLINE, color_table
from posecore.imaging import Picture

#: Colours of directions: cyclic, so that 359° looks like 1°.
DIRECTION_COLORMAP = "hsv"


def lay_heat(
    picture: Picture, values: Values, limits: tuple[float, float], colormap: str, opacity: float, fade: bool
) -> Picture:
    """Values ``(H, W)`` as colours over the picture; ``limits`` are the ends of the colormap, NaN stays uncovered."""
    low, high = limits
    unseen = np.isnan(values)
    share = ((np.where(unseen, low, values) - low) / max(high - low, 1e-9)).clip(0, 1)
    heat = _look_up(share, colormap)
    # Strong values cover fully from half the range on: a peak should be seen, not guessed.
    cover = (2 * share).clip(0, 1) if fade else np.ones_like(share)
    cover[unseen] = 0
    return _blend(picture, heat, opacity * cover)


def lay_hue(picture: Picture, vectors: Values, longest: float, opacity: float) -> Picture:
    """Directions of ``(2, H, W)`` vectors as hues over the picture, short vectors transparent."""
    x, y = np.nan_to_num(vectors)
    length, angle = cv2.cartToPolar(x, y)
    hue = _look_up(np.asarray(angle, np.float32) / np.float32(2 * np.pi), DIRECTION_COLORMAP)
    return _blend(picture, hue, opacity * (np.asarray(length, np.float32) / longest).clip(0, 1))


def _look_up(share: Values, colormap: str) -> Picture:
    """RGB ``(H, W, 3)`` of values ``(H, W)`` in 0 … 1."""
    table = color_table(colormap)[:, None]
    return np.asarray(cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), table), np.uint8)


def direction_colors(vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB ``(N, 3)`` of the directions of ``(2, N)`` vectors."""
    turn = np.arctan2(vectors[1], vectors[0]) / (2 * np.pi) % 1
    return np.asarray(color_table(DIRECTION_COLORMAP)[np.rint(255 * turn).astype(np.uint8)], np.uint8)


def _blend(picture: Picture, over: Picture, alpha: NDArray[np.floating]) -> Picture:
    """``over`` on top of the picture, as far as ``alpha`` ``(H, W)`` in 0 … 1 says."""
    weight = np.ascontiguousarray(alpha, np.float32)
    return np.asarray(
        cv2.blendLinear(np.ascontiguousarray(over), np.ascontiguousarray(picture), weight, 1 - weight), np.uint8
    )


@lru_cache(maxsize=8)
def _wheel(radius: int) -> tuple[Picture, Values]:
    """A ring of the colours of directions, and how much it covers: ``(2r + 1, 2r + 1, 3)`` and ``(2r + 1, 2r + 1)``."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    distance = np.hypot(x, y)
    outer, inner = radius - 1.5, 0.45 * radius
    ring = np.minimum(outer + 0.5 - distance, distance - inner + 0.5).clip(0, 1)
    plate = np.minimum(outer + 2 - distance, distance - inner + 2).clip(0, 1)
    hues = direction_colors(np.stack([x.ravel(), y.ravel()])).reshape(*x.shape, 3)
    colors = hues * ring[..., None] + np.array(OUTLINE) * (1 - ring[..., None])
    return np.rint(colors).astype(np.uint8), plate


def draw_wheel(canvas: Picture) -> None:
    """The colours of directions in the bottom right corner, where there is room."""
    radius = max(12, round(0.045 * math.sqrt(canvas.shape[0] * canvas.shape[1])))
    side, margin = 2 * radius + 1, radius // 4
    if min(canvas.shape[:2]) < 3 * side:
        return
    colors, cover = _wheel(radius)
    place = canvas[-side - margin : -margin, -side - margin : -margin]
    place[:] = _blend(place, colors, cover)
