"""The Webcam page without a browser, and what happens to camera pictures on their way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.synthetic import render_scene
from posecore.errors import SettingsError, VideoError
from posecore.lifting import Poses3D
from posecore.ui.shared.models.engine import shared_model
from posecore.ui.shared.visitors import NotAllowedError
from posecore.ui.webcam.camera import MOST_RECORDINGS, Webcam, most_at_once, places
from posecore.ui.webcam.connection import camera_is_withheld, ice_servers, why_no_picture
from posecore.ui.webcam.live_figure import OfferedFigure
from posecore.ui.webcam.live_measures import OfferedMeasures
from posecore.video import LiveOptions, PoseSequence, TrackingSettings, ViewSettings
from posecore.zoo import list_models
from tests.app_support import MODEL, forget_everything, install_model, kept, open_app, without_shipped_models, words
from tests.motion_support import seen, walker

SMALL = {"input_size": 129}
FOLLOWING = TrackingSettings(min_hits=1)
PLAIN = LiveOptions(view=ViewSettings(mirror=False), tracking=FOLLOWING, network=SMALL, decode={"pose_threshold": 0.0})


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    monkeypatch.delenv("POSECORE_ICE_SERVERS", raising=False)
    # Without a browser there is no session whose end the component could watch.
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    forget_everything()
    places.clear()


@pytest.fixture
def model(home: Path) -> Any:
    install_model(home)
    return shared_model(next(info for info in list_models() if info.name == MODEL))


def make(tmp_path: Path, most: int = 4) -> Webcam:
    return Webcam(tmp_path, threading.Semaphore(1), threading.BoundedSemaphore(most))


@pytest.fixture
def camera(tmp_path: Path, model: Any) -> Iterator[Webcam]:
    made = make(tmp_path)
    made.prepare(model, PLAIN)
    yield made
    made.stop()


def frame(seed: int = 29) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(render_scene(seed).image[:240, :320].copy(), format="rgb24")


def eventually(condition: Callable[[], Any]) -> Any:
    for _ in range(2000):
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError("it did not happen")


def workers() -> int:
    return sum(thread.name == "posecore-live" for thread in threading.enumerate())


def played(camera: Webcam, frames: int = 1) -> np.ndarray:
    """Play until so many more pictures have been through the network; returns what is shown then."""
    done = camera.status.frames if camera.status else 0
    given = frame()
    for _ in range(500):
        shown = camera.show(given).to_ndarray(format="rgb24")
        if camera.status and camera.status.frames >= done + frames:
            return np.asarray(shown)
    raise AssertionError("no picture went through the network")


# ── pictures on their way ──────────────────────────────────────────────────────


def test_camera_pictures_come_back_drawn(camera: Webcam) -> None:
    given = frame().to_ndarray(format="rgb24")
    assert np.abs(played(camera, 2).astype(int) - given).max() > 100
    assert camera.status.people > 0
    assert camera.status.size == (320, 240)


def test_without_a_model_pictures_are_only_mirrored(tmp_path: Path) -> None:
    camera = make(tmp_path)
    given = frame()
    shown = camera.show(given).to_ndarray(format="rgb24")
    assert (shown == given.to_ndarray(format="rgb24")[:, ::-1]).all()
    assert camera.status is None


def test_settings_act_while_it_runs(camera: Webcam, model: Any) -> None:
    played(camera)
    camera.prepare(
        model, LiveOptions(view=PLAIN.view, tracking=FOLLOWING, network=SMALL, decode={"pose_threshold": 1.0})
    )
    played(camera, 2)
    assert camera.status.people == 0


def test_stopping_frees_the_worker_and_starting_again_works(camera: Webcam) -> None:
    before = workers()
    for _ in range(2):
        played(camera)
        assert workers() == before + 1
        camera.stop()
        assert workers() == before
        assert camera.status is None


def test_the_end_of_a_stream_waits_for_nobody(camera: Webcam) -> None:
    played(camera)
    camera.ended()
    eventually(lambda: workers() == 0)


def test_two_visitors_do_not_mix(tmp_path: Path, model: Any) -> None:
    free = threading.BoundedSemaphore(2)
    cameras = [Webcam(tmp_path / name, threading.Semaphore(1), free) for name in ("one", "other")]
    for camera, threshold in zip(cameras, (0.0, 1.0), strict=True):
        camera.prepare(
            model, LiveOptions(view=PLAIN.view, tracking=FOLLOWING, network=SMALL, decode={"pose_threshold": threshold})
        )
    for camera in cameras:
        played(camera)
    assert [camera.status.people > 0 for camera in cameras] == [True, False]
    for camera in cameras:
        camera.stop()


def test_when_all_places_are_taken_the_next_waits(tmp_path: Path, model: Any) -> None:
    free = threading.BoundedSemaphore(1)
    first, second = (Webcam(tmp_path / name, threading.Semaphore(1), free) for name in ("first", "second"))
    for camera in (first, second):
        camera.prepare(model, PLAIN)
    played(first)
    given = frame()
    assert (second.show(given).to_ndarray(format="rgb24") == given.to_ndarray(format="rgb24")).all()
    assert second.crowded
    assert not first.crowded
    first.stop()
    played(second)
    assert not second.crowded
    second.stop()


def test_recordings_are_kept_and_the_oldest_go(camera: Webcam, tmp_path: Path) -> None:
    for _ in range(MOST_RECORDINGS + 1):
        played(camera)
        camera.record()
        played(camera)
        camera.stop_recording()
        assert camera.recordings
    names = [recording.name for recording in camera.recordings]
    assert names == [f"webcam_{number}" for number in range(MOST_RECORDINGS + 1, 1, -1)]
    assert {path.stem for path in tmp_path.glob("*.mp4")} == set(names)
    newest = camera.recordings[0]
    assert newest.table("csv").startswith(b"frame,time,track_id,pose_score,keypoint,x,y,score")
    with av.open(str(newest.clip)) as clip:
        assert clip.streams.video[0].codec_context.name == "h264"
    camera.forget(newest.name)
    assert newest.name not in [recording.name for recording in camera.recordings]
    assert not newest.clip.exists()


def test_a_recording_outlives_its_stream(camera: Webcam) -> None:
    played(camera)
    camera.record()
    played(camera)
    camera.stop()
    assert len(camera.recordings) == 1
    played(camera)
    assert len(camera.recordings) == 1


def test_a_stream_without_pictures_is_noticed(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = make(tmp_path)
    camera.prepare(model, PLAIN)
    now = [100.0]
    monkeypatch.setattr("posecore.ui.webcam.camera.time.monotonic", lambda: now[0])
    assert camera.waited(playing=True) == 0
    now[0] = 112.0
    assert camera.waited(playing=True) == 12
    assert camera.waited(playing=False) == 0
    assert camera.waited(playing=True) == 0


@pytest.mark.parametrize(("asked", "most"), [("", 4), ("2", 2), ("0", 1), ("many", 4)])
def test_the_number_of_places_is_a_setting(monkeypatch: pytest.MonkeyPatch, asked: str, most: int) -> None:
    monkeypatch.setenv("POSECORE_WEBCAMS", asked)
    assert most_at_once() == most


# ── connecting ─────────────────────────────────────────────────────────────────


def test_servers_come_from_the_environment() -> None:
    assert ice_servers({}) == []
    named = {
        "POSECORE_ICE_SERVERS": "stun:stun.example.org:3478, turn:turn.example.org",
        "POSECORE_ICE_USERNAME": "me",
        "POSECORE_ICE_CREDENTIAL": "secret",
    }
    assert ice_servers(named) == [
        {"urls": "stun:stun.example.org:3478"},
        {"urls": "turn:turn.example.org", "username": "me", "credential": "secret"},
    ]


@pytest.mark.parametrize("wrong", ["https://stun.example.org", "stun", "stun:", "example.org:3478"])
def test_a_wrong_server_is_a_sentence(wrong: str) -> None:
    with pytest.raises(SettingsError, match="no STUN or TURN server"):
        ice_servers({"POSECORE_ICE_SERVERS": wrong})


def test_servers_come_from_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    def secrets(servers: Any) -> None:
        class Secrets(dict[str, Any]):
            def load_if_toml_exists(self) -> bool:
                return True

        monkeypatch.setattr("posecore.ui.webcam.connection.st.secrets", Secrets(ice_servers=servers))

    secrets([{"urls": ["turn:a", "turns:b"], "username": "me", "credential": "secret"}])
    login = {"username": "me", "credential": "secret"}
    assert ice_servers({}) == [{"urls": "turn:a", **login}, {"urls": "turns:b", **login}]
    for wrong in ("stun:a", [{"url": "stun:a"}]):
        secrets(wrong)
        with pytest.raises(SettingsError, match=r"secrets\.toml"):
            ice_servers({})


@pytest.mark.parametrize(
    ("address", "withheld"),
    [
        ("http://localhost:8501/webcam", False),
        ("http://127.0.0.1:8501/webcam", False),
        ("http://app.localhost/webcam", False),
        ("https://poses.example.org/webcam", False),
        ("http://192.168.1.7:8501/webcam", True),
        ("http://poses.example.org", True),
        (None, False),
    ],
)
def test_where_browsers_give_no_camera(address: str | None, withheld: bool) -> None:
    assert camera_is_withheld(address) == withheld


def test_no_picture_is_explained_by_what_is_set() -> None:
    assert "POSECORE_ICE_SERVERS" in why_no_picture([])
    assert "firewall" in why_no_picture([{"urls": "stun:a"}])


# ── the page ───────────────────────────────────────────────────────────────────


def the_camera(app: AppTest) -> Webcam:
    return kept(app, Webcam)


def test_the_page_waits_for_the_camera(model: Any) -> None:
    app = open_app("webcam")
    assert "Press *Start camera*" in words(app)
    assert [button.disabled for button in app.button if button.label in ("Record", "Snapshot")] == [True, True]
    assert not app.error
    assert the_camera(app).status is None


def test_every_setting_reaches_the_picture(model: Any) -> None:
    app = open_app("webcam")
    camera = the_camera(app)
    before = camera._options
    assert before.view.mirror
    assert before.network["input_size"] <= 353
    for key, value in (
        ("live_mirror", False),
        ("live_every_frame", True),
        ("pose_threshold", 0.5),
        ("input_size", 257),
        ("draw_boxes", True),
        ("live_max_age", 3.0),
        ("live_min_cutoff", 5.0),
    ):
        app.get_by_key(key).set_value(value)
        app.run()
    options = camera._options
    assert not app.exception
    assert (options.view.mirror, options.view.every_frame) == (False, True)
    assert (options.decode["pose_threshold"], options.network["input_size"]) == (0.5, 257)
    assert (options.drawing.boxes, options.tracking.max_age, options.smoothing.min_cutoff) == (True, 3.0, 5.0)
    app.get_by_key("live_track").set_value(False)
    app.run()
    assert (camera._options.tracking.track, camera._options.smoothing.smooth) == (False, "none")


def test_smart_crop_is_offered_to_models_for_one_person_only(model: Any, home: Path) -> None:
    app = open_app("webcam")
    assert not [toggle for toggle in app.toggle if toggle.key == "live_smart_crop"]
    name = "movenet-lightning.google_int8"
    install_model(home, name)
    app.get_by_key("model_choice").set_value(name)
    app.run()
    assert not app.exception
    assert app.get_by_key("live_smart_crop").value is True
    app.get_by_key("live_smart_crop").set_value(False)
    app.run()
    assert not the_camera(app)._options.cropping.smart_crop


def test_each_model_begins_with_its_own_defaults(model: Any, home: Path) -> None:
    name = "movenet-lightning.google_int8"
    install_model(home, name)
    app = open_app("webcam")
    app.get_by_key("nms_radius").set_value(31.0)
    app.run()
    assert app.get_by_key("input_size").value == 353
    app.get_by_key("model_choice").set_value(name)
    app.run()
    assert app.get_by_key("input_size").value == 192
    assert app.get_by_key("mode").value == "auto"
    # What somebody chose stays.
    assert app.get_by_key("nms_radius").value == 31


def test_without_a_model_one_can_be_fetched() -> None:
    app = open_app("webcam")
    assert "No model is on this machine yet" in words(app)
    assert app.button(key="fetch").label.startswith("Download it")
    assert "Start camera" not in words(app)
    assert not app.exception


def test_a_wrong_server_setting_is_said(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_ICE_SERVERS", "example.org")
    app = open_app("webcam")
    assert "no STUN or TURN server" in app.error[0].value


def test_recordings_and_snapshots_are_on_the_page(model: Any) -> None:
    app = open_app("webcam")
    camera = the_camera(app)
    camera.prepare(model, replace(PLAIN, decode={"pose_threshold": 1.0}))
    played(camera)
    camera.record()
    played(camera)
    camera.stop()
    app.run()
    assert "**webcam_1**" in words(app)
    assert {button.label for button in app.get("download_button")} == {"Clip", "Keypoints", "Poses"}
    app.get_by_key("space_webcam_1").click()
    app.run()
    assert "Nobody was followed in this recording" in words(app)
    app.get_by_key("forget_webcam_1").click()
    app.run()
    assert "**webcam_1**" not in words(app)


def test_recordings_are_files_in_three_dimensions_of_people_and_not_of_their_mirror_image(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[PoseSequence] = []

    def lift(sequence: PoseSequence, *, tell: Callable[[float], None]) -> list[Poses3D]:
        given.append(sequence)
        return [seen(walker()[: len(one)], track=number) for number, one in sequence.tracks().items()]

    app = open_app("webcam")
    camera = the_camera(app)
    camera.prepare(model, replace(PLAIN, view=ViewSettings(mirror=True)))
    played(camera)
    camera.record()
    played(camera, 2)
    camera.stop()
    app.run()
    assert not app.get_by_key("space_webcam_1").disabled
    monkeypatch.setattr("posecore.ui.shared.lifting.lift", lift)
    app.get_by_key("space_webcam_1").click()
    app.run()
    while "Lifting people" in words(app):
        app.run()
    assert "a height of 1.70 m, which is assumed" in words(app)
    recorded = camera.recordings[0].result.poses
    assert len(recorded.frames)
    assert given[0].keypoints[..., 0] == pytest.approx(319 - recorded.keypoints[..., 0], nan_ok=True)
    files = {button.label.partition(" (")[0] for button in app.get("download_button")}
    assert {"Clip", "Keypoints", "BVH", "GLB", "TRC", "MOT", "Table", "Everything", "Measures"} <= files
    app.get_by_key("recorded_height").set_value(1.9)
    app.run()
    assert "a height of 1.90 m, and on a usual camera" in words(app)
    assert len(given) == 1
    app.get_by_key("space_webcam_1").click()
    app.run()
    assert {button.label for button in app.get("download_button")} == {"Clip", "Keypoints", "Poses"}
    assert not app.exception


@pytest.fixture
def playing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the visitor had started the camera."""
    state = SimpleNamespace(playing=True, signalling=False)
    monkeypatch.setattr("posecore.ui.webcam.page.webrtc_streamer", lambda **_: SimpleNamespace(state=state))


