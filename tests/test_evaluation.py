"""The measures against hand-made cases: a perfect model, known shifts, people who do not count."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from PIL import Image
from typer.testing import CliRunner

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.coco import read_coco
from posecore.data.synthetic import write_dataset
from posecore.errors import DataError, SettingsError
from posecore.evaluation import (
    Evaluation,
    PicturePoses,
    analyse,
    common_keypoints,
    crop_region,
    evaluate,
    keypoint_similarity,
    measure,
    protocol_settings,
    similarity_matrix,
    worst_cases,
)
from posecore.evaluation.matching import PictureMatcher
from posecore.evaluation.oks import average_precision
from posecore.evaluation.sheets import contact_sheet, labelled_poses
from posecore.evaluation.tuning import Bench, figures_of, sweep
from posecore.families.posenet import POSENET, PoseNetNetworkSettings
from posecore.families.posenet.codec import PoseNetDecodeSettings
from posecore.imaging import full_region
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import build_settings
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from tests.pose_support import poses_from

SIZE = (200, 200)
EVERY = np.ones(17, bool)
SIGMAS = np.array(COCO_17.sigmas)


def person(x: float = 60, y: float = 40, scale: float = 1.0, **changes: Any) -> Person:
    """A stick figure of 60 × 110 pixels with all joints labelled."""
    xy = np.array(
        [(30, 8), (33, 5), (27, 5), (37, 8), (23, 8), (42, 25), (18, 25), (50, 45), (10, 45), (55, 62), (5, 62),
         (38, 62), (22, 62), (39, 85), (21, 85), (40, 108), (20, 108)], np.float32,
    )  # fmt: skip
    xy = xy * scale + (x, y)
    box = (x, y, x + 60 * scale, y + 110 * scale)
    return replace(Person(xy, np.full(17, Label.VISIBLE, np.uint8), box, 3500.0 * scale**2), **changes)


def unlabelled(one: Person, which: Any) -> Person:
    labels, xy = one.labels.copy(), one.keypoints.copy()
    labels[which], xy[which] = Label.UNLABELLED, np.nan
    return replace(one, labels=labels, keypoints=xy)


def image(*people: Person, number: int = 1, **changes: Any) -> AnnotatedImage:
    return replace(AnnotatedImage(Path(f"{number}.png"), SIZE, people, number), **changes)


def poses(xy: ArrayLike, scores: ArrayLike | None = None) -> Poses:
    keypoints = np.array(xy, np.float32).reshape(-1, 17, 2)
    given = np.ones(len(keypoints)) if scores is None else scores
    return poses_from(keypoints, np.isfinite(keypoints[..., 0]).astype(np.float32), given, COCO_17, SIZE)


def full(*items: tuple[AnnotatedImage, Poses]) -> Evaluation:
    return measure([PicturePoses(*item) for item in items], "full", COCO_17, COCO_17)


def crops(*items: tuple[AnnotatedImage, Poses, Sequence[int]]) -> Evaluation:
    asked = [PicturePoses(one, found, np.array(answers, np.intp)) for one, found, answers in items]
    return measure(asked, "crops", COCO_17, COCO_17)


# --- similarity and average precision --------------------------------------------------------------------------------


def test_similarity_by_hand() -> None:
    truth = unlabelled(person(), [3])
    moved = truth.keypoints + np.array([3, 4], np.float32)
    moved[0] = np.nan  # missing
    similarity = keypoint_similarity(truth, poses([np.nan_to_num(moved, nan=np.nan)]), COCO_17.sigmas)[0]
    assert np.isnan(similarity[3])
    assert similarity[0] == 0
    assert similarity[9] == pytest.approx(np.exp(-25 / (2 * 3500 * (2 * 0.062) ** 2)))
    matrix = similarity_matrix([truth], poses([moved]), EVERY, COCO_17.sigmas)
    assert matrix[0, 0] == pytest.approx(np.nanmean(similarity))


def test_perfect_poses() -> None:
    one, other = person(), person(10, 20, 0.5)
    items = [(image(one, other), poses([one.keypoints, other.keypoints]), [0, 1])]
    for result in (full(*(item[:2] for item in items)), crops(*items)):
        assert result.precision["AP"] == pytest.approx(1.0)
        assert result.precision["AR"] == pytest.approx(1.0)
        assert all(figures.similarity == 1.0 for figures in result.per_keypoint.values())
        assert all(figures.count == 2 for figures in result.per_keypoint.values())
        assert result.people == 2
    assert result.pck == 1.0


def expected_ap(oks: float) -> float:
    """AP of one person found with a similarity: the part of the ten thresholds that it reaches."""
    return float((oks >= np.linspace(0.5, 0.95, 10)).mean())


@pytest.mark.parametrize("shift", [1.0, 4.0, 7.0, 10.0, 16.0])
def test_shifted_poses(shift: float) -> None:
    truth = person()
    result = full((image(truth), poses([truth.keypoints + np.array([shift, 0], np.float32)])))
    oks = float(np.exp(-(shift**2) / (2 * 3500 * (2 * SIGMAS) ** 2)).mean())
    assert result.precision["AP"] == pytest.approx(expected_ap(oks))
    assert worst_cases(result)[0].oks == pytest.approx(oks, abs=1e-6)


def test_precision_of_a_false_and_a_true_pose() -> None:
    """A surer pose of nobody halves the precision at every recall."""
    truth = person()
    result = full((image(truth), poses([truth.keypoints + 80, truth.keypoints], [0.9, 0.5])))
    assert result.precision["AP"] == pytest.approx(0.5)
    assert result.precision["AR"] == pytest.approx(1.0)
    one_of_two = full((image(truth, person(120, 80)), poses([truth.keypoints])))
    # pycocotools reads precision at recalls 0, 0.01 … 1: 51 of 101 are at most 0.5.
    assert one_of_two.precision["AP"] == pytest.approx(51 / 101)


def test_own_average_precision_agrees_with_results_read_by_pycocotools(tmp_path: Path) -> None:
    """Many noisy people: the same figures as by the usual way through files."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from posecore.data.coco import coco_dict

    rng = np.random.default_rng(3)
    items, results = [], []
    for number in range(12):
        people = [
            unlabelled(person(rng.uniform(0, 80), rng.uniform(0, 80), scale), rng.random(17) < 0.3)
            for scale in rng.uniform(0.2, 2, 3)
        ]
        people.append(replace(person(), crowd=number == 0))
        if number == 1:
            people.append(unlabelled(person(5, 5), slice(None)))
        whole = np.array([one.keypoints for one in map(_filled, people)])
        found = poses(whole + rng.normal(0, 4, whole.shape), rng.random(len(whole)))
        items.append(PicturePoses(image(*people, number=number), found))
        results += found.to_coco_results(number)
    dataset = PoseDataset("noisy", COCO_17, tuple(item.image for item in items))
    (tmp_path / "truth.json").write_text(json.dumps(coco_dict(dataset)))
    truth = COCO(str(tmp_path / "truth.json"))
    run = COCOeval(truth, truth.loadRes(results), "keypoints")
    run.evaluate()
    run.accumulate()
    run.summarize()
    ours = average_precision(items, COCO_17, EVERY)
    assert list(ours.values()) == pytest.approx(run.stats.tolist(), abs=2e-3)
    assert 0.1 < (ours["AP"] or 0) < 0.9


