"""Fields drawn on pictures, for every family alike: heat, directions and arrows, in the place the network means.

Everything here reads a map's kind, units, stride and origin and the input transform, and nothing else. Pictures are
``(H, W, 3)`` uint8 RGB of the source picture or of a thumbnail of it; ``max_side`` bounds the longer side of what
comes back.
"""

from __future__ import annotations

import cv2
import numpy as np

from posecore.drawing.arrows import draw_arrows
from posecore.drawing.colors import draw_wheel, lay_heat, lay_hue
from posecore.drawing.field_values import (
    AUTO,
    arrow_segments,
    bounded_size,
    channel_values,
    resample,
    scalar_values,
    value_limits,
    vector_map,
)
from posecore.drawing.overlay import check_picture
from posecore.drawing.sheets import draw_caption, fitting_columns, join_tiles
from posecore.fields import Fields
from posecore.imaging import Picture

_DIM = 0.35


def heatmap_over(
    image: Picture,
    fields: Fields,
    name: str,
    channel: int | None = None,
    *,
    opacity: float = 0.6,
    colormap: str = "viridis",
    value_range: tuple[float, float] | None = None,
    fade: bool = True,
    max_side: int | None = None,
) -> Picture:
    """Lay the heat of a map over the picture.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        fields: The fields of this picture.
        name: Name of the map; the length counts where it holds vectors.
        channel: Channel to show, or None for the largest over all channels.
        opacity: How much the heat covers the picture, 0 … 1.
        colormap: Name of a Matplotlib colormap.
        value_range: Values at both ends of the colormap; None means 0 … 1 for probabilities, else the map's own range.
        fade: True makes values below half the range the more transparent the lower they are; False covers the whole
            view evenly.
        max_side: Longer side of the result at most.

    Returns:
        A new uint8 picture; untouched where the network did not look.
    """
    picture = _thumbnail(image, max_side)
    values = resample(fields, fields[name], scalar_values(fields[name], channel)[None], _size_of(picture))[0]
    return lay_heat(picture, values, value_range or value_limits(fields[name], channel), colormap, opacity, fade)


def heatmap_grid(
    image: Picture,
    fields: Fields,
    name: str,
    *,
    columns: int | None = None,
    tile_width: int = 240,
    opacity: float = 0.85,
    colormap: str = "viridis",
    value_range: tuple[float, float] | None = None,
) -> Picture:
    """All channels of a map side by side over a dimmed small picture, with their names and largest values.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        fields: The fields of this picture.
        name: Name of the map; vectors are shown by direction and length.
        columns: Tiles in a row; None makes the sheet about as wide as a screen is for its height.
        tile_width: Width of a tile in pixels.
        opacity: How much the heat covers the picture, 0 … 1.
        colormap: Name of a Matplotlib colormap, for scalar maps.
        value_range: Values at both ends of the colormap, shared by all tiles; None as in :func:`heatmap_over`.

    Returns:
        A new uint8 picture, ``columns`` tiles and the gaps between them wide.
    """
    field = fields[name]
    height, width = check_picture(image).shape[:2]
    size = (tile_width, max(1, round(tile_width * height / width)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    dimmed = np.asarray(cv2.convertScaleAbs(small, alpha=_DIM), np.uint8)
    limits = value_range or value_limits(field, None)
    tiles = []
    for channel, label in enumerate(field.channels):
        if field.is_vector:
            vectors = resample(fields, field, channel_values(field, channel), size)
            tile = lay_hue(dimmed, vectors, limits[1], opacity)
        else:
            values = resample(fields, field, channel_values(field, channel)[None], size)[0]
            tile = lay_heat(dimmed, values, limits, colormap, opacity, fade=True)
        draw_caption(tile, label.replace("_", " "), f"{scalar_values(field, channel).max():.2f}")
        tiles.append(tile)
    if field.is_vector:
        draw_wheel(tiles[-1])
    return join_tiles(tiles, columns or fitting_columns(len(tiles), size))


def vector_hue(
    image: Picture,
    fields: Fields,
    name: str,
    channel: int,
    *,
    opacity: float = 0.8,
    longest: float | None = None,
    legend: bool = True,
    max_side: int | None = None,
) -> Picture:
    """Show a vector map by colour: the hue is the direction, the strength of the colour the length.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        fields: The fields of this picture.
        name: Name of a vector map.
        channel: Channel to show.
        opacity: How much the longest vectors cover the picture, 0 … 1.
        longest: Length, in the map's units, that is shown at full strength; None takes the channel's longest.
        legend: Draw a wheel of directions into the corner.
        max_side: Longer side of the result at most.

    Returns:
        A new uint8 picture; untouched where the network did not look.

    Raises:
        ValueError: When the map holds no vectors.
    """
    field = vector_map(fields, name)
    picture = _thumbnail(image, max_side)
    vectors = resample(fields, field, channel_values(field, channel), _size_of(picture))
    result = lay_hue(picture, vectors, longest or value_limits(field, channel)[1], opacity)
    if legend:
        draw_wheel(result)
    return result


def vector_arrows(
    image: Picture,
    fields: Fields,
    name: str,
    channel: int,
    *,
    gate: str | None = AUTO,
    gate_threshold: float = 0.5,
    step: int | None = None,
    opacity: float = 1.0,
    max_side: int | None = None,
) -> Picture:
    """Draw a vector map as arrows from its cells to where they point, coloured by direction.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        fields: The fields of this picture.
        name: Name of a vector map.
        channel: Channel to show.
        gate: Map that decides where arrows are drawn (see :func:`gate_values`); None draws all of them.
        gate_threshold: Arrows start where the gate is at least this.
        step: Draw every how many cells; None keeps arrows some pixels apart.
        opacity: How much the arrows cover the picture, 0 … 1.
        max_side: Longer side of the result at most.

    Returns:
        A new uint8 picture.

    Raises:
        KeyError: When there is no map ``name`` or ``gate``.
        ValueError: When the map holds no vectors.
    """
    picture = _thumbnail(image, max_side)
    segments = arrow_segments(
        fields, name, channel, gate=gate, gate_threshold=gate_threshold, step=step, size=_size_of(picture)
    )
    canvas = picture.copy()
    draw_arrows(canvas, segments)
    if opacity < 1:
        cv2.addWeighted(canvas, opacity, picture, 1 - opacity, 0, dst=canvas)
    return canvas


def _size_of(picture: Picture) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _thumbnail(image: Picture, max_side: int | None) -> Picture:
    """The picture no larger than ``max_side``; the picture itself when it is small enough."""
    size = bounded_size(_size_of(check_picture(image)), max_side)
    if size == _size_of(image):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
