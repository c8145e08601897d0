"""Text on pictures: legible letters of one font everywhere, and finding room for many names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from posecore.drawing.shapes import OUTLINE, WHITE, Color, Points
from posecore.imaging import Picture


def text_size(canvas: Picture) -> int:
    """Height of letters in pixels that is legible on a picture of this size."""
    return letter_height(canvas.shape[1], canvas.shape[0])


def letter_height(width: int, height: int) -> int:
    """Height of letters in pixels that is legible on a picture of ``width`` × ``height`` pixels."""
    return round(max(10.0, 0.0165 * math.sqrt(width * height)))


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    # Matplotlib ships this font: the same letters on every machine, arrows and dashes included.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def baseline(size: int, bold: bool = False) -> int:
    """Pixels from the top of a line of text, without outline, to what its letters stand on."""
    return _font(size, bold).getmetrics()[0]


@lru_cache(maxsize=512)
def text_masks(text: str, size: int, outline: int, bold: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Coverage 0 … 255 of a line of text with its outline and of its letters alone, both ``(h, w)``.

    The height is the same for every text of one size, so that lines align.
    """
    font = _font(size, bold)
    ascent, descent = font.getmetrics()
    width = math.ceil(font.getlength(text)) + 2 * outline
    shape = (max(width, 1), ascent + descent + 2 * outline)
    masks = []
    for stroke in (outline, 0):
        layer = Image.new("L", shape)
        ImageDraw.Draw(layer).text((outline, outline), text, fill=255, font=font, stroke_width=stroke)
        mask = np.array(layer)
        mask.setflags(write=False)
        masks.append(mask)
    return masks[0], masks[1]


def draw_text(
    canvas: Picture,
    text: str,
    corner: tuple[int, int],
    size: int,
    color: Color = WHITE,
    rim: Color = OUTLINE,
    bold: bool = False,
) -> None:
    """Write outlined text with its box's top-left corner at (x, y); what lies outside the canvas is cut off."""
    around, letters = text_masks(text, size, outline_width(size), bold)
    paint(canvas, around, corner, rim)
    paint(canvas, letters, corner, color)


def outline_width(size: int) -> int:
    return max(1, round(size / 9))


def paint(canvas: Picture, mask: NDArray[np.uint8], corner: tuple[int, int], color: Color) -> None:
    """Lay ``color`` on the canvas through a coverage mask whose top-left pixel is ``corner`` (x, y)."""
    x, y = corner
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + mask.shape[1], canvas.shape[1]), min(y + mask.shape[0], canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = canvas[y0:y1, x0:x1]
    alpha = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.uint16)
    part[:] = ((255 - alpha) * part + alpha * np.array(color, np.uint16) + 127) // 255


#: Directions (x, y) in which a name may lie from its joint, and how many line heights away it is tried, nearest first.
_DIRECTIONS = np.array([(math.cos(turn), math.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 16, endpoint=False)])


_DISTANCES = (0.0, 0.8, 1.8, 3.0)


@dataclass
class Room:
    """Where text may still go on a canvas of ``width`` × ``height`` pixels.

    Attributes:
        avoid: ``(N, 2)`` points that names should rather not cover; NaN where missing.
        taken: ``(M, 4)`` boxes x0, y0, x1, y1 of the texts that are there.
    """

    width: int
    height: int
    avoid: Points
    taken: Points = field(default_factory=lambda: np.zeros((0, 4)))

    def first_free(self, spots: Sequence[tuple[float, float]], width: int, height: int) -> tuple[int, int]:
        """Take the first of ``spots`` (top-left x, y; moved onto the canvas) that is free, else the first."""
        limits = np.array([max(self.width - width, 0), max(self.height - height, 0)])
        corners = np.rint(np.clip(np.array(spots), 0, limits))
        return self._take(corners[int((self._overlap(corners, width, height) > 0.05).argmin())], width, height)

    def _take(self, corner: Points, width: int, height: int) -> tuple[int, int]:
        left, top = int(corner[0]), int(corner[1])
        self.taken = np.concatenate([self.taken, [[left, top, left + width, top + height]]])
        return left, top

    def find(self, point: Points, outward: Points, width: int, height: int, gap: float) -> tuple[int, int] | None:
        """Place a box near ``point``, rather ``outward`` than not; None when every place is taken."""
        for distance in _DISTANCES:
            corners = self._candidates(point, width, height, gap + distance * height)
            overlap = self._overlap(corners, width, height)
            free = overlap < 0.03
            if not free.any():
                continue
            centres = corners + np.array([width / 2, height / 2]) - point
            cosine = centres @ outward / (np.hypot(*outward) * np.hypot(*centres.T) + 1e-9)
            cost = self._covered(corners, width, height) - 0.8 * cosine + 4 * overlap
            best = int(np.where(free, cost, np.inf).argmin())
            return self._take(corners[best], width, height)
        return None

    def _candidates(self, point: Points, width: int, height: int, gap: float) -> Points:
        """``(N, 2)`` top-left corners of boxes around ``point``, moved onto the canvas."""
        half = np.array([width, height]) / 2
        # The box touches a circle around the joint with the side or the corner that faces it.
        centres = point + _DIRECTIONS * gap + half * np.clip(1.5 * _DIRECTIONS, -1, 1)
        limits = np.array([max(self.width - width, 0), max(self.height - height, 0)])
        return np.rint(np.clip(centres - half, 0, limits))

    def _covered(self, corners: Points, width: int, height: int) -> NDArray[np.float64]:
        """``(N,)`` how many of the points to avoid a box at each corner covers."""
        low, high = corners.min(0), corners.max(0) + np.array([width, height])
        near = self.avoid[np.all((self.avoid > low) & (self.avoid < high), axis=1)]
        inside = (near > corners[:, None]) & (near < corners[:, None] + np.array([width, height]))
        return np.asarray(np.count_nonzero(inside.all(axis=-1), axis=1), np.float64)

    def _overlap(self, corners: Points, width: int, height: int) -> NDArray[np.float64]:
        """``(N,)`` share of a box at each corner that is taken already."""
        size = np.array([width, height])
        near = (self.taken[:, 2:] > corners.min(0)) & (self.taken[:, :2] < corners.max(0) + size)
        taken = self.taken[np.all(near, axis=1)]
        low = np.maximum(corners[:, None], taken[None, :, :2])
        high = np.minimum(corners[:, None] + size, taken[None, :, 2:])
        return np.asarray((high - low).clip(0, None).prod(-1).sum(1) / size.prod(), np.float64)
