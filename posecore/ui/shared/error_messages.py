"""Errors as people should meet them: a sentence and a way on, never a bare traceback."""

from __future__ import annotations

import logging
import sqlite3
import traceback

import streamlit as st

from posecore.errors import PosecoreError, StorageError
from posecore.home import home
from posecore.storage import sentence, trouble
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import is_local

log = logging.getLogger(__name__)


def show_error(error: PosecoreError, way_on: str = "") -> None:
    """Show what posecore refused; its text is a sentence already. ``way_on`` adds what can be done on this page."""
    st.error(" ".join(part for part in (plain(error), way_on) if part), icon=":material/error:")


def show_trouble(error: BaseException) -> bool:
    """Show an error that nobody caught; returns True, so that Streamlit shows nothing of its own."""
    if isinstance(error, PosecoreError):
        show_error(error)
        return True
    if isinstance(error, (OSError, sqlite3.Error)) and trouble(error) in ("full", "forbidden"):
        show_error(StorageError(sentence(error, home())))
        return True
    log.error("Unexpected error in the app", exc_info=error)
    st.error(
        "**Unexpected error.** Your pictures and settings are still here.",
        icon=":material/error:",
    )
    st.markdown(
        "What you can do:\n"
        "- Try again: change a setting back, or choose another picture or model.\n"
        "- Reload the page. The address keeps the model and the settings.\n"
        "- When it happens again, report it with the details below."
    )
    if not is_local():
        # It names folders and files of the server.
        st.caption("Details are in the log of the server.")
        return True
    with st.expander("Details", icon=":material/bug_report:"):
        st.code("".join(traceback.format_exception(error)), language=None, wrap_lines=True)
    return True
