"""The Video page without a browser: bad files, runs in the background, what is shown of their results."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from posecore.drawing import DrawingOptions
from posecore.errors import SettingsError, WeightsError
from posecore.lifting import Poses3D
from posecore.poses import Poses
from posecore.settings import controls
from posecore.skeleton import COCO_17, Skeleton
from posecore.ui.shared.background import Tasks
from posecore.ui.shared.lifting import can_lift
from posecore.ui.shared.measure_words import in_words
from posecore.ui.shared.videos.store import SampleClip, Shelf, Video
from posecore.ui.video.measures import usual_measures
from posecore.ui.video.plots import MOST_POINTS, thin
from posecore.ui.video.run_folders import KEPT_SECONDS, Owner, remove_old_runs
from posecore.ui.video.runs import RunDesk, VideoRun, run_desk
from posecore.ui.video.serving import clip_address, clip_routes
from posecore.ui.video.settings import PARTS
from posecore.video import (
    ClipSettings,
    OutputSettings,
    PoseSequence,
    Progress,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    parse_measure,
)
from tests.app_support import forget_everything, forward_passes, install_model, open_app, without_shipped_models, words
from tests.motion_support import seen, walker
from tests.pose_support import poses_from
from tests.routes_support import fetch
from tests.video_support import (
    StubModel,
    claiming_eight_hours,
    even_ticks,
    times_of,
    write_song,
    write_video,
)

PATIENCE = 60


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()
    run_desk.clear()
    install_model(home)
    tiny = SampleClip("A short sample", seed=29, people=1, motion="squat", seconds=0.2)
    for module in ("store", "video_picker"):
        monkeypatch.setattr(f"posecore.ui.shared.videos.{module}.SAMPLES", (tiny,))
    yield
    run_desk.clear()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second of a walking square."""
    return write_video(tmp_path / "walk.mp4", even_ticks(30), options={"movflags": "+faststart"})


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A few frames, for the slower way through a real network."""
    return write_video(tmp_path / "walk.mp4", even_ticks(6), options={"movflags": "+faststart"})


def clip_of(run: VideoRun) -> Path:
    """The clip that a run has made."""
    assert run.clip is not None
    return run.clip


class Squatter(StubModel):
    """Finds somebody who squats once in every twenty pictures, whatever the pictures show."""

    name = "squatter"

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def fields(self, image: Any, region: Any = None, *, picture: Any, **settings: Any) -> list[Any]:
        self.seen += len(image)
        return [SimpleNamespace(image=one, number=self.seen) for one in image]

    def decode(self, fields: Any, **settings: Any) -> Poses:
        height, width = fields.image.shape[:2]
        depth = 0.5 - 0.5 * np.cos(2 * np.pi * fields.number / 20)
        noise = np.random.default_rng(fields.number).normal(0, 0.4, (17, 2))
        keypoints = np.stack([np.full(17, 40.0), np.linspace(6, 58, 17)], axis=1)
        for side in ("left", "right"):
            hip, knee, ankle = (COCO_17.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
            keypoints[[hip, knee, ankle]] = (40, 30 + 12 * depth), (40 + 12 * depth, 45), (40, 60)
        return poses_from((keypoints + noise)[None], np.ones((1, 17)), np.ones(1), COCO_17, (width, height))


def wait_for(what: Callable[[], bool]) -> None:
    """Until something is true."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def finish(run: VideoRun) -> VideoRun:
    """A run after its work."""
    assert run.job.wait(PATIENCE)
    return run


def video_of(path: Path) -> Video:
    """A file as a visitor's upload."""
    shelf = Shelf()
    place = shelf.new_place(path.name)
    place.write_bytes(path.read_bytes())
    key = shelf.add(place)
    video = next(video for video in shelf if video.key == key)
    # The folder goes with the shelf.
    video_shelves.append(shelf)
    return video


video_shelves: list[Shelf] = []


def open_video(path: Path | None = None, **query: str) -> AppTest:
    """The page, with a file uploaded if one is given. Everybody is shown, so that random weights find people."""
    app = open_app("video", query={"pose_threshold": "0", "max_poses": "2", "input_size": "97", **query})
    return app if path is None else give(app, path)


def give(app: AppTest, path: Path) -> AppTest:
    """Upload a file."""
    if app.segmented_control(key="video_source").value != "Upload":
        app.segmented_control(key="video_source").set_value("Upload").run()
    app.file_uploader[0].upload(path.name, path.read_bytes()).run()
    assert not app.exception, app.exception
    return app


def run_through(app: AppTest) -> VideoRun:
    """Press the button and wait for the result."""
    app.button(key="video_start").click().run()
    assert not app.exception, app.exception
    run = run_desk().get(app.query_params["result"])
    assert run is not None
    finish(run)
    app.run()
    assert not app.exception, app.exception
    return run


