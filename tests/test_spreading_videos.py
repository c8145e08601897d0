"""Videos cut into segments: what is found and followed is what one process finds and follows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from posecore.cli import app, loading
from posecore.cli import spread as spread_options
from posecore.errors import DataError
from posecore.model import PoseModel
from posecore.skeleton import COCO_17
from posecore.spreading.tables import people_arrays
from posecore.spreading.videos.folder import VideoFolder
from posecore.spreading.videos.run import spread_videos
from posecore.spreading.videos.tasks import Joining, Looked, Probe, Segment
from posecore.spreading.videos.work import VideoOrder, video_order_of
from posecore.video import ClipSettings, SmoothingSettings, TrackingSettings, VideoOptions, VideoResult, process_video
from tests.spreading_support import HereWorkers, small_model
from tests.video_support import write_video

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORK = {"input_size": 65, "runtime": "torch", "precision": "float32"}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    loaded = small_model()
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: loaded)
    return loaded


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second and a half at 20 frames a second, with a key frame now and then."""
    return write_video(tmp_path / "walk.mp4", range(0, 30 * 768, 768), options={"g": "7"})


def options_of(model: PoseModel, **changed: Any) -> VideoOptions:
    network = model.network_settings(**NETWORK).model_dump()
    return VideoOptions(**{"network": network, "decode": model.decode_settings().model_dump(), **changed})


class Run:
    """Runs over videos with workers of this process, and what they were given."""

    def __init__(self, model: PoseModel, options: VideoOptions, folder: Path) -> None:
        self.order, facts = video_order_of(model, "cpu", options, {})
        self.results: list[VideoResult] = []
        self.folder = VideoFolder(folder, facts, lambda result, stem: self.results.append(result))
        self.given: list[Any] = []

    def __call__(self, *sources: Path, seconds: float = 0.4) -> Any:
        return spread_videos(list(map(str, sources)), self.folder, self.order.options, seconds, self._workers)

    def _workers(self, most: int | None) -> HereWorkers:
        workers = HereWorkers(self.order)
        work = workers.work

        def noting(tasks: Sequence[Any]) -> Any:
            self.given += tasks
            return work(tasks)

        workers.work = noting
        return workers