def _filled(one: Person) -> Person:
    return replace(one, keypoints=np.nan_to_num(one.keypoints, nan=50.0))


def test_people_who_do_not_count() -> None:
    truth = person()
    hidden = unlabelled(person(120, 80, 0.5), slice(None))
    crowd = replace(person(10, 150, 0.4), crowd=True)
    on_hidden, on_crowd = person(120, 80, 0.5).keypoints, crowd.keypoints
    result = full((image(truth, hidden, crowd), poses([on_hidden, on_crowd, truth.keypoints], [0.9, 0.8, 0.7])))
    assert result.precision["AP"] == pytest.approx(1.0)
    assert result.people == 1
    nobody = full((image(), poses([])))
    assert nobody.precision["AP"] is None
    assert nobody.to_dict()["AP"] is None


def test_ignore_regions_excuse_poses_of_nobody_only() -> None:
    truth = person()
    stray = truth.keypoints + np.array([70, 0], np.float32)
    region = (100.0, 0.0, 200.0, 200.0)
    found = poses([stray, truth.keypoints], [0.9, 0.5])
    assert full((image(truth), found)).precision["AP"] == pytest.approx(0.5)
    assert full((image(truth, ignore=(region,)), found)).precision["AP"] == pytest.approx(1.0)
    everywhere = full((image(truth, ignore=(full_region(SIZE),)), found))
    assert everywhere.precision["AR"] == pytest.approx(1.0)  # the person counts wherever they stand
    # A second pose on a person is a mistake, ignore region or not.
    twice = poses([truth.keypoints, truth.keypoints + 1], [0.5, 0.9])
    matcher = PictureMatcher(image(truth, ignore=(full_region(SIZE),)), twice, EVERY, COCO_17.sigmas)
    figures = figures_of([matcher.match()])
    assert (figures.precision, figures.recall, figures.false_per_100) == (0.5, 1.0, 100)


