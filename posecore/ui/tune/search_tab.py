"""The tab that searches for a goal: what is wished for, what was found, and what to do with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import pandas as pd
import streamlit as st

from posecore.benchmark import Paced
from posecore.errors import PosecoreError
from posecore.evaluation.network_choices import network_values
from posecore.evaluation.tuning import Bench, Goal, GoalName, Tuned
from posecore.model import PoseModel
from posecore.settings import Control
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.tune.charts import FIGURES, value_of
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.searching import Searched, Wish, search
from posecore.ui.tune.work import Looked, known_settings, tried, without
from posecore.words import counted

#: What is wished for, in words.
_GOALS: Mapping[GoalName, str] = {
    "F1": "Best balance of precision and recall (F1)",
    "AP": "Best AP",
    "precision": "Most people found, with a precision of at least …",
    "false people": "Most people found, with at most … false people per 100 pictures",
}
#: Settings that are searched over unless others are wanted.
_USUAL = ("pose_threshold", "keypoint_threshold")


@dataclass
class Asked:
    """What this visitor asked for last.

    Attributes:
        search: What is searched for.
        before: The decode settings on the left when the search began.
    """

    search: Wish | None = None
    before: Mapping[str, Any] = field(default_factory=dict)


def searched(
    looked: Looked, chosen: Chosen, bench: Bench, network: Mapping[str, Any], decode: Mapping[str, Any]
) -> None:
    """The form, and what came of it."""
    asked = state_of(Asked)
    wanted = _form(known_settings(bench), bench.model, len(looked.fields))
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


def _form(known: Mapping[str, Control], model: PoseModel, pictures: int) -> Wish | None:
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
    each, fps = _network_form(model, pictures)
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
    return Wish(goal, tuple(names), int(most), int(seed), each, fps)


def _network_form(model: PoseModel, pictures: int) -> tuple[tuple[tuple[str, tuple[Any, ...]], ...], float]:
    """Network settings to choose among with their values, and how fast this machine has to be."""
    offered = network_values(model)
    with st.expander("Network settings and speed", icon=":material/speed:"):
        names = st.multiselect(
            "Network settings to choose among",
            list(offered),
            placeholder="None: those on the left stay",
            format_func=option_texts({name: control.label for name, (control, _) in offered.items()}),
            key=f"tune_network_{'_'.join(offered)}",
            help="The network looks at all pictures once for every combination of their values.",
        )
        each = [(name, _pick_values(*offered[name])) for name in names]
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
        chosen = tuple((name, values) for name, values in each if values)
        if chosen:
            ways = prod(len(values) for _, values in chosen)
            st.caption(
                f"The network looks {ways * pictures:,} times: at {pictures:,} pictures in {counted(ways, 'way')}."
            )
    return chosen, float(fps)


def _pick_values(control: Control, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The widget for the values of one network setting, in the order in which they are offered."""
    texts = {str(value): shown_value(control, value) for value in values}
    picked = st.multiselect(
        f"{control.label}: values to try",
        list(texts),
        placeholder="None: it stays as it is",
        format_func=option_texts(texts),
        key=f"tune_values_{control.name}_{len(values)}",
        help=control.help,
    )
    return tuple(value for value in values if str(value) in picked)


def shown_value(control: Control, value: Any) -> str:
    """A setting's value as people read it."""
    if control.kind == "flag":
        return "on" if value else "off"
    return control.text(value) if control.kind == "choice" else f"{value:g}"


def _found(found: Searched, bench: Bench, network: Mapping[str, Any], decode: Mapping[str, Any]) -> None:
    """What the search found, whether it holds, and what to do with it."""
    tuned = found.tuned
    icon = ":material/check:" if tuned.certain else ":material/info:"
    (st.success if tuned.certain else st.info)(tuned.verdict, icon=icon)
    st.dataframe(figure_table(tuned), hide_index=True)
    if found.networks:
        st.markdown("**What running the network in each way costs and brings**")
        st.dataframe(network_table(bench.model, found, network), hide_index=True)
        st.caption(
            "Pictures a second: one at a time on this machine as it was just now. Figures: with the best settings for "
            "each, on the half that chose." + _slow_words(found.slow)
        )
    if found.problems:
        st.caption(
            f":material/warning: {counted(len(found.problems), 'picture')} could not be looked at in each way and "
            f"{'is' if len(found.problems) == 1 else 'are'} left out of all: {plain(found.problems[0])}"
        )
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


def network_table(model: PoseModel, found: Searched, network: Mapping[str, Any]) -> pd.DataFrame:
    """A row for every way of running the network: how it differs, what it costs and what it brings."""
    known = {name: control for name, (control, _) in network_values(model).items()}
    ways = [one.pace.network for one in found.networks]
    names = [name for name in known if any(way[name] != network[name] for way in ways)]
    return pd.DataFrame(
        [
            {
                **{known[name].label: shown_value(known[name], one.pace.network[name]) for name in names},
                "input": one.pace.size,
                "pictures a second": round(one.pace.rate, 1),
                **{name: _rounded(value_of(one.best.figures, name)) for name in FIGURES},
                "false per 100": round(one.best.figures.false_per_100, 1),
            }
            for one in found.networks
        ]
    )


def _slow_words(slow: Sequence[Paced]) -> str:
    if not slow:
        return ""
    return f" Left out as too slow: {', '.join(f'{one.size} ({one.rate:.1f} a second)' for one in slow)}."


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
