"""Everything about all pictures as one ZIP, made in the background: what ``posecore image`` writes."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from posecore.errors import PosecoreError
from posecore.result_folder import FORMATS, ResultWriter
from posecore.ui.explore.settings import Settings
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.session import session
from posecore.ui.shared.steps import Far, Steps, show_steps
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import require

#: What the formats of results are called.
_WORDS = {
    "png": "pictures",
    "json": "poses (JSON)",
    "csv": "table (CSV)",
    "coco": "COCO results",
    "annotations": "COCO annotations",
    "fields": "maps (NPZ)",
}


@dataclass(frozen=True, eq=False)
class Order:
    """What shall be saved of which pictures, with what, and where."""

    sources: Sequence[Source]
    settings: Settings
    formats: frozenset[str]
    folder: Path

    @property
    def key(self) -> Hashable:
        """Equal for what gives the same files to the same visitor."""
        return *self.settings.key, str(self.folder), self.formats, tuple(source.key for source in self.sources)


def savings() -> Tasks[Path, Far]:
    """ZIPs being made; each lies in its visitor's folder and goes with it."""
    return tasks("save all")


def offer_all(sources: Sequence[Source], settings: Settings) -> None:
    """The choice of files, the button that makes them, how far that is, and the download."""
    formats = st.pills(
        "Save",
        FORMATS,
        selection_mode="multi",
        default=["png", "json", "csv"],
        format_func=lambda name: _WORDS[name],
        key="overview_formats",
        help="The same files as “posecore image” writes.",
    )
    order = Order(sources, settings, frozenset(formats), session().folder.path)
    task = savings().get(order.key)
    if task is not None and task.active:
        show_steps(savings(), task, "Making the ZIP", "pictures", "overview_save_cancel")
        return
    if task is not None and task.state == "done" and task.result is not None and task.result.is_file():
        path = task.result
        st.download_button(
            f"All {len(sources)} pictures (ZIP, {path.stat().st_size / 1e6:.1f} MB)",
            path.read_bytes,
            "posecore_results.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            type="primary",
            key="overview_download",
        )
        return
    if task is not None and task.error:
        st.error(task.error, icon=":material/error:")
    if st.button("Make the ZIP", icon=":material/folder_zip:", disabled=not formats, key="overview_save"):
        _start(order)


def _start(order: Order) -> None:
    try:
        require("use", "Saving many pictures")
        visitor_folders.check_room()
        savings().start(order.key, lambda task: save_all(order, task), again=True, ends_with_session=True)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()


def save_all(order: Order, task: Task[Path, Far]) -> Path:
    """Write everything into a ZIP; pictures that cannot be used are listed in it.

    Raises:
        PosecoreError: When nothing can be written.
    """
    place = order.folder / f"results-{secrets.token_hex(6)}"
    writer = ResultWriter(place, order.formats, order.settings.options, [Path(source.name) for source in order.sources])
    refused = []
    step = Steps(task, len(order.sources))
    for source in order.sources:
        try:
            found = order.settings.analyse(source)
        except (PosecoreError, OSError) as error:
            refused.append(f"{source.name}: {error}")
        else:
            writer.add(Path(source.name), found.opened.pixels(), found.fields, found.poses)
        step()
    writer.close()
    if refused:
        (place / "not_analysed.txt").write_text("\n".join(refused) + "\n", "utf-8")
    return _packed(place)


def _packed(folder: Path) -> Path:
    """The files of a folder as a ZIP beside it; they go."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            packed = file.suffix in (".png", ".npz")
            archive.write(file, file.name, zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED)
            file.unlink()
    folder.rmdir()
    return path