# --- PCK -------------------------------------------------------------------------------------------------------------


def test_pck_by_hand() -> None:
    truth = person()
    trunk = float(np.hypot(*(truth.keypoints[12] - truth.keypoints[5])))  # right hip to left shoulder: 42.06
    shifted = truth.keypoints.copy()
    shifted[9] += (0.2 * trunk - 0.1, 0)  # left wrist: just close enough
    shifted[10] += (0.2 * trunk + 0.1, 0)  # right wrist: just not
    shifted[0] += 100  # the nose is no limb joint
    shifted[15] = np.nan
    result = crops((image(unlabelled(truth, [16])), poses([shifted]), [0]))
    assert result.pck == pytest.approx(9 / 11)  # 12 joints, one not labelled; a wrist and an ankle wrong
    assert result.per_keypoint["left_wrist"].pck == 1.0
    assert result.per_keypoint["right_wrist"].pck == 0.0
    assert result.per_keypoint["nose"].pck == 0.0
    assert result.per_keypoint["right_ankle"].pck is None
    assert result.per_keypoint["right_ankle"].count == 0


def test_pck_of_small_trunks_missing_people_and_unmeasured_people() -> None:
    small = person(scale=0.2)  # trunk of 8.4 px counts as 20
    moved = small.keypoints + np.array([3.9, 0], np.float32)
    assert crops((image(small), poses([moved]), [0])).pck == 1.0
    assert crops((image(small), poses([moved + np.array([0.2, 0])]), [0])).pck == 0.0
    no_trunk = unlabelled(person(), [12])
    assert crops((image(no_trunk), poses([no_trunk.keypoints]), [0])).pck is None
    missed = crops((image(person(), small), poses([small.keypoints]), [1]))
    assert missed.pck == 0.5
    case = worst_cases(missed)[0]
    assert (case.person, case.pose, case.oks, case.pck) == (0, None, 0.0, 0.0)


def test_a_pose_answers_the_person_it_was_asked_for() -> None:
    """In the crops protocol a pose of the neighbour is not the person's own."""
    one, other = person(), person(120, 80)
    result = crops((image(one, other), poses([other.keypoints, one.keypoints]), [0, 1]))
    assert result.pck == 0.0
    assert result.precision["AP"] == pytest.approx(1.0)  # OKS AP matches poses to people itself


def test_keypoints_that_skeletons_share() -> None:
    common = common_keypoints(LSP_14, COCO_17)
    assert common.sum() == 12
    assert (common == common_keypoints(LSP_14, OPENPOSE_18)).all()
    assert not common[LSP_14.index("neck")]
    assert common_keypoints(OPENPOSE_18, OPENPOSE_18).all()
    strange = Skeleton("stick", ("top", "end"))
    with pytest.raises(DataError, match="no keypoint name in common"):
        measure([], "full", strange, COCO_17)


