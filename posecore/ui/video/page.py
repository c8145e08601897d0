"""Video: people found, followed, smoothed and measured over time."""

from typing import Any

import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.model import PoseModel
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.model_picker import pick_model
from posecore.ui.shared.sidebar import decoder_controls, drawing_controls, load, network_controls
from posecore.ui.shared.videos.moments import pick_moment
from posecore.ui.shared.videos.store import Video
from posecore.ui.shared.videos.video_picker import no_video, pick_video, show_refused_videos
from posecore.ui.video.chosen_run import my_runs, pick_view
from posecore.ui.video.finished_run import run_buttons, show_run
from posecore.ui.video.preview import run_panel, show_frame
from posecore.ui.video.settings import VideoSidebar, lay_out_video_sidebar, resettable, video_controls
from posecore.video import ClipSettings, VideoOptions


def main() -> None:
    """The page."""
    with st.sidebar:
        video = pick_video()
        info = pick_model()
        place = st.container()
    # Before what was refused is said: the address may ask for a result that is not here.
    my_runs()
    show_refused_videos()
    model = load(info)
    if model is not None:
        with place:
            sidebar = lay_out_video_sidebar()
        work(video, model, network_controls(model, sidebar.shared, others=resettable()), sidebar)
        return
    if not info.available:
        fetch_panel(info)
    if video is not None:
        show_frame(video, pick_moment(video, ClipSettings()), None, {}, {}, DrawingOptions())
    else:
        no_video()


@st.fragment
def work(video: Video | None, model: PoseModel, network: dict[str, Any], sidebar: VideoSidebar) -> None:
    """Preview or result; runs without the rest of the page when a setting other than the network's changes."""
    decode, drawing = decoder_controls(model, sidebar.shared, "clips need a new run"), drawing_controls(sidebar.shared)
    options = video_controls(model, sidebar, network, decode, drawing)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        run = pick_view(video)
        if run is not None:
            run_buttons(run, model, options)
    if run is not None:
        show_run(run, model, options)
    elif video is not None:
        preview(video, model, options)
    else:
        no_video()


def preview(video: Video, model: PoseModel, options: VideoOptions) -> None:
    """One frame under the present settings, and the button for all of them."""
    left, right = st.columns([6, 5], gap="medium")
    with left:
        moment = pick_moment(video, options.clip)
        analysis = show_frame(video, moment, model, options.network, options.decode, options.drawing)
    with right:
        run_panel(video, model, options, analysis)
