"""Choosing a picture: a sample, uploads, the camera, or a folder of the machine where visitors may name one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import streamlit as st

from posecore.errors import ImageError, PosecoreError
from posecore.picture_files import IMAGE_SUFFIXES, MAX_PIXELS
from posecore.ui.shared.address import Parameter
from posecore.ui.shared.pictures.open_picture import Source, open_picture
from posecore.ui.shared.pictures.sources import Uploads, first_sample, folder_sources, samples
from posecore.ui.shared.pictures.uploads import take_over
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.visitors import folders_allowed
from posecore.ui.shared.widgets.components import camera, filmstrip
from posecore.ui.shared.widgets.options import option_texts

KINDS = ("Samples", "Upload", "Camera")
#: Offered where :func:`folders_allowed` says so.
FOLDER = "Folder"
#: Thumbnails shown on each side of the chosen one.
_STRIP_REACH = 9
#: Key of the choice among the pictures of a folder.
_IN_FOLDER = "folder_picture"


@dataclass(frozen=True)
class Selection:
    """The pictures that can be chosen, the one that is, and which widget's state says so."""

    kind: str
    sources: tuple[Source, ...]
    chosen: Source | None
    widget: str

    def choose(self, source: Source) -> None:
        """Have another one of ``sources`` chosen, from the next run on."""
        st.session_state[self.widget] = source.label if self.widget == Parameter.SAMPLE else source.key


def pick_source() -> Selection:
    """The widgets for the sidebar."""
    kind = st.segmented_control(
        "Where the picture comes from",
        (*KINDS, FOLDER) if folders_allowed() else KINDS,
        default=KINDS[0],
        required=True,
        key=Parameter.SOURCE,
        width="stretch",
        bind="query-params",
        label_visibility="collapsed",
    )
    if kind == "Upload":
        return _uploads()
    if kind == "Camera":
        return _camera()
    if kind == FOLDER:
        return _folder()
    everything = samples()
    labels = [source.label for source in everything]
    first = labels.index(first_sample().label)
    label = st.selectbox(
        "Sample", labels, first, key=Parameter.SAMPLE, bind="query-params", label_visibility="collapsed", required=True
    )
    chosen = next((source for source in everything if source.label == label), everything[0])
    return Selection("Samples", everything, chosen, Parameter.SAMPLE)


def _uploads() -> Selection:
    mine = session()
    key = f"uploader_{mine.uploader}"
    st.file_uploader(
        "Pictures",
        type=[suffix.lstrip(".") for suffix in IMAGE_SUFFIXES],
        accept_multiple_files=True,
        key=key,
        on_change=_take_files,
        args=(key,),
        label_visibility="collapsed",
        help="They stay on the machine that runs this app and are deleted when you close the page.",
    )
    return _from_store("Upload", mine.uploads, "upload")


def _take_files(key: str) -> None:
    mine = session()
    mine.refused.clear()
    added = [_keep(mine.uploads, file.name, take_over(file)) for file in st.session_state[key] or ()]
    # A new field each time: it stays small however many pictures came, and they outlive a visit to another page.
    mine.uploader += 1
    st.session_state["upload"] = next((name for name in added if name), st.session_state.get("upload"))


def _keep(store: Uploads, name: str, data: bytes) -> str | None:
    try:
        return store.add(name, data)
    except PosecoreError as error:
        session().refused.append(str(error))
        return None


def _camera() -> Selection:
    camera(on_photo=take_snapshot, key="camera")
    return _from_store("Camera", session().snapshots, "snapshot")


def take_snapshot(photo: bytes) -> None:
    """Keep a picture that the camera took, and look at it; a callback."""
    mine = session()
    mine.refused.clear()
    key = _keep(mine.snapshots, f"snapshot_{len(mine.snapshots) + 1}.jpg", photo)
    st.session_state["snapshot"] = key or st.session_state.get("snapshot")


def look_at_snapshot(key: str) -> None:
    """Choose one of the camera's pictures; pages about pictures begin with it."""
    st.session_state["snapshot"] = key
    st.session_state[Parameter.SOURCE] = "Camera"


def look_at_upload(key: str) -> None:
    """Choose one of the uploaded pictures; pages about pictures begin with it."""
    st.session_state["upload"] = key
    st.session_state[Parameter.SOURCE] = "Upload"


def _folder() -> Selection:
    text = st.text_input(
        "Folder of this machine",
        key="folder_path",
        placeholder="/home/me/pictures",
        label_visibility="collapsed",
        persist_state="session",
        help="A folder on the machine that runs this app; its pictures are read where they are.",
    )
    sources: tuple[Source, ...] = ()
    if text.strip() and folders_allowed():
        try:
            sources = folder_sources(Path(text.strip()).expanduser())
        except PosecoreError as error:
            st.error(plain(error), icon=":material/error:")
    by_key = {source.key: source for source in sources}
    if not by_key:
        return Selection(FOLDER, (), None, _IN_FOLDER)
    if st.session_state.get(_IN_FOLDER) not in by_key:
        st.session_state[_IN_FOLDER] = next(iter(by_key))
    key = st.selectbox(
        "Picture",
        tuple(by_key),
        format_func=option_texts({source.key: source.label for source in sources}),
        key=_IN_FOLDER,
        persist_state="session",
        label_visibility="collapsed",
    )
    return Selection(FOLDER, sources, by_key[key], _IN_FOLDER)