def test_the_figure_is_behind_a_switch_and_says_what_it_rests_on(model: Any, playing: None) -> None:
    app = open_app("webcam")
    assert "Approximate" not in words(app)
    app.get_by_key("live_figure_wanted").set_value(True)
    app.run()
    assert "a height of 1.70 m, which is assumed" in words(app)
    app.get_by_key("lift_height").set_value(1.9)
    app.run()
    assert "a height of 1.90 m, and on a usual camera" in words(app)
    assert kept(app, OfferedFigure).height == 1.9
    assert not app.exception


def test_measures_are_behind_a_switch_and_as_they_are_chosen(model: Any, playing: None) -> None:
    app = open_app("webcam")
    app.get_by_key("live_measures_wanted").set_value(True)
    app.run()
    assert not app.exception, app.exception
    measures = kept(app, OfferedMeasures)
    joints = [measure.names[1] for measure in measures.measures]
    assert joints == ["left_elbow", "left_knee", "right_elbow", "right_knee"]
    # Nobody was seen yet.
    assert measures.counted == measures.measures[1]
    app.get_by_key("live_counted_coco-17").set_value("angle:right_hip-right_knee-right_ankle")
    app.get_by_key("count_min_amplitude").set_value(50)
    app.run()
    assert measures.counted == measures.measures[3]
    assert measures.counting.min_amplitude == 50
    app.get_by_key("live_measures_coco-17").set_value([])
    app.run()
    assert not app.exception, app.exception
    # Read anew: they are changed in place.
    emptied = kept(app, OfferedMeasures)
    assert (emptied.measures, emptied.counted) == ((), None)