def show(run: VideoRun, **state: object) -> AppTest:
    """The page of somebody who opens the address of a run."""
    app = open_app("explore")
    app.query_params["result"] = run.token
    for name, value in state.items():
        app.session_state[name] = value
    app.switch_page("../../../pages/video.py").run()
    assert not app.exception, app.exception
    return app


def metric(app: AppTest) -> str:
    """The count of repetitions as it is shown."""
    return str(app.metric[0].value)


# Files


def test_nothing_uploaded_yet() -> None:
    app = open_video()
    app.segmented_control(key="video_source").set_value("Upload").run()
    assert "Drop a video into the field" in words(app)
    next(button for button in app.button if button.label == "Look at a sample instead").click().run()
    assert "A short sample" in words(app)


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Name → content and what is said about it."""
    late_index = write_video(folder / "late.mp4", even_ticks(24)).read_bytes()
    return {
        "empty.mp4": (b"", "empty.mp4 is empty (0 bytes)"),
        "notes.mp4": (b"just some words, " * 100, "notes.mp4 is not a video"),
        "song.mp4": (write_song(folder / "song.wav").read_bytes(), "holds sound but no pictures"),
        "half.mp4": (late_index[: len(late_index) // 2], "table of contents is missing or damaged"),
    }


def test_files_that_are_no_video_get_a_sentence_and_nothing_is_lost(tmp_path: Path, short: Path) -> None:
    app = open_video(short, smooth_smooth="offline")
    for name, (data, message) in bad_files(tmp_path).items():
        (tmp_path / name).write_bytes(data)
        give(app, tmp_path / name)
        assert message in words(app)
        assert len(app.error) == 1
        assert "walk.mp4" in words(app)
        assert app.selectbox(key="smooth_smooth").value == "offline"
    give(app, write_video(tmp_path / "good.mp4", even_ticks(3)))
    assert not app.error


def test_one_frame(tmp_path: Path) -> None:
    app = open_video(write_video(tmp_path / "one.mp4", [0]), track_min_hits="1")
    assert not app.error
    run = run_through(app)
    assert run.result is not None
    assert run.result.frames == 1
    assert "1 frame]" in words(app)


def test_the_ending_of_the_name_does_not_matter(tmp_path: Path, short: Path) -> None:
    renamed = tmp_path / "walk.avi"
    renamed.write_bytes(short.read_bytes())
    run = run_through(open_video(renamed))
    assert run.result is not None
    assert run.result.frames == 6


def test_a_large_upright_video_of_a_telephone(tmp_path: Path) -> None:
    app = open_video(write_video(tmp_path / "tall.mp4", even_ticks(2), size=(3840, 2160), turn=-90), out_max_side="640")
    assert "2160 × 3840" in words(app)
    run = run_through(app)
    assert run.result is not None
    assert run.result.size == (360, 640)


def test_a_header_that_claims_eight_hours(tmp_path: Path) -> None:
    path = tmp_path / "liar.mkv"
    path.write_bytes(claiming_eight_hours(path))
    app = open_video(path, clip_stride="4")
    assert "8 h 0 min" in words(app)
    run = run_through(app)
    assert run.result is not None
    assert run.result.frames == 6
    assert "it was cut off, or its header is wrong" in words(app)


def test_a_video_that_breaks_off_says_so(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "in.mp4", even_ticks(90), options={"movflags": "+faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 9 // 10])
    app = open_video(tmp_path / "cut.mp4", clip_stride="10")
    run = run_through(app)
    assert run.result is not None
    assert 1 < run.result.frames < 9
    assert "claims to last 3.0 s" in words(app)


def test_a_shelf_has_an_end(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    first = shelf.new_place("a.mp4")
    first.write_bytes(clip.read_bytes())
    assert shelf.add(first) == shelf.add(_again(shelf, clip))
    assert len(shelf) == 1
    monkeypatch.setattr("posecore.ui.shared.videos.store.MAX_SESSION_BYTES", 10)
    with pytest.raises(Exception, match="Remove some first"):
        shelf.add(_again(shelf, clip))
    shelf.clear()
    assert not len(shelf)
    assert not first.exists()


def _again(shelf: Shelf, clip: Path) -> Path:
    place = shelf.new_place("../../b.mp4")
    place.write_bytes(clip.read_bytes())
    return place


# Preview


def test_the_preview_follows_settings_and_the_moment(clip: Path) -> None:
    app = open_video(clip)
    before = forward_passes()
    assert "people**" in words(app)
    app.slider(key="pose_threshold").set_value(1.0).run()
    assert "nobody found" in words(app)
    assert forward_passes() == before
    moment = next(widget for widget in app.slider if widget.label == "Frame shown, in seconds")
    moment.set_value(0.5).run()
    assert forward_passes() == before + 1
    app.number_input(key="clip_start").set_value(0.7).run()
    assert next(widget for widget in app.slider if widget.label == "Frame shown, in seconds").value == pytest.approx(
        0.7
    )
    app.number_input(key="clip_end").set_value(0.6).run()
    assert "must lie after the start" in app.error[0].value
    assert app.button(key="video_start").disabled


def test_all_settings_have_a_control(short: Path) -> None:
    app = open_video(short)
    for part in PARTS:
        for control in controls(part.settings):
            assert app.get_by_key(part.prefix + control.name) is not None
    app.toggle(key="track_track").set_value(False).run()
    assert not app.exception
    assert "switch *Follow people* on" in words(app)
    run = run_through(app)
    assert run.options.smoothing.smooth == "none"
    assert "People were not followed" in words(app)


def test_reset_brings_everything_back(short: Path) -> None:
    app = open_video(short, clip_stride="3", smooth_cutoff="2.0", track_max_age="3.0", out_crf="30")
    next(button for button in app.button if button.label == "Reset all settings").click().run()
    run = run_through(app)
    assert (run.options.clip, run.options.tracking) == (ClipSettings(), TrackingSettings())
    assert (run.options.smoothing, run.options.output) == (SmoothingSettings(), OutputSettings())


def test_without_a_model_the_video_is_shown_all_the_same(home: Path) -> None:
    for path in (home / "weights").iterdir():
        path.unlink()
    app = open_video()
    assert "No model is on this machine yet" in words(app)
    assert not app.error


# Runs


def test_a_run_gives_every_frame_and_its_tables(short: Path) -> None:
    app = open_video(short, track_min_hits="1")
    run = run_through(app)
    assert run.result is not None
    assert run.clip is not None
    assert run.result.frames == 6
    assert times_of(run.clip) == pytest.approx(times_of(short))
    assert "6 frames" in words(app)
    app.segmented_control(key="video_view").set_value("Preview").run()
    assert "Find poses in this video" in [button.label for button in app.button]


def test_the_result_is_there_on_return_and_after_a_reload(short: Path) -> None:
    app = open_video(short)
    run = run_through(app)
    app.switch_page("../../../pages/explore.py").run()
    app.switch_page("../../../pages/video.py").run()
    assert "walk.mp4" in words(app)
    assert "6 frames" in words(app)
    assert "6 frames" in words(show(run))


def test_another_video_is_previewed_first(tmp_path: Path, short: Path) -> None:
    app = open_video(short)
    run_through(app)
    give(app, write_video(tmp_path / "other.mp4", even_ticks(4)))
    assert app.segmented_control(key="video_view").value == "Preview"
    run_through(app)
    titles = app.selectbox(key="video_run").options
    assert [title.split(" · ")[:2] for title in titles] == [["2", "other.mp4"], ["1", "walk.mp4"]]


def test_a_removed_result_is_gone(short: Path) -> None:
    app = open_video(short)
    run = run_through(app)
    folder = run.folder.path
    app.button(key="video_remove").click().run()
    assert not app.exception
    assert "Find poses in this video" in [button.label for button in app.button]
    assert not folder.exists()
    assert run_desk().get(run.token) is None


def test_changed_settings_are_named(short: Path) -> None:
    app = open_video(short)
    run_through(app)
    app.slider(key="pose_threshold").set_value(0.5).run()
    assert "Changed on the left since this run: decoder" in words(app)
    app.button(key="video_again").click().run()
    assert not app.exception
    run = run_desk().get(app.query_params["result"])
    assert run is not None
    finish(run)
    app.run()
    assert "Changed on the left" not in words(app)


class Slow(StubModel):
    """Waits before each frame until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Semaphore(0)

    def decode(self, fields: Any, **settings: Any) -> Poses:
        assert self.gate.acquire(timeout=PATIENCE)
        return super().decode(fields, **settings)