def _from_store(kind: str, store: Uploads, widget: str) -> Selection:
    sources = tuple(store)
    chosen = choose_upload(sources, widget, "picture", store.remove, store.clear)
    return Selection(kind, sources, chosen, widget)


class Choosable(Protocol):
    """What can be chosen among a visitor's own files."""

    @property
    def key(self) -> str:
        """Identity."""

    @property
    def label(self) -> str:
        """Words for people."""


Chosen = TypeVar("Chosen", bound=Choosable)


def choose_upload(
    files: Sequence[Chosen], widget: str, noun: str, remove: Callable[[str], None], clear: Callable[[], None]
) -> Chosen | None:
    """Widgets to choose one of the visitor's own files and to remove some; None, and no widgets, without files.

    Args:
        files: What there is.
        widget: Key of the choice.
        noun: What one of them is called.
        remove: Takes the key of a file that is to go.
        clear: Removes all.
    """
    by_key = {file.key: file for file in files}
    if not by_key:
        return None
    if st.session_state.get(widget) not in by_key:
        st.session_state[widget] = next(iter(by_key))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = st.selectbox(
            noun.capitalize(),
            tuple(by_key),
            format_func=option_texts({file.key: file.label for file in files}),
            key=widget,
            persist_state="session",
            label_visibility="collapsed",
        )
        # Another menu for each file: one that stayed open would have the next file removed by a second click.
        with st.popover("", icon=":material/delete:", help=f"Remove {noun}s", key=f"{widget}_menu_{key}"):
            neighbours = _without(tuple(by_key), key)
            st.button(f"Remove this {noun}", on_click=_remove, args=(key, widget, neighbours, remove), width="stretch")
            st.button(f"Remove all {len(by_key)}", on_click=clear, width="stretch")
    return by_key[key]


def _without(keys: Sequence[str], key: str) -> Sequence[str]:
    """The other keys: first those behind it, then those before it, the nearest first."""
    place = keys.index(key)
    return *keys[place + 1 :], *reversed(keys[:place])


def _remove(key: str, widget: str, others: Sequence[str], remove: Callable[[str], None]) -> None:
    """Remove a file and look at its neighbour; a callback."""
    remove(key)
    if others:
        st.session_state[widget] = others[0]


def source_strip(selection: Selection) -> None:
    """Thumbnails of what can be chosen; nothing where there is no choice."""
    if len(selection.sources) < 2 or selection.chosen is None:
        return
    place = selection.sources.index(selection.chosen)
    start = min(max(place - _STRIP_REACH, 0), max(len(selection.sources) - 2 * _STRIP_REACH - 1, 0))
    shown = selection.sources[start : start + 2 * _STRIP_REACH + 1]

    def pick(key: str) -> None:
        source = next((source for source in selection.sources if source.key == key), None)
        if source is not None:
            selection.choose(source)
            # The strip may be drawn by a part of the page that runs on its own; the choice concerns all of it.
            st.rerun()

    filmstrip(
        [(source.key, source.label, _thumbnail(source)) for source in shown],
        selection.chosen.key,
        title="Pictures to choose from",
        on_pick=pick,
        key="strip",
    )


def _thumbnail(source: Source) -> bytes | None:
    try:
        return open_picture(source).contents.thumbnail
    except ImageError:
        return None


def show_refused() -> None:
    """Say which files were not taken."""
    for sentence in session().refused:
        st.error(plain(sentence), icon=":material/error:")


def nothing_chosen(selection: Selection) -> None:
    """What the page shows while there is no picture."""
    words = {
        "Upload": (
            "add_photo_alternate",
            "**Drop pictures into the field in the side panel.** One or several: JPEG, PNG, WebP, BMP or TIFF, up to "
            f"{MAX_PIXELS / 1e6:g} megapixels. They do not leave the machine that runs this app.",
        ),
        FOLDER: (
            "folder_open",
            "**Write the path of a folder in the side panel.** Its pictures are read where they are; nothing is copied "
            "or changed.",
        ),
        "Camera": (
            "photo_camera",
            "**Take a snapshot in the side panel.** Your browser asks for permission first; it offers the camera only "
            "to pages on this machine or behind HTTPS.",
        ),
    }
    icon, text = words.get(selection.kind, ("image", "**Choose a picture in the side panel.**"))
    with st.container(border=True, horizontal_alignment="center", height=420, vertical_alignment="center"):
        st.markdown(f"### :material/{icon}:", text_alignment="center")
        st.markdown(text, text_alignment="center")
        st.button("Look at a sample instead", on_click=_to_samples)


def _to_samples() -> None:
    st.session_state[Parameter.SOURCE] = KINDS[0]
