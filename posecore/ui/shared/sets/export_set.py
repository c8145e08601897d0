"""Taking a labelled set away in any format: a ZIP that is made in the background, for everybody who asks for it."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from posecore.data.annotations import PoseDataset
from posecore.data.detect import Format
from posecore.data.library import StoredSet
from posecore.errors import PosecoreError
from posecore.storage import DraftFolder, last_use
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.steps import Far, Steps, show_steps
from posecore.ui.shared.visitor_files import PREFIX

#: Formats in words.
FORMATS: dict[Format, str] = {
    "coco": "COCO keypoints",
    "yolo": "YOLO-pose",
    "roboflow": "Roboflow (COCO)",
    "dataloop": "Dataloop",
    "webdataset": "WebDataset",
}
#: ZIPs that are kept, to be downloaded once more.
_KEPT = 4


@dataclass(frozen=True, eq=False)
class Packed:
    """A set in another format.

    Attributes:
        path: The ZIP.
        dataset: What was packed.
    """

    path: Path
    dataset: PoseDataset


def packings() -> Tasks[Packed, Far]:
    """ZIPs being made, one after the other; a page that is loaded anew finds them."""
    return tasks("pack set", kept=_KEPT)


def pick_format(key: str) -> Format:
    """The widget for the format; ``key`` is its name."""
    return st.selectbox("Format", list(FORMATS), format_func=lambda one: FORMATS[one], key=key)


def export_button(stored: StoredSet, format: Format, key: str) -> None:
    """The button that makes the ZIP, how far that is, and the download of a ZIP that says what the labels say now.

    Args:
        stored: The set.
        format: The format.
        key: What the keys of the buttons begin with.
    """
    task = packings().get(_key(stored, format))
    if task is not None and task.active:
        show_steps(packings(), task, "Packing", "files", f"{key}_cancel")
        return
    packed = None if task is None or task.stopping else task.result
    if packed is not None and packed.dataset is stored.dataset() and packed.path.is_file():
        st.download_button(
            f"Download the ZIP ({packed.path.stat().st_size / 1e6:.1f} MB)",
            packed.path.read_bytes,
            f"{stored.name}-{format}.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            type="primary",
            width="stretch",
            key=f"{key}_download",
        )
        return
    if task is not None and task.error:
        show_error(PosecoreError(task.error))
    if st.button("Make the ZIP", icon=":material/folder_zip:", width="stretch", key=f"{key}_make"):
        try:
            packings().start(_key(stored, format), lambda task: pack(stored, format, task), again=True)
        except PosecoreError as error:
            show_error(error)
            return
        st.rerun()


def pack(stored: StoredSet, format: Format, task: Task[Packed, Far]) -> Packed:
    """Make the ZIP, in place of an older one of the same set and format.

    Raises:
        PosecoreError: When it cannot be made, or the task shall stop; an older one stays.
    """
    dataset, path = stored.dataset(), _path(stored, format)
    step: Steps | None = None

    def tell(_: int, count: int) -> None:
        nonlocal step
        step = step or Steps(task, count)
        step()

    stored.export(path, format, tell)
    for old in sorted(path.parent.glob("*.zip"), key=last_use)[:-_KEPT]:
        with suppress(OSError):
            old.unlink()
    return Packed(path, dataset)


def forget_packed(stored: StoredSet) -> None:
    """Remove the ZIPs of a set that is deleted."""
    for format in FORMATS:
        if (task := packings().get(_key(stored, format))) is not None:
            task.cancel()
        with suppress(OSError):
            _path(stored, format).unlink(missing_ok=True)


def _key(stored: StoredSet, format: Format) -> Hashable:
    return str(stored.folder), stored.created, stored.title, format


def _path(stored: StoredSet, format: Format) -> Path:
    return _place().path / f"{stored.name}-{stored.created:.0f}-{format}.zip"


@cache
def _place() -> DraftFolder:
    """Where ZIPs lie until the server ends."""
    return DraftFolder(PREFIX)
