"""Evaluate: a model, or what another program found, measured on labelled pictures."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import streamlit as st

from posecore.errors import PosecoreError
from posecore.evaluation.saved import SavedEvaluations
from posecore.evaluation.summary import Summary
from posecore.ui.evaluate.choosing import choose
from posecore.ui.evaluate.kept import kept_list
from posecore.ui.evaluate.result import show
from posecore.ui.evaluate.work import Asked, Outcome, evaluations, start
from posecore.ui.shared.background import Task
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.steps import Far, show_steps
from posecore.ui.shared.visitors import require, rights

_RESULT, _KEPT = "Result", "Kept evaluations"
_VIEW = "evaluate_view"


@dataclass
class Evaluating:
    """What this visitor looks at.

    Attributes:
        key: Of the task that was started last.
        shown: The evaluation that is shown, and its name; None for that of the task.
        read: The last one that was read from disk, by name and time.
    """

    key: Hashable = None
    shown: str | None = None
    read: tuple[str, float, Summary] | None = None


def main() -> None:
    """The page."""
    with st.sidebar:
        choices, button, settings = st.container(), st.container(), st.container()
    asked = choose(choices, settings)
    mine = state_of(Evaluating)
    task = evaluations().get(mine.key)
    with button:
        _start_button(asked, task)
    st.session_state.setdefault(_VIEW, _RESULT)
    view = st.segmented_control(
        "View", (_RESULT, _KEPT), required=True, key=_VIEW, persist_state="session", label_visibility="collapsed"
    )
    if task is not None and task.active:
        show_steps(evaluations(), task, "Measuring", "pictures", "evaluate_cancel")
    if view == _KEPT:
        kept_list(_show_kept)
        return
    _result(mine, task)


def _show_kept(name: str) -> None:
    """Look at an evaluation that is kept; a callback."""
    state_of(Evaluating).shown = name
    st.session_state[_VIEW] = _RESULT


def _start_button(asked: Asked | None, task: Task[Outcome, Far] | None) -> None:
    pressed = st.button(
        "Measure",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=asked is None or (task is not None and task.active),
        key="evaluate_start",
    )
    if not pressed or asked is None:
        return
    try:
        require("use", "Measuring")
        start(asked, keep=rights() == "all")
    except PosecoreError as error:
        show_error(error)
        return
    mine = state_of(Evaluating)
    mine.key, mine.shown = asked.key, None
    st.session_state[_VIEW] = _RESULT
    st.rerun()


def _result(mine: Evaluating, task: Task[Outcome, Far] | None) -> None:
    if mine.shown is not None:
        _read(mine, mine.shown)
        return
    if task is None or task.state == "cancelled":
        _nothing_yet()
    elif task.error:
        st.error(plain(task.error), icon=":material/error:")
    elif task.result is not None:
        found = task.result
        if found.not_kept:
            st.caption(f":material/info: {plain(found.not_kept)}")
        else:
            st.caption(f":material/check: Kept as {plain(found.name)}.")
        show(found.measured.summary, found.name or "evaluation")


def _nothing_yet() -> None:
    with st.container(border=True, horizontal_alignment="center", height=320, vertical_alignment="center"):
        st.markdown("### :material/insights:", text_alignment="center")
        st.markdown(
            "**How good is a model on your pictures?** Choose a model, or a file of results of any program, and a "
            "labelled set in the side panel; then press *Measure*.",
            text_alignment="center",
        )
        st.caption(
            "AP and AR with intervals, where joints lie, what goes wrong and what mending it would gain, and the worst "
            "cases to look at.",
            text_alignment="center",
        )


def _read(mine: Evaluating, name: str) -> None:
    """An evaluation that is kept."""
    try:
        saved = SavedEvaluations().get(name)
        if mine.read is None or mine.read[:2] != (name, saved.created):
            mine.read = (name, saved.created, saved.summary())
    except PosecoreError as error:
        mine.shown = None
        show_error(error, "Choose another one under *Kept evaluations*.")
        return
    st.caption(f":material/folder_open: {plain(name)}")
    show(mine.read[2], name)
