"""Downloads of models beside the pages: begun by one visitor, seen by all, also after a page was left or reloaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from posecore.errors import PosecoreError, WeightsError
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.model_picker import all_models, badges, choose_model, megabytes
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.watching import watch
from posecore.zoo import ModelInfo, fetch_model


@dataclass(frozen=True)
class Arrived:
    """How far a download is: bytes here and in all (None when unknown), and what has to be said about it."""

    done: int = 0
    total: int | None = None
    said: str = ""


class _Teller:
    """Tells a task how its download is going; see ``posecore.zoo.Progress``."""

    def __init__(self, task: Task[Path, Arrived]) -> None:
        self._task = task
        self._said = ""

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Called for every piece."""
        if self._task.stopping:
            raise WeightsError("The download was stopped.")
        self._task.tell(Arrived(done_bytes, total_bytes, self._said))

    def say(self, text: str) -> None:
        """Called before something that takes long."""
        self._said = text
        self._task.tell(Arrived(said=text))


def downloads() -> Tasks[Path, Arrived]:
    """Those that are at work, and the last that were, by the model's name: no file comes twice at once."""
    return tasks("download", at_once=2)


def start_download(info: ModelInfo, agreed: bool = False) -> None:
    """Fetch a model, or both parts of one, while pages go on.

    Args:
        info: The model.
        agreed: Whether the visitor agrees to the terms that its weights are under.

    Raises:
        NotAllowedError: Where visitors may not.
    """
    require("use", "Downloading models")
    for one in info.parts:
        if not one.available:
            downloads().start(one.name, partial(_fetch, one.name, agreed), again=True)


def _fetch(name: str, agreed: bool, task: Task[Path, Arrived]) -> Path:
    return fetch_model(name, _Teller(task), agreed)


def _known(info: ModelInfo) -> list[Task[Path, Arrived]]:
    """Downloads of a model's parts, as far as there are any."""
    return [task for one in info.parts if (task := downloads().get(one.name)) is not None]


def is_coming(info: ModelInfo) -> bool:
    """Whether a model, or a part of one, is being fetched or waits for that."""
    return any(task.active for task in _known(info))


def begin_download(info: ModelInfo, agreed: bool = False) -> None:
    """What the buttons do: :func:`start_download`, then the page runs again; a refusal is shown."""
    try:
        start_download(info, agreed)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()


def follow_download(info: ModelInfo) -> bool:
    """Draw a model's download while it lasts, or why the last one failed; True while it lasts."""
    known = _known(info)
    coming = [task for task in known if task.active]

    def tell() -> None:
        if coming[0].state == "done":
            st.toast(f"{plain(info.title)} is on this machine now.", icon=":material/check:")

    if coming:
        watch_download(coming, info.title, then=tell)
        return True
    failed = next((task for task in known if task.error), None)
    if failed is not None and not info.available:
        show_error(PosecoreError(failed.error))
        _ways_without_network(info)
    return False


def watch_download(
    coming: Sequence[Task[Path, Arrived]],
    title: str,
    meanwhile: str = "",
    key: str = "cancel_download",
    then: Callable[[], None] | None = None,
) -> None:
    """A bar and a button to cancel for as long as a download takes; then the page runs again.

    Args:
        coming: The downloads that it consists of; the first is drawn.
        title: What is coming.
        meanwhile: A sentence about what is shown until it is here.
        key: What the button's key begins with.
        then: Called once it has ended, before the page runs again.
    """
    task = coming[0]

    def show() -> None:
        arrived = task.report or Arrived()
        share = min(arrived.done / arrived.total, 1.0) if arrived.total else 0.0
        st.progress(share, text=_said(task, arrived, title, meanwhile))
        if arrived.said:
            st.caption(plain(arrived.said))
        st.button(
            "Cancel",
            on_click=_cancel,
            args=(coming,),
            disabled=task.stopping,
            icon=":material/close:",
            key=f"{key}_{task.key}",
        )

    watch(task, show, every=0.5, then=then)


def _said(task: Task[Path, Arrived], arrived: Arrived, title: str, meanwhile: str) -> str:
    if task.stopping:
        return "Stopping …"
    if task.state == "waiting":
        return f"{plain(title)} waits for other downloads."
    of = f" of {megabytes(arrived.total)}" if arrived.total else ""
    so_far = f": {megabytes(arrived.done)}{of}" if arrived.done else ""
    return f"Downloading {plain(title)}{so_far}. {plain(meanwhile)}".rstrip()


def _cancel(coming: Sequence[Task[Path, Arrived]]) -> None:
    for task in coming:
        task.cancel()


def fetch_panel(info: ModelInfo) -> None:
    """Offer to fetch a model that is not on this machine, and what else can be done."""
    others = [other for other in all_models().values() if other.available]
    with st.container(border=True):
        if others:
            st.markdown(
                f"**{plain(info.title)} is not on this machine yet.** Download it once; from then on it works offline."
            )
        else:
            st.markdown(
                "**No model is on this machine yet,** so nothing can be found in the picture. Download one once; from "
                "then on everything works offline. Pictures never leave the machine that runs this app."
            )
        st.markdown(f"{plain(info.title)}  \n:small[:gray[{plain(info.description)}]]")
        st.markdown(" ".join(badges(info)))
        coming = follow_download(info)
        agreed = coming or not info.terms or st.checkbox(plain(info.terms) + " I agree.", key="agree")
        wanted = False
        with st.container(horizontal=True):
            if not coming:
                wanted = st.button(
                    f"Download it ({megabytes(info.size_bytes)})",
                    type="primary",
                    icon=":material/download:",
                    key="fetch",
                    disabled=not agreed,
                )
            if others:
                st.button(f"Use {plain(others[0].title)} instead", on_click=choose_model, args=(others[0].name,))
            if st.button("Your own weights", icon=":material/upload_file:"):
                open_page("models")
        if wanted:
            begin_download(info, agreed)


def _ways_without_network(info: ModelInfo) -> None:
    here = [other.title for other in all_models().values() if other.available]
    use = f"- Use a model that is here already: {', '.join(here)}.\n" if here else ""
    st.markdown(
        f"What works without this download:\n{use}"
        "- Copy the model's file from another machine and give it on the Models page, under *Your own weights*.\n"
        "- Start the app with `POSECORE_WEIGHTS_MIRROR` set to a folder or server that has the publisher's files."
    )
