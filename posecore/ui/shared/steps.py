"""Background work of so many equal steps: how far it is, what is left, and the end when somebody asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from posecore.errors import PosecoreError
from posecore.ui.shared.background import Task, Tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.watching import watch
from posecore.video.reading import estimate

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
#: Seconds and steps before which nothing is said of the time left.
_TOO_EARLY, _FEWEST = 1.0, 3


class StoppedError(PosecoreError):
    """Somebody asked the work to stop."""


@dataclass(frozen=True)
class Far:
    """How far work is.

    Attributes:
        done, total: Steps.
        left: Seconds that the rest may take; None while nobody can tell.
        words: What is done now, of work that is not counted in steps.
    """

    done: int
    total: int
    left: float | None = None
    words: str = ""


class Steps:
    """Counts the steps of a task; to be called after each.

    Args:
        task: The task, which is told a :class:`Far`.
        total: Steps that there will be.
    """

    def __init__(self, task: Task[Any, Far], total: int) -> None:
        self._task, self._total, self._done = task, total, 0
        self._start = time.monotonic()
        task.tell(Far(0, total))

    def __call__(self) -> None:
        """One step is done; raises ``StoppedError`` when the task shall stop."""
        if self._task.stopping:
            raise StoppedError("Stopped.")
        self._done += 1
        spent = time.monotonic() - self._start
        told = spent >= _TOO_EARLY and self._done >= _FEWEST
        left = spent / self._done * max(self._total - self._done, 0) if told else None
        self._task.tell(Far(min(self._done, self._total), self._total, left))


class Shares:
    """How far a task is in what is not counted in steps; to be called with the part done, 0 … 1.

    Args:
        task: The task, which is told a :class:`Far`.
        words: What it does then.
    """

    def __init__(self, task: Task[Any, Far], words: str) -> None:
        self._task, self._words = task, words
        self._start: float | None = None

    def __call__(self, share: float) -> None:
        """So much is done; raises ``StoppedError`` when the task shall stop."""
        if self._task.stopping:
            raise StoppedError("Stopped.")
        now = time.monotonic()
        self._start = self._start or now
        spent = now - self._start
        left = spent * (1 - share) / share if share and spent >= _TOO_EARLY else None
        self._task.tell(Far(round(100 * share), 100, left, self._words))


def one_by_one(task: Task[Any, Far], items: Sequence[_Item], do: Callable[[_Item], _Made]) -> list[_Made]:
    """What ``do`` makes of every item, a step each."""
    step, made = Steps(task, len(items)), []
    for item in items:
        made.append(do(item))
        step()
    return made


def start_button(
    kind: Tasks[list[_Made], Far],
    key: Hashable,
    items: Sequence[_Item],
    do: Callable[[_Item], _Made],
    label: str,
    button_key: str,
) -> None:
    """A button that begins to ``do`` every item for this visitor; the page runs again once that is begun.

    Args:
        kind: The kind of task.
        key: Of the task.
        items: What there is to do.
        do: Makes something of each.
        label, button_key: Of the button.
    """
    if not st.button(label, type="primary", icon=":material/play_arrow:", key=button_key):
        return
    try:
        require("use", "Working on many pictures")
        kind.start(key, lambda task: one_by_one(task, items, do), ends_with_session=True)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()


def show_steps(kind: Tasks[Any, Far], task: Task[Any, Far], words: str, step: str, key: str) -> None:
    """A bar while a task is at work, and the button that ends it; the page runs again after it.

    Args:
        kind: The task's kind.
        task: The task.
        words: What it does.
        step: What its steps are, in the plural.
        key: Of the button.
    """
    watch(task, lambda: _look(kind, task, words, step, key))


def _look(kind: Tasks[Any, Far], task: Task[Any, Far], words: str, step: str, key: str) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    far = task.report
    share = 0.0 if far is None else far.done / max(far.total, 1)
    left.progress(share, text=_said(far, task, kind.waiting_before(task), words, step))
    right.button("Cancel", on_click=task.cancel, disabled=task.stopping, icon=":material/close:", key=key)


def _said(far: Far | None, task: Task[Any, Far], before: int, words: str, step: str) -> str:
    if task.stopping:
        return "Stopping …"
    if task.state == "waiting":
        return f"Waiting for {before + 1} before this …"
    if far is None:
        return f"{words} …"
    left = "" if far.left is None else f" · about {estimate(far.left)} left"
    return f"{far.words}{left}" if far.words else f"{words}: {far.done:,} of {far.total:,} {step}{left}"
