"""The values of maps where they are drawn: at every pixel of the picture, along arrows, and behind a gate.

Positions are (x, y) with the centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.shapes import Points
from posecore.fields import FieldKind, FieldMap, Fields

Values = NDArray[np.float32]
#: Gate that stands for the map which says where a vector map means anything.
AUTO = "auto"


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
    size = size or bounded_size(fields.transform.image_size, max_side)
    if channel is None or not field.is_vector:
        return np.asarray(resample(fields, field, scalar_values(field, channel)[None], size)[0], np.float32)
    return np.ascontiguousarray(np.moveaxis(resample(fields, field, channel_values(field, channel), size), 0, -1))


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
    field = vector_map(fields, name)
    vectors = np.moveaxis(channel_values(field, channel), 0, -1).astype(np.float64)
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
        return scalar_values(field, channel)
    at = asked.keypoints.index(keypoint) if asked.keypoints and keypoint in asked.keypoints else None
    # From one grid to the other by way of the network's input.
    x, y = ((np.arange(n) * field.stride + field.origin - asked.origin) / asked.stride for n in (columns, rows))
    values = _weights(y, asked.grid_size[1]) @ scalar_values(asked, at) @ _weights(x, asked.grid_size[0]).T
    return np.asarray(values, np.float32)


def _start_keypoint(field: FieldMap, channel: int) -> int | None:
    if field.keypoints is not None:
        return field.keypoints[channel]
    return None if field.edges is None else field.edges[channel][0]


def heatmap_of(fields: Fields, keypoint: int) -> tuple[FieldMap, int] | None:
    """The map that says how likely a keypoint is at each place, of the deciding stage, and its channel there."""
    heat = [field for field in fields.maps if field.kind == FieldKind.HEATMAP]
    fitting = [field for field in heat if keypoint in (field.keypoints or ())]
    if not fitting:
        return None
    best = max(fitting, key=lambda field: field.stage)
    return best, (best.keypoints or ()).index(keypoint)


def _natural_gate(fields: Fields, field: FieldMap, keypoint: int | None) -> FieldMap | None:
    if field.kind in (FieldKind.REGRESSION, FieldKind.BOX):
        centres = [other for other in fields.maps if other.kind == FieldKind.CENTRE]
        return max(centres, key=lambda other: (other.stride == field.stride, other.stage), default=None)
    found = None if keypoint is None else heatmap_of(fields, keypoint)
    return None if found is None else found[0]


def vector_map(fields: Fields, name: str) -> FieldMap:
    field = fields[name]
    if not field.is_vector:
        raise ValueError(f"Field {name!r} ({field.kind}) holds no vectors; draw it as a heatmap.")
    return field


def channel_values(field: FieldMap, channel: int) -> Values:
    """``(H, W)`` or ``(2, H, W)`` values of one channel."""
    if not 0 <= channel < len(field.channels):
        raise IndexError(f"Field {field.name!r} has channels 0 … {len(field.channels) - 1}, not {channel}.")
    return np.asarray(field.values[channel], np.float32)


def scalar_values(field: FieldMap, channel: int | None) -> Values:
    """``(H, W)`` values of a channel or the largest of all; the length where they are vectors."""
    values = field.values if channel is None else channel_values(field, channel)[None]
    if field.is_vector:
        values = np.hypot(values[:, 0], values[:, 1])
    return np.asarray(values.max(axis=0), np.float32)


def value_limits(field: FieldMap, channel: int | None) -> tuple[float, float]:
    """Values for the ends of the colormap; probabilities keep theirs, so that pictures can be compared."""
    if not field.is_vector and field.units == "probability":
        return 0.0, 1.0
    values = scalar_values(field, channel)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low = min(low, 0.0)
    return low, high if high > low else low + 1


def resample(fields: Fields, field: FieldMap, cells: Values, size: tuple[int, int]) -> Values:
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
    return np.asarray(np.maximum(0, 1 - np.abs(distance)), np.float32)


def bounded_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """(width, height) shrunk so that the longer side is at most ``max_side``."""
    factor = 1.0 if max_side is None else min(1.0, max_side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