def pressed(app: AppTest, label: str) -> AppTest:
    """Press a button and look at the page that follows."""
    next(button for button in app.button if button.label == label).click()
    app.run()
    assert not app.exception
    return app


def test_figures_and_buttons_while_it_plays(model: Any, playing: None) -> None:
    app = open_app("webcam")
    camera = the_camera(app)
    assert "Waiting for the first picture" in words(app)
    played(camera, 3)
    app.run()
    assert [metric.label for metric in app.metric] == ["Analysed", "Shown", "Delay"]
    assert "| wait | network | decode | draw |" in words(app)
    assert "camera 320 × 240" in words(app)
    pressed(app, "Record")
    played(camera, 2)
    pressed(app, "Stop recording")
    assert "**webcam_1**" in words(app)
    pressed(app, "Snapshot")
    kept = app.session_state["posecore"].snapshots
    assert [source.name for source in kept] == ["webcam_1.png"]
    assert [link.proto.label for link in app.get("page_link")] == ["Open in Explore"]
    app.switch_page("../../../pages/explore.py").run()
    assert app.segmented_control(key="source").value == "Camera"
    assert "webcam_1.png · 320 × 240" in words(app)
    camera.stop()


def test_what_stands_in_the_way_is_said(model: Any, playing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_app("webcam")
    camera = the_camera(app)
    monkeypatch.setattr(Webcam, "waited", lambda *_: 9.0)
    assert "POSECORE_ICE_SERVERS" in app.run().warning[0].value
    monkeypatch.setattr(Webcam, "waited", lambda *_: 0.0)
    for _ in range(most_at_once()):
        places().acquire()
    camera.show(frame())
    assert "all places" in app.run().warning[0].value
    places().release()
    played(camera)
    assert not app.run().warning
    # A picture that cannot be looked at.
    camera.prepare(model, replace(PLAIN, network={"output_stride": 5}))
    camera.show(frame())
    eventually(lambda: camera.status.error)
    monkeypatch.setattr(Webcam, "prepare", lambda *_: None)
    assert "shown without people" in app.run().error[0].value
    monkeypatch.undo()
    camera.stop()


def test_visitors_who_may_only_look_get_no_stream(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    monkeypatch.setattr("posecore.ui.webcam.page.webrtc_streamer", lambda **_: pytest.fail("a stream was offered"))
    assert "Using the webcam is not allowed to visitors" in words(open_app("webcam"))


def test_visitors_who_may_only_look_record_nothing(camera: Webcam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    played(camera)
    with pytest.raises(NotAllowedError):
        camera.record()
    camera.stop()
    assert not camera.recordings


def test_a_recording_without_pictures_says_so(tmp_path: Path, model: Any) -> None:
    network = threading.Semaphore(0)
    camera = Webcam(tmp_path, network, threading.BoundedSemaphore(1))
    camera.prepare(model, PLAIN)
    camera.show(frame())
    camera.record()
    with pytest.raises(VideoError, match="Nothing was recorded"):
        camera.stop_recording()
    camera.stop_recording()
    assert not camera.recordings
    network.release()
    camera.stop()
