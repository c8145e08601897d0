"""How fast a model is on this machine, measured beside the page when somebody asks."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
import streamlit as st

from posecore.runtimes.runner import Runner, settle
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.models.engine import network_slots, shared_model
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.watching import watch
from posecore.zoo import ModelInfo

#: (height, width) of the picture that is timed, and passes of which the middle one counts.
_PICTURE = (480, 640)
_PASSES = 5


def show_speed(info: ModelInfo) -> None:
    """Milliseconds a picture, or a button that measures them."""
    task = _measurements().get(info.name)
    if task is not None and task.active:
        watch(task, _measuring)
    elif task is not None and task.result is not None:
        speed = task.result
        st.markdown(
            f":small[Here: **{speed.milliseconds:.0f} ms** a picture, {1000 / speed.milliseconds:.0f} a second]"
        )
        for sentence in speed.chosen:
            st.caption(plain(sentence))
    elif st.button("How fast here?", key=f"time_{info.name}", icon=":material/timer:", type="tertiary"):
        _measurements().start(info.name, lambda task: _measure(info, task), ends_with_session=True)
        st.rerun()


def _measuring() -> None:
    st.caption("Measuring …")


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        milliseconds: For one picture.
        chosen: A sentence about the runtime that computes the network, and why.
    """

    milliseconds: float
    chosen: tuple[str, ...]


def _measurements() -> Tasks[Speed, None]:
    return tasks("speed", kept=40)


def _measure(info: ModelInfo, task: Task[Speed, None]) -> Speed:
    """Milliseconds of looking at one picture and finding its people, once a runtime is chosen."""
    model = shared_model(info)
    picture = np.random.default_rng(0).integers(0, 256, (*_PICTURE, 3), np.uint8)
    for _ in range(Runner.worth + 1):
        with network_slots():
            model.fields(picture)
    settle()
    spent = []
    for _ in range(1 + _PASSES):
        if task.stopping:
            break
        with network_slots():
            start = time.perf_counter()
            model.decode(model.fields(picture))
            spent.append(1000 * (time.perf_counter() - start))
    # The first pass sets up what later ones find ready.
    return Speed(statistics.median(spent[1:] or spent), model.runner.said())
