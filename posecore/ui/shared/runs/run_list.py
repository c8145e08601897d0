"""The queue of training runs, and the one of them that is looked at, kept up to date while something goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from posecore.runs import Registry, Run
from posecore.training import jobs
from posecore.ui.shared.address import Parameter, asked, say
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_actions import ask, attempt
from posecore.ui.shared.runs.run_view import LOG_LINES, headline, show_run
from posecore.ui.shared.runs.run_words import ACTIVE, ago, duration, state_badge

#: Seconds between looks while a run is active.
POLL = 2.0
#: Ended runs that are listed below the active ones; all are on the Runs page.
RECENT = 5


def queue_and_view() -> None:
    """The list and the chosen run; refreshes itself as long as a run is active."""
    runs = listed(Registry().all())
    if not runs:
        st.info("Nothing is in the queue. Set up a run under *New run*, or start one with `posecore train`.")
        return
    active = any(run.state in ACTIVE for run in runs)
    # Polling costs every open tab a look at the list; it ends with the last active run.
    st.fragment(_refreshed, run_every=POLL if active else None)(active)


def listed(runs: Sequence[Run]) -> list[Run]:
    """Active runs in the order in which they are worked on, then those that ended last."""
    states = {run.name: run.state for run in runs}
    active = sorted(
        (run for run in runs if states[run.name] in ACTIVE), key=lambda run: (states[run.name] == "waiting", run.queued)
    )
    ended = sorted((run for run in runs if states[run.name] not in ACTIVE), key=lambda run: -run.updated)
    return active + ended[:RECENT]


def _refreshed(was_active: bool) -> None:
    runs = listed(Registry().all())
    if not runs or was_active != any(run.state in ACTIVE for run in runs):
        # The page itself decides whether to go on looking.
        st.rerun()
    chosen = chosen_run(runs)
    with st.container(gap="xsmall"):
        for place, run in enumerate(runs):
            _row(run, place, run.name == chosen.name)
    st.space("xsmall")
    _view(chosen.name)


def one_run(name: str) -> None:
    """One run alone, kept up to date while it is active."""
    run = Registry().get(name)
    active = run is not None and run.state in ACTIVE
    st.fragment(_one_refreshed, run_every=POLL if active else None)(name, active)


def _one_refreshed(name: str, was_active: bool) -> None:
    run = Registry().get(name)
    if run is None or was_active != (run.state in ACTIVE):
        st.rerun()
    _view(name)


def _view(name: str) -> None:
    view = jobs.view(name, LOG_LINES)
    st.markdown(f"**{plain(name)}** {headline(view)}")
    show_run(view)


def chosen_run(runs: Sequence[Run]) -> Run:
    """The run that is looked at: the one asked for, else the first."""
    wanted = asked(Parameter.RUN)
    return next((run for run in runs if run.name == wanted), runs[0])


def choose(name: str) -> None:
    """Look at a run; a callback."""
    say(Parameter.RUN, name)


def _row(run: Run, place: int, chosen: bool) -> None:
    """One run with what can be done to it now."""
    state = run.state
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"job_{run.name}"):
        # What has the same width in every row comes first, so that rows stand below each other.
        st.markdown(state_badge(state), width=105)
        st.progress(1.0 if state == "finished" else min(max(run.progress, 0.0), 1.0), width=120)
        st.button(
            plain(run.name),
            key=f"watch_{run.name}",
            type="secondary" if chosen else "tertiary",
            icon=":material/visibility:" if chosen else None,
            on_click=choose,
            args=(run.name,),
            help="Look at this run.",
        )
        st.markdown(f":small[:gray[{_when(run, state, place)}]]", width="stretch")
        _buttons(run, state)


def _when(run: Run, state: str, place: int) -> str:
    if state == "waiting":
        return "next" if place <= 1 else f"after {place - 1} others"
    if state in ("pausing", "cancelling"):
        return "after this step"
    if state in ACTIVE:
        eta = jobs.view(run.name, 0).eta_seconds
        return f"{run.progress:.0%}" + (f", {duration(eta)} left" if eta is not None else ", starting")
    return ago(run.updated)


def _buttons(run: Run, state: str) -> None:
    if state in ("running", "waiting"):
        _button("Pause", "pause", run, jobs.pause, "Stops after this step; it can go on later.")
    if state in ("pausing", "paused", "cancelled", "failed", "lost"):
        _button("Resume", "play_arrow", run, jobs.resume, "Goes on from where it stopped.")
    if state in ("running", "waiting", "pausing", "paused", "lost") and st.button(
        "Cancel", key=f"cancel_{run.name}", icon=":material/close:", type="tertiary"
    ):
        ask("cancel", run)
    if run.weights is not None and state not in ACTIVE:
        page_link("runs", "Result", "monitoring", address={Parameter.RUN: run.name})


def _button(label: str, icon: str, run: Run, action: Callable[[str], None], help_text: str) -> None:
    if st.button(
        label,
        key=f"{label}_{run.name}",
        icon=f":material/{icon}:",
        type="tertiary",
        on_click=attempt,
        args=(action, run.name),
        help=help_text,
    ):
        # The whole page: it says what went wrong, and begins to look again at what goes on.
        st.rerun()
