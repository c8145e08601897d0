"""Settings measured against labels: curves, heat maps, and a search for a goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from posecore.evaluation.tuning import (
    Bench,
    Figures,
    grid,
    sweep,
    sweep_two,
)
from posecore.settings import Control
from posecore.ui.shared.session import state_of
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.tune.charts import FIGURES, heat_map, setting_curves, value_of
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.search_tab import searched
from posecore.ui.tune.work import Looked, known_settings, tried, without

#: Values of a side of the heat map.
_SIDE = 13


@dataclass
class Asked:
    """What this visitor asked for last.

    Attributes:
        pair: The two settings of the heat map.
    """

    pair: tuple[str, str] | None = None


def measured(looked: Looked, chosen: Chosen, network: Mapping[str, Any], decode: Mapping[str, Any]) -> None:
    """Figures of the settings on the left, and the ways to find better ones."""
    assert looked.bench is not None
    bench = looked.bench.fixed_at(decode)
    _now(looked, bench, decode)
    curves, pairs, search = st.tabs(["One setting", "Two settings", "Search"], on_change="rerun", key="tune_tab")
    if curves.open:
        with curves:
            _curves(looked, bench, decode)
    if pairs.open:
        with pairs:
            _pairs(looked, bench, decode)
    if search.open:
        with search:
            searched(looked, chosen, bench, network, decode)


def pick_setting(label: str, known: Mapping[str, Control], key: str, first: str = "pose_threshold") -> Control:
    """The widget that chooses one of the settings."""
    names = list(known)
    name = st.selectbox(
        label,
        names,
        index=names.index(first) if first in names else 0,
        format_func=option_texts({name: control.label for name, control in known.items()}),
        key=key,
        persist_state="session",
    )
    return known[name]


def _now(looked: Looked, bench: Bench, decode: Mapping[str, Any]) -> None:
    """What the settings on the left do."""
    found = tried(
        ("now", looked.key, without(decode)), lambda step: bench.figures({}), 1, "Measuring the settings on the left"
    )
    if found is None:
        return
    badges = []
    for name in FIGURES:
        value = value_of(found, name)
        badges.append(f":green-badge[{name} **{'–' if value is None else f'{value:.3f}'}**]")
    badges.append(f":orange-badge[**{found.false_per_100:.0f}** false people per 100 pictures]")
    st.markdown(" ".join(["Now:", *badges]), help=_HELP)


_HELP = (
    "What the settings on the left do. **Precision:** part of the shown people who are people (OKS at least 0.5). "
    "**Recall:** part of the labelled people who were found. **F1:** their harmonic mean. **AP:** average precision "
    "over similarities (OKS) from 0.5 to 0.95, as COCO has it; hiding people never raises it."
)


def _curves(looked: Looked, bench: Bench, decode: Mapping[str, Any]) -> None:
    control = pick_setting("Setting", known_settings(bench), "tune_setting")
    values = grid(control)
    found = tried(
        ("curve", looked.key, control.name, without(decode, control.name)),
        lambda step: sweep(bench, control.name, values, step),
        len(values),
        f"Trying values of {control.label}",
    )
    if found is None:
        return
    st.plotly_chart(setting_curves(control, values, found, decode[control.name]), key="tune_curve")
    st.caption(_best_words(control, values, found))


def _best_words(control: Control, values: list[Any], figures: list[Figures]) -> str:
    """Where F1 and AP are highest."""
    said = []
    for name in ("F1", "AP"):
        known = [(value_of(one, name), value) for value, one in zip(values, figures, strict=True)]
        there = [(figure, value) for figure, value in known if figure is not None]
        if there:
            best, at = max(there, key=lambda pair: pair[0])
            said.append(f"{name} is highest ({best:.3f}) at {at if control.kind != 'choice' else control.text(at)}")
    found = "; ".join(said) + "." if said else "Nothing can be measured here: nobody is labelled."
    return f"{found} All pictures chose this; the search keeps half of them apart to confirm it."


def _pairs(looked: Looked, bench: Bench, decode: Mapping[str, Any]) -> None:
    known, asked = known_settings(bench), state_of(Asked)
    first, second, figure, start = st.columns([3, 3, 2, 1.4], vertical_alignment="bottom")
    with first:
        one = pick_setting("Upwards", known, "tune_first")
    with second:
        others = {name: control for name, control in known.items() if name != one.name}
        other = pick_setting("To the right", others, "tune_second", "keypoint_threshold")
    with figure:
        name = st.selectbox("Figure", list(FIGURES), key="tune_figure", persist_state="session")
    if start.button("Draw", icon=":material/grid_on:", key="tune_draw", width="stretch"):
        asked.pair = (one.name, other.name)
    if asked.pair != (one.name, other.name):
        st.caption("Every pair of values of the two settings is tried.")
        return
    values = (grid(one, _SIDE), grid(other, _SIDE))
    found = tried(
        ("pair", looked.key, asked.pair, without(decode, *asked.pair)),
        lambda step: sweep_two(bench, one.name, other.name, values, step),
        len(values[0]) * len(values[1]),
        f"Trying {one.label} and {other.label}",
    )
    if found is not None:
        now = (decode[one.name], decode[other.name])
        st.plotly_chart(heat_map((one, other), values, found, name, now), key="tune_heat")
        st.caption("★ the best of these pairs, ○ where the settings on the left are, when they are among them.")
