"""Doing the same with one thing after another in the background, and saying how far that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import streamlit as st

from posecore.ui.shared.background import Task
from posecore.video.reading import clock

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Counted:
    """How far it is: things done, of how many, and seconds so far."""

    done: int
    count: int
    seconds: float

    @property
    def words(self) -> str:
        """The same in words, with about how long the rest takes."""
        if not self.done:
            return f"0 of {self.count}"
        left = self.seconds / self.done * (self.count - self.done)
        return f"{self.done} of {self.count}, about {clock(left)} left"


def one_by_one(task: Task[list[Result], Counted], items: Sequence[Item], do: Callable[[Item], Result]) -> list[Result]:
    """What ``do`` makes of every item, until the task is asked to stop; the task tells how far it is."""
    start, done = time.monotonic(), list[Result]()
    for item in items:
        if task.stopping:
            break
        done.append(do(item))
        task.tell(Counted(len(done), len(items), time.monotonic() - start))
    return done


def show_counted(task: Task[list[Result], Counted], key: str) -> None:
    """A bar, words, and the button that cancels."""
    report = task.report
    share = report.done / report.count if report else 0.0
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.progress(share, text=report.words if report else "Waiting for others")
    right.button("Cancel", on_click=task.cancel, icon=":material/close:", key=key)
