"""Fields drawn on pictures, for every family alike: heat, directions and arrows, in the place the network means.

Everything here reads a map's kind, units, stride and origin and the input transform, and nothing else. Pictures are
``(H, W, 3)`` uint8 RGB of the source picture or of a thumbnail of it; ``max_side`` bounds the longer side of what
comes back. Positions are (x, y) with the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.drawing.overlay import check_picture
from posecore.drawing.shapes import OUTLINE, Points, Polygon, capsules, clip_segments, color_table, fill, polygons
from posecore.drawing.text import draw_text, text_masks, text_size
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import Picture

Values = NDArray[np.float32]

#: Gate that stands for the map which says where a vector map means anything.
AUTO = "auto"
#: Colours of directions: cyclic, so that 359° looks like 1°.
DIRECTION_COLORMAP = "hsv"
_DIM = 0.35


def field_values(
    fields: Fields,
    name: str,
    channel: int | None = None,
    max_side: int | None = None,
    size: tuple[int, int] | None = None,
) -> Values:
    """The values of a map at every pixel of the source picture, bilinear between the centres of cells.

    Args:
        fields: The fields.
        name: Name of the map.
        channel: Channel to show; None takes the largest over all channels (of vectors: the largest length).
        max_side: Longer side of the result at most; None keeps the source picture's size.
        size: (width, height) of the result instead, for a thumbnail of known size.

    Returns:
        float32 ``(H, W)``, or ``(H, W, 2)`` with (x, y) components when a channel of a vector map was asked for; NaN
        where the network did not look.

    Raises:
        KeyError: When there is no such map.
        IndexError: When it has no such channel.
    """
    field = fields[name]
    size = size or _bounded(fields.transform.image_size, max_side)
    if channel is None or not field.is_vector:
        return _resample(fields, field, _scalar(field, channel)[None], size)[0]
    return np.ascontiguousarray(np.moveaxis(_resample(fields, field, _channel(field, channel), size), 0, -1))


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
    values = _resample(fields, fields[name], _scalar(fields[name], channel)[None], _size_of(picture))[0]
    return _lay_heat(picture, values, value_range or _value_range(fields[name], channel), colormap, opacity, fade)


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
    limits = value_range or _value_range(field, None)
    tiles = []
    for channel, label in enumerate(field.channels):
        if field.is_vector:
            vectors = _resample(fields, field, _channel(field, channel), size)
            tile = _lay_hue(dimmed, vectors, limits[1], opacity)
        else:
            values = _resample(fields, field, _channel(field, channel)[None], size)[0]
            tile = _lay_heat(dimmed, values, limits, colormap, opacity, fade=True)
        _caption(tile, label.replace("_", " "), f"{_scalar(field, channel).max():.2f}")
        tiles.append(tile)
    if field.is_vector:
        _draw_wheel(tiles[-1])
    return _sheet(tiles, columns or _columns(len(tiles), size))


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
    field = _vector_map(fields, name)
    picture = _thumbnail(image, max_side)
    vectors = _resample(fields, field, _channel(field, channel), _size_of(picture))
    result = _lay_hue(picture, vectors, longest or _value_range(field, channel)[1], opacity)
    if legend:
        _draw_wheel(result)
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
    _draw_arrows(canvas, segments)
    if opacity < 1:
        cv2.addWeighted(canvas, opacity, picture, 1 - opacity, 0, dst=canvas)
    return canvas


def arrow_segments(
    fields: Fields,
    name: str,
    channel: int,
    *,
    gate: str | None = AUTO,
    gate_threshold: float = 0.5,
    step: int | None = None,
    size: tuple[int, int] | None = None,
) -> Points:
    """Where the arrows of :func:`vector_arrows` begin and end: ``(N, 2, 2)``, start and end (x, y).

    In pixels of a picture of ``size`` (width, height), by default the source picture. Unit vectors have no length of
    their own and are drawn nearly as long as the cells are apart.
    """
    field = _vector_map(fields, name)
    vectors = np.moveaxis(_channel(field, channel), 0, -1).astype(np.float64)
    size = size or fields.transform.image_size
    pixels = np.array(size) / fields.transform.image_size
    spacing = float(np.min(np.abs(fields.transform.scale) * pixels)) * field.stride
    step = step or max(1, round(max(6.0, 0.012 * max(size)) / spacing))
    columns, rows = field.grid_size
    x, y = np.meshgrid(np.arange(step // 2, columns, step), np.arange(step // 2, rows, step))
    cells = np.stack([x.ravel(), y.ravel()], axis=-1)
    shown = np.ones(len(cells), bool)
    if gate is not None:
        shown = gate_values(fields, name, channel, gate)[cells[:, 1], cells[:, 0]] >= gate_threshold
    cells = cells[shown]
    factor = {"cells": field.stride, "unit vector": 0.9 * step * field.stride}.get(field.units, 1.0)
    start = field.cell_to_input(cells)
    ends = np.stack([start, start + vectors[cells[:, 1], cells[:, 0]] * factor], axis=1)
    segments = (fields.transform.to_source(ends) + 0.5) * pixels - 0.5
    return segments[np.isfinite(segments).all(axis=(1, 2))]


def gate_values(fields: Fields, name: str, channel: int, gate: str = AUTO) -> Values:
    """How much each cell of a vector map matters: ``(H, W)`` on the map's own grid.

    ``gate`` names the map to ask, at the channel of the same keypoint (for an edge: of the keypoint it starts from) or
    over all channels where it has none of that keypoint. A vector map as its own gate counts by its length.
    ``"auto"`` takes the last heatmap that knows the keypoint for offsets and displacements, the centre map for
    regressions and boxes, and the length for part affinities; without such a map every cell counts 1.
    """
    field = fields[name]
    keypoint = _start_keypoint(field, channel)
    if gate != AUTO:
        asked: FieldMap | None = fields[gate]
    elif field.kind == FieldKind.PART_AFFINITY:
        asked = field
    else:
        asked = _natural_gate(fields, field, keypoint)
    columns, rows = field.grid_size
    if asked is None:
        return np.ones((rows, columns), np.float32)
    if asked is field:
        return _scalar(field, channel)
    at = asked.keypoints.index(keypoint) if asked.keypoints and keypoint in asked.keypoints else None
    # From one grid to the other by way of the network's input.
    x, y = ((np.arange(n) * field.stride + field.origin - asked.origin) / asked.stride for n in (columns, rows))
    values = _weights(y, asked.grid_size[1]) @ _scalar(asked, at) @ _weights(x, asked.grid_size[0]).T
    return np.asarray(values, np.float32)


def _start_keypoint(field: FieldMap, channel: int) -> int | None:
    if field.keypoints is not None:
        return field.keypoints[channel]
    return None if field.edges is None else field.edges[channel][0]


def _natural_gate(fields: Fields, field: FieldMap, keypoint: int | None) -> FieldMap | None:
    by_centre = field.kind in (FieldKind.REGRESSION, FieldKind.BOX)
    kind = FieldKind.CENTRE if by_centre else FieldKind.HEATMAP
    fitting = [m for m in fields.maps if m.kind == kind and (by_centre or keypoint in (m.keypoints or ()))]
    return max(reversed(fitting), key=lambda m: m.stage) if fitting else None


# --- values ----------------------------------------------------------------------------------------------------------


def _vector_map(fields: Fields, name: str) -> FieldMap:
    field = fields[name]
    if not field.is_vector:
        raise ValueError(f"Field {name!r} ({field.kind}) holds no vectors; draw it as a heatmap.")
    return field


def _channel(field: FieldMap, channel: int) -> Values:
    """``(H, W)`` or ``(2, H, W)`` values of one channel."""
    if not 0 <= channel < len(field.channels):
        raise IndexError(f"Field {field.name!r} has channels 0 … {len(field.channels) - 1}, not {channel}.")
    return field.values[channel]


def _scalar(field: FieldMap, channel: int | None) -> Values:
    """``(H, W)`` values of a channel or the largest of all; the length where they are vectors."""
    values = field.values if channel is None else _channel(field, channel)[None]
    if field.is_vector:
        values = np.hypot(values[:, 0], values[:, 1])
    return np.asarray(values.max(axis=0), np.float32)


def _value_range(field: FieldMap, channel: int | None) -> tuple[float, float]:
    """Values for the ends of the colormap; probabilities keep theirs, so that pictures can be compared."""
    if not field.is_vector and field.units == "probability":
        return 0.0, 1.0
    values = _scalar(field, channel)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low = min(low, 0.0)
    return low, high if high > low else low + 1


def _resample(fields: Fields, field: FieldMap, cells: Values, size: tuple[int, int]) -> Values:
    """Stacked cell values ``(C, h, w)`` at every pixel ``(C, H, W)`` of a picture of ``size``; NaN outside the view.

    Both axes are independent, so two small matrices of interpolation weights do it exactly. (OpenCV's warping rounds
    positions to 1/32 of a cell, which is a visible step where a cell is many pixels wide.)
    """
    transform = fields.transform
    weights, inside = [], []
    for axis in (0, 1):
        source = (np.arange(size[axis]) + 0.5) * (transform.image_size[axis] / size[axis]) - 0.5
        position = (source - transform.shift[axis]) / transform.scale[axis]
        weights.append(_weights((position - field.origin) / field.stride, field.grid_size[axis]))
        # Half a pixel around the first, and up to where the next after the last would lie: a region that was mapped
        # corner on corner ends there, and without it a whole picture would have a bare right edge.
        inside.append((position >= -0.5) & (position < transform.input_size[axis]))
    values = np.asarray(weights[1] @ cells.astype(np.float32, copy=False) @ weights[0].T, np.float32)
    values[:, ~inside[1]] = np.nan
    values[:, :, ~inside[0]] = np.nan
    return values


def _weights(positions: NDArray[np.floating], count: int) -> Values:
    """``(N, count)`` weights that interpolate linearly at fractional ``positions``, held at the ends."""
    distance = positions.clip(0, count - 1)[:, None] - np.arange(count)
    return np.maximum(0, 1 - np.abs(distance)).astype(np.float32)


# --- pictures --------------------------------------------------------------------------------------------------------


def _bounded(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """(width, height) shrunk so that the longer side is at most ``max_side``."""
    factor = 1.0 if max_side is None else min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _size_of(picture: Picture) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _thumbnail(image: Picture, max_side: int | None) -> Picture:
    """The picture no larger than ``max_side``; the picture itself when it is small enough."""
    size = _bounded(_size_of(check_picture(image)), max_side)
    if size == _size_of(image):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _lay_heat(
    picture: Picture, values: Values, limits: tuple[float, float], colormap: str, opacity: float, fade: bool
) -> Picture:
    low, high = limits
    unseen = np.isnan(values)
    share = ((np.where(unseen, low, values) - low) / max(high - low, 1e-9)).clip(0, 1)
    heat = _look_up(share, colormap)
    # Strong values cover fully from half the range on: a peak should be seen, not guessed.
    cover = (2 * share).clip(0, 1) if fade else np.ones_like(share)
    cover[unseen] = 0
    return _blend(picture, heat, opacity * cover)


def _lay_hue(picture: Picture, vectors: Values, longest: float, opacity: float) -> Picture:
    """Directions of ``(2, H, W)`` vectors as hues over the picture, short vectors transparent."""
    x, y = np.nan_to_num(vectors)
    length, angle = cv2.cartToPolar(x, y)
    hue = _look_up(np.asarray(angle, np.float32) / np.float32(2 * np.pi), DIRECTION_COLORMAP)
    return _blend(picture, hue, opacity * (np.asarray(length, np.float32) / longest).clip(0, 1))


def _look_up(share: Values, colormap: str) -> Picture:
    """RGB ``(H, W, 3)`` of values ``(H, W)`` in 0 … 1."""
    table = color_table(colormap)[:, None]
    return np.asarray(cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), table), np.uint8)


def _direction_colors(vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB ``(N, 3)`` of the directions of ``(2, N)`` vectors."""
    turn = np.arctan2(vectors[1], vectors[0]) / (2 * np.pi) % 1
    return color_table(DIRECTION_COLORMAP)[np.rint(255 * turn).astype(np.uint8)]


