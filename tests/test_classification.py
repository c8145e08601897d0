"""Classes of poses: what is seen of them, learning, keeping, and states over time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from posecore.classification import (
    PoseClassifier,
    class_folders,
    cross_validate,
    fit,
    learn_from,
    pose_features,
    states_of,
)
from posecore.cli.classify import app
from posecore.data.synthetic import render_clip
from posecore.errors import DataError
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from tests.pose_support import poses_from

CLASSES = ("up", "down")
#: Keypoints and labels.
Examples = tuple[NDArray[np.float64], list[int]]


def figures(random: Any, count: Any, bent: Any) -> Any:
    """People of COCO's keypoints with straight or bent legs, anywhere and of any size, noisy, some joints missing."""
    names = COCO_17.keypoints
    body = np.zeros((count, 17, 2))
    for index, name in enumerate(names):
        side = 0.0 if name == "nose" else (-0.2 if name.startswith("left") else 0.2)
        height = {"shoulder": 0.5, "elbow": 0.2, "wrist": 0.0, "hip": 0.0, "knee": -0.45, "ankle": -0.9}
        part = name.split("_")[-1]
        body[:, index] = side, -height.get(part, 0.75)
        if bent and part == "knee":
            body[:, index] = 2 * side, 0.1
        if bent and part == "ankle":
            body[:, index] = side, 0.5
    body += random.normal(0, 0.03, body.shape)
    body = body * random.uniform(40, 200, (count, 1, 1)) + random.uniform(0, 500, (count, 1, 2))
    body[random.random((count, 17)) < 0.1] = np.nan
    return body


@pytest.fixture(scope="module")
def examples() -> Examples:
    random = np.random.default_rng(1)
    keypoints = np.concatenate([figures(random, 20, False), figures(random, 20, True)])
    return keypoints, [0] * 20 + [1] * 20


@pytest.fixture(scope="module")
def classifier(examples: Examples) -> PoseClassifier:
    return fit(*examples, CLASSES, COCO_17, "some-model")


def test_place_and_size_are_not_seen() -> None:
    random = np.random.default_rng(2)
    people = figures(random, 5, True)
    np.testing.assert_allclose(
        pose_features(people, COCO_17), pose_features(people * 3.5 + (40, -7), COCO_17), atol=1e-5
    )


def test_nobody_and_a_single_joint_have_finite_features() -> None:
    people = np.full((2, 17, 2), np.nan)
    people[1, 3] = 10, 20
    features = pose_features(people, COCO_17)
    assert np.isfinite(features).all()
    assert features[0].sum() == 0
    assert pose_features(np.zeros((0, 17, 2)), COCO_17).shape == (0, 51)


def test_it_tells_people_it_has_not_seen(classifier: PoseClassifier) -> None:
    random = np.random.default_rng(9)
    people = np.concatenate([figures(random, 40, False), figures(random, 40, True)])
    poses = poses_from(people, np.ones((80, 17)), np.ones(80), COCO_17, (800, 800))
    shares = classifier(poses)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert (shares.argmax(1) == [0] * 40 + [1] * 40).mean() > 0.95


def test_nobody_is_told_nothing(classifier: PoseClassifier) -> None:
    assert classifier(Poses.empty(COCO_17, (10, 10))).shape == (0, 2)


def test_a_pose_and_its_mirror_image_are_told_alike(classifier: PoseClassifier, examples: Examples) -> None:
    keypoints = examples[0]
    mirrored = keypoints[:, COCO_17.flip_permutation] * (-1, 1)
    shares = [classifier.of_features(pose_features(one, COCO_17)) for one in (keypoints, mirrored)]
    assert np.abs(shares[0] - shares[1]).mean() < 0.1


