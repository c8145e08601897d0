"""How far a run is, looked at every now and then while it lasts."""

from __future__ import annotations

import time

import streamlit as st

from posecore.ui.shared.pictures.posed_picture import people
from posecore.ui.video.runs import Job, VideoRun, run_desk
from posecore.video import Progress
from posecore.video.reading import clock

#: Seconds between two looks.
_EVERY = 1.0
_STEPS = {"finding people": "Finding people", "drawing": "Drawing"}
_GLANCE_ROOM = 420


@st.fragment(run_every=_EVERY)
def show_progress(run: VideoRun) -> None:
    """A bar with the time left, the last frame, and a button that ends the run early.

    When the work is done, the whole page runs again.
    """
    job = run.job
    if not job.active:
        st.rerun(scope="app")
    run.looked = time.monotonic()
    progress = job.progress
    left, right = st.columns([5, 1], vertical_alignment="center")
    with left:
        st.progress(0.0 if progress is None else min(progress.share, 1.0), text=_words(run, job, progress))
    with right:
        st.button(
            "Stop",
            on_click=job.cancel.set,
            disabled=job.cancel.is_set(),
            icon=":material/stop:",
            width="stretch",
            key="video_stop",
            help="Ends early and keeps what is done: a clip that plays and complete tables up to there."
            if job.purpose == "find"
            else "Keeps the clip as it was before.",
        )
    glance = job.glance()
    if glance is not None:
        st.image(glance, width=_GLANCE_ROOM, output_format="JPEG")
        if progress is not None:
            st.caption(f"{people(len(progress.poses))} in this frame · you may leave this page, the run goes on.")


def _words(run: VideoRun, job: Job, progress: Progress | None) -> str:
    if job.cancel.is_set():
        return "Stopping: what is done so far is being written …"
    if job.state == "waiting":
        before = run_desk().waiting_before(job)
        if before == 0:
            return "Waiting for another run on this server to end …"
        return f"Waiting: {before} {'run comes' if before == 1 else 'runs come'} first …"
    if progress is None:
        return "Starting …"
    of = f" of about {progress.expected}" if progress.expected is not None else ""
    left = f" · about {clock(progress.eta)} left" if progress.eta is not None else ""
    pace = f" · {progress.frames / progress.elapsed:.1f} frames/s" if progress.elapsed > 1 else ""
    return f"{_STEPS.get(progress.step, progress.step)}: frame {progress.frames}{of}{left}{pace}"
