"""The video command, with a small random network and a tiny clip."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
import typer
from typer.testing import CliRunner
from video_support import even_ticks, write_video

from posecore.cli import video as command
from posecore.families.posenet import POSENET
from posecore.model import PoseModel
from posecore.video import VideoReader

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


def run(*arguments: object):
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
    with VideoReader(out) as reader:
        assert len(list(reader.frames())) == 9
    table = pd.read_csv(out.with_suffix(".csv"))
    assert set(table.columns) == {"frame", "time", "track_id", "pose_score", "keypoint", "x", "y", "score"}
    assert len(table)
    measured = pd.read_csv(out.with_name("out.measures.csv"))
    assert set(measured.unit) == {"deg", "px/s"}
    assert len(json.loads(out.with_suffix(".json").read_text())["frames"]) == 9


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
    ],
)
def test_mistakes_are_sentences(model: PoseModel, clip: Path, tmp_path: Path, arguments, message: str) -> None:
    result = run(clip, "-o", tmp_path / "out.mp4", *arguments, *SMALL)
    assert result.exit_code != 0
    said = " ".join(f"{result.output} {result.exception}".replace("│", " ").split())
    assert message in said
    assert not (tmp_path / "out.mp4").exists()


def test_ctrl_c_keeps_what_is_done(model: PoseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_video(tmp_path / "long.mp4", even_ticks(150), size=(96, 64))
    report = command._Reporter.__call__

    def interrupt(self, progress) -> None:
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
