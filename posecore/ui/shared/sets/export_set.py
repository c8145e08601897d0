"""Taking a labelled set away in any format."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from posecore.data.detect import Format
from posecore.data.library import StoredSet

#: Formats in words.
FORMATS: dict[Format, str] = {
    "coco": "COCO keypoints",
    "yolo": "YOLO-pose",
    "roboflow": "Roboflow (COCO)",
    "dataloop": "Dataloop",
}


def pick_format(key: str) -> Format:
    """The widget for the format; ``key`` is its name."""
    return st.selectbox("Format", list(FORMATS), format_func=lambda one: FORMATS[one], key=key)


def export_button(stored: StoredSet, format: Format, label: str, key: str) -> None:
    """The button that makes the zip when it is pressed."""
    st.download_button(
        label,
        lambda: exported(stored, format),
        f"{stored.name}-{format}.zip",
        "application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
        key=key,
    )


def exported(stored: StoredSet, format: Format) -> bytes:
    """The set as a zip in another format."""
    with tempfile.TemporaryDirectory(prefix="posecore-export-") as folder:
        return stored.export(Path(folder) / "set.zip", format).read_bytes()
