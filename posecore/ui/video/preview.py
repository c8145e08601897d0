"""One frame of a video under the present settings, before all of it is worked on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.ui.shared.models.engine import Analysis, analyse, pace
from posecore.ui.shared.pictures.open_picture import open_picture
from posecore.ui.shared.pictures.posed_picture import facts, nobody_in, show_picture
from posecore.ui.shared.plain import plain
from posecore.ui.shared.videos.moments import LONGEST, frame_source, length_of
from posecore.ui.shared.videos.store import Video
from posecore.ui.video.chosen_run import start_run
from posecore.video import VideoOptions
from posecore.video.reading import clock, estimate

PREVIEW_ROOM = "max(240px, 100vh - 330px)"
_CODECS = {"h264": "H.264", "hevc": "H.265", "mpeg4": "MPEG-4", "mpeg2video": "MPEG-2", "mjpeg": "Motion JPEG"}


def show_frame(
    video: Video,
    seconds: float,
    model: PoseModel | None,
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    drawing: DrawingOptions,
) -> Analysis | None:
    """Show a frame with the people found in it; None, with the reason shown, when that is impossible.

    Without a model the frame is shown as it is.
    """
    source = frame_source(video, seconds)
    try:
        opened = open_picture(source)
        analysis = None if model is None else analyse(model, opened, None, network, decode)
    except PosecoreError as error:
        st.error(f"{plain(error)} Choose another moment, or another video.", icon=":material/error:")
        return None
    poses = nobody_in(opened) if analysis is None else analysis.poses
    show_picture(opened, poses, drawing, room=PREVIEW_ROOM, parts=False)
    return analysis


def video_facts(video: Video) -> str:
    """What the file says about itself, as badges in Markdown."""
    info = video.info
    seconds = length_of(info)
    parts = [f"{info.width} × {info.height}", f"{float(info.rate):.4g} frames/s"]
    if seconds:
        parts.append(clock(seconds))
    parts.append(_CODECS.get(info.codec, info.codec.upper()))
    if info.audio:
        parts.append("with sound")
    return " ".join(f":gray-badge[{part}]" for part in parts)


def run_panel(video: Video, model: PoseModel, options: VideoOptions, analysis: Analysis | None) -> None:
    """What is known about the video and this frame, how long a run may take, and the button that starts it."""
    clip = options.clip
    wrong = bool(clip.end) and clip.end <= clip.start
    with st.container(border=True):
        st.markdown(f"**{plain(video.label)}**  \n{video_facts(video)}")
        if analysis is not None:
            st.markdown(facts(analysis))
            if not len(analysis.poses):
                st.caption(
                    ":material/lightbulb: Nobody was found in this frame. Choose another moment, lower the pose "
                    "threshold, or choose a larger input size."
                )
        if wrong:
            st.error(
                f"The end ({clip.end:g} s) must lie after the start ({clip.start:g} s): change *Part of the video*.",
                icon=":material/error:",
            )
        st.button(
            "Find poses in this video" if not (clip.start or clip.end) else "Find poses in this part",
            type="primary",
            icon=":material/play_arrow:",
            on_click=start_run,
            args=(video, model, options),
            disabled=wrong,
            width="stretch",
            key="video_start",
        )
        st.caption(_outlook(video, model, options, analysis))
    if video.note:
        st.caption(plain(video.note))


def _outlook(video: Video, model: PoseModel, options: VideoOptions, analysis: Analysis | None) -> str:
    """What a run gives, and about how long it takes."""
    clip = options.clip
    seconds = max(min(clip.end or LONGEST, length_of(video.info)) - clip.start, 0.0)
    frames = math.ceil(seconds * float(video.info.rate) / clip.stride)
    gives = "You get a clip with the people drawn in, their tracks, joint angles and other measures, and tables."
    if not frames:
        return gives
    lasts = ""
    if analysis is not None:
        spent = pace(model, analysis, options.network)
        lasts = f", about {estimate(frames * spent / 1000)} at this frame's pace"
    return f"About {frames} frames{lasts}. It goes on in the background. {gives}"