# --- running models --------------------------------------------------------------------------------------------------


class TruthModel:
    """Answers with the labels of the pictures, moved by ``shift`` pixels; finds those in the region it is given."""

    name, weights_id, skeleton, family = "truth", "none", COCO_17, POSENET
    network_settings_class, decode_settings_class = PoseNetNetworkSettings, PoseNetDecodeSettings
    split_settings, comparison_settings = PoseModel.split_settings, PoseModel.comparison_settings

    finds_boxes = False

    def __init__(self, dataset: PoseDataset, shift: float = 0.0) -> None:
        self.by_size = {image.size: image for image in dataset}
        self.shift = shift
        self.batches: list[int] = []

    def network_settings(self, **settings: Any) -> Any:
        return build_settings(self.network_settings_class, settings)

    def decode_settings(self, **settings: Any) -> Any:
        return build_settings(self.decode_settings_class, settings)

    def fields(self, pictures: list[Any], regions: list[Any], picture: list[str], **settings: Any) -> list[Any]:
        self.network_settings(**settings)
        self.batches.append(len(pictures))
        return [
            (self.by_size[shape.shape[1], shape.shape[0]], region)
            for shape, region in zip(pictures, regions, strict=True)
        ]

    def decode(self, fields: Any, **settings: Any) -> Poses:
        one, region = fields
        chosen = self.decode_settings(**settings)
        people = [human for human in one.people if region is None or np.allclose(crop_region(human), region)]
        keypoints = np.array([_filled(human).keypoints for human in people]).reshape(-1, 17, 2) + self.shift
        scores = np.linspace(1, 0.5, max(len(people), 1))[: len(people)]
        found = poses_from(keypoints, np.tile(scores[:, None], 17), scores, COCO_17, one.size)
        return found.filter(pose_threshold=chosen.pose_threshold)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    """Three pictures of different sizes, the last of which is broken."""
    parts = []
    for number, size in enumerate([(160, 120), (170, 120), (180, 120)]):
        folder = tmp_path_factory.mktemp(f"scene{number}")
        (one,) = read_coco(write_dataset(folder, 1, seed=number, size=size, people=2)).images
        parts.append(replace(one, image_id=number))
    parts[2].path.write_bytes(b"broken")
    return PoseDataset("scenes", COCO_17, tuple(parts))


@pytest.mark.parametrize("protocol", ["crops", "full"])
def test_evaluating_a_perfect_model(scenes: PoseDataset, protocol: Any) -> None:
    model: Any = TruthModel(scenes)
    steps: list[None] = []
    result = evaluate(model, scenes, protocol, advance=lambda: steps.append(None))
    assert result.precision["AP"] == pytest.approx(1.0)
    assert result.pck == (1.0 if protocol == "crops" else None)
    assert len(steps) == 3
    assert result.people == 4
    assert len(result.problems) == 1
    assert result.settings["input_size"] == (257 if protocol == "crops" else 513)
    assert result.settings["keypoint_threshold"] == 0
    report = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert {"AP", "AP50", "AR", "PCK@0.2", "per_keypoint", "model", "protocol", "settings", "people"} <= set(report)
    assert evaluate(model, scenes, protocol, limit=1).people == 2
    evaluate(model, scenes, protocol, batch=1)
    assert max(model.batches[-2:]) == 1


def test_evaluating_a_shifted_model(scenes: PoseDataset) -> None:
    perfect: Any = TruthModel(scenes)
    shifted: Any = TruthModel(scenes, shift=3.0)
    assert (evaluate(shifted, scenes).precision["AP"] or 0) < (evaluate(perfect, scenes).precision["AP"] or 0)


