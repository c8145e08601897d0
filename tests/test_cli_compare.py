"""``posecore compare``: what it writes, and what it says of words it cannot use."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from posecore.cli import app
from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from tests.video_support import even_ticks, write_video

runner = CliRunner()
#: Two ways to see with one small network.
MODELS = ("movenet-lightning@keypoint_threshold=0", "movenet-lightning@keypoint_threshold=0.45")


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    """Nothing but what comes with posecore."""


def invoke(*arguments: str | Path) -> tuple[int, str]:
    result = runner.invoke(app, ["compare", *map(str, arguments)])
    return result.exit_code, f"{result.output}{result.exception or ''}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    Image.fromarray(render_scene(SAMPLE_SEEDS["One person in a gym"]).image).save(place / "scene.png")
    (place / "broken.jpg").write_text("no picture")
    (place / "broken.mp4").write_text("no clip")
    return place


def test_pictures_report_and_tables(folder: Path, tmp_path: Path) -> None:
    code, said = invoke(*MODELS, folder / "broken.mp4", folder, "--to", tmp_path / "out")
    assert code == 1
    assert "broken.jpg" in said
    assert "broken.mp4" in said
    assert "A–B" in said
    assert (tmp_path / "out" / "pictures" / "scene.jpg").is_file()
    assert "data:image/jpeg" in (tmp_path / "out" / "report.html").read_text("utf-8")
    with (tmp_path / "out" / "joints.csv").open(encoding="utf-8") as file:
        joints = list(csv.DictReader(file))
    assert len(joints) == 17
    assert sum(int(row["only the first"]) for row in joints) > 0, "a high threshold hides joints"
    assert {row["median px"] for row in joints} <= {"0.0", ""}


def test_frames_of_a_clip(tmp_path: Path) -> None:
    pictures = [np.full((96, 128, 3), shade, np.uint8) for shade in range(0, 200, 20)]
    clip = write_video(tmp_path / "clip.mp4", even_ticks(10), size=(128, 96), pictures=pictures)
    code, said = invoke(*MODELS, clip, "--every", "4", "--to", tmp_path / "out")
    assert code == 0, said
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["movenet-lightning", "PICTURES"], "2 to 4 models"),
        (["movenet-lightnin", "movenet-lightning", "PICTURES"], "did you mean"),
        (["movenet-lightning"] * 5 + ["PICTURES"], "2 to 4 models"),
        (["movenet-lightning"] * 2, "pictures, folders or a clip"),
        (["movenet-lightning", "movenet-lightning@nothing=3", "PICTURES"], "nothing"),
        (["movenet-lightning", "movenet-lightning@keypoint_threshold=7", "PICTURES"], "keypoint_threshold"),
    ],
)
def test_words_that_cannot_be_used(words: list[str], expected: str, folder: Path, tmp_path: Path) -> None:
    code, said = invoke(*(str(folder) if word == "PICTURES" else word for word in words), "--to", tmp_path / "out")
    assert code == 1
    assert expected in said
    assert not (tmp_path / "out").exists()
