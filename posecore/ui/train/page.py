"""Train: set up a fine-tuning run, and follow those that are queued and running."""

import streamlit as st

from posecore.runs import Registry
from posecore.ui.shared.address import Parameter, asked
from posecore.ui.shared.runs.run_actions import answer_asked
from posecore.ui.shared.runs.run_list import queue_and_view
from posecore.ui.shared.runs.run_words import ACTIVE
from posecore.ui.shared.session import state_of
from posecore.ui.train.form import Plan, new_run

_TAB = "train_tab"
SETUP, QUEUE = "New run", "Queue"


def main() -> None:
    """The page."""
    answer_asked()
    plan = state_of(Plan)
    if plan.show_queue:
        plan.show_queue = False
        st.session_state[_TAB] = QUEUE
    st.session_state.setdefault(_TAB, first_tab())
    setup, queue = st.tabs([SETUP, QUEUE], on_change="rerun", key=_TAB)
    if setup.open:
        with setup:
            new_run()
    if queue.open:
        with queue:
            queue_and_view()


def first_tab() -> str:
    """What a visitor most likely came for: a run that goes on, or one that is still to be set up."""
    return QUEUE if asked(Parameter.RUN) is not None or any(run.state in ACTIVE for run in Registry().all()) else SETUP