def test_stopping_keeps_what_is_done(clip: Path) -> None:
    model = Slow()
    run = run_desk().find(video_of(clip), model, VideoOptions())
    for _ in range(8):
        model.gate.release()
    wait_for(lambda: run.job.report is not None and run.job.report.frames >= 3)
    app = show(run)
    assert "Finding people: frame" in app.get("progress")[0].proto.text
    app.button(key="video_stop").click().run()
    assert run.job.stopping
    for _ in range(30):
        model.gate.release()
    finish(run)
    app.run()
    assert "stopped early" in words(app)
    assert run.clip is not None
    assert run.result is not None
    assert 3 <= len(times_of(clip_of(run))) == run.result.frames < 30
    app = show(run, video_tab="Files")
    everything = json.loads(_download(app, run, "poses.json"))
    assert len(everything["frames"]) == run.result.frames
    assert everything["complete"] is False


def _download(app: AppTest, run: VideoRun, ending: str) -> bytes:
    """A file as the page's button would make it."""
    from posecore.ui.video.files import video_downloads
    from posecore.ui.video.measures import Measuring
    from posecore.video import RepetitionSettings

    assert any(button.label for button in app.get("download_button")) or app
    measure = parse_measure("left_knee", COCO_17)
    assert run.result is not None
    files = video_downloads(run.result, run.result.poses, Measuring((measure,), measure, RepetitionSettings()), "it")
    return next(file for file in files if file.file_name.endswith(ending)).make()


