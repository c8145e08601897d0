"""Downloads of models beside the pages: begun by one visitor, seen by all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from posecore.errors import WeightsError
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.models.model_picker import megabytes
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
    """Those that are at work, and the last that were, by the model's name."""
    return tasks("download")


def start_download(info: ModelInfo) -> None:
    """Fetch a model while pages go on; raises ``NotAllowedError`` where visitors may not."""
    require("use", "Downloading models")
    downloads().start(info.name, lambda task: fetch_model(info.name, _Teller(task)), again=True)


def watch_download(task: Task[Path, Arrived], title: str, meanwhile: str) -> None:
    """A bar for as long as a download takes; then the page runs again.

    Args:
        task: The download.
        title: What is coming.
        meanwhile: A sentence about what is shown until it is here.
    """

    def show() -> None:
        arrived = task.report or Arrived()
        of = f" of {megabytes(arrived.total)}" if arrived.total else ""
        share = min(arrived.done / arrived.total, 1.0) if arrived.total else 0.0
        so_far = f": {megabytes(arrived.done)}{of}" if arrived.done else ""
        st.progress(share, text=f"Downloading {plain(title)}{so_far}. {plain(meanwhile)}")
        if arrived.said:
            st.caption(plain(arrived.said))

    watch(task, show, every=0.5)
