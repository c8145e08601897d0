"""What can be done to a training run, with a question first where something would be lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from posecore.errors import PosecoreError
from posecore.runs import Registry, Run
from posecore.training import jobs
from posecore.ui.shared.address import Parameter, say
from posecore.ui.shared.models.model_picker import choose_model, follow_renamed
from posecore.ui.shared.navigation import Page, open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.train_setup import follow_renamed_base
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require

Question = Literal["cancel", "delete", "rename"]


@dataclass
class _Asked:
    """What the next run of the page opens or says.

    Attributes:
        question: The dialog to open. A part of a page that refreshes itself cannot hold one open, so it only asks.
        run: Name of the run that it is about.
        trouble: What went wrong with a button.
    """

    question: Question | None = None
    run: str = ""
    trouble: str = ""

    def take_trouble(self) -> str:
        """What went wrong, which is said once."""
        trouble, self.trouble = self.trouble, ""
        return trouble


def ask(question: Question, run: Run) -> None:
    """Open a question about a run; ends this run of the script."""
    asked = state_of(_Asked)
    asked.question, asked.run = question, run.name
    st.rerun()


def answer_asked() -> None:
    """Open the dialog that was asked for and say what went wrong; belongs into the page itself, not into a fragment."""
    asked = state_of(_Asked)
    if trouble := asked.take_trouble():
        st.error(plain(trouble), icon=":material/error:")
    question, asked.question = asked.question, None
    run = None if question is None else Registry().get(asked.run)
    if question is not None and run is not None:
        {"cancel": _cancel, "delete": _delete, "rename": _rename}[question](run)


def attempt(action: Callable[..., object], *arguments: object) -> None:
    """Do something to a run; a callback. What goes wrong is said above the page."""
    try:
        require("all", "Changing runs")
        action(*arguments)
    except PosecoreError as error:
        state_of(_Asked).trouble = str(error)


@st.dialog("Cancel this run?", icon=":material/cancel:")
def _cancel(run: Run) -> None:
    st.markdown(
        f"**{plain(run.name)}** stops for good. What it has learnt so far stays on the Runs page and can be "
        "used. To go on later, pause it instead."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Let it run"):
            st.rerun()
        if st.button(
            "Cancel the run", type="primary", key="cancel_surely", on_click=attempt, args=(jobs.cancel, run.name)
        ):
            st.rerun()


@st.dialog("Delete this run?", icon=":material/delete:")
def _delete(run: Run) -> None:
    st.markdown(
        f"**{plain(run.name)}** goes with its weights, curves and pictures, and can no longer be chosen as a model. "
        "The labelled pictures that it learnt from stay."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Delete", type="primary", key="delete_surely", on_click=attempt, args=(jobs.delete, run.name)):
            st.rerun()


@st.dialog("Name and note", icon=":material/edit:")
def _rename(run: Run) -> None:
    with st.form("rename", border=False):
        st.text_input("Name", run.name, max_chars=100, key="new_name", help="The model is chosen as run:NAME.")
        st.text_area(
            "Note", run.note, max_chars=2000, key="new_note", placeholder="What was tried, and what came of it."
        )
        saved = st.form_submit_button(
            "Save", type="primary", on_click=attempt, args=(_save, run.name), key="rename_surely"
        )
    if not saved:
        return
    if trouble := state_of(_Asked).take_trouble():
        # Here, where the name can be corrected.
        st.error(plain(trouble), icon=":material/error:")
    else:
        st.rerun()


def _save(name: str) -> None:
    """Take over what stands in the form."""
    new = st.session_state["new_name"].strip()
    jobs.rename(name, new)
    jobs.set_note(new, st.session_state["new_note"])
    follow_renamed(f"run:{name}", f"run:{new}")
    follow_renamed_base(f"run:{name}", f"run:{new}")
    say(Parameter.RUN, new)


def use_model(run: Run, page: Page) -> None:
    """Choose a run's model and go to a page, for example ``explore``."""
    choose_model(f"run:{run.name}")
    open_page(page)