def test_a_second_run_waits_and_may_be_stopped_while_it_waits(clip: Path) -> None:
    desk = RunDesk(Tasks("test", kept=0))
    model = Slow()
    first = desk.find(video_of(clip), model, VideoOptions())
    second, third = (desk.find(video_of(clip), StubModel(), VideoOptions()) for _ in range(2))
    wait_for(lambda: first.job.state == "working")
    assert (second.job.state, third.job.state) == ("waiting", "waiting")
    assert [desk.waiting_before(run) for run in (second, third)] == [0, 1]
    second.job.cancel()
    for _ in range(30):
        model.gate.release()
    for run in (first, second, third):
        finish(run)
    assert [run.job.state for run in (first, second, third)] == ["done", "cancelled", "done"]
    assert second.result is None


def test_a_failure_is_a_sentence_and_the_next_run_works(clip: Path) -> None:
    class Broken(StubModel):
        def decode(self, fields: Any, **settings: Any) -> Poses:
            raise SettingsError("There is no such setting.")

    class Worse(StubModel):
        def decode(self, fields: Any, **settings: Any) -> Poses:
            raise ZeroDivisionError("oh")

    for model, message in ((Broken(), "There is no such setting."), (Worse(), "ZeroDivisionError: oh")):
        run = finish(run_desk().find(video_of(clip), model, VideoOptions()))
        assert run.job.state == "failed"
        app = show(run)
        assert message in app.error[0].value
        assert "settings are still here" in app.error[0].value
    assert finish(run_desk().find(video_of(clip), StubModel(), VideoOptions())).job.state == "done"


def test_a_run_outlives_the_upload_it_was_made_from(clip: Path) -> None:
    desk = RunDesk(Tasks("test", kept=0))
    model = Slow()
    video = video_of(clip)
    run = desk.find(video, model, VideoOptions(smoothing=SmoothingSettings(smooth="offline")))
    video.path.unlink()
    for _ in range(30):
        model.gate.release()
    finish(run)
    assert run.job.state == "done"
    assert run.clip is not None


def test_old_runs_make_room(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.ui.video.runs.KEPT_RUNS", 2)
    desk = RunDesk(Tasks("test", kept=0))
    other = finish(desk.find(video_of(clip), StubModel(), VideoOptions(), Owner("somebody", at_machine=True)))
    runs = [finish(desk.find(video_of(clip), StubModel(), VideoOptions())) for _ in range(3)]
    assert [desk.get(run.token) is None for run in runs] == [True, False, False]
    assert not runs[0].folder.path.exists()
    assert desk.get(other.token) is other, "visitors do not push out each other's results"


def test_what_nobody_looks_at_goes_except_at_the_machine_itself(clip: Path) -> None:
    desk = RunDesk(Tasks("test", kept=0))
    mine, other = (
        finish(desk.find(video_of(clip), StubModel(), VideoOptions(), Owner(name, at_machine=here)))
        for name, here in (("mine", True), ("other", False))
    )
    remove_old_runs(time.time() + KEPT_SECONDS - 60)
    assert other.folder.path.is_dir()
    remove_old_runs(time.time() + KEPT_SECONDS + 60)
    assert not other.folder.path.parent.exists()
    assert desk.get(other.token) is None
    assert desk.get(mine.token) is mine


# A server after this one


def restarted() -> RunDesk:
    """The desk of a server that finds what this one left."""
    return RunDesk(Tasks("test", kept=0))


def equal(one: PoseSequence, other: PoseSequence) -> bool:
    """Whether two sequences hold the same people."""
    names = ("times", "frames", "keypoints", "keypoint_scores", "scores", "track_ids", "numbers")
    return one.skeleton == other.skeleton and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names
    )


