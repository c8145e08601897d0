"""One view of a network's maps: which map in which way, how it is drawn, and what the pointer reads in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.field_values import channel_values, gate_values, scalar_values
from posecore.drawing.fields import heatmap_grid, heatmap_over, vector_arrows, vector_hue
from posecore.drawing.sheets import GAP, squarish_columns
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import Picture

#: Words for kinds of maps, where one chooses among them.
KIND_TITLES = {
    FieldKind.HEATMAP: "Heatmaps",
    FieldKind.CENTRE: "Centres",
    FieldKind.OFFSETS: "Offsets",
    FieldKind.DISPLACEMENT: "Displacements",
    FieldKind.PART_AFFINITY: "Part affinity",
    FieldKind.REGRESSION: "Regression",
    FieldKind.BOX: "Boxes",
}
_STAGE = re.compile(r"_stage\d+$")


class Style(StrEnum):
    """Ways to show a map."""

    HEAT = "Heat"
    ARROWS = "Arrows"
    COLOURS = "Colours"
    LENGTH = "Length"
    GRID = "Side by side"


SCALAR_STYLES = (Style.HEAT, Style.GRID)
VECTOR_STYLES = (Style.ARROWS, Style.COLOURS, Style.LENGTH, Style.GRID)


@dataclass(frozen=True)
class MapView:
    """What of the maps is shown, and how; equal views of equal fields look the same.

    Attributes:
        name: Name of the map.
        channel: Channel, or None for the strongest over all of them, and where all are shown side by side.
        style: How it is shown.
        opacity: How much it covers the picture.
        colormap: Colours of scalars.
        own_range: Colours span the values that are there instead of 0 … 1.
        threshold: Arrows start where the map that decides says at least this; 0 shows all.
    """

    name: str
    channel: int | None
    style: Style
    opacity: float = 0.65
    colormap: str = "viridis"
    own_range: bool = False
    threshold: float = 0.3


def kinds_of(fields: Fields) -> list[FieldKind]:
    """Kinds of maps that are there, in the order of the maps."""
    return list(dict.fromkeys(field.kind for field in fields.maps))


def title_of(field: FieldMap) -> str:
    """A map's name without its stage."""
    return _STAGE.sub("", field.name).replace("_", " ")


def channel_for(field: FieldMap, keypoint: int) -> int | None:
    """The channel about a keypoint: its own, or the first edge that leads to it or from it."""
    if field.keypoints is not None:
        return field.keypoints.index(keypoint) if keypoint in field.keypoints else None
    edges = field.edges or ()
    order = sorted(range(len(edges)), key=lambda index: edges[index][0] != keypoint)
    return next((index for index in order if keypoint in edges[index]), None)


def draw_view(picture: Picture, fields: Fields, view: MapView, *, tile: int = 240) -> Picture:
    """The view as a picture of the size of ``picture``, or as a sheet of tiles ``tile`` pixels wide."""
    field = fields[view.name]
    limits = value_range(field, view)
    heat = {"opacity": view.opacity, "colormap": view.colormap, "value_range": limits}
    if view.style == Style.GRID:
        columns = squarish_columns(picture, len(field.channels))
        return heatmap_grid(picture, fields, view.name, columns=columns, tile_width=tile, **heat)  # type: ignore[arg-type]
    if view.style in (Style.HEAT, Style.LENGTH) or view.channel is None:
        return heatmap_over(picture, fields, view.name, view.channel, **heat)  # type: ignore[arg-type]
    if view.style == Style.COLOURS:
        return vector_hue(picture, fields, view.name, view.channel, opacity=view.opacity)
    gate = "auto" if view.threshold > 0 else None
    return vector_arrows(
        picture, fields, view.name, view.channel, gate=gate, gate_threshold=view.threshold, opacity=view.opacity
    )


def tile_at(picture: Picture, field: FieldMap, size: tuple[int, int], x: float, y: float) -> int | None:
    """The channel whose tile of a sheet of ``size`` (width, height) lies at a place; None where there is none."""
    columns = squarish_columns(picture, len(field.channels))
    rows = -(-len(field.channels) // columns)
    column = int(x // ((size[0] + GAP) / columns))
    row = int(y // ((size[1] + GAP) / rows))
    channel = row * columns + column
    return channel if 0 <= column < columns and 0 <= channel < len(field.channels) else None


def cell_values(field: FieldMap, channel: int | None) -> NDArray[np.float32]:
    """Values of one channel, or ``(H, W)`` of the largest (the longest) over all."""
    return scalar_values(field, None) if channel is None else channel_values(field, channel)


def value_range(field: FieldMap, view: MapView) -> tuple[float, float]:
    """Values at both ends of the colours: 0 … 1 for probabilities and directions, else what is there."""
    if field.units in ("probability", "unit vector") and not view.own_range:
        return 0.0, 1.0
    values = cell_values(field, None if view.style == Style.GRID else view.channel)
    if values.ndim == 3:
        values = np.hypot(values[0], values[1])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low = low if view.own_range else min(low, 0.0)
    return low, high if high > low else low + 1


def units_after(field: FieldMap) -> str:
    """Units as they stand behind a number; none for what has none."""
    return "" if field.units in ("probability", "unit vector") else f" {field.units}"


def highest(fields: Fields, view: MapView) -> str:
    """Where a view is strongest, in words."""
    field = fields[view.name]
    values = cell_values(field, view.channel)
    if values.ndim == 3:
        values = np.hypot(values[0], values[1])
    what = "Longest" if field.is_vector else "Highest"
    if view.style == Style.ARROWS and view.channel is not None and view.threshold > 0:
        # Of what is shown, as the arrows are.
        values = np.where(gate_values(fields, view.name, view.channel) >= view.threshold, values, np.nan)
        if not np.isfinite(values).any():
            return "No arrow is shown: lower the threshold."
    if not np.isfinite(values).any():
        return f"{what}: nothing, for the map holds no numbers."
    row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
    # Cells of a letterboxed input may lie beside the picture.
    x, y = fields.to_source(view.name, np.array([column, row])).clip(0, np.array(fields.transform.image_size) - 1.0)
    return f"{what}: {values[row, column]:.3g}{units_after(field)}, at x {x:.0f}, y {y:.0f}."
