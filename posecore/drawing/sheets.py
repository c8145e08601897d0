"""Captioned tiles side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from posecore.drawing.shapes import OUTLINE
from posecore.drawing.text import draw_text, text_masks, text_size
from posecore.imaging import Picture

#: Pixels between tiles.
GAP = 2


def draw_caption(tile: Picture, label: str, value: str) -> None:
    """Write a channel's name at the top left and its largest value at the top right, if they fit side by side."""
    size = max(12, text_size(tile))
    room = tile.shape[1] - 4
    while size > 7 and _text_width(label, size) + _text_width(value, size) + size > room:
        size -= 1
    draw_text(tile, label, (2, 1), size)
    draw_text(tile, value, (tile.shape[1] - 2 - _text_width(value, size), 1), size, (255, 225, 60))


def _text_width(text: str, size: int) -> int:
    return int(text_masks(text, size, 1)[0].shape[1])


def fitting_columns(count: int, tile: tuple[int, int]) -> int:
    """Columns that make a sheet of ``count`` tiles about 1.6 times as wide as high with few tiles missing."""

    def misfit(columns: int) -> float:
        rows = -(-count // columns)
        aspect = columns * tile[0] / (rows * tile[1])
        return abs(math.log(aspect / 1.6)) + (rows * columns - count) / count

    return min(range(1, count + 1), key=misfit)


def squarish_columns(picture: Picture, count: int) -> int:
    """Columns that make a sheet of ``count`` tiles about as high as it is wide, whatever the picture's shape."""
    height, width = picture.shape[:2]
    return min(max(round(4 * math.sqrt(1.2 * height / width)), 3), 7, count)


def join_tiles(tiles: Sequence[Picture], columns: int) -> Picture:
    """Tiles of one size in rows, narrow gaps between them."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), OUTLINE, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = (index // columns) * (height + GAP), (index % columns) * (width + GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet
