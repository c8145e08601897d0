"""The data commands, and fetching COCO from a server that breaks off."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from posecore.cli.data import app
from posecore.data.coco import read_coco
from posecore.data.detect import detect_format, open_dataset
from posecore.data.download import COCO_URL, fetch_coco
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError, PosecoreError
from tests.pose_support import poses_from
from tests.web_support import Server


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_dataset(folder, 4, seed=1, size=(160, 120))
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "--check", "--without-pictures"), "leave --without-pictures out"),
        (("split", "out", "--ratio", "train=0.8", "--ratio", "train=0.1"), "train is given two shares"),
    ],
)
def test_options_that_contradict_each_other(scenes: Path, tmp_path: Path, arguments: Any, message: str) -> None:
    command, *rest = (tmp_path / one if one == "out" else one for one in arguments)
    result = run(command, scenes, *rest)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_inspect(scenes: Path, tmp_path: Path) -> None:
    result = run("inspect", scenes, "--check")
    assert result.exit_code == 0
    assert re.search(r"Pictures\s+4 \(0 with nobody", result.output)
    assert "left_wrist" in result.output
    broken = json.loads((scenes / "annotations.json").read_text())
    broken["annotations"][0]["keypoints"] = [1]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    result = run("inspect", tmp_path / "broken.json", "--images", scenes / "images")
    assert result.exit_code == 1
    assert "annotations[0]: keypoints must have 51 numbers, not 1" in result.output
    assert isinstance(run("inspect", tmp_path / "nothing").exception, PosecoreError)


@pytest.mark.parametrize("target", ["coco", "roboflow", "yolo", "dataloop"])
def test_convert(scenes: Path, tmp_path: Path, target: str) -> None:
    out = tmp_path / "out"
    options = ("--to", target, "--pictures", "symlink", "--skeleton", "lsp-14", "--min-keypoints", "1")
    assert run("convert", scenes, out, *options).exit_code == 0
    assert detect_format(out) == target
    dataset = open_dataset(out)
    assert dataset.skeleton.name == ("coco-17" if target == "dataloop" else "lsp-14") or len(dataset.skeleton) == 14
    assert len(dataset) == 4
    result = run("convert", scenes, out)
    assert isinstance(result.exception, DataError)
    assert "not empty" in str(result.exception)


def test_wrong_usage(scenes: Path, tmp_path: Path) -> None:
    assert run("convert", scenes, tmp_path / "a", "--skeleton", "octopus").exit_code == 2
    assert run("convert", scenes, tmp_path / "a", "--rename", "nose").exit_code == 2
    assert run("convert", scenes, tmp_path / "a", "--to", "csv").exit_code == 2
    assert run("split", scenes, tmp_path / "a", "--ratio", "holdout=1").exit_code == 2
    assert run("split", scenes, tmp_path / "a", "--ratio", "train=much").exit_code == 2
    assert not (tmp_path / "a").exists()


def test_split_and_crop(scenes: Path, tmp_path: Path) -> None:
    assert (
        run("split", scenes, tmp_path / "split", "--ratio", "train=3", "--ratio", "val=1", "--seed", 2).exit_code == 0
    )
    dataset = open_dataset(tmp_path / "split")
    assert sorted(image.split or "" for image in dataset) == ["train", "train", "train", "val"]
    assert run("crop", scenes, tmp_path / "crops", "--square").exit_code == 0
    crops = open_dataset(tmp_path / "crops")
    assert len(crops) == open_dataset(scenes).people
    assert run("inspect", tmp_path / "crops", "--check").exit_code == 0


def test_synthesize(tmp_path: Path) -> None:
    assert run("synthesize", tmp_path / "s", "--count", 2, "--width", 96, "--height", 64, "--people", 1).exit_code == 0
    dataset = read_coco(tmp_path / "s" / "annotations.json")
    assert (len(dataset), dataset.people) == (2, 2)


# --- fetching --------------------------------------------------------------------------------------------------------


def zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in entries.items():
            opened.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def publisher(server: Server, scenes: Path) -> Server:
    """A server laid out as COCO's, with four small pictures, the first without anybody labelled."""
    data = json.loads((scenes / "annotations.json").read_text())
    for entry in data["annotations"]:
        if entry["image_id"] == data["images"][0]["id"]:
            entry["num_keypoints"] = 0
    pictures = {image["file_name"]: (scenes / "images" / image["file_name"]).read_bytes() for image in data["images"]}
    labels = {"annotations/person_keypoints_val2017.json": json.dumps(data).encode()}
    server.files["/annotations/annotations_trainval2017.zip"] = zipped(labels)
    server.files["/zips/val2017.zip"] = zipped({f"val2017/{name}": content for name, content in pictures.items()})
    server.files |= {f"/val2017/{name}": content for name, content in pictures.items()}
    return server


def test_fetch_whole_coco(publisher: Server, tmp_path: Path) -> None:
    result = run("fetch-coco", tmp_path, "--base-url", publisher.url)
    assert result.exit_code == 0, result.exception
    dataset = read_coco(tmp_path / "annotations" / "person_keypoints_val2017.json", tmp_path / "val2017")
    assert len(dataset) == 4
    assert not dataset.problems
    before = len(publisher.requests)
    fetch_coco(tmp_path, base_url=publisher.url)
    assert len(publisher.requests) == before


def test_fetch_some_of_coco(publisher: Server, tmp_path: Path) -> None:
    result = run("fetch-coco", tmp_path, "--base-url", publisher.url, "--limit", 2)
    assert result.exit_code == 0, result.exception
    labels = tmp_path / "annotations" / "person_keypoints_val2017_first2.json"
    dataset = read_coco(labels, tmp_path / "val2017")
    assert len(dataset) == 2
    assert not dataset.problems
    assert not any(path == "/zips/val2017.zip" for path, _ in publisher.requests)


def test_what_coco_serves_is_compared_with_its_checksums(
    publisher: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COCO_URL.startswith("https://")
    monkeypatch.setattr("posecore.data.download.COCO_URL", publisher.url)
    with pytest.raises(DataError, match=r"zip has checksum .* not the file that was published"):
        fetch_coco(tmp_path, base_url=publisher.url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"<html>no such file</html>", b""])
def test_what_is_not_a_picture_is_not_kept(publisher: Server, tmp_path: Path, content: bytes) -> None:
    for path in list(publisher.files):
        if path.startswith("/val2017/"):
            publisher.files[path] = content
    with pytest.raises(DataError, match="is not a picture"):
        fetch_coco(tmp_path, limit=1, base_url=publisher.url)
    assert not list((tmp_path / "val2017").iterdir())


def test_labels_cannot_write_outside(publisher: Server, tmp_path: Path) -> None:
    data = {
        "images": [{"id": 1, "file_name": "../../../x.jpg"}],
        "annotations": [{"image_id": 1, "num_keypoints": 3}],
    }
    labels = {"annotations/person_keypoints_val2017.json": json.dumps(data).encode()}
    publisher.files["/annotations/annotations_trainval2017.zip"] = zipped(labels)
    with pytest.raises(DataError, match="leads out of the folder"):
        fetch_coco(tmp_path / "a" / "b", limit=1, base_url=publisher.url)
    publisher.files["/annotations/annotations_trainval2017.zip"] = b"PK"
    with pytest.raises(DataError, match="is damaged"):
        fetch_coco(tmp_path / "c", limit=1, base_url=publisher.url)


# --- proposals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ignore", "prelabel"])
def test_proposals_are_coco_json(
    command: str, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeing: Callable[..., Any]
) -> None:
    monkeypatch.setattr("posecore.cli.data.open_model", seeing)
    out = tmp_path / "out.json"
    result = run(command, scenes, out, "--model", "seeing", "--pose-threshold", 0.3, "--fewest", 3)
    assert result.exit_code == 0, result.exception
    dataset = read_coco(out, scenes)
    assert len(dataset) == 4
    made_by = json.loads(out.read_text())["info"]["made_by"]
    assert (made_by["model"], made_by["settings"], made_by["fewest"]) == ("seeing", {"pose_threshold": 0.3}, 3)
    if command == "ignore":
        assert all(image.ignore for image in dataset)
    else:
        assert dataset.people == read_coco(scenes / "annotations.json").people + 4


def test_prelabel_pictures_without_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeing: Callable[..., Any]
) -> None:
    monkeypatch.setattr("posecore.cli.data.open_model", seeing)
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    (tmp_path / "b").mkdir()
    Image.new("RGB", (80, 60)).save(tmp_path / "b" / "a.png")
    result = run("prelabel", tmp_path, tmp_path / "out.json", "--model", "seeing")
    assert result.exit_code == 0, result.exception
    dataset = read_coco(tmp_path / "out.json", tmp_path)
    assert [image.path.relative_to(tmp_path).as_posix() for image in dataset] == ["a.png", "b/a.png"]
    assert dataset.people == 2


@pytest.fixture
def seeing() -> Callable[..., Any]:
    """A model that sees one tiny person in the corner of every picture, where no scene has anybody."""
    import numpy as np

    from posecore.poses import Poses
    from posecore.skeleton import COCO_17

    class Seeing:
        name, weights_id, skeleton = "seeing", "0", COCO_17

        def split_settings(self, settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            return {}, dict(settings)

        def fields(self, images: list[Any], **settings: Any) -> list[Any]:
            return [image.shape for image in images]

        def decode(self, shape: Any, **settings: Any) -> Poses:
            keypoints = np.random.default_rng(0).uniform(0, 3, (1, 17, 2))
            return poses_from(keypoints, np.ones((1, 17)), np.ones(1), COCO_17, (shape[1], shape[0]))

    return lambda *arguments, **options: Seeing()
