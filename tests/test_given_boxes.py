"""Boxes of other programs and people as the finder of people."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from posecore.cli import app, loading
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.box_files import Box, GivenBoxes, read_boxes
from posecore.data.coco import write_coco_json
from posecore.errors import DataError, SettingsError, UnknownModelError
from posecore.evaluation import evaluate
from posecore.families.movenet import MOVENET
from posecore.families.posenet import POSENET
from posecore.imaging import square_around_box
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.two_stage import BoxedModel, TwoStageModel
from tests.pose_support import poses_from

SIZE = (160, 120)


def plain_model(family: Any, architecture: str) -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(f"{architecture}.random", family, architecture, family.build(architecture), "0" * 16, device="cpu")


CLOSER = plain_model(MOVENET, "movenet-lightning")


def json_file(folder: Path, content: Any) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def table(folder: Path, *rows: tuple[Any, ...], head: str = "picture,x,y,w,h,score") -> Path:
    path = folder / "boxes.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return path


# --- reading ---------------------------------------------------------------------------------------------------------


def test_every_format_says_the_same(tmp_path: Path) -> None:
    rows = [("a.jpg", 10, 20, 30, 40, 0.5), ("b.jpg", 1, 2, 3.5, 4, 1.0)]
    bboxes = [{"bbox": list(row[1:5]), "score": row[5], "category_id": 1} for row in rows]
    images = [{"id": number, "file_name": row[0]} for number, row in enumerate(rows)]
    people = [{"id": 1, "name": "person"}]
    coco = {
        "images": images,
        "annotations": [{"image_id": n, **one} for n, one in enumerate(bboxes)],
        "categories": people,
    }
    frame = pd.DataFrame(rows, columns=["picture", "x", "y", "w", "h", "score"])
    frame.to_parquet(tmp_path / "boxes.parquet")
    frame.to_csv(tmp_path / "boxes.tsv", sep="\t", index=False)
    expected = {"a.jpg": [Box((10, 20, 40, 60), 0.5)], "b.jpg": [Box((1, 2, 4.5, 6), 1.0)]}
    for path in (
        json_file(tmp_path, coco),
        tmp_path / "boxes.parquet",
        tmp_path / "boxes.tsv",
        table(tmp_path, *rows, head="file_name,left,top,width,height,confidence"),
    ):
        found = read_boxes(path)
        assert dict(found.boxes) == expected, path
        assert not found.problems
        assert not found.remarks
    assert dict(read_boxes(json_file(tmp_path, frame.to_dict("records"))).boxes) == expected
    numbered = read_boxes(json_file(tmp_path, [{"image_id": n, **one} for n, one in enumerate(bboxes)]))
    assert dict(numbered.boxes) == {0: expected["a.jpg"], 1: expected["b.jpg"]}


def test_other_classes_and_crowds_are_left_out_and_counted(tmp_path: Path) -> None:
    box = {"image_id": 1, "bbox": [1, 2, 30, 40]}
    detections = [{**box, "category_id": number} for number in (1, 3, 3, 1)]
    found = read_boxes(json_file(tmp_path, detections))
    assert len(found) == 2
    assert [(remark.count, "another class" in remark.what) for remark in found.remarks] == [(2, True)]
    named = {
        "annotations": [*detections, {**box, "category_id": 3, "iscrowd": 1}],
        "categories": [{"id": 3, "name": "Person"}, {"id": 1, "name": "dog"}],
    }
    found = read_boxes(json_file(tmp_path, named))
    assert len(found) == 2
    assert {remark.count for remark in found.remarks} == {1, 2}
    with pytest.raises(DataError, match="no box that can be used, for example a box of another class"):
        read_boxes(json_file(tmp_path, {**named, "categories": [{"id": 3, "name": "cat"}, {"id": 1, "name": "dog"}]}))


def test_broken_boxes_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        ("a.jpg", 0, 0, 10, 10, 0.5),
        ("a.jpg", "nan", 0, 10, 10, 0.5),
        ("a.jpg", 0, 0, 0, 10, 0.5),
        ("a.jpg", 0, 0, 10, -3, 0.5),
        ("a.jpg", 0, "", 10, 10, 0.5),
        ("", 0, 0, 10, 10, 0.5),
        ("a.jpg", 0, 0, 1e9, 10, 0.5),
        ("a.jpg", 0, 0, 10, 10, "high"),
        ("a.jpg", 0, 0, 10, 10, 87),
        ("a.jpg", 0, 0, 10, 10, ""),
    )
    found = read_boxes(path)
    assert [box.score for box in found.boxes["a.jpg"]] == [0.5, 1.0, 1.0, 1.0]
    assert [problem.place for problem in found.problems] == [f"line {number}" for number in range(3, 9)]
    reasons = " | ".join(problem.reason for problem in found.problems)
    for words in ("x is 'nan'", "0 pixels wide and 10 high", "-3 high", "y is not given", "the picture must"):
        assert words in reasons
    assert {remark.count for remark in found.remarks} == {1}
    assert len(found.remarks) == 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("boxes.json", "{", "not valid JSON"),
        ("boxes.json", "3", "holds no boxes but 3"),
        ("boxes.json", "{}", "annotations must be a list"),
        ("boxes.json", "[]", "is empty"),
        ("boxes.json", '[{"image_id": 1, "bbox": [1, 2, 3]}]', "x, y, width and height, not"),
        ("boxes.json", '[{"image_id": 1, "bbox": [NaN, 2, 3, 4]}]', "x is nan"),
        ("boxes.csv", "", "no table"),
        ("boxes.csv", "picture,x,y\na.jpg,1,2\n", "no column w and no column h"),
        ("boxes.csv", "picture,x,y,w,h\na.jpg,0.1,0.2,0.3,0.5\n", "parts of the picture's sides"),
        ("boxes.csv", "\xff\xfe\x00", "UTF-8"),
        ("boxes.parquet", "nonsense", "Parquet"),
        ("boxes.docx", "", "ends in .docx"),
    ],
)
def test_broken_files_are_refused_in_a_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=words) as error:
        read_boxes(path)
    assert str(path) in str(error.value)
    with pytest.raises(DataError, match=r"does not exist|cannot be read"):
        read_boxes(tmp_path / f"none{path.suffix}") if path.suffix != ".docx" else read_boxes(tmp_path / "none.csv")


def placed(boxes: dict[str | int, int], pictures: list[str], numbers: list[int] | None = None) -> Any:
    known = GivenBoxes(Path("boxes.csv"), {name: [Box((0, 0, 9, 9))] * count for name, count in boxes.items()})
    found = known.placed([Path(name) for name in pictures], numbers)
    return {str(path): len(some) for path, some in found.boxes.items()}, found


def test_pictures_are_found_by_name_folder_and_number() -> None:
    assert placed({"A.JPG": 1, "shots\\b.png": 2}, ["x/a.jpg", "x/b.png"])[0] == {"x/a.jpg": 1, "x/b.png": 2}
    assert placed({"one/a.jpg": 1, "two/a.jpg": 2}, ["s/two/a.jpg", "s/one/a.jpg"])[0] == {
        "s/one/a.jpg": 1,
        "s/two/a.jpg": 2,
    }
    coco = ["COCO_val2014_000000000042.jpg", "000000000007.jpg"]
    assert placed({42: 1, 7: 3}, coco)[0] == {coco[0]: 1, coco[1]: 3}
    assert placed({"000000000042": 1, "7": 3}, coco)[0] == {coco[0]: 1, coco[1]: 3}
    # A set's own numbers count for more than what a picture happens to be called.
    assert placed({7: 1, 42: 2}, ["42.jpg", "7.jpg"], [7, 42])[0] == {"42.jpg": 1, "7.jpg": 2}


def test_what_has_no_picture_and_what_has_no_boxes_is_said() -> None:
    where, found = placed({"a.jpg": 1, "gone.jpg": 4}, ["a.jpg", "b.jpg", "c.jpg"])
    assert where == {"a.jpg": 1}
    assert [(remark.count, remark.what.split()[0]) for remark in found.remarks] == [(4, "boxes"), (2, "no")]
    assert "gone.jpg" in found.remarks[0].what
    assert "b.jpg" in found.remarks[1].what
    with pytest.raises(DataError, match=r"none of 4 boxes is of a picture that was given: .*'gone.jpg'.*a\.jpg"):
        placed({"gone.jpg": 4}, ["a.jpg"])
    where, found = placed({"a.jpg": 1, "c.jpg": 1}, ["one/a.jpg", "two/a.jpg", "two/c.jpg"])
    assert where == {"two/c.jpg": 1}
    assert "any of 2 pictures" in found.problems[0].reason


# --- looking ---------------------------------------------------------------------------------------------------------


def test_a_box_is_what_the_model_says_of_the_square_around_it() -> None:
    model = BoxedModel(CLOSER, network_settings={"input_size": 64})
    picture = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    boxes = [Box((10, 20, 50, 100), 0.4), Box((60, 10, 140, 110), 0.9)]
    fields, nobody = model.look_in([picture, picture], [boxes, []], crop_expand=1.5)
    assert [view.score for view in fields.close_ups] == [0.9, 0.4]
    for view, box in zip(fields.close_ups, reversed(boxes), strict=True):
        region = square_around_box(box.region, 1.5)
        assert view.fields.provenance.region == region
        alone = CLOSER.fields(picture, region, input_size=64)
        np.testing.assert_allclose(view.fields["heatmaps"].values, alone["heatmaps"].values, atol=1e-5)
    poses = model.decode(fields, pose_threshold=0.0, same_person=0.0)
    assert len(poses) == 2
    assert poses.made_by is not None
    assert poses.made_by.model == "boxes+movenet-lightning.random"
    assert len(model.decode(nobody)) == 0
    (sure,) = model.look_in([picture], [boxes], finder_pose_threshold=0.5)
    assert len(sure.close_ups) == 1


def test_tiny_boxes_get_room_and_boxes_outside_are_counted() -> None:
    model = BoxedModel(CLOSER)
    (view,) = model.views([Box((10, 10, 11, 11))])
    assert view.region == (6.5, 6.5, 14.5, 14.5)
    boxes = GivenBoxes(Path("b"), {"a.jpg": [Box((0, 0, 9, 9)), Box((-20, 0, -1, 9))]}).placed([Path("a.jpg")])
    assert boxes.inside(Path("a.jpg"), SIZE) == ([Box((0, 0, 9, 9))], 1)
    assert boxes.inside(Path("b.jpg"), SIZE) == ([], 0)


def test_models_that_cannot_look_at_boxes_are_refused() -> None:
    several = plain_model(POSENET, "posenet-mobilenet_v1-050")
    with pytest.raises(UnknownModelError, match="made for several people"):
        BoxedModel(several)
    with pytest.raises(UnknownModelError, match=r"second model alone: movenet-lightning\.random"):
        BoxedModel(TwoStageModel(several, CLOSER))
    with pytest.raises(SettingsError, match="give it boxes"):
        BoxedModel(CLOSER).fields(np.zeros((50, 50, 3), np.uint8))


# --- measuring -------------------------------------------------------------------------------------------------------


def person(x: float, y: float) -> Person:
    xy = np.random.default_rng(int(x)).uniform(0, 40, (17, 2)).astype(np.float32) + np.array([x, y], np.float32)
    return Person(xy, np.full(17, Label.VISIBLE, np.uint8), (x, y, x + 41, y + 41), 1600.0)


@pytest.fixture
def scenes(tmp_path: Path) -> PoseDataset:
    """Two pictures: one of two people, one of another."""
    images = []
    for number, people in enumerate([(person(10, 10), person(90, 60)), (person(40, 30),)], 1):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", SIZE, (number, 0, 0)).save(path)
        images.append(AnnotatedImage(path, SIZE, people, number))
    return PoseDataset("scenes", COCO_17, tuple(images))


@pytest.fixture
def knowing(scenes: PoseDataset, monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    """A model for one person that knows where whoever is in the middle of the region really is."""
    model = plain_model(MOVENET, "movenet-lightning")

    def decode(fields: Any, settings: Any, trace: bool) -> tuple[Poses, None]:
        x0, y0, x1, y1 = fields.provenance.region
        middle = np.array([x0 + x1, y0 + y1]) / 2
        everybody = [one for image in scenes for one in image.people]
        nearest = min(everybody, key=lambda one: np.linalg.norm(np.reshape(one.box, (2, 2)).mean(0) - middle))
        ones = np.full((1, 17), 0.8)
        return poses_from(nearest.keypoints[None], ones, [0.8], COCO_17, fields.transform.image_size), None

    monkeypatch.setattr(model, "_decode", decode)
    return model


def test_labelled_boxes_and_an_exact_model_are_all_right(scenes: PoseDataset, knowing: PoseModel) -> None:
    boxes = GivenBoxes(
        Path("truth.json"), {image.path.name: [Box(one.box) for one in image.people] for image in scenes}
    )
    model = BoxedModel(knowing)
    found = evaluate(model, scenes, "full", {"input_size": 64}, boxes=boxes)
    assert found.precision["AP"] == pytest.approx(1)
    assert found.settings["boxes"] == "truth.json"
    assert sum(len(item.poses) for item in found.predictions) == 3
    crops = evaluate(knowing, scenes, "crops", {"input_size": 64})
    assert crops.precision["AP"] == found.precision["AP"]
    fewer = GivenBoxes(Path("some.json"), {1: [Box(scenes.images[0].people[0].box), Box((-50, 0, -1, 50))]})
    part = evaluate(model, scenes, "full", {"input_size": 64}, boxes=fewer)
    assert part.precision["AR"] == pytest.approx(1 / 3)
    assert "1 box lies outside" in str(part.problems[0])
    assert "no boxes of a picture" in str(part.remarks[0])
    with pytest.raises(SettingsError, match="BoxedModel and the protocol full"):
        evaluate(model, scenes, "crops", boxes=boxes)
    with pytest.raises(SettingsError, match="BoxedModel"):
        evaluate(knowing, scenes, "full", boxes=boxes)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_commands(scenes: PoseDataset, knowing: PoseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: knowing)
    labels, out = tmp_path / "labels.json", tmp_path / "out"
    write_coco_json(scenes, labels)
    boxes = table(tmp_path, ("1.png", 10, 10, 41, 41, 0.9), ("1.png", 900, 10, 41, 41, 0.9), ("9.png", 1, 1, 9, 9, 1))
    shots = [image.path for image in scenes]
    done = run("image", *shots, "-m", "any", "--person-boxes", boxes, "-o", out, "--save", "json", "--input-size", 64)
    assert done.exit_code == 0, done.output
    assert "1 people in 2 of 2 pictures with boxes+movenet-lightning" in done.stdout
    said = " ".join(done.stderr.split())
    for words in ("1.png: 1 box lies outside", "such as '9.png'", "such as 2.png: nobody is there"):
        assert words in said
    measured = tmp_path / "figures.json"
    options = ("evaluate", "--model", "any", "--annotations", labels, "--input-size", 64, "--no-save")
    done = run(*options, "--person-boxes", labels, "--json", measured)
    assert done.exit_code == 0, done.output
    figures = json.loads(measured.read_text())
    assert (figures["protocol"], figures["AP"]) == ("full", pytest.approx(1))
    for more, words in (
        (("--protocol", "crops"), "leave --protocol crops out"),
        (("--results", labels), "Say what to measure"),
    ):
        with pytest.raises(SettingsError, match=words):
            run(*options, "--person-boxes", labels, *more)
