"""The moment of a video that is shown, as a picture like any other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from posecore.imaging import Picture
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.videos.store import Video
from posecore.ui.shared.widgets.numbers import number
from posecore.video import ClipSettings, VideoInfo, frame_at

#: Lengths that a slider over time still makes sense for, in seconds: no header is believed beyond a day.
LONGEST = 86_400.0


def frame_source(video: Video, seconds: float) -> Source:
    """The frame that is shown ``seconds`` into a video, as a picture like any other."""
    return Source(
        f"{video.key}@{seconds:.3f}",
        f"{video.stem}_{seconds:.2f}s.png",
        f"{video.label} at {seconds:.2f} s",
        partial(_read_frame, video.path, seconds),
    )


def _read_frame(path: Path, seconds: float) -> Picture:
    return frame_at(path, seconds).picture


def length_of(info: VideoInfo) -> float:
    """Seconds that a video lasts as far as its header tells; 0 when it tells nothing."""
    return min(info.length or 0.0, LONGEST)


def moment_key(video: Video) -> str:
    """Key of the widget that chooses a video's moment."""
    return f"video_moment_{video.key}"


def pick_moment(video: Video, clip: ClipSettings) -> float:
    """A slider over the part of the video that will be used; seconds."""
    step = 1 / float(video.info.rate)
    first = clip.start
    last = min(clip.end or LONGEST, length_of(video.info)) - step
    if last - first < step:
        return first
    key = moment_key(video)
    before = st.session_state.get(key)
    if before is not None and not first <= before <= last:
        st.session_state[key] = min(max(before, first), last)
    return number(
        "Frame shown, in seconds",
        first,
        last,
        first + 0.25 * (last - first),
        step=step,
        decimals=2,
        key=key,
        persist_state="session",
        help="The frame of the video that is shown here.",
    )