def test_the_same_seed_teaches_the_same(examples: Examples, classifier: PoseClassifier) -> None:
    again = fit(*examples, CLASSES, COCO_17)
    for one, other in zip(classifier.layers, again.layers, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_pictures_kept_apart_know_what_was_learnt(examples: Examples) -> None:
    groups = [str(number) for number in range(40)]
    rated = cross_validate(*examples, CLASSES, COCO_17, groups)
    assert rated is not None
    assert rated.confusion.sum() == 40
    assert rated.right > 0.9
    shuffled = np.random.default_rng(0).permutation(examples[1]).tolist()
    chance = cross_validate(examples[0], shuffled, CLASSES, COCO_17, groups)
    assert chance is not None
    assert chance.right < 0.8


def test_one_clip_for_a_class_cannot_be_kept_apart(examples: Examples) -> None:
    assert cross_validate(*examples, CLASSES, COCO_17, ["a"] * 20 + ["b"] * 20) is None


def test_two_clips_that_show_both_classes_are_kept_apart(examples: Examples) -> None:
    """Whatever is learnt from one is asked about the other."""
    for seed in range(4):
        rated = cross_validate(*examples, CLASSES, COCO_17, ["a", "b"] * 20, seed=seed)
        assert rated is not None
        assert rated.confusion.sum() == 40


def test_frames_of_a_clip_belong_together_whatever_they_show(tmp_path: Path) -> None:
    names = {"up": ["gym_1.png", "7.png"], "down": ["gym_2.png", "park.png"]}
    pictures = {name: [tmp_path / name / file for file in files] for name, files in names.items()}
    for path in (path for files in pictures.values() for path in files):
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    model: Any = FindsOne()
    assert learn_from(model, pictures).groups == ("gym", "up/7.png", "gym", "down/park.png")


class FindsOne:
    """Sees somebody in every picture."""

    skeleton = COCO_17

    def __call__(self, picture: object) -> Poses:
        return poses_from(np.ones((1, 17, 2)), np.ones((1, 17)), [1.0], COCO_17, (8, 8))


@pytest.mark.parametrize(("labels", "classes"), [([0, 0], ("up", "down")), ([0, 0], ("up",))])
def test_a_class_without_examples(labels: Any, classes: Any) -> None:
    with pytest.raises(DataError, match="two classes at least"):
        fit(np.zeros((2, 17, 2)), labels, classes, COCO_17)


def test_kept_and_read_again(classifier: PoseClassifier, examples: Examples, tmp_path: Path) -> None:
    classifier.save(tmp_path / "c.json")
    back = PoseClassifier.load(tmp_path / "c.json")
    assert (back.classes, back.model, back.skeleton) == (CLASSES, "some-model", COCO_17)
    features = pose_features(examples[0], COCO_17)
    np.testing.assert_allclose(back.of_features(features), classifier.of_features(features), atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "posecore.results"},
        {"version": 2},
        {"classes": ["one", "two", "three"]},
        {"layers": [[[1.0]], [1.0]]},
        {"layers": 3},
        {"skeleton": {}},
    ],
)
def test_what_is_no_classifier(classifier: PoseClassifier, tmp_path: Path, change: Any) -> None:
    path = tmp_path / "c.json"
    classifier.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match="no classifier of poses"):
        PoseClassifier.load(path)


def test_states_do_not_flicker() -> None:
    times = np.arange(60) / 20
    up = np.where((times % 1.5) < 0.75, 0.95, 0.05)
    up[10] = 0.1  # one bad frame
    states = states_of(times, np.stack([up, 1 - up], 1))
    assert states.begun.tolist() == [2, 2]
    assert (np.diff(states.state) != 0).sum() == 3
    unsure = states_of(times, np.full((60, 2), 0.5))
    assert unsure.begun.tolist() == [0, 0]
    assert (unsure.state == -1).all()


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("up", "down"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / name / "a1.png")
    (tmp_path / "notes.txt").write_text("x")
    assert {name: len(files) for name, files in class_folders(tmp_path).items()} == {"down": 1, "up": 1}
    (tmp_path / "down").rename(tmp_path / "person")
    with pytest.raises(DataError, match="cannot be a class"):
        class_folders(tmp_path)
    (tmp_path / "person").rename(tmp_path / "down")
    (tmp_path / "up" / "a1.png").unlink()
    with pytest.raises(DataError, match="one for each class"):
        class_folders(tmp_path)


def test_from_pictures_of_a_clip_to_what_others_show(tmp_path: Path) -> None:
    """Drawn squats, sorted by how deep they are; another clip is told by what was learnt."""
    for seed in (29, 31):
        scenes = list(render_clip(seed, (320, 240), 24, 12, 1, "squat"))
        hips = [scene.people[0].keypoints[11:13, 1].mean() for scene in scenes]
        for index, (scene, hip) in enumerate(zip(scenes, hips, strict=True)):
            place = (hip - min(hips)) / (max(hips) - min(hips))
            if not 0.3 < place < 0.7:
                name = tmp_path / ("train" if seed == 29 else "test") / ("down" if place > 0.5 else "up")
                name.mkdir(parents=True, exist_ok=True)
                Image.fromarray(scene.image).save(name / f"clip{index}.png")
    run = CliRunner()
    model = ["--model", "posenet-mobilenet_v1-075.posecore"]
    taught = run.invoke(app, ["fit", str(tmp_path / "train"), "--to", str(tmp_path / "c.json"), *model])
    assert taught.exit_code == 0, taught.output
    assert "may be those of one clip" in " ".join(taught.output.split())
    table = tmp_path / "told.csv"
    pictures = [str(tmp_path / "test" / name) for name in ("up", "down")]
    told = run.invoke(app, ["image", str(tmp_path / "c.json"), *pictures, "--csv", str(table)])
    assert told.exit_code == 0, told.output
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    right = [row[2] == row[0].split("/")[-2] for row in rows]
    assert len(right) >= 8
    assert np.mean(right) > 0.8
