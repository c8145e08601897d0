"""Frames of a video as pictures of a set: choosing them, and taking them beside the pages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from posecore.data.library import StoredSet
from posecore.errors import PosecoreError
from posecore.skeleton import COCO_17, Skeleton
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.quota import check_room
from posecore.ui.shared.session import session, state_of
from posecore.ui.shared.sets.new_set import name_field, pick_skeleton
from posecore.ui.shared.sets.set_library import library, remember, title_of
from posecore.ui.shared.steps import Far, Shares, show_steps
from posecore.ui.shared.videos.moments import length_of
from posecore.ui.shared.videos.store import Video, shelf
from posecore.ui.shared.videos.video_picker import pick_video, show_refused_videos
from posecore.ui.shared.visitors import require, visitor_name
from posecore.video import MOST_STILLS, ClipSettings, StillsTaken, take_stills
from posecore.words import counted

_SPREAD, _EVERY = "So many, spread evenly", "Every n-th one"
_USUAL_COUNT, _USUAL_STRIDE, _MOST_STRIDE = 50, 10, 100
_NEW = ""


@dataclass(frozen=True)
class _Wanted:
    """What shall be taken of a video.

    Attributes:
        video: The video.
        clip: Which part, and every how many frames of it.
        count: So many frames, spread; None for every n-th.
        name: Of the set.
        skeleton: Of a new set.
    """

    video: Video
    clip: ClipSettings
    count: int | None
    name: str
    skeleton: Skeleton


@dataclass
class _Begun:
    """Whether this visitor began to take frames and has not been told yet what came of it."""

    untold: bool = False


def _takings() -> Tasks[StillsTaken, Far]:
    """Videos whose frames are taken, one of each visitor."""
    return tasks("frames")


def _key() -> str:
    return visitor_name() or shelf().name


def from_video() -> None:
    """The form: the video, which frames of it, and where they go."""
    video = pick_video()
    show_refused_videos()
    with st.container(border=True):
        sets = {stored.name: stored for stored in library().all() if not stored.broken}
        into = _pick_target(sets)
        name, skeleton = _new_set() if into == _NEW else (into, COCO_17)
        if video is None:
            st.caption("Give a video first.")
            return
        clip, count = _pick_frames(video)
        name = name or library().unused_name(video.stem)
        if not show_taking():
            wanted = _Wanted(video, clip, count, name, skeleton)
            st.button("Take the frames", type="primary", icon=":material/movie:", on_click=_start, args=(wanted,))


def _pick_target(sets: dict[str, StoredSet]) -> str:
    if not sets:
        return _NEW
    titles = {_NEW: "a new set", **{name: title_of(stored) for name, stored in sets.items()}}
    return st.selectbox("Into", list(titles), format_func=lambda name: titles.get(name, name), key="frames_into")


def _new_set() -> tuple[str, Skeleton]:
    left, right = st.columns(2, gap="small")
    with left:
        name = name_field("frames_name").strip()
    with right:
        return name, pick_skeleton("frames_skeleton")


def _pick_frames(video: Video) -> tuple[ClipSettings, int | None]:
    """Which frames, with how many pictures that makes."""
    which = st.segmented_control(
        "Which frames", (_SPREAD, _EVERY), default=_SPREAD, required=True, key="frames_which", width="stretch"
    )
    seconds = length_of(video.info)
    first, second, third = st.columns(3, gap="small", vertical_alignment="bottom")
    stride, count = 1, None
    if which == _SPREAD:
        count = int(first.number_input("Frames", 1, MOST_STILLS, _USUAL_COUNT, key="frames_count"))
    else:
        stride = int(first.number_input("Every n-th frame", 1, _MOST_STRIDE, _USUAL_STRIDE, key="frames_stride"))
    most = seconds or None
    start = second.number_input("From second", 0.0, most, 0.0, 1.0, key=f"frames_from_{video.key}")
    end = third.number_input("To second", 0.0, most, seconds, 1.0, key=f"frames_to_{video.key}")
    # The whole rest is read to its end, whatever the header says of it.
    clip = ClipSettings(start=start, end=0.0 if end == seconds else end, stride=stride)
    wrong = 0 < end <= start
    st.caption(
        "The end must lie after the start." if wrong else _in_words(video, (end or seconds) - start, stride, count)
    )
    return clip, count


def _in_words(video: Video, seconds: float, stride: int, count: int | None) -> str:
    frames = max(round(seconds * float(video.info.rate)), 0)
    size = f"{video.info.width} × {video.info.height} pixels"
    if not frames:
        return f"Pictures of {size}; the video does not say how long it is."
    pictures = min(count or MOST_STILLS, -(-frames // stride))
    apart = seconds / pictures
    return f"About {counted(pictures, 'picture')} of {size}, {apart:.2g} s apart."


def _start(wanted: _Wanted) -> None:
    """Begin; a callback."""
    try:
        require("all", "Adding pictures to sets")
        check_room(library().folder)
        _takings().start(_key(), partial(_take, wanted), again=True, ends_with_session=True)
    except PosecoreError as error:
        shelf().refused.append(str(error))
    else:
        shelf().refused.clear()
        state_of(_Begun).untold = True


def _take(wanted: _Wanted, task: Task[StillsTaken, Far]) -> StillsTaken:
    keeping = Shares(task, "Keeping the pictures")
    return take_stills(
        library(),
        wanted.name,
        wanted.video.path,
        wanted.clip,
        wanted.count,
        skeleton=wanted.skeleton,
        stem=wanted.video.stem,
        tell=Shares(task, f"Reading {wanted.video.label}"),
        progress=lambda done, total: keeping(done / total),
    )


def show_taking() -> bool:
    """How far the frames are that this visitor takes, or why they could not be taken; True while it goes on."""
    task, begun = _takings().get(_key()), state_of(_Begun)
    if task is None:
        return False
    if task.active:
        show_steps(_takings(), task, "Taking frames", "pictures", "frames_cancel")
    elif begun.untold and task.error:
        begun.untold = False
        show_error(PosecoreError(task.error))
    return task.active


def tell_taken() -> None:
    """Once frames were taken: say so, and go to their set."""
    task, begun = _takings().get(_key()), state_of(_Begun)
    if task is None or not begun.untold or task.active or task.result is None:
        return
    begun.untold = False
    st.toast(plain(" ".join([task.result.sentence, *task.result.warnings])), icon=":material/check:")
    session().adding_set = False
    remember(task.result.stored.name)
    st.rerun()
