"""The video command, with a small random network and a tiny clip."""

from __future__ import annotations

import json
import os
import signal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from posecore.cli import video as command
from posecore.families.posenet import POSENET
from posecore.lifting import Poses3D
from posecore.model import PoseModel
from posecore.video import PoseSequence, Progress, VideoReader
from tests.motion_support import seen, walker
from tests.video_support import even_ticks, write_video

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(command.video)
SMALL = ("--input-size", "97", "--pose-threshold", "0")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    torch.manual_seed(0)
    network = POSENET.build("posenet-mobilenet_v1-050")
    made = PoseModel(
        "posenet-mobilenet_v1-050.random", POSENET, "posenet-mobilenet_v1-050", network, "0" * 64, device="cpu"
    )
    monkeypatch.setattr(command, "open_model", lambda name, device, weights=None: made)
    return made


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", even_ticks(9), size=(96, 64))


def run(*arguments: object) -> Result:
    return RUNNER.invoke(APP, [str(argument) for argument in arguments], catch_exceptions=True)


@pytest.mark.parametrize("smooth", ["none", "live", "offline"])
def test_a_clip_and_its_tables_lie_side_by_side(model: PoseModel, clip: Path, tmp_path: Path, smooth: str) -> None:
    out = tmp_path / "made" / "out.mp4"
    result = run(
        clip, "-o", out, "--save", "csv,json,coco", "--smooth", smooth, "--angles", "left_knee,speed:nose",
        "--count", "right_knee", "--min-hits", 1, *SMALL,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "9 frames" in result.output
    assert "repetitions of angle:right_hip-right_knee-right_ankle" in result.output
    with VideoReader(out) as reader:
        assert len(list(reader.frames())) == 9
    table = pd.read_csv(out.with_suffix(".csv"))
    assert set(table.columns) == {"frame", "time", "track_id", "pose_score", "keypoint", "x", "y", "score"}
    assert len(table)
    measured = pd.read_csv(out.with_name("out.measures.csv"))
    assert set(measured.unit) == {"deg", "px/s"}
    everything = json.loads(out.with_suffix(".json").read_text())
    assert len(everything["frames"]) == 9
    beside = json.loads(out.with_suffix(".run.json").read_text())
    assert beside.items() <= everything.items()
    assert (beside["model"], beside["image_size"]) == ("posenet-mobilenet_v1-050.random", [96, 64])
    assert beside["posecore"] == version("posecore")
    assert beside["settings"]["smoothing"]["smooth"] == smooth
    assert beside["settings"]["network"]["input_size"] == 97


def test_nothing_that_is_there_is_lost(
    model: PoseModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = write_video(tmp_path / "in.mkv", even_ticks(5), size=(96, 64))
    Path("in-poses.csv").write_text("my notes")
    for source, frames in ((clip, 9), (other, 5)):
        assert run(source, *SMALL).exit_code == 0
        taken = f"in-poses-{2 if source is clip else 3}"
        with VideoReader(f"{taken}.mp4") as reader:
            assert len(list(reader.frames())) == frames
        assert json.loads(Path(f"{taken}.run.json").read_text())["source"] == source.name
    assert Path("in-poses.csv").read_text() == "my notes"
    assert not Path("in-poses.mp4").exists()


@pytest.mark.parametrize("there", ["out.mp4", "out.csv", "out.run.json"])
def test_a_name_that_is_taken_is_refused_unless_it_may_be_replaced(
    model: PoseModel, clip: Path, tmp_path: Path, there: str
) -> None:
    (tmp_path / there).write_text("mine")
    refused = run(clip, "-o", tmp_path / "out.mp4", *SMALL)
    assert refused.exit_code != 0
    assert f"{there} exists" in str(refused.exception)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", there}
    assert run(clip, "-o", tmp_path / "out.mp4", "--overwrite", *SMALL).exit_code == 0
    assert (tmp_path / there).read_bytes() != b"mine"


def test_names_with_points_keep_their_own_tables(model: PoseModel, clip: Path, tmp_path: Path) -> None:
    for name in ("walk.1", "walk.2"):
        assert run(clip, "-o", tmp_path / name, "--no-clip", *SMALL).exit_code == 0
    assert (tmp_path / "walk.1.csv").is_file()
    assert (tmp_path / "walk.2.csv").is_file()


def test_results_can_go_into_a_folder(model: PoseModel, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert run(clip, "-o", tmp_path / "results", *SMALL).exit_code == 0
    assert (tmp_path / "results" / "in-poses.mp4").is_file()


def test_parts_strides_and_tables_alone(model: PoseModel, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = run(clip, "-o", out, "--no-clip", "--no-track", "--start", 0.1, "--stride", 2, *SMALL)
    assert result.exit_code == 0, result.output
    assert "3 frames" in result.output
    assert not out.exists()
    assert set(pd.read_csv(out.with_suffix(".csv")).track_id) == {-1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--save", "xlsx"), "unknown format xlsx"),
        (("--angles", "left_nee"), "did you mean 'left_knee'"),
        (("--max-age", "-1"), "max_age = -1"),
        (("--start", "5"), "after 5 s"),
        (("--no-track", "--smooth", "live"), "switch track on"),
        (("--min-amplitude", "40"), "--min-amplitude belongs to --count"),
        (("--no-track", "--angles", "left_knee"), "switch track on"),
        (("--no-track", "--count", "left_knee"), "switch track on"),
        (("--save", "coco", "--measures", "left_knee"), "csv or json"),
        (("--no-track", "--beta", "3"), "switch track on"),
        (("--smart-crop",), "'smart_crop' has no effect with"),
    ],
)
def test_mistakes_are_sentences(model: PoseModel, clip: Path, tmp_path: Path, arguments: Any, message: str) -> None:
    result = run(clip, "-o", tmp_path / "out.mp4", *arguments, *SMALL)
    assert result.exit_code != 0
    said = " ".join(f"{result.output} {result.exception}".replace("│", " ").split())
    assert message in said
    assert not (tmp_path / "out.mp4").exists()


def test_ctrl_c_keeps_what_is_done(model: PoseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_video(tmp_path / "long.mp4", even_ticks(150), size=(96, 64))
    report = command._Reporter.__call__

    def interrupt(self: command._Reporter, progress: Progress) -> None:
        report(self, progress)
        if progress.frames == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(command._Reporter, "__call__", interrupt)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out.mp4"
    result = run(clip, "-o", out, "--save", "json", *SMALL)
    assert result.exit_code == 130, result.output
    assert "until stopped" in result.output
    with VideoReader(out) as reader:
        frames = len(list(reader.frames()))
    assert 5 <= frames < 100
    assert len(json.loads(out.with_suffix(".json").read_text())["frames"]) == frames
    assert signal.getsignal(signal.SIGINT) is before


def test_people_are_lifted_and_written_beside_the_clip(
    model: PoseModel, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lift(sequence: PoseSequence, *, height: float | None = None, focal: float | None = None) -> list[Poses3D]:
        return [seen(walker()[: len(sequence)], track=2).scaled(height or 1.7)] if len(sequence) else []

    monkeypatch.setattr("posecore.cli.lifting.lift", lift)
    monkeypatch.setattr("posecore.lifting.room.lift", lift)
    out = tmp_path / "out.mp4"
    asked = ("--lift", "--height", "1.78", "--save-3d", "csv,bvh,trc", "--measures", "left_knee", "--start", "0.1")
    result = run(clip, "-o", out, *asked, *SMALL)
    assert result.exit_code == 0, result.output
    for ending in (".3d.csv", ".3d.measures.csv", ".person2.bvh", ".person2.trc"):
        assert out.with_name(f"out{ending}").is_file()
    assert "a height of 1.78 m, and on a usual camera" in result.output
    assert "Not for clinical use" in result.output
    assert pd.read_csv(tmp_path / "out.3d.csv")["frame"].min() == pd.read_csv(tmp_path / "out.csv")["frame"].min()
    (tmp_path / "out.mp4").unlink()
    for path in tmp_path.glob("out*.csv"):
        path.unlink()
    (tmp_path / "out.run.json").unlink()
    assert "out.person2.bvh exists" in str(run(clip, "-o", out, *asked, *SMALL).exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--height", "1.8"), "belongs to --lift"),
        (("--save-3d", "csv"), "--save-3d belongs to --lift"),
        (("--lift", "--no-track"), "switch track on"),
        (("--lift", "--height", "8"), "height = 8"),
        (("--lift", "--save-3d", "fbx"), "no format 'fbx'"),
    ],
)
def test_what_cannot_be_lifted_is_said_before_the_work_begins(
    model: PoseModel, clip: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run(clip, "-o", tmp_path / "out.mp4", *arguments, *SMALL)
    assert result.exit_code != 0
    assert message in " ".join(f"{result.output} {result.exception}".split())
    assert not (tmp_path / "out.mp4").exists()
