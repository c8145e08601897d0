"""Settings measured against labels: curves, heat maps, and a search for a goal."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from posecore.errors import PosecoreError
from posecore.evaluation.tuning import (
    Bench,
    Figures,
    Goal,
    GoalName,
    Tuned,
    grid,
    sweep,
    sweep_two,
    tunable,
)
from posecore.settings import Control
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.session import state_of
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.tune.charts import FIGURES, heat_map, setting_curves, value_of
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.searching import Searched, Wish, search, sides_of
from posecore.ui.tune.work import Looked, tried

#: What is wished for, in words.
_GOALS: Mapping[GoalName, str] = {
    "F1": "Best balance of precision and recall (F1)",
    "AP": "Best AP",
    "precision": "Most people found, with a precision of at least …",
    "false people": "Most people found, with at most … false people per 100 pictures",
}
#: Settings that are searched over unless others are wanted.
_USUAL = ("pose_threshold", "keypoint_threshold")
#: Values of a side of the heat map.
_SIDE = 13


@dataclass
class Asked:
    """What this visitor asked for last.

    Attributes:
        pair: The two settings of the heat map.
        search: What is searched for.
        before: The decode settings on the left when the search began.
    """

    pair: tuple[str, str] | None = None
    search: Wish | None = None
    before: Mapping[str, Any] = field(default_factory=dict)


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
            _search(looked, chosen, bench, network, decode)


def without(settings: Mapping[str, Any], *names: str) -> Hashable:
    """Settings without some, as part of a key."""
    return repr(sorted((name, value) for name, value in settings.items() if name not in names))


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


def _known(bench: Bench) -> dict[str, Control]:
    return {one.name: one for one in tunable(bench.model)}


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
    control = pick_setting("Setting", _known(bench), "tune_setting")
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
    known, asked = _known(bench), state_of(Asked)
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


def _search(
    looked: Looked, chosen: Chosen, bench: Bench, network: Mapping[str, Any], decode: Mapping[str, Any]
) -> None:
    asked = state_of(Asked)
    wanted = _form(_known(bench), sides_of(bench.model))
    if wanted is not None:
        asked.search, asked.before = wanted, dict(decode)
    if asked.search is None or set(asked.before) != set(decode):
        return
    wish, before = asked.search, dict(asked.before)
    found = tried(
        ("search", looked.key, wish, without(before)),
        lambda step: search(looked, chosen, wish, network, before, step),
        wish.steps(len(looked.fields)),
        "Searching",
        step="steps",
    )
    if found is not None:
        _found(found, bench, network, decode)


def _form(known: Mapping[str, Control], sizes: tuple[int, ...]) -> Wish | None:
    """What is wished for, once the button is pressed."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        name = st.selectbox(
            "Goal",
            list(_GOALS),
            format_func=option_texts({str(name): words for name, words in _GOALS.items()}),
            key="tune_goal",
            persist_state="session",
        )
    bound = 0.9
    with right:
        if name == "precision":
            bound = st.number_input("Precision at least", 0.0, 1.0, 0.9, 0.05, key="tune_precision")
        elif name == "false people":
            bound = st.number_input("False people per 100 pictures at most", 0.0, 1000.0, 5.0, 1.0, key="tune_false")
    names = st.multiselect(
        "Settings to search over",
        list(known),
        default=[one for one in _USUAL if one in known],
        format_func=option_texts({name: control.label for name, control in known.items()}),
        key=f"tune_names_{'_'.join(known)}",
    )
    sides, fps = _speed_form(sizes)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        most = st.number_input("Settings tried at most", 10, 2000, 120, 10, key="tune_trials", width=200)
        seed = st.number_input(
            "Seed", 0, 10_000, 0, 1, key="tune_seed", width=120, help="Which half of the pictures chooses."
        )
        pressed = st.button("Search", type="primary", icon=":material/search:", disabled=not names, key="tune_search")
    st.caption(
        "One half of the pictures chooses, the other half, which nothing was fitted to, says what that is worth."
    )
    if not pressed:
        return None
    try:
        goal = Goal(name, bound)
    except PosecoreError as error:
        show_error(error)
        return None
    return Wish(goal, tuple(names), int(most), int(seed), sides, fps)


def _speed_form(sizes: tuple[int, ...]) -> tuple[tuple[int, ...], float]:
    """Sizes of the input to choose among, and how fast this machine has to be."""
    with st.expander("Size of the input and speed", icon=":material/speed:"):
        sides = (
            st.multiselect(
                "Sizes of the input to choose among",
                sizes,
                placeholder="The one that is in force",
                key=f"tune_sides_{len(sizes)}_{sum(sizes)}",
                help="In pixels. The network looks at all pictures once at each of them.",
            )
            if sizes
            else []
        )
        fps = st.number_input(
            "Pictures a second at least",
            0.0,
            1000.0,
            0.0,
            5.0,
            key="tune_fps",
            help="One picture at a time, on this machine, measured when the search begins; what is slower is left out. "
            "0 for any speed.",
        )
    return tuple(sorted(sides)), float(fps)


def _found(found: Searched, bench: Bench, network: Mapping[str, Any], decode: Mapping[str, Any]) -> None:
    """What the search found, whether it holds, and what to do with it."""
    tuned = found.tuned
    icon = ":material/check:" if tuned.certain else ":material/info:"
    (st.success if tuned.certain else st.info)(tuned.verdict, icon=icon)
    st.dataframe(figure_table(tuned), hide_index=True)
    if found.paces:
        rates = ", ".join(f"{one.size} {one.rate:.1f}" for one in found.paces)
        st.caption(f"Pictures a second on this machine: {rates}.")
    now = {**network, **decode}
    file = {"model": bench.model.name, "settings": {**now, **tuned.settings}}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Use these settings",
            type="primary",
            icon=":material/check:",
            on_click=_use,
            args=(tuned.settings,),
            key="tune_use",
            disabled=all(now[name] == value for name, value in tuned.settings.items()),
        )
        st.download_button(
            "Download settings",
            json.dumps(file, indent=1),
            "settings.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            help="For --settings of posecore's commands.",
        )
        page_link(
            "explore",
            "Explore with them",
            "person_search",
            address={"model": bench.model.name, **{name: str(value) for name, value in tuned.settings.items()}},
        )


def _use(settings: Mapping[str, Any]) -> None:
    """Set the widgets on the left, which all pages share; a callback."""
    for name, value in settings.items():
        st.session_state[name] = value
    st.toast("These settings are in force now.", icon=":material/check:")


def figure_table(tuned: Tuned) -> pd.DataFrame:
    """The search's figures: where it chose, where it was confirmed, and what was there before."""
    rows = (
        ("found, on the half that chose", tuned.chosen),
        ("found, on the half kept apart", tuned.confirmed),
        ("before, on the half kept apart", tuned.before),
    )
    return pd.DataFrame(
        [
            {
                "settings": words,
                "pictures": one.pictures,
                **{name: _rounded(value_of(one, name)) for name in FIGURES},
                "false per 100": round(one.false_per_100, 1),
            }
            for words, one in rows
        ]
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
