"""What the Webcam page shows beside the picture: settings of the view, figures, buttons, help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.skeleton import Skeleton
from posecore.ui.shared.lifting import can_lift, lift_controls, lift_settings
from posecore.ui.shared.measure_words import COUNT_PREFIX
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.pictures.open_picture import to_png
from posecore.ui.shared.pictures.posed_picture import people
from posecore.ui.shared.pictures.source_picker import look_at_snapshot
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.widgets.figure import live_figure_view
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.ui.webcam.camera import Webcam
from posecore.ui.webcam.connection import why_no_picture
from posecore.ui.webcam.live_figure import OfferedFigure
from posecore.ui.webcam.recordings import RECORDED_PREFIX
from posecore.video import (
    LIVE_SMOOTHING,
    CropSettings,
    LiveOptions,
    LiveStatus,
    RepetitionSettings,
    SmoothingSettings,
    TrackingSettings,
    ViewSettings,
)
from posecore.video.live_options import PARTS

_FIGURE_ROOM = "clamp(260px, 100vh - 470px, 400px)"
#: Seconds after which a stream without a picture is called one.
_NO_PICTURE = 8.0
#: The input is no larger than this unless asked for: a laptop's processor then sees several frames a second.
_LIVE_SIDE = 353


def live_defaults(model: PoseModel) -> dict[str, Any]:
    """Network settings that suit live video better than the model's own."""
    info = model.network_settings_class.model_fields.get("input_size")
    usual = getattr(model.network_defaults, "input_size", 0)
    if info is None or usual <= _LIVE_SIDE:
        return {}
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    low = next((constraint.ge for constraint in info.metadata if hasattr(constraint, "ge")), 0)
    return {"input_size": low + (_LIVE_SIDE - low) // int(str(extra.get("step", 1))) * int(str(extra.get("step", 1)))}


@dataclass(frozen=True)
class LiveControls:
    """Widgets for how the live picture is shown, people are followed and repetitions counted."""

    view: SettingControls = field(default_factory=lambda: SettingControls(ViewSettings, prefix="live_"))
    crop: SettingControls = field(default_factory=lambda: SettingControls(CropSettings, prefix="live_"))
    track: SettingControls = field(default_factory=lambda: SettingControls(TrackingSettings, prefix="live_"))
    smooth: SettingControls = field(default_factory=lambda: SettingControls(LIVE_SMOOTHING, prefix="live_"))
    count: SettingControls = field(default_factory=lambda: SettingControls(RepetitionSettings, prefix=COUNT_PREFIX))

    @property
    def all(self) -> tuple[SettingControls, ...]:
        """All of them, and how tall people are."""
        lifting = (lift_controls(), lift_controls(RECORDED_PREFIX))
        return self.view, self.crop, self.track, self.smooth, self.count, *lifting

    def draw(self, view: DeltaGenerator, following: DeltaGenerator, crops: Sequence[str]) -> None:
        """Put them into the sidebar; of smart crop the settings that have an effect."""
        with view:
            self.view.draw(self.view.others, columns=1)
            if crops:
                self.crop.draw(crops)
        with following:
            self.track.draw(self.track.others)
            if self.track.values["track"]:
                self.smooth.draw(("smooth", "min_cutoff", "beta"))

    def options(self, network: Mapping[str, Any], decode: Mapping[str, Any], drawing: DrawingOptions) -> LiveOptions:
        """What they and the other widgets say."""
        following = TrackingSettings(**self.track.values)
        smooth = self.smooth.values if following.track else {**self.smooth.values, "smooth": "none"}
        return LiveOptions(
            ViewSettings(**self.view.values),
            following,
            SmoothingSettings(**smooth),
            drawing,
            CropSettings(**self.crop.values),
            network,
            decode,
        )


def show_figure(figure: OfferedFigure, skeleton: Skeleton) -> None:
    """A switch, and behind it the people in three dimensions as they move."""
    possible = can_lift(skeleton.keypoints)
    wanted = st.toggle(
        "In three dimensions",
        key="live_figure_wanted",
        persist_state="session",
        disabled=not possible,
        help="A figure that you can turn and that moves as you do, lifted from the joints in the picture."
        if possible
        else "This model does not find all the joints of the limbs that this needs.",
    )
    if not (wanted and possible):
        return
    figure.height = lift_settings("height").given_height
    live_figure_view(
        figure.address, label="The people before the camera in three dimensions", room=_FIGURE_ROOM, key="live_figure"
    )
    st.caption(f":material/info: {plain(figure.basis)}")


def show_figures(camera: Webcam, playing: bool, servers: Sequence[Mapping[str, Any]]) -> None:
    """Rates and times of the running stream, or what stands in its way."""
    waited = camera.waited(playing)
    status = camera.status
    if camera.crowded:
        st.warning(
            "**Others are using all places for live video here.** Your picture is shown without people; it goes on by "
            "itself as soon as one of them stops.",
            icon=":material/group:",
        )
    elif waited > _NO_PICTURE:
        st.warning(why_no_picture(servers), icon=":material/wifi_off:")
    elif status is None or status.size is None:
        st.caption("Waiting for the first picture …")
    else:
        _rates(status)
        _latency(status)
        if status.error is not None:
            st.error(f"{plain(status.error)} The picture is shown without people until that setting is changed.")


def _rates(status: LiveStatus) -> None:
    width, height = status.size or (0, 0)
    figures = (
        ("Analysed", _rate(status.processed), "Camera pictures per second that go through the network."),
        ("Shown", _rate(status.shown), "New pictures per second that you see."),
        (
            "Delay",
            _delay(sum(status.latency.values())) if status.latency else "–",
            "From a picture's arrival at the app to its drawing, without the way over the network.",
        ),
    )
    with st.container(horizontal=True, gap="small"):
        for label, value, words in figures:
            st.metric(label, value, help=words, width="content")
    st.markdown(
        f":green-badge[**{people(status.people)}**] :gray-badge[camera {width} × {height}, {status.received:.0f} fps] "
        f":gray-badge[{status.dropped} pictures skipped]"
    )


def _rate(per_second: float) -> str:
    """Short enough for its column."""
    return f"{per_second:.1f} fps" if per_second < 9.95 else f"{per_second:.0f} fps"


def _delay(milliseconds: float) -> str:
    """Short enough for its column."""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _latency(status: LiveStatus) -> None:
    """The delay, part by part."""
    if not status.latency:
        return
    names = " | ".join(PARTS)
    values = " | ".join(_delay(status.latency[part]) for part in PARTS)
    st.markdown(f"| {names} |\n|{'--:|' * len(PARTS)}\n| {values} |")
    st.caption(
        "Where the delay comes from, mean of two seconds. *wait*: until the network is free; *network*: fitting the "
        "picture and the network itself; *decode*: people from its maps, following and smoothing; *draw*: drawing, and "
        "recording while that runs."
    )


def camera_buttons(camera: Webcam, playing: bool) -> None:
    """Recording and snapshot; pressed while the stream goes on."""
    status = camera.status if playing else None
    ready = status is not None and status.size is not None
    recorded = None if status is None else status.recorded
    # Whatever a button does happens in its callback: the next look at the stream may end this run before it gets there.
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if recorded is None:
            st.button(
                "Record", icon=":material/radio_button_checked:", on_click=_record, args=(camera,), disabled=not ready
            )
        else:
            st.button("Stop recording", icon=":material/stop_circle:", on_click=_stop_recording, args=(camera,))
        st.button(
            "Snapshot",
            icon=":material/photo_camera:",
            on_click=_take_snapshot,
            args=(camera,),
            disabled=not ready,
            help="Keeps the camera's picture for the Explore page.",
        )
        if kept := len(session().snapshots):
            page_link(
                "explore",
                "Open in Explore",
                "person_search",
                help_text=f"{kept} {'picture is' if kept == 1 else 'pictures are'} kept there under *Camera*.",
            )
        if recorded is not None:
            st.markdown(f":red-badge[:material/fiber_manual_record: {recorded:.0f} s]")


def _record(camera: Webcam) -> None:
    try:
        camera.record()
    except PosecoreError as error:
        session().refused.append(str(error))


def _stop_recording(camera: Webcam) -> None:
    try:
        camera.stop_recording()
    except PosecoreError as error:
        session().refused.append(str(error))


def _take_snapshot(camera: Webcam) -> None:
    picture = camera.snapshot()
    if picture is None:
        return
    try:
        kept = session().snapshots
        look_at_snapshot(kept.add(f"webcam_{len(kept) + 1}.png", to_png(picture)))
    except PosecoreError as error:
        session().refused.append(str(error))


def show_help() -> None:
    """What the page does and what to do when the camera does not start."""
    st.markdown(
        "**Press *Start camera*.** Your browser asks for permission first. Poses are drawn into the picture as you "
        "move, and every setting on the left acts at once. Pictures go to the machine that runs this app and nowhere "
        "else; nothing is kept unless you record."
    )
    # The component keeps to itself what went wrong in the browser, so this is open from the beginning.
    with st.expander("If the camera does not start", icon=":material/help:", expanded=True):
        st.markdown(
            "- **Permission denied** (*NotAllowedError*): allow the camera at the left end of the address bar, and "
            "reload the page.\n"
            "- **No camera** (*NotFoundError*, *NotReadableError*): connect one, or close the program that uses it.\n"
            "- **No camera on this page at all:** browsers give it only to `https://` pages and to `localhost`. Put "
            "the app behind HTTPS, or open it on the machine that runs it.\n"
            "- **It starts, but no picture comes:** the browser and the app do not reach each other; over the internet "
            "they need a STUN or TURN server (`POSECORE_ICE_SERVERS`, see the README)."
        )


def show_withheld() -> None:
    """The page's address is one to which browsers give no camera."""
    st.warning(
        "**Your browser will not give the camera to this page:** it was opened over plain `http` from another "
        "machine. "
        "Browsers do that only over `https`, or on the machine that runs the app (`http://localhost`). Meanwhile you "
        "can upload pictures on the Explore page.",
        icon=":material/lock:",
    )
