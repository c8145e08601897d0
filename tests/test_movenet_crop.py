"""Smart crop: the published rules, and people who enter and leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from posecore.families.movenet import MOVENET
from posecore.families.movenet.crop import CropRules, SmartCrop, square_around
from posecore.imaging import Region
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
    return square_around(xy, scores, COCO_17, SIZE)


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


def followed(
    people: Sequence[tuple[np.ndarray, np.ndarray] | None], sizes: list[tuple[int, int]] | None = None
) -> list[Region | None]:
    """Where a crop looks in picture after picture when ``people`` are seen in them."""
    crop, looked_at = SmartCrop(), []
    for person, size in zip(people, sizes or [SIZE] * len(people), strict=True):
        looked_at.append(crop.next_region(size))
        seen = Poses.empty(COCO_17, size)
        if person is not None:
            seen = Poses(person[0][None], person[1][None], np.array([0.9]), COCO_17, size)
        crop.observe(seen)
    return looked_at


def test_the_region_follows_and_is_smoothed() -> None:
    people = [standing(x=300, height=100), standing(x=310, height=100), standing(x=310, height=100)]
    first, second, third = followed(people)
    assert first is None
    assert second == pytest.approx((186, 126, 414, 354))
    assert third == pytest.approx((186 + 9, 126, 414 + 9, 354))


def test_whoever_leaves_is_looked_for_in_the_whole_picture() -> None:
    unseen = standing()[0], np.full(17, 0.05)
    looked_at = followed([standing(), None, standing(x=500, height=100), unseen, standing(), standing()])
    assert [region is None for region in looked_at] == [True, False, True, False, True, False]
    # The region before somebody was lost does not pull at the next one.
    assert looked_at[3] == pytest.approx((500 - 114, 240 - 114, 500 + 114, 240 + 114))


def test_another_size_of_picture_starts_anew() -> None:
    looked_at = followed([standing(), standing(), standing()], [SIZE, SIZE, (800, 600)])
    assert [region is None for region in looked_at] == [True, False, True]


def test_rules_say_which_joints_are_seen() -> None:
    xy, scores = standing()
    scores[HIPS] = 0.3
    for gate, seen in ((0.25, True), (0.35, False)):
        crop = SmartCrop(CropRules(gate=gate))
        crop.observe(Poses(xy[None], scores[None], np.array([0.9]), COCO_17, SIZE))
        assert (crop.region is not None) is seen


@pytest.mark.parametrize(
    ("architecture", "mode", "follows"),
    [
        ("movenet-lightning", "auto", True),
        ("movenet-lightning", "multi", False),
        ("movenet-multipose", "auto", False),
        ("movenet-multipose", "single", True),
    ],
)
def test_only_one_person_is_followed(architecture: str, mode: str, follows: bool) -> None:
    assert (MOVENET.follower(architecture, MOVENET.decode_settings(mode=mode)) is not None) is follows
