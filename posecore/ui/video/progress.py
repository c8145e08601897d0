"""How far a run is, looked at every now and then while it lasts."""

from __future__ import annotations

import time

import streamlit as st

from posecore.ui.shared.pictures.open_picture import shrink, to_jpeg
from posecore.ui.shared.pictures.posed_picture import people
from posecore.ui.shared.widgets.watching import watch
from posecore.ui.video.runs import VideoRun, run_desk
from posecore.video import Progress
from posecore.video.reading import estimate

_STEPS = {"finding people": "Finding people", "drawing": "Drawing"}
#: Longest side of the picture that shows how far a run is, and its width on the page.
_GLANCE_SIDE, _GLANCE_ROOM = 720, 420


def show_progress(run: VideoRun) -> None:
    """A bar with the time left, the last frame, and a button that ends the run early, while it is at work."""
    watch(run.job, lambda: _look(run))


def _look(run: VideoRun) -> None:
    job, progress = run.job, run.job.report
    run.looked = time.monotonic()
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.progress(0.0 if progress is None else min(progress.share, 1.0), text=_words(run, progress))
    with right:
        st.button(
            "Stop",
            on_click=run.stop,
            disabled=job.stopping,
            icon=":material/stop:",
            width="stretch",
            key="video_stop",
            help="Ends early and keeps what is done: a clip that plays and complete tables up to there."
            if run.purpose == "find"
            else "Keeps the clip as it was before.",
        )
    if progress is not None:
        st.image(to_jpeg(shrink(progress.picture, _GLANCE_SIDE), 80), width=_GLANCE_ROOM, output_format="JPEG")
        st.caption(f"{people(len(progress.poses))} in this frame · you may leave this page, the run goes on.")


def _words(run: VideoRun, progress: Progress | None) -> str:
    job = run.job
    if job.stopping:
        return "Stopping: what is done so far is being written …"
    if job.state == "waiting":
        before = run_desk().waiting_before(run)
        if before == 0:
            return "Waiting for another run on this server to end …"
        return f"Waiting: {before} {'run comes' if before == 1 else 'runs come'} first …"
    if progress is None:
        return "Starting …"
    of = f" of about {progress.expected}" if progress.expected is not None else ""
    left = f" · about {estimate(progress.eta)} left" if progress.eta is not None else ""
    pace = f" · {progress.frames / progress.elapsed:.1f} frames/s" if progress.elapsed > 1 else ""
    return f"{_STEPS.get(progress.step, progress.step)}: frame {progress.frames}{of}{left}{pace}"
