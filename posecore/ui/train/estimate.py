"""How long a run would take on this machine: a few real steps in the background, while the page stays usable."""

from __future__ import annotations

import json
from typing import cast

import streamlit as st

from posecore.runs import Registry
from posecore.training.config import RunConfig
from posecore.training.estimate import Estimate, estimate
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_words import ACTIVE, duration, memory
from posecore.ui.shared.visitors import require

#: Seconds between looks at an estimate that is being made.
_POLL = 1.0


def estimates() -> Tasks[Estimate]:
    """Those that were made since the server started."""
    return cast("Tasks[Estimate]", tasks("estimate"))


def _key(config: RunConfig) -> str:
    """What an estimate depends on: everything but the name."""
    return json.dumps(config.model_dump(mode="json", exclude={"name", "title"}), sort_keys=True)


def show_estimate(config: RunConfig) -> None:
    """Time and memory that a run would need, or the button that finds out."""
    task = estimates().get(_key(config))
    working = task is not None and not task.ended
    st.fragment(_shown, run_every=_POLL if working else None)(config, working)


def _shown(config: RunConfig, was_working: bool) -> None:
    task = estimates().get(_key(config))
    if was_working and (task is None or task.ended):
        # The page draws this part anew, without looking every second.
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="estimate"):
        if task is None:
            st.markdown(":small[:gray[Estimate the duration with a few real steps.]]", width="stretch")
            if st.button("Estimate", icon=":material/timer:", key="estimate_now"):
                _start(config)
                st.rerun()
        elif not task.ended:
            st.markdown(":small[:gray[:material/timer: Taking a few real steps to see how long it takes …]]")
            if st.button("Stop", icon=":material/close:", type="tertiary", key="estimate_stop"):
                task.stop.set()
                st.rerun()
        elif task.error is not None:
            st.warning(f"No estimate: {plain(task.error)}", icon=":material/timer_off:", width="stretch")
            if st.button("Try again", icon=":material/refresh:", key="estimate_now"):
                _start(config)
                st.rerun()
        elif task.result is not None:
            _result(task.result)


def _start(config: RunConfig) -> None:
    kind = estimates()
    key = _key(config)
    # Only the newest question matters: what was asked for other settings would keep this one waiting.
    kind.cancel_others(key)
    kind.start(key, lambda task: _estimate(config, task))


def _estimate(config: RunConfig, task: Task[Estimate]) -> Estimate:
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
