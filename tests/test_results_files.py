"""Results of other programs: figures equal to pycocotools', and files that are odd or something else."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.errors import DataError
from posecore.evaluation.results_files import evaluate_results, read_results
from posecore.skeleton import COCO_17


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Twelve pictures with up to three people of 17 keypoints, some not labelled, and a crowd."""
    generator = np.random.default_rng(5)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, 13):
        Image.new("RGB", (320, 240)).save(tmp_path / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 320, "height": 240})
        for person in range(number % 4):
            x, y, side = *generator.uniform(0, 150, 2), generator.uniform(40, 150)
            triples = np.column_stack(
                [generator.uniform((x, y), (x + side, y + side), (17, 2)).round(1), np.full(17, 2.0)]
            )
            triples[generator.random(17) < 0.3] = 0
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": int(person == 2),
                 "keypoints": triples.ravel().tolist(), "num_keypoints": int((triples[:, 2] > 0).sum()),
                 "bbox": [x, y, side, side], "area": side * side * 0.6}
            )  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints), "skeleton": []}
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return path


@pytest.fixture
def dataset(labels: Path) -> PoseDataset:
    return read_coco(labels, labels.parent)


def results_near(labels: Path, spread: float = 6.0) -> list[dict[str, Any]]:
    """Every person found, with errors, and a ghost in every third picture."""
    generator = np.random.default_rng(6)
    found = []
    data = json.loads(labels.read_text())
    for one in data["annotations"]:
        x, y, w, h = one["bbox"]
        triples = np.array(one["keypoints"]).reshape(17, 3)
        places = np.where(triples[:, 2:] > 0, triples[:, :2], (x + w / 2, y + h / 2))
        places = places + generator.normal(0, spread, (17, 2))
        flat = np.column_stack([places, generator.random(17)]).ravel()
        found.append(
            {"image_id": one["image_id"], "category_id": 1, "keypoints": flat.tolist(), "score": generator.random()}
        )
    for number in range(1, 13, 3):
        flat = generator.uniform(0, 200, 51)
        found.append({"image_id": number, "category_id": 1, "keypoints": flat.tolist(), "score": generator.random()})
    return found


def written(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("spread", [2.0, 6.0, 15.0])
def test_figures_equal_to_the_original(labels: Path, dataset: PoseDataset, tmp_path: Path, spread: float) -> None:
    path = written(tmp_path, results_near(labels, spread))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(labels))
        run = COCOeval(truth, truth.loadRes(str(path)), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    evaluation = evaluate_results(path, dataset)
    expected = [None if value < 0 else value for value in run.stats]
    assert 0 < run.stats[0] < 1
    assert list(evaluation.precision.values()) == pytest.approx(expected, abs=1e-9)


def test_odd_results_are_read_and_told(labels: Path, dataset: PoseDataset, tmp_path: Path) -> None:
    good = results_near(labels)
    stranger = {**good[0], "image_id": 999}
    unranked = {key: value for key, value in good[1].items() if key != "score"}
    hole = {**good[2], "keypoints": [float("nan"), 3.0, 0.5, *good[2]["keypoints"][3:]]}
    nothing = {**good[3], "keypoints": [0, 0, 0, *good[3]["keypoints"][3:]]}
    results = read_results(written(tmp_path, [*good[4:], stranger, unranked, hole, nothing, nothing]), dataset)
    told = {remark.what.split(":")[0]: remark.count for remark in results.remarks}
    assert told == {
        "of pictures that the set does not have": 1,
        "without a score, or with one that is not finite": 1,
        "with keypoints that are not finite": 1,
        "the same as another one to the last figure": 1,
    }
    poses = [item.poses for item in results.predictions]
    assert sum(len(one) for one in poses) == len(good) - 1
    assert sum(int((~one.present[:, 0]).sum()) for one in poses) == 2


def test_what_has_no_score_is_ranked_last(labels: Path, dataset: PoseDataset, tmp_path: Path) -> None:
    """Also where the other scores are logarithms, and in figures that can be kept."""
    good = [{**one, "score": one["score"] - 5} for one in results_near(labels)]
    for unranked in (float("nan"), float("inf"), 1e300):
        rows = [*good[1:], {**good[0], "score": unranked}]
        results = read_results(written(tmp_path, rows), dataset)
        scores = np.concatenate([item.poses.scores for item in results.predictions])
        assert np.isfinite(scores).all()
        assert len(scores) == len(good)
        assert scores.min() < min(one["score"] for one in good)
        assert results.remarks[0].count == 1


def test_saved_poses_are_told_apart_by_file_name(labels: Path, dataset: PoseDataset, tmp_path: Path) -> None:
    good = results_near(labels)
    images = [{"id": 100 + number, "file_name": f"elsewhere/{number}.png"} for number in range(1, 13)]
    moved = [{**one, "image_id": 100 + one["image_id"]} for one in good]
    path = written(tmp_path, {"images": images, "annotations": moved})
    assert evaluate_results(path, dataset).precision == evaluate_results(written(tmp_path, good), dataset).precision


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"what": 1}, "these are not results"),
        ([1, 2], "no whole number as image_id"),
        ([{"image_id": "a", "keypoints": [0] * 51}], "no whole number as image_id"),
        ([{"image_id": 1, "keypoints": [0] * 54, "score": 1}], "another skeleton"),
        ([{"image_id": [1], "keypoints": [0] * 51}], "no whole number as image_id"),
        ([{"image_id": 1, "keypoints": ["a"] * 51, "score": 1}], "not all numbers"),
        ([{"image_id": 1, "keypoints": [10**400] * 51, "score": 1}], "not all numbers"),
        ([{"image_id": 1, "keypoints": [0] * 51, "score": 10**400}], "not all numbers"),
        ({"images": [{"id": [1], "file_name": "1.png"}], "annotations": [{"image_id": [1]}]}, "no whole number"),
        ([{"image_id": 1, "score": 1}], "another skeleton"),
        ([{"image_id": 77, "keypoints": [1] * 51, "score": 1}], "none of 1 result is of a picture"),
    ],
)
def test_what_are_no_results_of_this_set(dataset: PoseDataset, tmp_path: Path, data: Any, part: str) -> None:
    with pytest.raises(DataError, match=part):
        read_results(written(tmp_path, data), dataset)


@pytest.mark.parametrize("text", ["", "[{", "[" * 100_000])
def test_broken_files(dataset: PoseDataset, tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no results can be read"):
        read_results(path, dataset)


def test_no_results_at_all(dataset: PoseDataset, tmp_path: Path) -> None:
    evaluation = evaluate_results(written(tmp_path, []), dataset)
    assert evaluation.precision["AP"] == 0.0