def test_settings_of_a_run(scenes: PoseDataset) -> None:
    model: Any = TruthModel(scenes)
    network, decode = protocol_settings(model, "full", {"input_size": 353, "pose_threshold": 0.3})
    assert (network["input_size"], decode["pose_threshold"], decode["root_threshold"]) == (353, 0.3, 0.05)
    assert decode["max_poses"] == 20
    sides = [protocol_settings(model, protocol)[0]["input_size"] for protocol in ("crops", "full")]
    assert sides == [POSENET.crop_side, POSENET.picture_side] == [257, 513]
    with pytest.raises(SettingsError, match="no setting 'input_sise'"):
        protocol_settings(model, "full", {"input_sise": 353})
    with pytest.raises(SettingsError, match="no protocol"):
        protocol_settings(model, "half", {})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"No picture of scenes can be used: .*not a picture"):
        evaluate(model, replace(scenes, images=scenes.images[2:]))


def test_pictures_of_another_size_are_reported(scenes: PoseDataset) -> None:
    model: Any = TruthModel(scenes)
    wrong = replace(scenes.images[1], size=(10, 10), image_id=9)
    result = evaluate(model, replace(scenes, images=(scenes.images[0], wrong)))
    assert "170 × 120 pixels" in result.problems[0].reason


def test_sweep_of_a_threshold(scenes: PoseDataset) -> None:
    """Of two people per picture, with scores 1 and 0.5, a threshold of 0.7 keeps the first."""
    model: Any = TruthModel(scenes)
    network, decode = protocol_settings(model, "full")
    analysed = list(analyse(model, scenes, "full", network))
    bench = Bench(model, analysed, COCO_17, {**decode, "max_poses": 20})
    low, high, highest = sweep(bench, "pose_threshold", [0.1, 0.7, 1.0])
    assert (low.precision, low.recall, low.poses) == (1.0, 1.0, 4)
    assert (high.precision, high.recall, high.poses) == (1.0, 0.5, 2)
    assert high.f1 == pytest.approx(2 / 3)
    assert (low.AP or 0) > (high.AP or 0)
    assert highest.poses <= high.poses
    with pytest.raises(SettingsError, match="output_stride"):
        sweep(bench, "output_stride", [8])


def test_contact_sheet(scenes: PoseDataset) -> None:
    model: Any = TruthModel(scenes)
    result = evaluate(model, scenes)
    sheet = contact_sheet(worst_cases(result), columns=2, side=64)
    assert sheet.shape == (2 * 70 + 6, 2 * (128 + 6) + 6, 3)
    assert sheet.std() > 10
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    assert len(labelled_poses([], COCO_17, SIZE)) == 0


def test_the_network_runs_in_its_slot(scenes: PoseDataset) -> None:
    slot = threading.Lock()
    seen: list[bool] = []

    class Watched(TruthModel):
        def fields(self, *arguments: Any, **settings: Any) -> list[Any]:
            seen.append(slot.locked())
            return super().fields(*arguments, **settings)

        def decode(self, *arguments: Any, **settings: Any) -> Poses:
            assert not slot.locked()
            return super().decode(*arguments, **settings)

    model: Any = Watched(scenes)
    evaluate(model, scenes, "full", slot=slot, batch=1)
    assert len(seen) > 1
    assert all(seen)


def test_command(scenes: PoseDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    from posecore.cli import evaluate as module
    from posecore.data.coco import write_coco

    monkeypatch.setattr(module, "open_model", lambda *_: TruthModel(scenes))
    app = typer.Typer()
    app.command()(module.evaluate)
    folder = write_coco(replace(scenes, images=scenes.images[:2]), tmp_path / "set")
    arguments = ["--model", "truth", "--annotations", str(folder / "annotations.json"), "--protocol", "full"]
    arguments += ["--images", str(folder / "images"), "--json", str(tmp_path / "out" / "figures.json")]
    arguments += ["--no-save", "--sheet", str(tmp_path / "sheet.png"), "--input-size", "257", "--pose-threshold", "0.2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.exception
    report = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert report["AP"] == pytest.approx(1.0)
    assert report["settings"]["input_size"] == 257
    assert report["settings"]["pose_threshold"] == 0.2
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 100
    assert "left_wrist" in result.output
    bad = CliRunner().invoke(app, [*arguments, "--limit", "0"])
    assert bad.exit_code == 2
