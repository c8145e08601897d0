"""What the colours of a view of the maps mean, and what the pointer reads in it."""

from __future__ import annotations

import numpy as np

from posecore.drawing.shapes import color_table
from posecore.drawing.views import MapView, Style, cell_values, units_after, value_range
from posecore.fields import FieldMap, Fields
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.widgets.components import Legend, MapValues


def legend_of(field: FieldMap, view: MapView) -> Legend | None:
    """What the colours mean, where a bar can tell it. Directions have a wheel, tiles their largest value instead."""
    if view.style not in (Style.HEAT, Style.LENGTH):
        return None
    low, high = value_range(field, view)
    table = color_table(view.colormap)[np.linspace(0, 255, 12).round().astype(int)]
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in table.tolist())
    units = units_after(field)
    return Legend(f"linear-gradient(90deg, {stops})", f"{low:.3g}", f"{high:.3g}{units}")


def readable(fields: Fields, view: MapView) -> MapValues | None:
    """What the pointer reads in a view; None for a sheet of tiles."""
    if view.style == Style.GRID:
        return None
    field, transform = fields[view.name], fields.transform
    cells = cell_values(field, view.channel)
    if view.style == Style.LENGTH and cells.ndim == 3:
        cells = np.hypot(cells[0], cells[1])
    start = transform.to_source(np.array([field.origin, field.origin]))
    # As far as the colours reach: see how fields are drawn.
    first = transform.to_source(np.array([-0.5, -0.5])) + 0.5
    last = transform.to_source(np.array(transform.input_size, np.float64)) + 0.5
    label = "strongest" if view.channel is None else words(field.channels[view.channel])
    return MapValues(
        cells,
        (float(start[0]), float(start[1])),
        (transform.scale[0] * field.stride, transform.scale[1] * field.stride),
        (float(first[0]), float(first[1]), float(last[0]), float(last[1])),
        label,
        units_after(field),
    )
