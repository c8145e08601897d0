"""Live sessions: the newest picture counts, settings change at any time, and nothing stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import torch

from posecore.drawing import DrawingOptions
from posecore.errors import SettingsError
from posecore.families.movenet import MOVENET
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import DecodeSettings, build_settings
from posecore.skeleton import COCO_17, OPENPOSE_18
from posecore.video import (
    CropSettings,
    LiveOptions,
    LiveSession,
    SmoothingSettings,
    TrackingSettings,
    VideoReader,
    ViewSettings,
    crop_settings,
    save_tables,
)
from tests.pose_support import poses_from

PLAIN = LiveOptions(
    view=ViewSettings(mirror=False),
    tracking=TrackingSettings(min_hits=1),
    smoothing=SmoothingSettings(smooth="none"),
    drawing=DrawingOptions(opacity=1.0),
)


def picture(x: float = 40, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Grey, with a white square around (x, middle)."""
    width, height = size
    made = np.full((height, width, 3), 90, np.uint8)
    made[height // 2 - 3 : height // 2 + 4, round(x) - 3 : round(x) + 4] = 255
    return made


class Stub:
    """Finds one person around the white square, when it is allowed to."""

    name = "stub"
    device = torch.device("cpu")

    def __init__(self, skeleton: Any = COCO_17) -> None:
        self.skeleton = skeleton
        self.allowed = threading.Semaphore(0)
        self.waits = False
        self.threads: set[str] = set()
        self.seen: list[np.ndarray] = []

    def fields(
        self, image: Sequence[np.ndarray], region: Any = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Any]:
        self.threads.add(threading.current_thread().name)
        self.seen += image
        if self.waits:
            assert self.allowed.acquire(timeout=20)
        if settings.get("broken"):
            raise SettingsError("That setting is broken.")
        if settings.get("bug"):
            raise RuntimeError("oops")
        return [SimpleNamespace(image=one) for one in image]

    def decode_settings(self, **settings: Any) -> DecodeSettings:
        return build_settings(DecodeSettings, settings)

    def follower(self, **settings: Any) -> None:
        return None

    def decode(self, fields: Any, **settings: Any) -> Poses:
        height, width = fields.image.shape[:2]
        ys, xs = np.nonzero(fields.image.min(-1) > 200)
        count = len(self.skeleton)
        offsets = np.stack([np.linspace(-8, 8, count), np.linspace(-14, 14, count)], axis=1)
        keypoints = (np.array([xs.mean(), ys.mean()]) + offsets)[None]
        scores = np.full((1, count), settings.get("score", 1.0))
        return poses_from(keypoints, scores, np.ones(1), self.skeleton, (width, height))


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def session(stub: Stub) -> Iterator[LiveSession]:
    with LiveSession(stub, PLAIN) as running:
        yield running
        stub.waits = False
        for _ in range(100):
            stub.allowed.release()


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first true value of ``condition`` within seconds."""
    for _ in range(2000):
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError("it did not happen")


def look(session: LiveSession, given: np.ndarray) -> Any:
    """Give a picture and wait for what becomes of it."""
    before = session.newer(0, 0)
    session.give(given)
    return session.newer(before.number if before else 0, 20)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "posecore-live"]


def test_a_picture_comes_back_with_its_person_drawn(session: LiveSession) -> None:
    given = picture(40)
    frame = look(session, given)
    assert (frame.picture != given).any()
    assert (given == picture(40)).all()
    assert frame.poses.keypoints[0, 8] == pytest.approx((40, 32), abs=0.6)
    assert frame.poses.track_ids.tolist() == [1]
    status = session.status()
    assert (status.size, status.people, status.frames, status.error) == ((96, 64), 1, 1, None)
    assert set(status.latency) == {"wait", "network", "decode", "draw"}


def test_only_the_newest_picture_waits(session: LiveSession, stub: Stub) -> None:
    stub.waits = True
    session.give(picture(10))
    wait_for(lambda: stub.seen)
    for x in (20, 30, 40, 50):
        session.give(picture(x))
    stub.allowed.release(2)
    last = session.newer(1, 20)
    assert last.poses.keypoints[0, 8, 0] == pytest.approx(50, abs=0.6)
    assert len(stub.seen) == 2
    assert session.status().dropped == 3


def test_giving_never_waits_for_the_network(session: LiveSession, stub: Stub) -> None:
    stub.waits = True
    for x in range(10, 60, 5):
        shown = session.exchange(picture(x))
        assert (shown == picture(x)).all()
    assert session.status().frames == 0


def test_exchange_hands_out_each_frame_once(session: LiveSession) -> None:
    look(session, picture(30))
    first = session.exchange(picture(31), patience=20)
    assert (first != picture(31)).any()
    assert session.newer(0).number in (1, 2)


def test_every_camera_frame_can_be_shown(session: LiveSession, stub: Stub) -> None:
    look(session, picture(30))
    stub.waits = True
    session.change(options=LiveOptions(view=ViewSettings(mirror=False, every_frame=True), smoothing=PLAIN.smoothing))
    for x in (50, 60):
        shown = session.exchange(picture(x))
        assert shown[32 - 3 : 32 + 4, x + 2 : x + 4].min() > 200
        assert (shown != picture(x)).any()


def test_the_mirror_turns_the_picture_not_the_names(session: LiveSession) -> None:
    straight = look(session, picture(20)).poses
    session.change(
        options=LiveOptions(view=ViewSettings(mirror=True), smoothing=PLAIN.smoothing, tracking=PLAIN.tracking)
    )
    frame = look(session, picture(20))
    assert frame.poses.keypoints[..., 0] == pytest.approx(95 - straight.keypoints[..., 0])
    assert frame.poses.keypoints[..., 1] == pytest.approx(straight.keypoints[..., 1])


@pytest.mark.parametrize("every_frame", [False, True])
def test_before_the_first_result_the_camera_is_shown(stub: Stub, every_frame: bool) -> None:
    stub.waits = True
    options = LiveOptions(view=ViewSettings(mirror=True, every_frame=every_frame))
    session = LiveSession(stub, options)
    assert (session.exchange(picture(20)) == picture(20)[:, ::-1]).all()
    stub.allowed.release()
    session.close()


def test_settings_and_model_change_while_it_runs(session: LiveSession) -> None:
    first = look(session, picture(30))
    assert first.poses.keypoint_scores.max() == 1
    session.change(options=LiveOptions(smoothing=PLAIN.smoothing, tracking=PLAIN.tracking, decode={"score": 0.5}))
    assert look(session, picture(30)).poses.keypoint_scores.max() == 0.5
    session.change(Stub(OPENPOSE_18))
    frame = look(session, picture(30))
    assert frame.poses.skeleton == OPENPOSE_18
    assert frame.poses.keypoint_scores.max() == 0.5


def test_many_changes_at_once_are_never_mixed(session: LiveSession) -> None:
    one, other = Stub(COCO_17), Stub(OPENPOSE_18)
    options = {
        one: LiveOptions(smoothing=PLAIN.smoothing, tracking=PLAIN.tracking, decode={"score": 0.25}),
        other: LiveOptions(smoothing=PLAIN.smoothing, tracking=PLAIN.tracking, decode={"score": 0.75}),
    }
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for model, chosen in options.items():
                session.change(model, chosen)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        wait_for(lambda: session.options is not PLAIN)
        look(session, picture(30))
        for _ in range(60):
            poses = look(session, picture(30)).poses
            assert poses.keypoint_scores.max() == (0.25 if poses.skeleton == COCO_17 else 0.75)
    finally:
        stop.set()
        changer.join()


@pytest.mark.parametrize(("network", "message"), [({"broken": True}, "is broken"), ({"bug": True}, "oops")])
def test_an_error_is_said_and_survived(session: LiveSession, network: dict[str, Any], message: str) -> None:
    session.change(options=LiveOptions(network=network))
    session.give(picture())
    assert message in wait_for(lambda: session.status().error)
    session.change(options=PLAIN)
    assert look(session, picture()) is not None
    assert session.status().error is None


def test_offline_smoothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="needs the whole video"):
        LiveOptions(smoothing=SmoothingSettings(smooth="offline"))
    with pytest.raises(SettingsError, match="switch track on"):
        LiveOptions(tracking=TrackingSettings(track=False))


def test_smoothing_calms_what_jitters(session: LiveSession) -> None:
    places = [30 + 2 * (index % 2) for index in range(24)]

    def jitter(options: LiveOptions) -> float:
        session.change(options=options)
        look(session, picture(30))
        found = [look(session, picture(x)).poses.keypoints[0, 8, 0] for x in places]
        return float(np.abs(np.diff(found)).mean())

    calm = SmoothingSettings(min_cutoff=0.05, beta=0.0)
    rough = jitter(PLAIN)
    smooth = jitter(LiveOptions(view=PLAIN.view, tracking=PLAIN.tracking, smoothing=calm))
    assert smooth < 0.7 * rough


def test_a_new_picture_size_keeps_the_person(session: LiveSession) -> None:
    assert look(session, picture(40, (96, 64))).poses.track_ids.tolist() == [1]
    frame = look(session, picture(80, (192, 128)))
    assert frame.poses.track_ids.tolist() == [1]
    assert frame.poses.resized((192, 128)).keypoints[0, 8] == pytest.approx((80, 64), abs=1)
    assert frame.picture.shape == (128, 192, 3)


def test_a_snapshot_is_the_picture_as_it_came(session: LiveSession) -> None:
    assert session.snapshot() is None
    look(session, picture(20))
    assert (session.snapshot() == picture(20)).all()


def test_closing_ends_the_thread_and_frees_the_place(stub: Stub) -> None:
    before = len(workers())
    freed: list[bool] = []
    session = LiveSession(stub, PLAIN, on_close=lambda: freed.append(True))
    look(session, picture())
    assert len(workers()) == before + 1
    session.close()
    session.close()
    assert (len(workers()), freed, session.status().closed) == (before, [True], True)
    session.give(picture())
    assert len(workers()) == before
    assert session.newer(5, 0.01) is None


def test_a_session_without_pictures_closes_itself(stub: Stub, tmp_path: Path) -> None:
    freed = threading.Event()
    session = LiveSession(stub, PLAIN, on_close=freed.set, idle_seconds=0.05)
    session.record(tmp_path / "clip.mp4")
    session.give(picture())
    assert freed.wait(20)
    assert session.closed
    assert (tmp_path / "clip.mp4").exists()
    assert len(session.recordings) == 1


def test_sessions_share_the_slots() -> None:
    slots = threading.Semaphore(1)
    running, most = 0, 0
    lock = threading.Lock()

    class Counting(Stub):
        def fields(self, *given: Any, **settings: Any) -> list[Any]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1
            return super().fields(*given, **settings)

    sessions = [LiveSession(Counting(), PLAIN, slots=slots) for _ in range(3)]
    for index in range(5):
        for number, session in enumerate(sessions):
            session.give(picture(10 + 5 * index + 20 * number))
        for session in sessions:
            assert session.newer(0, 20) is not None
    places = [session.newer(0).poses.keypoints[0, 8, 0] for session in sessions]
    assert sorted(places) == places
    for session in sessions:
        session.close()
    assert most == 1


def test_a_recording_is_a_clip_with_its_table(session: LiveSession, tmp_path: Path) -> None:
    look(session, picture(20))
    session.record(tmp_path / "clip.mp4")
    assert session.status().recorded == 0
    for x in (20, 21, 22, 23):
        look(session, picture(x))
        time.sleep(0.01)
    # The camera's pictures become larger; the clip keeps its size.
    look(session, picture(48, (192, 128)))
    assert session.status().recorded
    result = session.stop_recording()
    assert result is not None
    assert session.status().recorded is None
    assert session.recordings == [result]
    assert result.frames == 5
    with VideoReader(tmp_path / "clip.mp4") as reader:
        frames = list(reader.frames())
        assert reader.info.codec == "h264"
    assert [frame.time for frame in frames] == pytest.approx(result.poses.times, abs=1e-6)
    assert {frame.picture.shape for frame in frames} == {(64, 96, 3)}
    save_tables(result, tmp_path / "clip", {"csv", "json"})
    table = pd.read_csv(tmp_path / "clip.csv")
    middle = table[table.keypoint == COCO_17.keypoints[8]]
    assert middle.x.tolist() == pytest.approx([20, 21, 22, 23, 24], abs=0.6)
    assert middle.track_id.unique().tolist() == [1]


@pytest.mark.parametrize("mirror", [False, True])
def test_a_recording_stays_as_it_began_when_the_mirror_is_switched(
    session: LiveSession, tmp_path: Path, mirror: bool
) -> None:
    def switch(mirror: bool) -> None:
        session.change(options=replace(PLAIN, view=ViewSettings(mirror=mirror)))

    switch(mirror)
    session.record(tmp_path / "clip.mp4")
    look(session, picture(20))
    switch(not mirror)
    assert look(session, picture(20)).mirrored != mirror
    result = session.stop_recording()
    assert result.mirrored == mirror
    middle = result.poses.keypoints[:, 8, 0]
    assert middle == pytest.approx(2 * [75 if mirror else 20], abs=0.6)
    assert result.filmed.keypoints[:, 8, 0] == pytest.approx([20, 20], abs=0.6)
    with VideoReader(tmp_path / "clip.mp4") as reader:
        rows = [frame.picture[32].astype(int) for frame in reader.frames()]
    # What is no background is the person.
    assert [np.abs(row - 90).max(1).argmax() for row in rows] == pytest.approx(middle, abs=12)


def test_who_was_seen_lately_is_remembered_for_ten_seconds(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(session.lately()) == 0
    for x in (20, 22):
        look(session, picture(x))
    (track,) = session.lately().tracks().values()
    assert track.keypoints[:, 8, 0] == pytest.approx([20, 22], abs=0.6)
    monkeypatch.setattr("posecore.video.live._LATELY", 0.0)
    look(session, picture(40))
    assert len(session.lately()) == 1
    session.change(Stub(OPENPOSE_18))
    assert len(session.lately()) == 0


def test_a_recording_survives_another_model(session: LiveSession, tmp_path: Path) -> None:
    session.record(tmp_path / "clip.mp4")
    look(session, picture(20))
    session.change(Stub(OPENPOSE_18))
    look(session, picture(20))
    result = session.stop_recording()
    assert result.poses.skeleton == COCO_17
    assert len(result.poses.frames) == 2


def test_a_recording_has_a_limit(session: LiveSession, tmp_path: Path) -> None:
    session.record(tmp_path / "clip.mp4", limit_seconds=0.02)
    for _ in range(3):
        look(session, picture())
        time.sleep(0.02)
    wait_for(lambda: session.recordings)
    assert session.status().recorded is None
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        assert clip.streams.video[0].frames >= 2


def test_without_pictures_there_is_no_recording(session: LiveSession, tmp_path: Path) -> None:
    session.record(tmp_path / "clip.mp4")
    assert session.stop_recording() is None
    assert session.stop_recording() is None
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_cannot_be_written_is_said_and_ended(session: LiveSession, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    session.record(tmp_path / "taken" / "clip.mp4")
    look(session, picture())
    assert "cannot be written" in wait_for(lambda: session.status().error)
    assert session.status().recorded is None
    assert look(session, picture()) is not None


def movenet(name: str = "movenet-lightning") -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(f"{name}.random", MOVENET, name, MOVENET.build(name), "0" * 64, device="cpu")


def test_smart_crop_follows_one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    model = movenet()
    regions: list[Any] = []
    keypoints = np.stack([np.linspace(35, 45, 17), np.linspace(20, 44, 17)], axis=1)[None]
    fields = model.fields

    def note(image: Any, region: Any = None, **settings: Any) -> Any:
        regions.append(region)
        return fields(image, region, **settings)

    monkeypatch.setattr(model, "fields", note)
    monkeypatch.setattr(
        model,
        "decode",
        lambda fields, **settings: poses_from(keypoints, np.ones((1, 17)), np.ones(1), COCO_17, (96, 64)),
    )
    small = {"input_size": 64}
    with LiveSession(model, LiveOptions(network=small)) as session:
        look(session, picture())
        look(session, picture())
        session.change(options=LiveOptions(network=small, cropping=CropSettings(smart_crop=False)))
        look(session, picture())
        # What was known before the crop was switched off is out of date.
        session.change(options=LiveOptions(network=small))
        look(session, picture())
        look(session, picture())
    assert [region is not None for region in regions] == [False, True, False, False, True]


def test_smart_crop_is_offered_where_it_has_an_effect() -> None:
    single, multi = movenet(), movenet("movenet-multipose")
    assert crop_settings(single, {})
    assert not crop_settings(single, {"mode": "multi"})
    assert not crop_settings(multi, {})
    assert crop_settings(multi, {"mode": "single"})
    assert not crop_settings(Stub(), {})