@pytest.mark.parametrize("smooth", ["none", "offline"])
def test_a_result_outlives_the_server(clip: Path, smooth: Any) -> None:
    options = VideoOptions(
        clip=ClipSettings(stride=2),
        smoothing=SmoothingSettings(smooth=smooth),
        drawing=DrawingOptions(boxes=True),
        decode={"pose_threshold": 0.3},
    )
    before = finish(RunDesk(Tasks("test", kept=0)).find(video_of(clip), Squatter(), options))
    assert before.result is not None
    after = restarted().get(before.token)
    assert after is not None
    assert after.result is not None
    assert not after.lost
    assert (after.job.state, after.model, after.options, after.video) == (
        "done",
        "squatter",
        before.options,
        before.video,
    )
    assert equal(after.result.poses, before.result.poses)
    assert equal(after.result.raw, before.result.raw)
    assert (after.result.poses is after.result.raw) is (smooth == "none")
    for name in ("source", "clip", "model", "info", "start", "size", "warnings", "cancelled", "options"):
        assert getattr(after.result, name) == getattr(before.result, name), name


def test_a_result_of_another_server_is_drawn_again(clip: Path) -> None:
    token = finish(RunDesk(Tasks("test", kept=0)).find(video_of(clip), Squatter(), VideoOptions())).token
    desk = restarted()
    run = desk.get(token)
    assert run is not None
    first = run.clip
    desk.draw(run, SmoothingSettings(smooth="offline"), DrawingOptions(boxes=True), OutputSettings())
    assert finish(run).job.state == "done", run.job.error
    third = restarted().get(token)
    assert third is not None
    assert third.result is not None
    assert third.result.options.drawing.boxes
    assert third.clip == run.clip != first
    assert first is not None
    assert not first.exists()


def test_a_server_that_ends_in_order_keeps_what_was_done_and_says_so(clip: Path) -> None:
    model, kind = Slow(), Tasks[None, Progress]("test", kept=0)
    run = RunDesk(kind).find(video_of(clip), model, VideoOptions())
    for _ in range(8):
        model.gate.release()
    wait_for(lambda: run.job.report is not None and run.job.report.frames >= 3)
    threading.Timer(0.2, lambda: model.gate.release(30)).start()
    kind.close()
    after = restarted().get(run.token)
    assert after is not None
    assert after.result is not None
    assert 3 <= after.result.frames < 30
    assert "What it had done by then is here" in words(show(after))


def left_by_a_dead_server(run: VideoRun) -> None:
    """Leave a run's folder as a server that is killed leaves it."""
    run.folder.end_work()


def test_what_was_at_work_when_the_server_ended_is_said_to_be_lost(short: Path) -> None:
    model = Slow()
    desk = RunDesk(Tasks("test", kept=0))
    run = desk.find(video_of(short), model, VideoOptions())
    elsewhere = restarted().get(run.token)
    assert elsewhere is not None
    assert "Another server" in elsewhere.job.error, "it is at work, if not here"
    left_by_a_dead_server(run)
    run_desk.clear()
    app = show(run)
    assert "The server ended while this run was waiting or at work" in words(app)
    assert "*Run again* does it anew" in words(app)
    app.button(key="video_again").click().run()
    assert not app.exception
    again = run_desk().get(app.query_params["result"])
    assert again is not None
    assert again.token != run.token
    finish(again)
    run.job.cancel()
    for _ in range(10):
        model.gate.release()
    finish(run)


def test_a_drawing_that_the_end_of_the_server_broke_off_leaves_the_clip_before(clip: Path) -> None:
    run = finish(RunDesk(Tasks("test", kept=0)).find(video_of(clip), Squatter(), VideoOptions()))
    first, half = run.clip, run.folder.path / "half.mp4"
    run.purpose = "draw"
    run.note("working")
    half.write_bytes(b"half")
    after = restarted().get(run.token)
    assert after is not None
    assert "It is as it was before" in after.lost
    assert after.clip == first
    assert not half.exists()


