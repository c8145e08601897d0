"""Which run a visitor looks at, and starting one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.videos.store import Video, shelf
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import is_local, require, visitor_name
from posecore.ui.video.run_folders import Owner, run_folders
from posecore.ui.video.runs import VideoRun, run_desk
from posecore.video import VideoOptions

PREVIEW, RESULT = "Preview", "Result"
_VIEW = "video_view"
_RUN = "video_run"


def my_runs() -> dict[str, VideoRun]:
    """This visitor's runs that are still known, by token; the newest first."""
    mine = shelf()
    if not mine.address_read:
        mine.address_read = True
        mine.runs = [folder.path.name for folder in run_folders(_owner())]
        token = asked(Parameter.VIDEO_RUN)
        if token and token not in mine.runs:
            if run_desk().get(token) is None:
                mine.refused.append(
                    "The result of this address is not here any more: it was removed, or nobody looked at it for long. "
                    "Run the video again."
                )
            else:
                mine.runs.append(token)
        _follow(token)
    elif came_back():
        _follow(asked(Parameter.VIDEO_RUN))
    found = {run.token: run for run in known_runs()}
    mine.runs = list(reversed(found))
    return found


def known_runs() -> list[VideoRun]:
    """This visitor's runs, the newest first, as :func:`my_runs` has found them."""
    return [run for token in reversed(shelf().runs) if (run := run_desk().get(token)) is not None]


def titles_of(runs: Sequence[VideoRun]) -> dict[str, str]:
    """Words for runs, the newest first, by their tokens; numbered, for several may be of one video."""
    return {run.token: f"{len(runs) - place} · {run.video.label} · {run.model}" for place, run in enumerate(runs)}


def _follow(token: str | None) -> None:
    """Show the result that the address names."""
    if token in shelf().runs:
        st.session_state[_VIEW], st.session_state[_RUN] = RESULT, token
    elif came_back():
        st.session_state[_VIEW] = PREVIEW


def pick_view(video: Video | None) -> VideoRun | None:
    """The choice between preview and results; the run to show, or None for the preview.

    A newly chosen ``video`` is previewed first.
    """
    runs = my_runs()
    mine = shelf()
    key = None if video is None else video.key
    if mine.last not in (None, key):
        st.session_state[_VIEW] = PREVIEW
    mine.last = key
    if not runs:
        say(Parameter.VIDEO_RUN, None)
        return None
    view = st.segmented_control(
        "View",
        (PREVIEW, RESULT),
        default=PREVIEW,
        required=True,
        key=_VIEW,
        label_visibility="collapsed",
        persist_state="session",
    )
    run = _pick_run(runs) if view == RESULT else None
    say(Parameter.VIDEO_RUN, None if run is None else run.token)
    return run


def _pick_run(runs: dict[str, VideoRun]) -> VideoRun:
    if st.session_state.get(_RUN) not in runs:
        st.session_state[_RUN] = next(iter(runs))
    if len(runs) == 1:
        return next(iter(runs.values()))
    titles = titles_of(list(runs.values()))
    token = st.selectbox(
        "Run",
        list(runs),
        format_func=lambda token: titles.get(token, ""),
        key=_RUN,
        label_visibility="collapsed",
        persist_state="session",
        width=340,
    )
    return runs[token]


def start_run(video: Video, model: PoseModel, options: VideoOptions) -> None:
    """Have a video worked on and show how far that is; a callback."""
    try:
        require("use", "Working on videos")
        visitor_folders.check_room()
        run = run_desk().find(video, model, options, _owner())
    except PosecoreError as error:
        shelf().refused.append(str(error))
        return
    shelf().runs.append(run.token)
    st.session_state[_VIEW], st.session_state[_RUN] = RESULT, run.token


def draw_again(run: VideoRun, options: VideoOptions) -> None:
    """Have the people of a run drawn anew, without the network; a callback."""
    try:
        require("use", "Working on videos")
        run_desk().draw(run, options.smoothing, options.drawing, options.output)
    except PosecoreError as error:
        shelf().refused.append(str(error))


def forget_run(run: VideoRun) -> None:
    """Drop a run and its files; a callback."""
    run_desk().forget(run.token)


def forget_all_runs() -> None:
    """Drop all of this visitor's runs and their files; a callback."""
    for token in shelf().runs:
        run_desk().forget(token)


def _owner() -> Owner:
    """Whose runs are begun now. Who keeps no cookies finds them again by their addresses alone."""
    name = visitor_name()
    return Owner(name or shelf().name, at_machine=name is not None and is_local())
