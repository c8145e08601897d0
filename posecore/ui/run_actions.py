"""What can be done to a training run, with a question first where something would be lost."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError
from posecore.runs import Registry, Run
from posecore.training import jobs
from posecore.ui.model_picker import CHOICE
from posecore.ui.shell import PAGES
from posecore.ui.trouble import show_error

#: Session state: (question, run) that the next run of the page opens. A part of a page that refreshes itself cannot
#: hold a dialog open, so it only asks for one.
_ASKED = "run_asked"
#: Session state: something that went wrong with a button and is to be said.
_TROUBLE = "run_trouble"


def ask(question: str, run: Run) -> None:
    """Open a question about a run; ends this run of the script."""
    st.session_state[_ASKED] = (question, run.name)
    st.rerun()


def answer_asked() -> None:
    """Open the dialog that was asked for and say what went wrong; belongs into the page itself, not into a fragment."""
    if trouble := st.session_state.pop(_TROUBLE, None):
        st.error(trouble, icon=":material/error:")
    question, name = st.session_state.pop(_ASKED, (None, None))
    run = Registry().get(name) if name else None
    if question is not None and run is not None:
        {"cancel": _cancel, "delete": _delete, "rename": _rename}[question](run)


def attempt(action: object, *arguments: object) -> None:
    """Do something to a run; a callback. What goes wrong is said above the page."""
    try:
        action(*arguments)  # type: ignore[operator]
    except PosecoreError as error:
        st.session_state[_TROUBLE] = str(error)


@st.dialog("Cancel this run?", icon=":material/cancel:")
def _cancel(run: Run) -> None:
    st.markdown(
        f"**{run.name}** stops for good. What it has learnt so far stays on the Runs page and can be used. To go on "
        "later, pause it instead."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Let it run"):
            st.rerun()
        if st.button("Cancel the run", type="primary", key="cancel_surely") and _done(jobs.cancel, run.name):
            st.rerun()


@st.dialog("Delete this run?", icon=":material/delete:")
def _delete(run: Run) -> None:
    st.markdown(
        f"**{run.name}** goes with its weights, curves and pictures, and can no longer be chosen as a model. The "
        "labelled pictures that it learnt from stay."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if st.button("Delete", type="primary", key="delete_surely") and _done(jobs.delete, run.name):
            if st.session_state.get(CHOICE) == f"run:{run.name}":
                del st.session_state[CHOICE]
            st.rerun()


@st.dialog("Name and note", icon=":material/edit:")
def _rename(run: Run) -> None:
    with st.form("rename", border=False):
        name = st.text_input("Name", run.name, max_chars=100, help="The model is chosen as run:NAME.")
        note = st.text_area("Note", run.note, max_chars=2000, placeholder="What was tried, and what came of it.")
        if not st.form_submit_button("Save", type="primary"):
            return
    if name != run.name and not _done(jobs.rename, run.name, name):
        return
    if _done(jobs.set_note, name, note):
        if st.session_state.get(CHOICE) == f"run:{run.name}":
            st.session_state[CHOICE] = f"run:{name}"
        st.query_params["run"] = name
        st.rerun()


def _done(action: object, *arguments: object) -> bool:
    """Do it and say whether that worked; the reason is shown where it did not."""
    try:
        action(*arguments)  # type: ignore[operator]
    except PosecoreError as error:
        show_error(error)
        return False
    return True


def use_model(run: Run, page: str) -> None:
    """Choose a run's model and go to a page, for example ``explore``."""
    st.session_state[CHOICE] = f"run:{run.name}"
    st.switch_page(str(PAGES / f"{page}.py"))
