"""How long a run would take on this machine: a few real steps in the background, while the page stays usable."""

from __future__ import annotations

import json

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.runs import Registry
from posecore.training.config import RunConfig
from posecore.training.estimate import Estimate, estimate
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_words import ACTIVE, duration, memory
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.watching import watch


def estimates() -> Tasks[Estimate, None]:
    """Those that were made since the server started."""
    return tasks("estimate")


def _key(config: RunConfig) -> str:
    """What an estimate depends on: everything but the name."""
    return json.dumps(config.model_dump(mode="json", exclude={"name", "title"}), sort_keys=True)


def show_estimate(config: RunConfig) -> None:
    """Time and memory that a run would need, or the button that finds out."""
    task = estimates().get(_key(config))
    if task is not None and task.active and not task.stopping:
        watch(task, lambda: _working(task))
    else:
        _asking(config, task)


def _working(task: Task[Estimate, None]) -> None:
    with _line():
        st.markdown(":small[:gray[:material/timer: Taking a few real steps to see how long it takes …]]")
        if st.button("Stop", icon=":material/close:", type="tertiary", key="estimate_stop"):
            task.cancel()
            st.rerun()


@st.fragment
def _asking(config: RunConfig, task: Task[Estimate, None] | None) -> None:
    with _line():
        if task is not None and task.result is not None:
            _result(task.result)
            return
        if task is not None and task.error:
            st.warning(f"No estimate: {plain(task.error)}", icon=":material/timer_off:", width="stretch")
            label, icon = "Try again", "refresh"
        else:
            st.markdown(":small[:gray[Estimate the duration with a few real steps.]]", width="stretch")
            label, icon = "Estimate", "timer"
        if st.button(label, icon=f":material/{icon}:", key="estimate_now"):
            _start(config)
            st.rerun()


def _line() -> DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", gap="small", key="estimate")


def _start(config: RunConfig) -> None:
    kind = estimates()
    key = _key(config)
    # Only the newest question matters: what was asked for other settings would keep this one waiting.
    kind.cancel_others(key)
    kind.start(key, lambda task: _estimate(config, task), ends_with_session=True)


def _estimate(config: RunConfig, task: Task[Estimate, None]) -> Estimate:
    require("all", "Training")
    return estimate(config, cancel=task.stop)


def _result(found: Estimate) -> None:
    busy = any(run.state in ACTIVE and run.state != "waiting" for run in Registry().all())
    other = " Another run is at work, so this one took its steps beside it." if busy else ""
    st.markdown(
        f"**About {duration(found.seconds)}**, {memory(found.memory_bytes)} of memory  \n"
        f":small[:gray[{plain(found.note)}{other}]]",
        width="stretch",
    )