def _blend(picture: Picture, over: Picture, alpha: NDArray[np.floating]) -> Picture:
    """``over`` on top of the picture, as far as ``alpha`` ``(H, W)`` in 0 … 1 says."""
    weight = np.ascontiguousarray(alpha, np.float32)
    return np.asarray(
        cv2.blendLinear(np.ascontiguousarray(over), np.ascontiguousarray(picture), weight, 1 - weight), np.uint8
    )


def _draw_arrows(canvas: Picture, segments: Points) -> None:
    """Arrows of one width and heads in proportion, dark rims below."""
    if not len(segments):
        return
    colors = [tuple(int(v) for v in rgb) for rgb in _direction_colors((segments[:, 1] - segments[:, 0]).T)]
    width = max(1.6, 0.0018 * math.hypot(*canvas.shape[:2]))
    rim = max(0.8, 0.3 * width)
    for extra, paint in ((rim, OUTLINE), (0.0, colors)):
        shafts, heads = _arrows(segments, width, extra, canvas)
        fill(canvas, shafts, paint)  # type: ignore[arg-type]
        fill(canvas, heads, paint)  # type: ignore[arg-type]


def _arrows(segments: Points, width: float, rim: float, canvas: Picture) -> tuple[list[Polygon], list[Polygon]]:
    """Shafts and triangular heads whose tips lie on the segments' ends, grown by ``rim`` on all sides."""
    clipped = clip_segments(segments, canvas, 12 * width + 8)
    step = clipped[:, 1] - clipped[:, 0]
    length = np.hypot(*step.T)[:, None]
    along = step / np.maximum(length, 1e-9)
    across = along[:, ::-1] * (-1, 1)
    # Short arrows have short heads, so that they still look like arrows.
    head = np.minimum(4.5 * width, 0.6 * length)
    neck = clipped[:, 1] - along * head
    half = 0.45 * head + rim
    tip = clipped[:, 1] + along * 1.5 * rim
    base = neck - along * rim
    triangle = np.stack([tip, base + across * half, base - across * half], axis=1)
    shaft = np.stack([clipped[:, 0], neck], axis=1)
    return capsules(shaft, width + 2 * rim, canvas, steps=4), polygons(triangle)


