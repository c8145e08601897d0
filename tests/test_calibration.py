"""Calibration: confidences become what they promise, on pictures that were not fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posecore.calibration import Calibration, ScoreMap
from posecore.data.annotations import AnnotatedImage, Label, Person
from posecore.errors import DataError
from posecore.evaluation import PicturePoses, measure
from posecore.evaluation.calibration import crossed_check, fit
from posecore.evaluation.confidence import Samples, joint_samples, person_samples, reliability
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from tests.pose_support import poses_from

SIZE = (400, 300)


def drawn(seed: int, count: int = 20_000, pictures: int = 200) -> tuple[Samples, NDArray[np.float64]]:
    """Scores of an overconfident model, the less right the smaller people are; and how right they truly are."""
    generator = np.random.default_rng(seed)
    scores, sizes = generator.random(count), generator.uniform(0.05, 1.0, count)
    joints = generator.integers(0, 3, count)
    truth = np.clip(scores**2 * sizes**0.3 * np.array([1.0, 0.9, 0.6])[joints], 0, 1)
    owners = generator.integers(0, pictures, count)
    return Samples(scores, generator.random(count) < truth, sizes, joints, owners, ("nose", "hip", "ankle")), truth


def test_an_overconfident_model_is_calibrated_on_unseen_pictures() -> None:
    samples, _ = drawn(0)
    chosen, others = samples.halves()
    assert not set(chosen.owners) & set(others.owners)
    before = reliability(others)
    after = reliability(others, fit(chosen)(others.scores, others.sizes, others.joints))
    assert before is not None
    assert after is not None
    assert before.ece > 0.2
    assert after.ece < 0.02
    assert after.brier < before.brier
    assert after.brier_interval.low < after.brier < after.brier_interval.high


def test_confidences_near_the_truth_for_every_joint() -> None:
    samples, _ = drawn(1)
    unseen, truth = drawn(2)
    confidences = fit(samples)(unseen.scores, unseen.sizes, unseen.joints)
    for joint in range(3):
        assert np.abs(confidences - truth)[unseen.joints == joint].mean() < 0.05


def test_a_higher_score_is_never_a_lower_confidence() -> None:
    map_ = fit(drawn(3, count=300)[0])
    rising = map_(np.linspace(0, 1, 500), np.full(500, 0.3), 1)
    assert (np.diff(rising) >= 0).all()
    assert 0 <= rising.min() < rising.max() <= 1


def test_a_calibrated_model_stays_as_it_is() -> None:
    generator = np.random.default_rng(4)
    scores = generator.random(20_000)
    owners = generator.integers(0, 100, len(scores))
    zeros = np.zeros(len(scores), np.intp)
    samples = Samples(scores, generator.random(len(scores)) < scores, np.full(len(scores), 0.4), zeros, owners, ("a",))
    assert np.abs(fit(samples)(scores, samples.sizes, zeros) - scores).max() < 0.06


@pytest.mark.parametrize("verdict", [True, False])
def test_what_cannot_be_fitted(verdict: bool) -> None:
    samples, _ = drawn(5)
    with pytest.raises(DataError, match="too few"):
        fit(samples.select(np.arange(len(samples)) < 50))
    with pytest.raises(DataError, match="too few"):
        fit(samples.select(samples.owners < 5))
    with pytest.raises(DataError, match="right" if verdict else "wrong"):
        fit(samples.select(samples.right == verdict))


def test_who_lacks_pictures_is_told_how_many_both_halves_need() -> None:
    samples, _ = drawn(5)
    some = samples.select(samples.owners < 15)
    fit(some)
    with pytest.raises(DataError, match=r"15 pictures are too few .* at least 200 from 20 are needed"):
        crossed_check(some)


def person(x: float, y: float) -> Person:
    generator = np.random.default_rng(int(x))
    xy = generator.uniform((x, y), (x + 80, y + 160), (17, 2)).astype(np.float32)
    return Person(xy, np.full(17, Label.VISIBLE, np.uint8), (x, y, x + 80, y + 160), 8000.0)


def test_background_counts_as_wrong_and_what_nobody_labelled_does_not_count() -> None:
    one = person(20, 40)
    one.labels[3] = Label.UNLABELLED
    one.keypoints[3] = np.nan
    found = np.nan_to_num(one.keypoints, nan=50.0)
    found[5] += 200  # far off
    ghost = person(300, 40).keypoints
    poses = poses_from(np.stack([found, ghost]), np.full((2, 17), 0.7), [0.9, 0.4], COCO_17, SIZE)
    image = AnnotatedImage(Path("a.png"), SIZE, (one,), 7)
    evaluation = measure([PicturePoses(image, poses)], "full", COCO_17, COCO_17)
    joints = joint_samples(evaluation)
    assert len(joints) == 16 + 17
    assert joints.right.sum() == 15
    assert set(joints.owners) == {7}
    assert sorted(zip(person_samples(evaluation).scores.round(3), person_samples(evaluation).right, strict=True)) == [
        (0.4, False),
        (0.9, True),
    ]
    ignoring = AnnotatedImage(Path("a.png"), SIZE, (one,), 7, ignore=((290, 30, 400, 220),))
    assert len(joint_samples(measure([PicturePoses(ignoring, poses)], "full", COCO_17, COCO_17))) == 16


def calibration() -> Calibration:
    generator = np.random.default_rng(8)
    count = 4000
    scores = generator.random(count)
    owners = generator.integers(0, 60, count)
    sizes = generator.uniform(0.1, 1, count)
    right = generator.random(count) < scores * 0.8
    joint = Samples(scores, right, sizes, generator.integers(0, 17, count), owners, COCO_17.keypoints)
    people = Samples(scores, right, sizes, np.zeros(count, np.intp), owners, ("person",))
    return Calibration("a-model", "abc", COCO_17.keypoints, fit(joint), fit(people), "60 pictures of a set")


def test_poses_keep_places_and_get_confidences() -> None:
    keypoints = np.stack([person(20, 40).keypoints, person(200, 60).keypoints])
    keypoints[0, 4] = np.nan
    scores = np.linspace(0.1, 0.9, 34).reshape(2, 17)
    scores[0, 4] = 0.0
    poses = poses_from(keypoints, scores, [0.2, 0.9], COCO_17, SIZE)
    result = calibration().apply(poses)
    assert np.array_equal(result.keypoints, poses.keypoints[::-1], equal_nan=True)
    assert (np.diff(result.scores) <= 0).all()
    assert result.keypoint_scores[1, 4] == 0
    assert ((result.keypoint_scores >= 0) & (result.keypoint_scores <= 1)).all()
    assert len(calibration().apply(Poses.empty(COCO_17, SIZE))) == 0


def test_written_and_read_again() -> None:
    made = calibration()
    again = Calibration.of_dict(json.loads(json.dumps(made.to_dict())))
    scores = np.linspace(0, 1, 50)
    assert again.joint(scores, np.full(50, 0.4), 3) == pytest.approx(made.joint(scores, np.full(50, 0.4), 3), abs=1e-4)
    assert (again.model, again.weights, again.keypoints) == (made.model, made.weights, made.keypoints)


@pytest.mark.parametrize(
    "change",
    [{"format": "x"}, {"version": 9}, {"model": 1}, {"keypoints": ["a"]}, {"joint": {}}, {"person": {"slope": "a"}}],
)
def test_other_files_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError):
        Calibration.of_dict({**calibration().to_dict(), **change})


def test_a_falling_curve_is_refused() -> None:
    data = {"slope": 1.0, "size_slope": 0.0, "intercepts": [0.0], "knots": [0.0, 1.0], "values": [0.9, 0.1]}
    with pytest.raises(DataError, match="does not rise"):
        ScoreMap.of_dict(data)
