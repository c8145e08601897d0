"""Taking a labelled set away, in any format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from posecore.data.checks import counted
from posecore.data.detect import Format
from posecore.labelling.desk import LabelDesk

#: Formats and what they are for.
FORMATS: dict[Format, str] = {
    "coco": "COCO",
    "yolo": "YOLO-pose",
    "roboflow": "Roboflow COCO",
    "dataloop": "Dataloop",
}


def export_panel(desk: LabelDesk) -> None:
    """Choose a format and download the set."""
    chosen = st.selectbox("Format", list(FORMATS), format_func=FORMATS.__getitem__, key="label_format")
    progress = desk.progress()
    st.download_button(
        "Download (ZIP)",
        lambda: export_zip(desk, chosen),
        f"{desk.stored.name}-{chosen}.zip",
        "application/zip",
        on_click="ignore",
        icon=":material/download:",
        width="stretch",
        key="label_download",
    )
    st.caption(
        f"Pictures and labels of all {progress.pictures} pictures. "
        + (f"{counted(progress.proposals, 'proposal')} that nobody confirmed: left out." if progress.proposals else "")
    )


def export_zip(desk: LabelDesk, kind: Format) -> bytes:
    """The set in a format, packed."""
    with tempfile.TemporaryDirectory(prefix="posecore-export-") as folder:
        return desk.stored.export(Path(folder) / "set.zip", kind).read_bytes()
