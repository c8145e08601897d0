"""Smart crop: the published rules, and people who enter and leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from posecore.families.movenet import MOVENET
from posecore.families.movenet.crop import CropRules, SmartCrop, next_region
from posecore.fields import Fields
from posecore.imaging import Region
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17

SIZE = (640, 480)
SHOULDERS, HIPS, NOSE, ANKLES = [5, 6], [11, 12], 0, [15, 16]


def standing(x: float = 300.0, y: float = 240.0, height: float = 160.0) -> tuple[np.ndarray, np.ndarray]:
    """A person whose hips are at (x, y), in edge coordinates; all joints seen."""
    xy = np.full((17, 2), (x, y), float)
    xy[SHOULDERS] = [[x + 20, y - 60], [x - 20, y - 60]]
    xy[HIPS] = [[x + 10, y], [x - 10, y]]
    xy[[NOSE]] = (x, y - height / 2)
    xy[ANKLES] = [[x + 10, y + height / 2], [x - 10, y + height / 2]]
    return xy - 0.5, np.full(17, 0.9)


def region_of(xy: np.ndarray, scores: np.ndarray) -> Region | None:
    return next_region(xy, scores, COCO_17, SIZE)


def test_the_torso_sets_the_size_of_a_short_person() -> None:
    region = region_of(*standing(height=100))
    assert region == pytest.approx((300 - 1.9 * 60, 240 - 1.9 * 60, 300 + 1.9 * 60, 240 + 1.9 * 60))


def test_the_body_sets_the_size_of_a_tall_person() -> None:
    region = region_of(*standing(height=300))
    assert region == pytest.approx((300 - 1.2 * 150, 240 - 1.2 * 150, 300 + 1.2 * 150, 240 + 1.2 * 150))


def test_joints_that_are_not_seen_do_not_count_for_the_body() -> None:
    xy, scores = standing(height=300)
    scores[[NOSE, *ANKLES]] = 0.1
    region = region_of(xy, scores)
    assert region is not None
    assert region[2] - region[0] == pytest.approx(2 * 1.9 * 60)


def test_the_square_ends_at_the_furthest_edge() -> None:
    region = region_of(*standing(x=600, y=240, height=700))
    assert region is None  # it would be larger than the picture
    region = region_of(*standing(x=300, y=240, height=500))
    assert region == pytest.approx((0, -60, 600, 540))


@pytest.mark.parametrize(("lost", "seen"), [(HIPS, False), (SHOULDERS, False), (HIPS[:1], True), (SHOULDERS[:1], True)])
def test_one_hip_and_one_shoulder_must_be_seen(lost: list[int], seen: bool) -> None:
    xy, scores = standing()
    scores[lost] = 0.2
    assert (region_of(xy, scores) is not None) is seen


def test_missing_joints_are_no_trouble() -> None:
    xy, scores = standing()
    xy[[0, 5, 11]], scores[[0, 5, 11]] = np.nan, 0
    region = region_of(xy, scores)
    assert region is not None
    assert np.isfinite(region).all()
    assert region_of(np.full((17, 2), np.nan), np.zeros(17)) is None


@dataclass
class Scene:
    """A stand-in for a model: people come out as the test says, and the regions that were looked at are noted."""

    people: list[tuple[np.ndarray, np.ndarray] | None]
    looked_at: list[Region | None] = field(default_factory=list)

    def fields(self, picture: np.ndarray, region: Region | None = None, **settings: Any) -> Any:
        self.looked_at.append(region)
        return picture.shape

    def decode(self, fields: Any, **settings: Any) -> Poses:
        assert settings["keypoint_threshold"] == 0
        size = (fields[1], fields[0])
        person = self.people[len(self.looked_at) - 1]
        if person is None:
            return Poses.empty(COCO_17, size)
        return Poses(person[0][None], person[1][None], np.array([0.9]), COCO_17, size)

    def split_settings(self, settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, settings

    def decode_settings(self, **settings: Any) -> Any:
        return MOVENET.decode_settings(**settings)


def followed(people: list[tuple[np.ndarray, np.ndarray] | None], shapes: list[tuple[int, int]] | None = None) -> Scene:
    scene = Scene(people)
    crop = SmartCrop(scene)  # type: ignore[arg-type]
    for index in range(len(people)):
        height, width = shapes[index] if shapes else (480, 640)
        crop(np.zeros((height, width, 3), np.uint8))
    return scene


def test_the_region_follows_and_is_smoothed() -> None:
    scene = followed([standing(x=300, height=100), standing(x=310, height=100), standing(x=310, height=100)])
    first, second, third = scene.looked_at
    assert first is None
    assert second == pytest.approx((186, 126, 414, 354))
    assert third == pytest.approx((186 + 9, 126, 414 + 9, 354))


def test_whoever_leaves_is_looked_for_in_the_whole_picture() -> None:
    unseen = standing()[0], np.full(17, 0.05)
    scene = followed([standing(), None, standing(x=500, height=100), unseen, standing(), standing()])
    assert [region is None for region in scene.looked_at] == [True, False, True, False, True, False]
    # The region before somebody was lost does not pull at the next one.
    assert scene.looked_at[3] == pytest.approx((500 - 114, 240 - 114, 500 + 114, 240 + 114))


def test_another_size_of_picture_starts_anew() -> None:
    scene = followed([standing(), standing(), standing()], [(480, 640), (480, 640), (600, 800)])
    assert [region is None for region in scene.looked_at] == [True, False, True]


def test_thresholds_hide_joints_from_the_result_only() -> None:
    xy, scores = standing()
    scores[[*HIPS, NOSE]] = 0.3
    scene = Scene([(xy, scores), (xy, scores)])
    crop = SmartCrop(scene, CropRules(gate=0.25))  # type: ignore[arg-type]
    poses = crop(np.zeros((480, 640, 3), np.uint8), keypoint_threshold=0.5)
    assert not poses.present[0, NOSE]
    assert crop.region is not None
    crop.reset()
    assert crop.region is None


def test_with_a_real_network() -> None:
    network = MOVENET.build("movenet-lightning")
    model = PoseModel("movenet-lightning.test", MOVENET, "movenet-lightning", network, "random")
    crop = SmartCrop(model)
    shot = np.random.default_rng(0).integers(0, 256, (60, 100, 3), np.uint8)
    crop.region = (10.0, 10.0, 50.0, 50.0)
    crop._size = (100, 60)
    fields = crop.fields(shot, input_size=64)
    assert isinstance(fields, Fields)
    assert fields.provenance.region == (10.0, 10.0, 50.0, 50.0)
    poses = crop(shot, input_size=64, pose_threshold=0)
    assert poses.image_size == (100, 60)
