"""The matcher against pycocotools, on scenes with crowds, people without labels, ignore regions and missing joints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecore.data.annotations import AnnotatedImage, Label, Person
from posecore.evaluation import PicturePoses, average_precision, common_keypoints
from posecore.evaluation.matching import PictureMatcher, average_precision_of
from posecore.skeleton import COCO_17, LSP_14
from tests.pose_support import poses_from

SIZE = (640, 480)


def scene(generator: np.random.Generator, number: int, spread: float) -> PicturePoses:
    people, places = [], []
    for _ in range(generator.integers(0, 5)):
        x, y, side = generator.uniform(0, 450), generator.uniform(0, 300), generator.uniform(30, 180)
        xy = generator.uniform((x, y), (x + side, y + side), (17, 2)).astype(np.float32)
        labels = generator.choice([0, 1, 2], 17, p=[0.3, 0.2, 0.5]).astype(np.uint8)
        if generator.random() < 0.2:
            labels[:] = Label.UNLABELLED
        xy[labels == Label.UNLABELLED] = np.nan
        crowd = generator.random() < 0.15
        people.append(Person(xy, labels, (x, y, x + side, y + side), side * side * 0.6, bool(crowd)))
        for _ in range(generator.integers(0, 3)):
            noise = generator.normal(0, spread, (17, 2))
            places.append(np.where(np.isnan(xy), (x + side / 2, y + side / 2), xy) + noise)
    places += [
        generator.uniform(0, 400, 2) + generator.uniform(0, 60, (17, 2)) for _ in range(generator.integers(0, 22))
    ]
    xy = np.array(places, np.float32).reshape(-1, 17, 2)
    xy[generator.random(xy.shape[:2]) < 0.1] = np.nan
    joints = np.where(np.isfinite(xy[..., 0]), generator.random(xy.shape[:2]), 0)
    # A few scores are equal.
    poses = poses_from(xy, joints, generator.random(len(xy)).round(1), COCO_17, SIZE)
    ignore = ((300.0, 200.0, 420.0, 330.0),) if generator.random() < 0.4 else ()
    return PicturePoses(AnnotatedImage(Path(f"{number}.png"), SIZE, tuple(people), number, ignore), poses)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("labels", [COCO_17, LSP_14], ids=lambda skeleton: skeleton.name)
def test_equal_to_the_original(seed: int, labels: object) -> None:
    generator = np.random.default_rng(seed)
    items = [scene(generator, number, [2.0, 6.0, 15.0][seed % 3]) for number in range(40)]
    common = common_keypoints(COCO_17, labels)  # type: ignore[arg-type]
    matchers = [PictureMatcher(item.image, item.poses, common, COCO_17.sigmas) for item in items]
    for joint, pose in ((0.0, 0.0), (0.35, 0.0), (0.0, 0.5), (0.6, 0.3), (1.0, 1.0)):
        filtered = [PicturePoses(item.image, item.poses.filter(pose, joint)) for item in items]
        expected = average_precision(filtered, COCO_17, common)
        found = average_precision_of([matcher.match(joint, pose) for matcher in matchers])
        assert list(found) == pytest.approx([expected["AP"], expected["AR"]], abs=1e-9)


@pytest.mark.parametrize("size", ["medium", "large"])
def test_people_of_one_size_alone(size: str) -> None:
    generator = np.random.default_rng(11)
    items = [scene(generator, number, 5.0) for number in range(60)]
    every = np.ones(17, bool)
    expected = average_precision(items, COCO_17, every)
    matchers = [PictureMatcher(item.image, item.poses, every, COCO_17.sigmas) for item in items]
    found = average_precision_of([matcher.match_size(size) for matcher in matchers])
    assert 0 < (expected[f"AP_{size}"] or 0) < 1
    assert list(found) == pytest.approx([expected[f"AP_{size}"], expected[f"AR_{size}"]], abs=1e-9)


def test_scores_below_nought_count() -> None:
    generator = np.random.default_rng(8)
    items = [scene(generator, number, 4.0) for number in range(30)]
    items = [replace(item, poses=replace(item.poses, scores=np.log(item.poses.scores + 0.01))) for item in items]
    every = np.ones(17, bool)
    expected = average_precision(items, COCO_17, every)["AP"]
    assert (expected or 0) > 0
    matches = [PictureMatcher(item.image, item.poses, every, COCO_17.sigmas).match() for item in items]
    assert average_precision_of(matches)[0] == pytest.approx(expected, abs=1e-9)


def test_nobody_to_find() -> None:
    image = AnnotatedImage(Path("a.png"), SIZE, (), 1)
    xy = np.full((1, 17, 2), 30, np.float32) + np.arange(34).reshape(1, 17, 2)
    found = PictureMatcher(
        image, poses_from(xy, np.ones((1, 17)), [0.5], COCO_17, SIZE), np.ones(17, bool), COCO_17.sigmas
    )
    assert average_precision_of([found.match()]) == (None, None)
    assert found.match().mistaken == 1
    assert found.match(pose_threshold=0.6).mistaken == 0
