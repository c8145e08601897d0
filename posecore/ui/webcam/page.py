"""Webcam: poses in the picture of the visitor's camera, live."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit_webrtc import WebRtcMode, webrtc_streamer

from posecore.errors import SettingsError
from posecore.model import PoseModel
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.model_picker import pick_model
from posecore.ui.shared.pictures.source_picker import show_refused
from posecore.ui.shared.session import session, state_of
from posecore.ui.shared.sidebar import (
    Sidebar,
    decoder_controls,
    drawing_controls,
    lay_out_sidebar,
    load,
    network_controls,
)
from posecore.ui.shared.visitors import NotAllowedError, require
from posecore.ui.webcam.camera import Webcam, webcam
from posecore.ui.webcam.connection import TRANSLATIONS, camera_is_withheld, ice_servers
from posecore.ui.webcam.live_figure import OfferedFigure
from posecore.ui.webcam.live_measures import OfferedMeasures, show_measures
from posecore.ui.webcam.recordings import show_recordings
from posecore.ui.webcam.view import (
    LiveControls,
    camera_buttons,
    live_defaults,
    show_figure,
    show_figures,
    show_help,
    show_withheld,
)
from posecore.video import crop_settings

CONSTRAINTS: dict[str, Any] = {
    "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
    "audio": False,
}


def main() -> None:
    """The page."""
    try:
        # A stream gives pictures to the server and has its network work on them.
        require("use", "Using the webcam")
    except NotAllowedError as error:
        show_error(error)
        return
    camera = webcam(session().folder.path)
    with st.sidebar:
        info = pick_model()
        view, place = st.container(), st.container()
    model = load(info)
    if model is None:
        camera.prepare(None)
    else:
        with place:
            sidebar = lay_out_sidebar()
            with sidebar.own:
                following = st.expander("Tracking and smoothing", icon=":material/directions_walk:")
        live = LiveControls()
        network = network_controls(model, sidebar, live_defaults(model), live.all)
        settings(camera, model, network, live, sidebar, view, following)
    show_refused()
    left, right = st.columns([6, 5], gap="medium")
    with left:
        servers = _servers()
        playing = stream(camera, servers)
        under_picture(camera, playing)
    with right:
        if not info.available:
            fetch_panel(info)
        elif model is not None:
            if playing:
                measures(camera, model, live)
                figure(camera, model)
            beside_picture(camera, playing, servers)


@st.fragment
def settings(
    camera: Webcam,
    model: PoseModel,
    network: Mapping[str, Any],
    live: LiveControls,
    sidebar: Sidebar,
    view: DeltaGenerator,
    following: DeltaGenerator,
) -> None:
    """The controls that act at once, without the rest of the page."""
    decode, drawing = decoder_controls(model, sidebar), drawing_controls(sidebar)
    live.draw(view, following, crop_settings(model, decode))
    camera.prepare(model, live.options(network, decode, drawing))


def _servers() -> list[dict[str, Any]]:
    try:
        return ice_servers()
    except SettingsError as error:
        show_error(error, "Until then the app is reached directly only.")
        return []


def stream(camera: Webcam, servers: Sequence[Mapping[str, Any]]) -> bool:
    """The camera's picture; True while it plays or is about to."""
    if camera_is_withheld(st.context.url):
        show_withheld()
    running = webrtc_streamer(
        key="webcam",
        mode=WebRtcMode.SENDRECV,
        video_frame_callback=camera.show,
        on_video_ended=camera.ended,
        rtc_configuration={"iceServers": list(servers)},
        media_stream_constraints=CONSTRAINTS,
        translations=TRANSLATIONS,
        async_processing=True,
    )
    playing = running.state.playing or running.state.signalling
    if not playing:
        camera.stop()
    return playing


def under_picture(camera: Webcam, playing: bool) -> None:
    """Buttons, which look at the stream while there is one, and recordings, which must stay while they are fetched."""
    recordings = camera.recordings

    @st.fragment(run_every=1.0 if playing else None)
    def buttons() -> None:
        if camera.recordings != recordings:
            st.rerun()
        camera_buttons(camera, playing)

    buttons()
    show_recordings(camera, recordings)


@st.fragment
def measures(camera: Webcam, model: PoseModel, live: LiveControls) -> None:
    """What the people measure, if that is wanted."""
    show_measures(
        state_of(OfferedMeasures, lambda: OfferedMeasures(lambda: camera.running)), model.skeleton, live.count
    )


@st.fragment
def figure(camera: Webcam, model: PoseModel) -> None:
    """The people in space, if that is wanted."""
    show_figure(state_of(OfferedFigure, lambda: OfferedFigure(lambda: camera.running)), model.skeleton)


def beside_picture(camera: Webcam, playing: bool, servers: Sequence[Mapping[str, Any]]) -> None:
    """Figures while the stream plays, else what to do."""
    if not playing:
        show_help()
        return

    @st.fragment(run_every=1.0)
    def figures() -> None:
        show_figures(camera, playing, servers)

    figures()