@pytest.mark.parametrize(
    "changed",
    [
        {"smoothing": SmoothingSettings(smooth="offline")},
        {"smoothing": SmoothingSettings(smooth="live"), "clip": ClipSettings(start=0.23, stride=2)},
        {
            "tracking": TrackingSettings(track=False),
            "smoothing": SmoothingSettings(smooth="none"),
            "clip": ClipSettings(end=1.2),
        },
    ],
)
def test_segments_give_what_one_process_gives(
    model: PoseModel, clip: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    options = options_of(model, **changed)
    alone = process_video(clip, model, None, options)
    run = Run(model, options, tmp_path / "out")
    outcome = run(clip)
    assert (outcome.done, outcome.before, outcome.failures) == (1, 0, [])
    assert sum(isinstance(task, Segment) for task in run.given) >= 3
    (spread,) = run.results
    for one, other in ((alone.poses, spread.poses), (alone.raw, spread.raw)):
        assert len(one) > 10
        for name in ("times", "numbers", "frames", "track_ids", "keypoints", "keypoint_scores", "scores"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert (spread.start, spread.warnings, spread.info) == (alone.start, alone.warnings, alone.info)
    table = pq.read_table(tmp_path / "out" / "people" / "walk.parquet")
    keypoints, keypoint_scores, scores = people_arrays(table, COCO_17)
    assert scores.tobytes() == alone.poses.scores.tobytes()
    assert keypoints.tobytes() == alone.poses.keypoints.tobytes()
    assert keypoint_scores.tobytes() == alone.poses.keypoint_scores.tobytes()
    assert table["frame"].to_pylist() == alone.poses.numbers[alone.poses.frames].tolist()
    assert not list((tmp_path / "out" / "segments").iterdir())


def test_going_on_looks_only_at_what_is_left(
    model: PoseModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options_of(model)
    keep = VideoFolder.keep

    def killed(self: VideoFolder, video: Any, index: int, looked: Looked) -> None:
        if index == 2:
            raise SystemExit(9)
        keep(self, video, index, looked)

    with monkeypatch.context() as patch:
        patch.setattr(VideoFolder, "keep", killed)
        with pytest.raises(SystemExit):
            Run(model, options, tmp_path / "out")(clip)
    again = Run(model, options, tmp_path / "out")
    again(clip)
    assert [task.index for task in again.given if isinstance(task, Segment)] == [2, 3]
    whole = Run(model, options, tmp_path / "whole")
    whole(clip)
    name = "people/walk.parquet"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    last = Run(model, options, tmp_path / "out")
    assert last(clip).before == 1
    assert not last.given
    with pytest.raises(DataError, match="another video, model or settings"):
        Run(model, options_of(model, clip=ClipSettings(end=1.0)), tmp_path / "out")(clip)


def test_a_video_that_cannot_be_cut_is_looked_at_whole(
    model: PoseModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(model, options_of(model), tmp_path / "out")
    keep = VideoFolder.keep

    def misplaced(self: VideoFolder, video: Any, index: int, looked: Looked) -> None:
        if index == 1:
            looked.frames.numbers[:] += 1
        keep(self, video, index, looked)

    monkeypatch.setattr(VideoFolder, "keep", misplaced)
    assert run(clip).done == 1
    assert [type(task) for task in run.given[-2:]] == [Segment, Joining]
    assert (run.given[-2].start, run.given[-2].end) == (0, 0)
    alone = process_video(clip, model, None, options_of(model))
    assert run.results[0].poses.keypoints.tobytes() == alone.poses.keypoints.tobytes()


def test_the_command_takes_many_and_lists_what_cannot_be_used(
    model: PoseModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = tmp_path / "videos"
    (videos / "deep").mkdir(parents=True)
    for name in ("a.mp4", "deep/a.mp4"):
        (videos / name).write_bytes(clip.read_bytes())
    (videos / "bad.mp4").write_bytes(b"no video")
    orders: list[VideoOrder] = []

    def open_here(text: str, order: VideoOrder, *_: Any) -> HereWorkers:
        orders.append(order)
        return HereWorkers(order)

    monkeypatch.setattr(spread_options, "open_workers", open_here)
    out = tmp_path / "out"
    arguments = ["video", str(videos), str(videos / "deep"), "--cluster", "processes", "-o", str(out), "--segment", "1"]
    arguments += ["--model", "any", "--input-size", "65", "--save", "csv,json", "--measures", "left_knee"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert "2 of 3 videos" in " ".join(result.output.split())
    assert "bad.mp4" in (out / "failed.csv").read_text()
    names = sorted(path.stem for path in (out / "people").iterdir())
    assert len(names) == 2
    assert all(name.startswith("a-") for name in names)
    for name in names:
        stated = json.loads(pq.read_schema(out / "people" / f"{name}.parquet").metadata[b"posecore"])
        assert Path(stated["source"]).name == "a.mp4"
        assert stated["network_settings"]["runtime"] == "torch"
        assert json.loads((out / f"{name}.json").read_text())["measures"]
        assert (out / f"{name}.measures.csv").exists()
    (videos / "bad.mp4").unlink()
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(orders) == 1, "nothing was left to do"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cluster", "processes", "--clip"), "--cluster writes tables"),
        (("--cluster", "processes", "--lift"), "--lift is for one video"),
        (("--segment", "5"), "add --cluster processes"),
        (("another.mp4",), "give one video"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: Sequence[str], message: str) -> None:
    result = CliRunner().invoke(app, ["video", "walk.mp4", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_probing_says_what_is_wrong(model: PoseModel, tmp_path: Path) -> None:
    order, _ = video_order_of(model, "cpu", options_of(model, clip=ClipSettings(start=9)), {})
    clip = write_video(tmp_path / "short.mp4", range(0, 5 * 768, 768))
    (refused,) = order.open()([Probe(str(clip))])
    assert "no pictures after 9 s" in refused.reason