def test_a_browser_finds_its_own_results_and_no_others(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = {"posecore_visitor": "a" * 43}
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", browser)
    run = run_through(open_video(short))
    run_desk.clear()
    app = open_video()
    assert app.segmented_control(key="video_view").options == ["Preview", "Result"]
    app.segmented_control(key="video_view").set_value("Result").run()
    assert "walk.mp4" in words(app)
    assert "6 frames" in words(app)
    browser["posecore_visitor"] = "b" * 43
    with pytest.raises(KeyError):
        open_video().segmented_control(key="video_view")
    browser["posecore_visitor"] = "../" + "a" * 40
    with pytest.raises(KeyError):
        open_video().segmented_control(key="video_view")
    browser["posecore_visitor"] = "a" * 43
    app.button(key="video_remove_all").click().run()
    assert not app.exception
    assert not run.folder.path.exists()
    with pytest.raises(KeyError):
        open_video().segmented_control(key="video_view")


@pytest.mark.parametrize("damage", ["result", "record", "all"])
def test_damaged_files_of_a_run_are_a_sentence(clip: Path, damage: str) -> None:
    run = finish(RunDesk(Tasks("test", kept=0)).find(video_of(clip), Squatter(), VideoOptions()))
    if damage in ("record", "all"):
        (run.folder.path / "run.json").write_text("{" if damage == "record" else "[]")
    if damage in ("result", "all"):
        (run.folder.path / "result.npz").write_bytes(b"PK\x03\x04 nothing")
    run_desk.clear()
    app = show(run)
    said = words(app)
    assert ("run the video again" if damage == "result" else "is not here any more") in said


def test_where_the_home_cannot_be_written_results_go_with_the_server(
    clip: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "videos").write_text("in the way")
    run = finish(run_desk().find(video_of(clip), Squatter(), VideoOptions()))
    assert run.job.state == "done"
    assert "it goes when the server ends" in words(show(run))
    assert restarted().get(run.token) is None
    run_desk().forget(run.token)
    assert not run.folder.path.exists()


# What follows a run


@pytest.fixture
def squats(tmp_path: Path) -> VideoRun:
    """A finished run over somebody who squats four times."""
    path = write_video(tmp_path / "squats.mp4", even_ticks(80))
    return finish(run_desk().find(video_of(path), Squatter(), VideoOptions()))


def test_repetitions_are_counted_and_said_plainly(squats: VideoRun) -> None:
    app = show(squats)
    assert "knee angle" in app.metric[0].label
    assert metric(app) == "4"
    app.slider(key="count_min_amplitude").set_value(300).run()
    assert metric(app) == "0"
    app.multiselect(key="video_measures").set_value([]).run()
    assert not app.exception
    assert "Choose at least one measure" in words(app)


@pytest.mark.parametrize("kind", ["angle", "rate", "tilt", "length", "distance", "speed", "x", "y"])
def test_measures_of_ones_own(squats: VideoRun, kind: str) -> None:
    app = show(squats)
    app.selectbox(key="video_own_kind").select(kind).run()
    next(button for button in app.button if button.label == "Measure this").click().run()
    assert not app.exception, app.exception
    added = app.multiselect(key="video_measures").value[-1]
    assert added.startswith(f"{kind}:")
    assert in_words(parse_measure(added, COCO_17)) in app.get("plotly_chart")[0].proto.spec


def test_every_tab_can_be_opened(squats: VideoRun) -> None:
    for tab in ("Measurements", "Tracks", "Compare", "People", "Files"):
        app = show(squats, video_tab=tab)
        assert not app.error, tab
    app = show(squats, video_tab="Tracks")
    app.selectbox(key="video_joint").select("left_knee").run()
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert {trace["name"] for trace in spec["data"]} == {"as found", "smoothed"}
    app.selectbox(key="smooth_smooth").select("none").run()
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert {trace["name"] for trace in spec["data"]} == {"as found"}


def test_a_movement_is_held_against_another(squats: VideoRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Another movement is needed" in words(show(squats, video_tab="Compare"))
    path = write_video(tmp_path / "slow.mp4", even_ticks(50))
    slow = finish(run_desk().find(video_of(path), Squatter(), VideoOptions()))
    monkeypatch.setattr("posecore.ui.video.against.known_runs", lambda: [squats, slow])
    app = show(squats, video_tab="Compare")
    assert app.selectbox(key="video_reference").options == ["1 · slow.mp4 · squatter"]
    assert "left knee angle" in set(app.dataframe[0].value["Angle"])
    spec = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert {trace["name"] for trace in spec["data"]} == {"reference", "here"}
    app.toggle(key="video_against_mirrored").set_value(True).run()
    assert not app.exception
    assert metric(app).endswith("°")


class Two(Squatter):
    """Finds the one who squats and another one, from the tenth picture on."""

    def decode(self, fields: Any, **settings: Any) -> Poses:
        one = super().decode(fields, **settings)
        if fields.number < 10:
            return one
        both = np.concatenate([one.keypoints, one.keypoints + np.array([40, 0])])
        return poses_from(both, np.ones((2, 17)), np.array([1.0, 0.9]), COCO_17, one.image_size)


def test_who_is_who_is_corrected_by_hand_and_undone(clip: Path) -> None:
    run = finish(run_desk().find(video_of(clip), Two(), VideoOptions()))
    app = show(run, video_tab="People")
    assert "2 people" in words(app)
    app.segmented_control(key="correct_kind_3").set_value("swap").run()
    app.selectbox(key="correct_person").set_value(2).run()
    app.number_input(key="correct_since_2").set_value(0.8).run()
    app.button(key="correct_apply").click().run()
    assert not app.exception, app.exception
    assert "Persons 2 and 1 are exchanged from 0.80 s on" in words(app)
    assert "Changed since the clip was drawn: who is who" in words(app)
    run_desk.clear()
    kept = run_desk().get(run.token)
    assert kept is not None
    assert kept.result is not None
    assert [one.kind for one in kept.result.corrections] == ["swap"]
    app = show(kept, video_tab="People")
    next(button for button in app.button if button.label == "Draw it again").click().run()
    finish(kept)
    assert kept.result.drawn == kept.result.corrections
    app.run()
    assert "Changed since" not in words(app)
    for person in (2, 1):
        app.segmented_control(key=f"correct_kind_{3 if person == 2 else 1}").set_value("remove").run()
        app.selectbox(key="correct_person").set_value(person).run()
        app.number_input(key=f"correct_since_{person}").set_value(0.0).run()
        app.button(key="correct_apply").click().run()
        assert not app.exception, app.exception
    assert "Everybody was left out by hand" in words(app)
    app.button(key="correct_undo_all").click().run()
    assert kept.result.corrections == ()
    assert "2 people" in words(app)


def test_people_in_three_dimensions_are_shown_once_there_is_a_network_for_them(
    squats: VideoRun, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(can_lift.clear)

    def tabs(app: AppTest) -> set[str]:
        return {tab.label for tab in app.tabs}

    def refuse(*_: object, **__: object) -> None:
        raise WeightsError("There is no network.")

    monkeypatch.setattr("posecore.ui.shared.lifting.lift", refuse)
    can_lift.clear()
    assert "3D" not in tabs(show(squats))

    def lift(sequence: PoseSequence, **_: object) -> list[Poses3D]:
        tracks = sequence.tracks()
        return [replace(seen(walker(20)[: len(one)], track=number), times=one.times, frames=one.frames)
                for number, one in tracks.items()]  # fmt: skip

    monkeypatch.setattr("posecore.ui.shared.lifting.lift", lift)
    can_lift.clear()
    app = show(squats, video_tab="3D")
    while "Lifting people" in words(app):
        app.run()
    assert "a height of 1.70 m, which is assumed" in words(app)
    assert "Not for clinical use" in words(app)
    facts = {metric.label: metric.value for metric in app.metric}
    assert {"Cadence", "Step, left", "Stance, right"} <= set(facts)
    app.slider(key="lift_height").set_value(2.04).run()
    assert "a height of 2.04 m, and" in words(app)
    longer = {metric.label: metric.value for metric in app.metric}
    assert float(longer["Step, left"][:-2]) == pytest.approx(1.2 * float(facts["Step, left"][:-2]), abs=0.02)
    assert longer["Cadence"] == facts["Cadence"]
    app.selectbox(key="video_room_measure").select("speed:mid_hip").run()
    assert not app.exception
    assert json.loads(app.get("plotly_chart")[0].proto.spec)["layout"]["yaxis"]["title"]["text"] == "m/s"


@pytest.mark.parametrize("smooth", ["none", "live", "offline"])
def test_smoothing_again_equals_having_smoothed_so_at_once(tmp_path: Path, clip: Path, smooth: Any) -> None:
    desk = RunDesk(Tasks("test", kept=0))
    wanted = SmoothingSettings(smooth=smooth)
    before, after = (
        finish(desk.find(video_of(clip), Squatter(), VideoOptions(smoothing=settings)))
        for settings in (SmoothingSettings(smooth="live", beta=3), wanted)
    )
    again, expected = before.smoothed(wanted), after.result.poses
    # Offline smoothing knows who stays from the first frame on; a live run only from a little later.
    late = len(expected.frames) - len(again.frames)
    assert late in (0, 1)
    assert again.keypoints[5:] == pytest.approx(expected.keypoints[5 + late :], abs=0.6)
    assert before.smoothed(wanted) is again


def test_drawing_again_needs_no_network(squats: VideoRun, monkeypatch: pytest.MonkeyPatch) -> None:
    first = squats.clip
    monkeypatch.setattr(Squatter, "fields", lambda *_, **__: pytest.fail("the network ran"))
    app = show(squats)
    assert "Draw it again" not in [button.label for button in app.button]
    app.selectbox(key="smooth_smooth").select("offline").run()
    assert "since the clip was drawn: smoothing" in words(app)
    app.toggle(key="draw_boxes").set_value(True).run()
    next(button for button in app.button if button.label == "Draw it again").click().run()
    finish(squats)
    app.run()
    assert not app.exception
    assert squats.job.state == "done"
    assert "since the clip was drawn" not in words(app)
    assert squats.clip != first
    assert not first.exists()
    assert squats.result.options.drawing.boxes
    assert len(times_of(clip_of(squats))) == squats.result.frames == 80


def test_visitors_who_may_only_look_have_nothing_drawn(squats: VideoRun, monkeypatch: pytest.MonkeyPatch) -> None:
    job = squats.job
    app = show(squats)
    app.toggle(key="draw_boxes").set_value(True).run()
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    next(button for button in app.button if button.label == "Draw it again").click().run()
    assert squats.job is job
    assert "Working on videos is not allowed to visitors" in words(app)


def test_a_stopped_drawing_keeps_the_clip(squats: VideoRun) -> None:
    first = squats.clip
    desk = run_desk()
    slow = Slow()
    blocked = desk.find(squats.video, slow, VideoOptions())
    desk.draw(squats, SmoothingSettings(smooth="none"), DrawingOptions(), OutputSettings())
    squats.job.cancel()
    blocked.job.cancel()
    for _ in range(200):
        slow.gate.release()
    finish(squats)
    assert squats.clip == first
    assert first.exists()
    assert squats.result.frames == 80


def test_drawing_a_stopped_run_again_ends_where_it_ended(clip: Path) -> None:
    desk = RunDesk(Tasks("test", kept=0))
    model = Slow()
    run = desk.find(video_of(clip), model, VideoOptions())
    for _ in range(9):
        model.gate.release()
    wait_for(lambda: run.job.report is not None and run.job.report.frames >= 4)
    run.job.cancel()
    for _ in range(30):
        model.gate.release()
    finish(run)
    frames = run.result.frames
    desk.draw(run, SmoothingSettings(smooth="none"), DrawingOptions(boxes=True), OutputSettings())
    finish(run)
    assert run.job.state == "done", run.job.error
    assert len(times_of(clip_of(run))) == run.result.frames == frames
    assert run.result.cancelled


def test_files_hold_what_is_shown(squats: VideoRun) -> None:
    app = show(squats, video_tab="Files")
    labels = {button.label for button in app.get("download_button")}
    assert {"Keypoints (CSV)", "Measures (CSV)", "Repetitions (CSV)", "All as ZIP"} <= labels
    table = pd.read_csv(io.BytesIO(_download(app, squats, "keypoints.csv")))
    assert len(table) == 80 * 17
    repetitions = pd.read_csv(io.BytesIO(_download(app, squats, "repetitions.csv")))
    assert len(repetitions) == 4
    with zipfile.ZipFile(io.BytesIO(_download(app, squats, "all.zip"))) as archive:
        endings = {name.partition(".")[2] for name in archive.namelist()}
        assert endings == {
            "csv",
            "measures.csv",
            "repetitions.csv",
            "json",
            "coco_results.json",
            "coco_images.json",
            "run.json",
            "mp4",
        }
        assert archive.read("it.mp4") == squats.clip.read_bytes()


def test_the_clip_is_served_in_pieces_to_those_who_know_its_name(squats: VideoRun) -> None:
    address = "/" + clip_address(squats.token, clip_of(squats))
    whole = squats.clip.read_bytes()
    status, headers, content = fetch(clip_routes(), address, range="bytes=10-19")
    assert (status, content) == (206, whole[10:20])
    assert headers["content-type"] == "video/mp4"
    _, headers, content = fetch(clip_routes(), f"{address}?save=my%20clip.mp4")
    assert content == whole
    assert "my%20clip.mp4" in headers["content-disposition"]
    for wrong in (
        f"/clips/nobody/{squats.clip.name}",
        f"/clips/{squats.token}/other.mp4",
        f"/clips/{squats.token}/..%2Fsource%2Fsquats.mp4",
    ):
        assert fetch(clip_routes(), wrong)[0] == 404


# Small things


def test_lines_are_thinned_without_losing_their_peaks() -> None:
    times = np.arange(100_000) / 30
    values = np.sin(times)
    values[54_321], values[70_000:80_000] = 9, np.nan
    x, y = thin(times, values)
    assert len(x) <= MOST_POINTS
    assert np.nanmax(y) == 9
    assert np.isnan(y).any()
    assert np.all(np.diff(x) >= 0)
    short = times[:50]
    assert thin(short, short)[0] is short


def test_measures_have_words() -> None:
    def said(text: str, skeleton: Skeleton = COCO_17) -> str:
        return in_words(parse_measure(text, skeleton))

    usual = usual_measures(COCO_17)
    assert len({said(text) for text in usual}) == len(usual)
    assert said("angle:left_hip-left_knee-left_ankle") == "left knee angle"
    assert said("angle:nose-left_knee-left_ankle") == "left knee from nose to left ankle angle"
    assert said("length:nose-left_ankle") == "distance nose to left ankle"
    hyphens = Skeleton("mine", ("left-hip", "left-knee", "left-ankle"))
    assert usual_measures(hyphens)[0] == "angle:left-hip-left-knee-left-ankle"
    assert said("left-knee", hyphens) == "left-knee angle"
