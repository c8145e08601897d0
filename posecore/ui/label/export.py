"""Taking away what was labelled, and what of it is left out."""

from __future__ import annotations

import streamlit as st

from posecore.labelling.desk import LabelDesk
from posecore.ui.shared.sets.export_set import export_button, pick_format
from posecore.words import counted


def export_panel(desk: LabelDesk) -> None:
    """Choose a format and download the set."""
    chosen = pick_format("label_format")
    progress = desk.progress()
    export_button(desk.stored, chosen, "label_export")
    st.caption(
        f"Pictures and labels of all {progress.pictures} pictures. "
        + (f"{counted(progress.proposals, 'proposal')} that nobody confirmed: left out." if progress.proposals else "")
    )
