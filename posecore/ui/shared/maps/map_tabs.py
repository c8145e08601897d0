"""What lies behind the poses: maps over the picture, tables, times. Works from the kinds of fields alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from posecore.drawing.fields import heatmap_grid, heatmap_over, vector_arrows, vector_hue
from posecore.drawing.sheets import squarish_columns
from posecore.fields import FieldMap
from posecore.imaging import Picture
from posecore.ui.shared.models.caches import CacheCounters, drawings_cache, fields_cache
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.open_picture import to_jpeg
from posecore.ui.shared.widgets.numbers import number

#: Longer side of a drawn map; the column that shows it is narrower than that.
_MAP_SIDE = 900
TILE = 160
ARROWS_HELP = "Arrows start only where the joint they belong to is at least this likely. 0 shows all of them."
COLORMAPS = ("viridis", "magma", "turbo", "gray")

#: Words for maps by kind, for their help.
MEANING = {
    "heatmap": "How likely each joint is at each place.",
    "centre": "How likely a person's centre is at each place.",
    "offsets": "From each cell of the grid to the exact place of the joint.",
    "displacement": "From one joint to the next along the body.",
    "part affinity": "In which direction a limb runs through each place.",
    "regression": "From a person's centre to each joint.",
    "box": "The size of a person's box, or a correction of it.",
}
#: Units of maps → words.
_UNITS = {"probability": "values from 0 to 1", "input px": "in input pixels", "unit vector": "unit vectors"}


def show_heatmaps(analysis: Analysis) -> None:
    """Scalar maps: all channels side by side, or one over the picture."""
    maps = [field for field in analysis.fields.maps if not field.is_vector]
    if not maps:
        st.caption("This model has no maps of this kind.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = st.segmented_control(
            "View", ("All joints", "One"), default="All joints", required=True, key="heat_view", bind="query-params"
        )
        field = _pick_map(maps, "heat_map")
        channel = _pick_channel(field, "heat_channel", together="Strongest of all") if view == "One" else None
        opacity = number("Opacity", 0.0, 1.0, 0.75, step=0.05, key="heat_opacity", width=120)
        colors = st.selectbox("Colours", COLORMAPS, key="heat_colors", width=98)
    picture = analysis.opened.preview
    if view == "One":
        label = "all channels" if channel is None else field.channels[channel]
        _map_image(
            analysis,
            ("heat", field.name, channel, opacity, colors),
            lambda: heatmap_over(
                picture, analysis.fields, field.name, channel, opacity=opacity, colormap=colors, max_side=_MAP_SIDE
            ),
            f"Heatmap of {label} over the picture",
        )
    else:
        _map_image(
            analysis,
            ("grid", field.name, opacity, colors),
            lambda: heatmap_grid(
                picture,
                analysis.fields,
                field.name,
                columns=squarish_columns(picture, len(field.channels)),
                tile_width=TILE,
                opacity=opacity,
                colormap=colors,
            ),
            f"Heatmaps of all {len(field.channels)} channels",
        )
    map_note(field)


def show_vectors(analysis: Analysis) -> None:
    """Vector maps: arrows or colours for one channel, or all channels side by side."""
    maps = [field for field in analysis.fields.maps if field.is_vector]
    if not maps:
        st.caption("This model has no maps of this kind.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = st.segmented_control(
            "View", ("Arrows", "Colours", "All"), default="Arrows", required=True, key="vector_view"
        )
        field = _pick_map(maps, "vector_map")
        channel = _pick_channel(field, "vector_channel") if view != "All" else None
        if view == "Arrows":
            threshold = number("Score ≥", 0.0, 1.0, 0.3, step=0.05, key="vector_gate", help=ARROWS_HELP, width=145)
        else:
            opacity = number("Opacity", 0.0, 1.0, 0.8, step=0.05, key="vector_opacity", width=120)
    picture, fields, name = analysis.opened.preview, analysis.fields, field.name
    if channel is None:
        key: tuple[Any, ...] = ("vector grid", name, opacity)
        alt = f"All {len(field.channels)} channels of {words(name)} by colour"

        def draw() -> Picture:
            return heatmap_grid(
                picture,
                fields,
                name,
                columns=squarish_columns(picture, len(field.channels)),
                tile_width=TILE,
                opacity=opacity,
            )
    elif view == "Arrows":
        key, alt = ("arrows", name, channel, threshold), f"Arrows of {words(name)}, {field.channels[channel]}"

        def draw() -> Picture:
            gate = "auto" if threshold > 0 else None
            return vector_arrows(
                picture, fields, name, channel, gate=gate, gate_threshold=threshold, max_side=_MAP_SIDE
            )
    else:
        key, alt = ("hue", name, channel, opacity), f"Directions of {words(name)}, {field.channels[channel]}"

        def draw() -> Picture:
            return vector_hue(picture, fields, name, channel, opacity=opacity, max_side=_MAP_SIDE)

    _map_image(analysis, key, draw, alt)
    map_note(field)


def _pick_map(maps: list[FieldMap], key: str) -> FieldMap:
    """A choice where there is one."""
    names = [field.name for field in maps]
    if len(maps) == 1:
        return maps[0]
    if st.session_state.get(key) not in names:
        st.session_state.pop(key, None)
    # The one with a channel for each joint tells most.
    first = max(range(len(maps)), key=lambda index: len(maps[index].channels))
    name = st.selectbox("Map", names, first, format_func=words, key=key, width=150)
    return maps[names.index(name)]


def _pick_channel(field: FieldMap, key: str, together: str = "") -> int | None:
    labels = ([together] if together else []) + [words(label) for label in field.channels]
    if st.session_state.get(key) not in labels:
        st.session_state.pop(key, None)
    label = st.selectbox("Joint" if field.edges is None else "From → to", labels, key=key, width=170)
    return None if together and label == together else labels.index(label) - bool(together)


def words(name: str) -> str:
    """A name as people write it."""
    return name.replace("_", " ")


def _map_image(analysis: Analysis, key: tuple[Any, ...], draw: Callable[[], Picture], alt: str) -> None:
    whole = (analysis.fields.provenance.key, *key)
    st.image(drawings_cache().get(whole, lambda: to_jpeg(draw())), width="stretch", alt=alt)


def map_note(field: FieldMap) -> None:
    """A line about what a map means and how fine it is."""
    width, height = field.grid_size
    cells = f"{width} × {height} cells, {field.stride:g} input pixels apart"
    st.caption(f"{MEANING.get(field.kind, '')} {cells}, {_UNITS.get(field.units, field.units)}.")


def show_keypoints(analysis: Analysis) -> None:
    """The table of all keypoints."""
    table = analysis.poses.to_dataframe()
    if table.empty:
        st.caption("Nobody was found, so there is nothing to list.")
        return
    table["person"] += 1
    table.loc[table["x"].isna(), "score"] = float("nan")
    table["keypoint"] = table["keypoint"].str.replace("_", " ")
    score = st.column_config.ProgressColumn("Score", min_value=0, max_value=1, format="%.2f", width="small")
    st.dataframe(
        table[["person", "keypoint", "score", "x", "y"]],
        hide_index=True,
        height=430,
        column_config={
            "person": st.column_config.NumberColumn("Person", width="small"),
            "keypoint": st.column_config.TextColumn("Keypoint"),
            "score": score,
            "x": st.column_config.NumberColumn("x", format="%.1f", help="Pixels from the left edge"),
            "y": st.column_config.NumberColumn("y", format="%.1f", help="Pixels from the top edge"),
        },
        alt="Keypoints of all people",
    )
    st.caption("Positions in pixels of the picture, the centre of its top-left pixel at (0, 0). Empty: not found.")


def show_timings(analysis: Analysis, draw_ms: float) -> None:
    """How long each step took, and what the caches saved."""
    spent = {
        "Prepare the picture": analysis.fields.timings.get("preprocess", 0.0),
        "Run the network": analysis.fields.timings.get("network", 0.0),
        "Decode poses": analysis.decode_ms,
        "Draw them": draw_ms,
    }
    longest = max(max(spent.values()), 1.0)
    st.dataframe(
        pd.DataFrame({"Step": list(spent), "ms": list(spent.values())}),
        hide_index=True,
        column_config={
            "Step": st.column_config.TextColumn("Step", width="medium"),
            "ms": st.column_config.ProgressColumn("Milliseconds", min_value=0, max_value=longest, format="%.1f"),
        },
        alt="Milliseconds of each step",
    )
    width, height = analysis.fields.transform.input_size
    computed = analysis.fields.provenance.computed
    by = f", computed by {computed}" if computed else ""
    st.caption(
        f"The network saw {width} × {height} pixels{by}. It runs once for a picture and its settings, and what it says "
        f"is cached; decoding and drawing follow every change. "
        + ("This time its answer was in memory." if analysis.from_cache else "This time it ran.")
    )
    counters = fields_cache().counters
    figures = (
        ("Network runs", str(counters.computed), "By all visitors since the app was started."),
        ("From memory", str(counters.hits), "Requests that needed no run of the network."),
        ("Maps kept", _used(counters), "Memory for maps; POSECORE_CACHE_MB sets the limit."),
    )
    # As wide as their words: in columns of equal width these would be cut.
    with st.container(horizontal=True, gap="small"):
        for label, value, text in figures:
            st.metric(label, value, border=True, help=text, width="content")


def _used(counters: CacheCounters) -> str:
    return f"{counters.nbytes / 1e6:.0f} MB"
