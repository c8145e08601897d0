"""Runs: what training brought, before and after, and what to do with it."""

from collections.abc import Callable

import streamlit as st

from posecore.runs import Registry, Run
from posecore.ui.runs.before_after import before_and_after
from posecore.ui.runs.compare import compare_runs
from posecore.ui.runs.table import runs_table
from posecore.ui.runs.toolbar import toolbar
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_actions import answer_asked
from posecore.ui.shared.runs.run_list import choose as look_at
from posecore.ui.shared.runs.run_list import chosen_run, one_run
from posecore.ui.shared.runs.run_words import ago

_CHOICE = "run"


def main() -> None:
    """The page."""
    answer_asked()
    runs = Registry().all()
    if not runs:
        nothing_yet()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        run = choose(runs)
        toolbar(run)
    if run.note:
        st.caption(f":material/sticky_note_2: {plain(run.note)}")
    names = ["Before and after", "Training", "Compare", f"All {len(runs)} runs" if len(runs) > 1 else "All runs"]
    views: tuple[Callable[[], None], ...] = (
        lambda: before_and_after(run),
        lambda: one_run(run.name),
        lambda: compare_runs(runs, run),
        lambda: runs_table(runs),
    )
    for tab, view in zip(st.tabs(names, on_change="rerun", key="runs_tab"), views, strict=True):
        if tab.open:
            with tab:
                view()


def nothing_yet() -> None:
    """What to do without any run."""
    with st.container(border=True):
        st.markdown(
            "**There are no training runs yet.** Fine-tune a model on your own pictures: its figures, before and "
            "after, will be here, and the model can be chosen on every page."
        )
        if st.button("Set up a run", type="primary", icon=":material/model_training:"):
            open_page("train")
        st.caption("Runs started with `posecore train` appear here as well.")


def choose(runs: list[Run]) -> Run:
    """The widget for the run that is looked at."""
    by_name = {run.name: run for run in runs}
    st.session_state[_CHOICE] = chosen_run(runs).name

    def label(name: str) -> str:
        run = by_name.get(name)
        return name if run is None else f"{name} · {ago(run.updated)}"

    name = st.selectbox(
        "Run",
        list(by_name),
        format_func=label,
        key=_CHOICE,
        label_visibility="collapsed",
        width=330,
        on_change=lambda: look_at(st.session_state[_CHOICE]),
    )
    return by_name[name]
