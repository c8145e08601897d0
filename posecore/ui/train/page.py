"""Train: set up a fine-tuning run, and follow those that are queued and running."""

import streamlit as st

from posecore.runs import Registry
from posecore.ui.shared.runs.run_actions import answer_asked
from posecore.ui.shared.runs.run_list import queue_and_view
from posecore.ui.shared.runs.run_words import ACTIVE
from posecore.ui.train.form import GO_TO, QUEUE, SETUP, TAB, new_run


def main() -> None:
    """The page."""
    answer_asked()
    if GO_TO in st.session_state:
        st.session_state[TAB] = st.session_state.pop(GO_TO)
    st.session_state.setdefault(TAB, first_tab())
    setup, queue = st.tabs([SETUP, QUEUE], on_change="rerun", key=TAB)
    if setup.open:
        with setup:
            new_run()
    if queue.open:
        with queue:
            queue_and_view()


def first_tab() -> str:
    """What a visitor most likely came for: a run that goes on, or one that is still to be set up."""
    asked = "run" in st.query_params
    return QUEUE if asked or any(run.state in ACTIVE for run in Registry().all()) else SETUP
