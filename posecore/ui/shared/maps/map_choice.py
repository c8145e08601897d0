"""Widgets that choose a view of the maps, made from the maps alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from posecore.drawing.views import (
    KIND_TITLES,
    SCALAR_STYLES,
    VECTOR_STYLES,
    MapView,
    Style,
    channel_for,
    highest,
    kinds_of,
    title_of,
)
from posecore.fields import FieldMap, Fields
from posecore.ui.shared.maps.map_tabs import ARROWS_HELP, COLORMAPS, map_note, words
from posecore.ui.shared.widgets.numbers import number

#: Session state of the choices, which clicks on the picture change as well.
STYLE_KEY = {False: "map_style", True: "map_style_vectors"}
CHANNEL_KEY = "map_channel"
_ALL = "Strongest of all"


def pick_view(fields: Fields) -> MapView:
    """The widgets; returns what was chosen."""
    field = _pick_field(fields)
    styles = VECTOR_STYLES if field.is_vector else SCALAR_STYLES
    style = _segments("Show as", styles[: None if len(field.channels) > 1 else -1], STYLE_KEY[field.is_vector])
    channel = _pick_channel(fields, field, style) if style != Style.GRID else None
    view = MapView(
        field.name,
        channel,
        style,
        **_appearance(style, directions=field.is_vector and style in (Style.COLOURS, Style.GRID)),
    )
    if style != Style.GRID:
        st.caption(highest(fields, view))
    else:
        st.caption("Click on a tile to see that map alone.")
    map_note(field)
    return view


def show_keypoint(fields: Fields, view: MapView, keypoint: int) -> None:
    """Choose the channel about a keypoint from now on; a callback."""
    field = fields[view.name]
    channel = channel_for(field, keypoint)
    if channel is not None:
        st.session_state[CHANNEL_KEY] = words(field.channels[channel])


def show_channel(field: FieldMap, channel: int) -> None:
    """Leave the tiles for one of them; a callback."""
    st.session_state[CHANNEL_KEY] = words(field.channels[channel])
    st.session_state[STYLE_KEY[field.is_vector]] = Style.ARROWS if field.is_vector else Style.HEAT


def _pick_field(fields: Fields) -> FieldMap:
    kinds = kinds_of(fields)
    kind = _segments("Kind of map", kinds, "map_kind", lambda kind: KIND_TITLES.get(kind, str(kind)))
    maps = [field for field in fields.maps if field.kind == kind]
    stages = sorted({field.stage for field in maps})
    if len(stages) > 1:
        stage = _segments("Stage", stages, "map_stage", first=stages[-1], help_text="The last stage decides.")
        maps = [field for field in maps if field.stage == stage]
    titles = [title_of(field) for field in maps]
    title = titles[0] if len(titles) == 1 else _segments("Map", titles, "map_title", _without_common(titles))
    return maps[titles.index(title)]


def _without_common(titles: Sequence[str]) -> Callable[[str], str]:
    """Shows titles without the words that all of them begin with."""
    first = [title.split() for title in titles]
    common = 0
    while len({tuple(parts[: common + 1]) for parts in first}) == 1 and all(len(parts) > common + 1 for parts in first):
        common += 1
    return lambda title: " ".join(title.split()[common:])


def _segments(
    label: str,
    options: Sequence[Any],
    key: str,
    format_func: Callable[[Any], str] = str,
    first: Any = None,
    help_text: str | None = None,
) -> Any:
    # Said rather than left to a default: the browser would go on showing what it had.
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0] if first is None else first
    return st.segmented_control(
        label,
        options,
        required=True,
        format_func=format_func,
        key=key,
        help=help_text,
    )


def _pick_channel(fields: Fields, field: FieldMap, style: Style) -> int | None:
    together = style in (Style.HEAT, Style.LENGTH) and len(field.channels) > 1
    labels = [_ALL] * together + [words(label) for label in field.channels]
    if len(labels) == 1:
        return 0
    before = st.session_state.get(CHANNEL_KEY)
    if before not in labels:
        channel = _same_joint(fields, field, before)
        st.session_state[CHANNEL_KEY] = labels[0] if channel is None else labels[channel + together]
    title = "Joint" if field.edges is None else "From → to"
    label = st.selectbox(title, labels, key=CHANNEL_KEY, help="Or click on a joint in the picture.")
    return None if label == _ALL else labels.index(label) - together


def _same_joint(fields: Fields, field: FieldMap, label: str | None) -> int | None:
    """The channel about the joint that the label of another map's channel names first."""
    names = [words(name) for name in fields.skeleton.keypoints]
    joint = (label or "").partition(" → ")[0]
    return channel_for(field, names.index(joint)) if joint in names else None


def _appearance(style: Style, *, directions: bool) -> dict[str, Any]:
    """Widgets for opacity and colours, as far as they change this style; colours of directions are always the same."""
    look: dict[str, Any] = {}
    left, right = st.columns(2, gap="small", vertical_alignment="bottom")
    with left:
        look["opacity"] = number("Opacity", 0.0, 1.0, 0.65, step=0.05, key="map_opacity")
    if style == Style.ARROWS:
        with right:
            look["threshold"] = number("Score ≥", 0.0, 1.0, 0.3, step=0.05, key="map_threshold", help=ARROWS_HELP)
    elif not directions:
        look["colormap"] = right.selectbox("Colours", COLORMAPS, key="map_colors")
        look["own_range"] = st.toggle(
            "Stretch to maximum",
            key="map_contrast",
            help="Spread the colours over the values that are there instead of 0 to 1: shows how weak maps differ.",
        )
    return look
