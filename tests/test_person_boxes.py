"""Boxes around people as labels: read, converted, learnt and measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from posecore.boxes import to_edges
from posecore.cli import app, loading
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.augment import AugmentSettings, compose, draw_batch
from posecore.data.batches import PackSettings, pack
from posecore.data.coco import read_coco
from posecore.data.detect import open_dataset
from posecore.data.operations import mapped
from posecore.drawing.views import MapView, Style, draw_view
from posecore.errors import DataError, SettingsError
from posecore.evaluation import evaluate
from posecore.evaluation.boxes import box_precision, evaluate_boxes
from posecore.families.movenet import MOVENET
from posecore.families.ssdlite import SSDLITE
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17, PERSON_BOX
from tests.pose_support import poses_from

SIZE = (160, 120)
SMALL = "ssdlite-mobilenet_v2-035"


def picture(folder: Path, name: str) -> None:
    noise = np.random.default_rng(len(name)).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    Image.fromarray(noise).save(folder / name)


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    """A COCO file of boxes without keypoints, of several classes, one of them a crowd."""
    for name in ("a.png", "b.png"):
        picture(tmp_path, name)
    boxes: list[dict[str, Any]] = [
        {"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 60], "area": 900},
        {"image_id": 1, "category_id": 3, "bbox": [60, 20, 30, 30], "area": 700},
        {"image_id": 1, "category_id": 1, "bbox": [100, 0, 60, 50], "area": 3000, "iscrowd": 1},
        {"image_id": 2, "category_id": 2, "bbox": [50, 30, 40, 80], "area": 2000},
    ]
    path = tmp_path / "instances.json"
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": n, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
                    for n, name in ((1, "a.png"), (2, "b.png"))
                ],
                "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "Rider"}, {"id": 3, "name": "dog"}],
                "annotations": [{"id": n, "iscrowd": 0, **one} for n, one in enumerate(boxes, 1)],
            }
        )
    )
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_boxes_of_classes_are_read_without_keypoints(instances: Path) -> None:
    found = open_dataset(instances, class_names=["person", "rider"])
    assert found.skeleton == PERSON_BOX
    first, second = found
    assert [(one.box, one.crowd) for one in first.people] == [((10, 20, 40, 80), False), ((100, 0, 160, 50), True)]
    assert [one.category for one in second.people] == ["Rider"]
    np.testing.assert_allclose(to_edges(first.people[0].keypoints), [(10, 20), (40, 20), (40, 80), (10, 80)])
    assert first.people[0].labelled.all()
    # A dog is background, not a place where nothing is known.
    assert first.ignore == ()
    assert [str(remark) for remark in found.remarks] == ["1 box of other classes; left out (1 ×)"]
    with pytest.raises(DataError, match="no class 'persons'; did you mean 'person'"):
        open_dataset(instances, class_names=["persons"])
    with pytest.raises(DataError, match="read from a COCO JSON file"):
        open_dataset(instances.parent, class_names=["person"])
    with pytest.raises(DataError, match="class_names"):
        read_coco(instances)


def test_convert_and_split_take_class_names(instances: Path, tmp_path: Path) -> None:
    done = run(
        "data", "convert", instances, tmp_path / "people", "--class-names", "person, rider", "--pictures", "symlink"
    )
    assert done.exit_code == 0, done.output
    again = open_dataset(tmp_path / "people")
    assert again.skeleton == PERSON_BOX
    assert again.people == 2
    assert again.images[0].path.is_symlink()
    done = run(
        "data", "split", instances, tmp_path / "parts", "--class-names", "person,rider", "--ratio", "train=1",
        "--ratio", "val=1", "--pictures", "reencode",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {image.split for image in open_dataset(tmp_path / "parts")} == {"train", "val"}


def person(x: float, y: float, width: float = 40, height: float = 60, **changes: Any) -> Person:
    xy = np.array([(x + 5, y + 5), (x + width - 5, y + height - 5)] + [(np.nan, np.nan)] * 15, np.float32)
    labels = np.array([Label.VISIBLE] * 2 + [Label.UNLABELLED] * 15, np.uint8)
    return replace(Person(xy, labels, (x, y, x + width, y + height), 0.53 * width * height), **changes)


def test_people_whose_corners_are_all_out_of_sight_are_learnt(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    big = person(-40, -40, 240, 200)
    image = AnnotatedImage(tmp_path / "a.png", SIZE, (big,), 1)
    packed = pack(PoseDataset("big", COCO_17, (image,)), PERSON_BOX, PackSettings(cut="pictures", side=96, min_size=4))
    assert (packed.labels[0, 0] == Label.ABSENT).all()
    drawn = draw_batch((packed,), np.array([[0, 0]]), AugmentSettings.none(1.0), 96, np.random.default_rng(0))
    _, truth = compose(drawn, PERSON_BOX.flip_permutation)
    assert torch.isfinite(truth.corners).all()
    targets = SSDLITE.targets(SMALL, truth, PERSON_BOX, None, SSDLITE.loss_settings())  # type: ignore[arg-type]
    assert sum(float(one.values.sum()) for name, one in targets.items() if name.startswith("scores")) > 0


def boxes_as_poses(*boxes: tuple[float, ...]) -> Poses:
    """Poses of boxes, the surest first."""
    corners = [
        np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32) - 0.5 for x0, y0, x1, y1, _ in boxes
    ]  # fmt: skip
    scores = [box[4] for box in boxes]
    xy = np.array(corners, np.float32).reshape(-1, 4, 2)
    return poses_from(xy, np.repeat(np.array(scores)[:, None], 4, 1).reshape(-1, 4), scores, PERSON_BOX, SIZE)


def test_average_precision_of_boxes_by_hand() -> None:
    image = AnnotatedImage(
        Path("a.png"), SIZE, (person(0, 0), person(100, 10)), 1, ignore=((60.0, 60.0, 100.0, 120.0),)
    )
    perfect = box_precision([(image, boxes_as_poses((0, 0, 40, 60, 0.9), (100, 10, 140, 70, 0.8)))])
    assert perfect["AP"] == pytest.approx(1)
    # Three quarters of the box: found up to an overlap of 0.75.
    part = box_precision([(image, boxes_as_poses((0, 0, 40, 45, 0.9), (100, 10, 140, 55, 0.8)))])
    assert part["AP"] == pytest.approx(0.6)
    assert part["AP50"] == pytest.approx(1)
    assert part["AP_large"] is None
    # What lies in an ignore region costs nothing, elsewhere half of the precision.
    excused = box_precision([(image, boxes_as_poses((60, 60, 90, 120, 0.95), (0, 0, 40, 60, 0.9)))])
    wrong = box_precision([(image, boxes_as_poses((45, 0, 75, 50, 0.95), (0, 0, 40, 60, 0.9)))])
    assert excused["AP"] == pytest.approx(51 / 101)
    assert wrong["AP"] == pytest.approx(51 / 101 / 2)
    crowd = AnnotatedImage(Path("a.png"), SIZE, (person(0, 0, crowd=True),), 1)
    assert box_precision([(crowd, boxes_as_poses((0, 0, 20, 20, 0.9)))])["AP"] is None
    assert box_precision([(image, Poses.empty(PERSON_BOX, SIZE))])["AP"] == 0


@pytest.fixture
def detector() -> PoseModel:
    torch.manual_seed(0)
    network = SSDLITE.build(SMALL)
    return PoseModel(f"{SMALL}.random", SSDLITE, SMALL, network, "0" * 16, skeleton=PERSON_BOX, device="cpu")


def test_detectors_are_measured_by_their_boxes(
    detector: PoseModel, instances: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([(10, 20, 40, 80, 0.9), (0, 0, 10, 10, 0.2)])
    monkeypatch.setattr(detector, "_decode", lambda *_: (boxes_as_poses(next(answers)), None))
    monkeypatch.setattr(loading, "load_model", lambda *_, **__: detector)
    figures = tmp_path / "figures.json"
    options = ("evaluate", "--model", "any", "--annotations", instances, "--class-names", "person,rider")
    done = run(*options, "--json", figures, "--input-size", 64)
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    assert (found["measured"], found["people"], found["boxes"]) == ("boxes", 2, 2)
    assert found["AP"] == pytest.approx(51 / 101)
    assert found["settings"]["max_poses"] == 100
    with pytest.raises(SettingsError, match="--html is for models that find joints"):
        run(*options, "--html", tmp_path / "page.html")


def test_boxes_and_joints_do_not_compare(detector: PoseModel, instances: Path) -> None:
    joints = PoseModel("j", MOVENET, "movenet-lightning", MOVENET.build("movenet-lightning"), "1" * 16, device="cpu")
    boxes = open_dataset(instances, class_names=["person"])
    with pytest.raises(DataError, match="Boxes and joints do not compare"):
        evaluate(joints, boxes, "full")
    with pytest.raises(SettingsError, match="finds joints"):
        evaluate_boxes(joints, boxes)
    with pytest.raises(DataError, match="Boxes and joints do not compare"):
        evaluate(detector, PoseDataset("set", COCO_17, boxes.images), "full")
    assert mapped(boxes, PERSON_BOX).skeleton == PERSON_BOX


def test_a_detector_is_trained_and_finds_for_a_second_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.config import make_config
    from posecore.training.run import train
    from posecore.zoo import list_models, load_model

    monkeypatch.setenv("POSECORE_HOME", str(tmp_path))
    values = {
        "name": "finder",
        "model": {"architecture": SMALL},
        "data": {"train": [{"synthetic": 6, "seed": 7, "pack": {"cut": "pictures", "side": 96}}], "holdout": 0.34},
        "augment": {"mosaic": 0.3, "rotation": 4, "any_angle": 0},
        "schedule": {"epochs": 1},
        "training": {"batch_size": 2, "input_sides": [96], "threads": 1, "device": "cpu", "overlays": 2},
    }
    config = make_config(values)
    assert config.skeleton == PERSON_BOX
    folder = train(config, tmp_path)
    assert (folder / "best.safetensors").is_file()
    info = next(one for one in list_models() if one.name == "run:finder")
    assert (info.family, info.available) == ("ssdlite", True)
    model = load_model("run:finder+movenet-lightning.posecore", device="cpu")
    assert model.name == "run:finder+movenet-lightning.posecore"
    poses = model(np.zeros((120, 160, 3), np.uint8), finder_input_size=64, finder_pose_threshold=0.0, input_size=64)
    assert poses.skeleton == COCO_17
    assert model.network_defaults.model_dump()["crop_expand"] == 1.25


def test_what_training_wants_can_be_looked_at(tmp_path: Path) -> None:
    from posecore.training.preview import PreviewPlan, make_preview

    picture(tmp_path, "a.png")
    image = AnnotatedImage(tmp_path / "a.png", SIZE, (person(20, 10), person(90, 30)), 1)
    packing = PackSettings(cut="pictures", side=160, min_size=4)
    plan = PreviewPlan(SMALL, PERSON_BOX, 160, {}, AugmentSettings.none(0.5), {}, packing, pictures=1)
    preview = make_preview(PoseDataset("two", COCO_17, (image,)), plan)
    fields = preview.fields(0)
    found, _ = SSDLITE.decode(fields, SSDLITE.decode_settings())
    x0, y0, x1, y1 = found.boxes().T
    # Half of the input's side for the longer side of whoever is in the middle.
    assert (y1 - y0).max() == pytest.approx(80, abs=1)
    assert ((x1 - x0) / (y1 - y0)).max() == pytest.approx(2 / 3, abs=0.02)
    for field in fields.maps:
        style = Style.ARROWS if field.is_vector else Style.HEAT
        for channel in (0, None) if not field.is_vector else (0,):
            drawn = draw_view(preview.pictures[0], fields, MapView(field.name, channel, style))
            assert drawn.shape == preview.pictures[0].shape
