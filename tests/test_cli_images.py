"""The command line on pictures and models, with a small random network in a home of its own."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from posecore.cli import app, loading, main
from posecore.cli.images import find_pictures
from posecore.errors import ImageError, PosecoreError
from posecore.families.posenet import POSENET
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses

RUNNER = CliRunner()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    """A network that finds somebody everywhere, in place of the loaded one."""
    torch.manual_seed(0)
    network = POSENET.build("posenet-mobilenet_v1-050")
    torch.nn.init.constant_(network.get_parameter("heads.heatmaps.bias"), 3.0)
    loaded = PoseModel("posenet-mobilenet_v1-050.test", POSENET, "posenet-mobilenet_v1-050", network, "test")
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: loaded)
    return loaded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    shots = tmp_path / "shots"
    (shots / "deeper").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "deeper/a.png"):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).save(shots / name)
    (shots / "notes.txt").write_text("not a picture")
    return shots


def run(*arguments: object) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


SMALL = ("--model", "any", "--input-size", 97)


def test_what_is_done_is_kept_when_it_is_broken_off(
    model: PoseModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = model.decode
    seen: list[Fields] = []

    def interrupted(fields: Fields, **settings: Any) -> Poses:
        seen.append(fields)
        if len(seen) == 2:
            raise KeyboardInterrupt
        poses: Poses = decode(fields, **settings)
        return poses

    monkeypatch.setattr(model, "decode", interrupted)
    arguments = ["image", str(folder), "-o", str(tmp_path / "out"), "--save", "json,csv", *map(str, SMALL)]
    assert RUNNER.invoke(app, arguments).exit_code
    with (tmp_path / "out" / "keypoints.csv").open() as file:
        assert {row["picture"] for row in csv.DictReader(file)} == {"a.png"}
    run(*arguments)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a.json", "b.json", "keypoints.csv", "posecore_results.json"}, "the same files, not numbered ones"


def test_everything_is_written(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("image", folder, "-r", "-o", out, "--save", "png,json,csv,coco,fields", "--max-poses", 2, *SMALL)
    assert result.exit_code == 0, result.output
    assert "3 of 3 pictures" in result.output.replace("\n", " ")
    assert {p.name for p in out.iterdir()} == {
        "a.png", "a.json", "a.npz", "b.png", "b.json", "b.npz", "a-2.png", "a-2.json", "a-2.npz",
        "keypoints.csv", "coco_results.json", "coco_images.json", "posecore_results.json",
    }  # fmt: skip
    poses = Poses.from_json((out / "b.json").read_text())
    assert 1 <= len(poses) <= 2
    assert Image.open(out / "b.png").size == (120, 90)
    fields = Fields.load(out / "b.npz")
    again = model.decode(fields, max_poses=2)
    assert np.array_equal(again.keypoints, poses.keypoints, equal_nan=True)
    rows = list(csv.DictReader((out / "keypoints.csv").open()))
    assert {row["picture"] for row in rows} == {"a.png", "b.jpg", "deeper/a.png"}
    assert len([row for row in rows if row["picture"] == "b.jpg"]) == 17 * len(poses)
    ids = {image["id"]: image["file_name"] for image in json.loads((out / "coco_images.json").read_text())}
    results = json.loads((out / "coco_results.json").read_text())
    assert len([r for r in results if ids[r["image_id"]] == "b.jpg"]) == len(poses)


def test_pictures_of_like_names_stay_apart(
    model: PoseModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows too, where text is not written as UTF-8 unasked."""
    shutil.copy(folder / "b.jpg", folder / "a-2.png")
    shutil.copy(folder / "b.jpg", folder / "文.jpg")
    plain = io.open

    def on_windows(file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, *more: Any) -> Any:
        text = encoding in (None, "locale") and "b" not in mode
        return plain(file, mode, buffering, "cp1252" if text else encoding, *more)

    out = tmp_path / "out"
    names = ("a.png", "deeper/a.png", "a-2.png", "文.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(io, "open", on_windows)
        result = run("image", *(folder / name for name in names), "-o", out, "--save", "csv,coco,json", *SMALL)
    assert result.exit_code == 0, result.output
    assert tuple(image["file_name"] for image in json.loads((out / "coco_images.json").read_text("utf-8"))) == names
    with (out / "keypoints.csv").open(encoding="utf-8") as file:
        assert {row["picture"] for row in csv.DictReader(file)} == set(names)
    assert {path.stem for path in out.glob("*.json")} == {
        "a", "a-3", "a-2", "文", "coco_images", "coco_results", "posecore_results"
    }  # fmt: skip


def test_a_bad_picture_stops_nothing_and_shows_in_the_exit_code(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    result = run("image", folder, "-o", tmp_path / "out", *SMALL)
    assert result.exit_code == 1
    assert "2 of 3 pictures" in result.output.replace("\n", " ")
    assert "broken.jpg" in result.output
    assert (tmp_path / "out" / "b.png").exists()


def test_a_picture_that_the_network_cannot_take_stops_nothing(
    model: PoseModel, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PoseModel.fields

    def fields(self: PoseModel, pictures: Any, *rest: Any, **named: Any) -> Any:
        if any(picture.shape[1] == 50 for picture in pictures):
            raise ImageError("The network cannot take this.")
        return whole(self, pictures, *rest, **named)

    monkeypatch.setattr(PoseModel, "fields", fields)
    Image.new("RGB", (50, 50)).save(folder / "aa.png")
    result = run("image", folder, "-o", tmp_path / "out", *SMALL)
    assert result.exit_code == 1
    assert {path.stem for path in (tmp_path / "out").glob("*.png")} == {"a", "b"}


def test_results_replace_only_results_of_the_same_picture(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.json").write_text("my notes")
    (out / "keypoints.csv").write_text("my table")
    formats = ("--save", "json,csv")
    run("image", folder / "a.png", folder / "b.jpg", "-o", out, *formats, *SMALL)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(first) == {
        "a.json", "b.json", "b-2.json", "keypoints.csv", "keypoints-2.csv", "posecore_results.json"
    }  # fmt: skip
    assert first["b.json"] == b"my notes"
    run("image", folder / "a.png", folder / "b.jpg", "-o", out, *formats, *SMALL)
    assert {path.name for path in out.iterdir()} == set(first)
    run("image", folder / "deeper" / "a.png", "-o", out, *formats, *SMALL)
    assert (out / "a.json").read_bytes() == first["a.json"]
    assert (out / "a-2.json").exists()
    kept = json.loads((out / "posecore_results.json").read_text())["results"]
    assert kept["a-2"]["of"].endswith("deeper/a.png")
    assert kept["a"]["image_size"] == [120, 90]
    assert kept["a"]["made_by"]["model"] == model.name
    # Drawn pictures beside the pictures themselves do not replace them.
    before = (folder / "a.png").read_bytes()
    run("image", folder / "a.png", "-o", folder, "--save", "png", *SMALL)
    assert (folder / "a.png").read_bytes() == before
    assert (folder / "a-2.png").exists()


def test_results_say_how_they_were_made(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    run("image", folder / "a.png", "-o", tmp_path, "--save", "json,csv,coco", "--max-poses", 3, *SMALL)
    made = Poses.from_json((tmp_path / "a.json").read_text()).made_by
    assert made is not None
    assert (made.model, made.weights) == (model.name, model.weights_id)
    assert made.network_settings["input_size"] == 97
    assert made.decode_settings["max_poses"] == 3
    (row, *_) = csv.DictReader((tmp_path / "keypoints.csv").open())
    assert (row["width"], row["height"], row["model"]) == ("120", "90", model.name)
    assert "max_poses=3" in row["settings"]
    info = json.loads((tmp_path / "posecore_results.json").read_text())["info"]
    assert info["decode_settings"]["max_poses"] == 3


def test_provenance_asked_before_is_that_of_the_fields(model: PoseModel) -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    fields = model.fields(pixels, (10, 10, 100, 100), picture="p", input_size=97)
    assert model.provenance("p", (10, 10, 100, 100), input_size=97) == fields.provenance
    assert model.provenance("p", (10, 10, 100, 100), input_size=97).key == fields.provenance.key


def test_settings_and_drawing_are_flags(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    few, none = tmp_path / "few", tmp_path / "none"
    run("image", folder / "a.png", "-o", few, "--save", "json,png", "--max-poses", 1, "--background", "black", *SMALL)
    run("image", folder / "a.png", "-o", none, "--save", "json", "--pose-threshold", 1, *SMALL)
    assert len(Poses.from_json((few / "a.json").read_text())) == 1
    assert len(Poses.from_json((none / "a.json").read_text())) == 0
    assert (np.asarray(Image.open(few / "a.png")) == 0).mean() > 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("image", "{folder}", "--save", "gif"), "unknown format gif"),
        (("image", "{folder}/none*.jpg"), "names no picture"),
        (("image", "{folder}", "--output-stride", "7"), "output_stride = '7'"),
        (("image", "{folder}", "--pose-threshold", "2"), "pose_threshold = 2.0"),
    ],
)
def test_mistakes_are_sentences(
    model: PoseModel,
    folder: Path,
    arguments: Any,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(folder=folder) for argument in arguments]
    monkeypatch.setattr("sys.argv", ["posecore", *filled, "--model", "any"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (1, 2)
    said = capsys.readouterr().err.replace("\n", " ")
    assert message in " ".join(said.replace("│", " ").split())
    assert "Traceback" not in said


def test_pictures_are_found_by_folder_file_and_pattern(folder: Path) -> None:
    assert [p.name for p in find_pictures([str(folder)], recursive=False)] == ["a.png", "b.jpg"]
    assert len(find_pictures([str(folder), str(folder / "a.png")], recursive=True)) == 3
    assert [p.name for p in find_pictures([str(folder / "*.jpg")], recursive=False)] == ["b.jpg"]
    with pytest.raises(PosecoreError, match="names no picture"):
        find_pictures([str(folder / "nope")], recursive=False)


def test_pictures_of_other_kinds_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.HEIC", "y.heic", "z.dng"):
        (folder / name).write_bytes(b"no matter")
    assert len(find_pictures([str(folder)], recursive=False)) == 2
    assert "left out: 1 .dng, 2 .heic" in capsys.readouterr().err


def test_benchmark_tells_the_stages_apart(model: PoseModel, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    result = run("benchmark", folder / "a.png", "--runs", 3, "--json", report, "--threads", 1, *SMALL)
    assert result.exit_code == 0, result.output
    figures = json.loads(report.read_text())
    (row,) = figures["rows"]
    assert row["trial"]["threads"] == 1
    assert set(row["milliseconds"]) == {"preprocess", "network", "decode", "draw", "total"}
    parts = ("preprocess", "network", "decode", "draw")
    assert all(row["milliseconds"][part]["p50"] > 0 for part in parts)
    assert row["trial"]["settings"]["input_size"] == 97
    assert row["computed"] == "torch float32"
    assert figures["machine"]["torch"] == torch.__version__


def test_models_are_listed_as_a_table_and_as_json(home: Path) -> None:
    listed = json.loads(run("models", "--json").output)
    assert {"name", "family", "origin", "available"} <= set(listed[0])
    assert len({entry["name"] for entry in listed}) == len(listed)
    assert {entry["origin"] for entry in listed} <= {"shipped", "official", "yours"}
    assert listed[0]["family"] in run("models").output


def test_version() -> None:
    assert run("--version").output.startswith("posecore ")
