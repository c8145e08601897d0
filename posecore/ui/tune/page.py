"""Tune: the network looks at a set once; then settings are tried as often as one likes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.model_picker import pick_model
from posecore.ui.shared.models.second_stage import finds_boxes_alone
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.sidebar import decoder_controls, lay_out_sidebar, load, network_controls
from posecore.ui.shared.steps import show_steps
from posecore.ui.tune.labelled import measured
from posecore.ui.tune.pictures import Chosen, choose_pictures
from posecore.ui.tune.unlabelled import surveyed
from posecore.ui.tune.work import Looked, look_at, looks
from posecore.words import counted


@dataclass
class Tuning:
    """What this visitor had looked at last.

    Attributes:
        asked: What was chosen for it.
        key: Of the task.
    """

    asked: Hashable = None
    key: Hashable = None


def main() -> None:
    """The page."""
    with st.sidebar:
        info = pick_model()
        place = st.container()
    model = load(info)
    if model is None:
        if not info.available:
            fetch_panel(info)
        return
    if finds_boxes_alone(model):
        return
    with place:
        sidebar = lay_out_sidebar(drawing=False)
    network = network_controls(model, sidebar)
    decode = decoder_controls(model, sidebar)
    with st.container(border=True):
        left, right = st.columns([5, 2], gap="medium")
        with left:
            chosen = choose_pictures(right)
        if chosen is not None:
            with right:
                _start_button(chosen, model, network)
    if chosen is not None:
        _result(chosen, model, network, decode)


def _asked(chosen: Chosen, model: PoseModel, network: Mapping[str, Any]) -> Hashable:
    return chosen.name, model.name, model.weights_id, repr(sorted(network.items()))


def _start_button(chosen: Chosen, model: PoseModel, network: Mapping[str, Any]) -> None:
    mine, asked = state_of(Tuning), _asked(chosen, model, network)
    task = looks().get(mine.key) if mine.asked == asked else None
    busy = task is not None and task.active
    pressed = st.button(
        "Look at the pictures" if task is None or task.state == "cancelled" else "Look again",
        type="primary" if task is None else "secondary",
        icon=":material/visibility:",
        disabled=busy,
        width="stretch",
        key="tune_look",
        help="The network on the left runs once over these pictures; what it says is kept on disk and found again.",
    )
    if not pressed:
        return
    key = (asked, chosen.mark())
    try:
        if task is not None and mine.key == key and not task.active:
            # The same labels: what was tried on them holds.
            return
        look_at(key, chosen, model, network)
    except PosecoreError as error:
        show_error(error)
        return
    mine.asked, mine.key = asked, key
    st.rerun()


def _result(chosen: Chosen, model: PoseModel, network: Mapping[str, Any], decode: Mapping[str, Any]) -> None:
    mine = state_of(Tuning)
    task = looks().get(mine.key) if mine.asked == _asked(chosen, model, network) else None
    if task is None:
        return
    if task.active:
        show_steps(looks(), task, "The network looks at the pictures", "pictures", "tune_cancel")
    elif task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.result is not None:
        _facts(task.result)
        if task.result.bench is None:
            surveyed(task.result, chosen, decode)
        else:
            measured(task.result, chosen, network, decode)


def _facts(looked: Looked) -> None:
    problems = looked.fields.problems
    st.caption(
        f"{counted(len(looked.fields), 'picture')} · {looked.fields.nbytes / 1e6:.0f} MB on disk"
        + (f" · {counted(len(problems), 'picture')} could not be used" if problems else "")
    )
    if problems:
        with st.expander("Pictures that could not be used", icon=":material/warning:"):
            st.markdown("\n".join(f"- {plain(problem)}" for problem in problems[:50]))
