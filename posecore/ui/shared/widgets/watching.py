"""A task in the background, drawn while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from posecore.ui.shared.background import Task


def watch(
    task: Task[Any, Any], show: Callable[[], None], every: float = 1.0, then: Callable[[], None] | None = None
) -> None:
    """Draw a task that is at work, now and every so many seconds; once it has ended, the whole page runs again.

    Args:
        task: The task.
        show: Draws how far it is, and buttons; runs without the rest of the page.
        every: Seconds between two looks.
        then: Called once it has ended, before the page runs again.
    """

    @st.fragment(run_every=every)
    def look() -> None:
        if not task.active:
            if then is not None:
                then()
            st.rerun()
        show()

    look()