@lru_cache(maxsize=8)
def _wheel(radius: int) -> tuple[Picture, Values]:
    """A ring of the colours of directions, and how much it covers: ``(2r + 1, 2r + 1, 3)`` and ``(2r + 1, 2r + 1)``."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    distance = np.hypot(x, y)
    outer, inner = radius - 1.5, 0.45 * radius
    ring = np.minimum(outer + 0.5 - distance, distance - inner + 0.5).clip(0, 1)
    plate = np.minimum(outer + 2 - distance, distance - inner + 2).clip(0, 1)
    hues = _direction_colors(np.stack([x.ravel(), y.ravel()])).reshape(*x.shape, 3)
    colors = hues * ring[..., None] + np.array(OUTLINE) * (1 - ring[..., None])
    return np.rint(colors).astype(np.uint8), plate


def _draw_wheel(canvas: Picture) -> None:
    """The colours of directions in the bottom right corner, where there is room."""
    radius = max(12, round(0.045 * math.sqrt(canvas.shape[0] * canvas.shape[1])))
    side, margin = 2 * radius + 1, radius // 4
    if min(canvas.shape[:2]) < 3 * side:
        return
    colors, cover = _wheel(radius)
    place = canvas[-side - margin : -margin, -side - margin : -margin]
    place[:] = _blend(place, colors, cover)


def _caption(tile: Picture, label: str, value: str) -> None:
    """Write a channel's name at the top left and its largest value at the top right, if they fit side by side."""
    size = max(12, text_size(tile))
    room = tile.shape[1] - 4
    while size > 7 and _text_width(label, size) + _text_width(value, size) + size > room:
        size -= 1
    draw_text(tile, label, (2, 1), size)
    draw_text(tile, value, (tile.shape[1] - 2 - _text_width(value, size), 1), size, (255, 225, 60))


def _text_width(text: str, size: int) -> int:
    return text_masks(text, size, 1)[0].shape[1]


def _columns(count: int, tile: tuple[int, int]) -> int:
    """Columns that make a sheet of ``count`` tiles about 1.6 times as wide as high with few tiles missing."""

    def misfit(columns: int) -> float:
        rows = -(-count // columns)
        aspect = columns * tile[0] / (rows * tile[1])
        return abs(math.log(aspect / 1.6)) + (rows * columns - count) / count

    return min(range(1, count + 1), key=misfit)


def _sheet(tiles: Sequence[Picture], columns: int) -> Picture:
    """Tiles of one size in rows, narrow gaps between them."""
    gap = 2
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), OUTLINE, np.uint8)
    for index, tile in enumerate(tiles):
        y, x = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet
