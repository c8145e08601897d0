"""Identities over time: people who cross, hide, come back, and detections in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecore.poses import Poses
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from posecore.video import PoseSequence, Tracker, TrackingSettings
from tests.pose_support import poses_from

SIZE = (640, 480)


def body(x: float, skeleton: Skeleton = COCO_17, height: float = 200.0, seed: int = 0) -> np.ndarray:
    """``(K, 2)`` a standing person around column ``x``."""
    rng = np.random.default_rng(seed)
    count = len(skeleton)
    return np.stack([x + rng.uniform(-0.15, 0.15, count) * height, 240 + np.linspace(-0.5, 0.5, count) * height], 1)


def poses_of(people: list[np.ndarray], skeleton: Skeleton = COCO_17) -> Poses:
    keypoints = np.array(people).reshape(-1, len(skeleton), 2)
    scores = np.linspace(0.9, 0.5, len(keypoints))
    return poses_from(keypoints, np.ones(keypoints.shape[:2]), scores, skeleton, SIZE)


def follow(
    frames: list[list[np.ndarray]], fps: float = 30, skeleton: Skeleton = COCO_17, **options: Any
) -> list[list[int]]:
    """Identities of every frame."""
    tracker = Tracker(skeleton, TrackingSettings(**options))
    found = [
        tracker.update(poses_of(people, skeleton), index / fps).track_ids.tolist()
        for index, people in enumerate(frames)
    ]
    return [[tracker.names.get(number, number) for number in ids] for ids in found]


@pytest.mark.parametrize("skeleton", [COCO_17, OPENPOSE_18, LSP_14, Skeleton("hand", ("a", "b"))])
@pytest.mark.parametrize("association", ["oks", "iou"])
def test_a_walker_keeps_the_same_number(skeleton: Skeleton, association: str) -> None:
    frames = [[body(100 + 4 * index, skeleton)] for index in range(60)]
    assert follow(frames, skeleton=skeleton, association=association) == [[1]] * 60


def test_people_who_cross_keep_their_numbers_with_prediction() -> None:
    frames = []
    for index in range(90):
        first, second = body(100 + 5 * index), body(545 - 5 * index, seed=1)
        # The one behind is hidden while they overlap.
        hidden = abs((100 + 5 * index) - (545 - 5 * index)) < 60
        frames.append([first] if hidden else [first, second])
    ids = follow(frames)
    assert ids[0] == ids[-1] == [1, 2]
    assert all(number[0] == 1 for number in ids)


def test_somebody_hidden_comes_back_under_the_same_number_for_a_while_only() -> None:
    def frames(gap: int) -> list[list[np.ndarray]]:
        return [[] if 20 <= index < 20 + gap else [body(100 + 4 * index)] for index in range(20 + gap + 20)]

    assert follow(frames(20), max_age=1.0)[-1] == [1]
    assert follow(frames(40), max_age=1.0)[-1] == [2]
    assert follow(frames(40), max_age=2.0)[-1] == [1]


def test_a_slow_video_does_not_forget_from_frame_to_frame() -> None:
    assert follow([[body(100)]] * 5, fps=0.5, max_age=0.1) == [[1]] * 5


def test_flickers_never_get_a_number() -> None:
    frames = [[body(100), body(500, seed=3)] if index == 10 else [body(100)] for index in range(20)]
    ids = follow(frames, min_hits=3)
    assert ids[10][0] == 1
    assert ids[10][1] < -1
    assert [1] in ids
    assert all(2 not in numbers for numbers in ids)


def test_joints_that_hide_do_not_matter() -> None:
    rng = np.random.default_rng(4)
    frames = []
    for index in range(60):
        people = [body(100 + 4 * index), body(500 - 2 * index, seed=2)]
        for person in people:
            person[rng.random(17) < 0.6] = np.nan
        frames.append(people)
    assert follow(frames)[-1] == [1, 2]


def test_a_pose_without_joints_is_nobody_but_breaks_nothing() -> None:
    nothing = np.full((17, 2), np.nan)
    ids = follow([[body(100), nothing]] * 4)
    assert [numbers[0] for numbers in ids] == [1] * 4
    assert all(numbers[1] < 0 for numbers in ids)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_people_does_not_matter_and_numbers_are_unique(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 6))
    starts, speeds = rng.uniform(50, 590, count), rng.uniform(-6, 6, count)
    plain, mixed = Tracker(COCO_17), Tracker(COCO_17)
    for index in range(15):
        people = [body(starts[k] + speeds[k] * index, seed=k) + rng.normal(0, 2, (17, 2)) for k in range(count)]
        there = np.flatnonzero(rng.random(count) < 0.8)
        poses = poses_of(people).select(there)
        order = rng.permutation(len(poses))
        first = plain.update(poses, index / 30).track_ids
        second = mixed.update(poses.select(order), index / 30).track_ids
        assert first is not None
        assert second is not None
        assert len(set(first.tolist())) == len(first)
        assert second.tolist() == first[order].tolist()


def test_whether_anybody_was_followed_is_looked_for_once() -> None:
    looks = []

    class Looked(np.ndarray):
        def __eq__(self, other: object) -> Any:
            looks.append(len(self))
            return np.asarray(self) == other

    items = [(index / 30, poses_of([body(100), body(400, seed=1)])) for index in range(20)]
    sequence = PoseSequence.collect(items, COCO_17, SIZE)
    assert all(poses.track_ids is None for poses in sequence)
    followed = sequence.with_ids(np.tile([1, 2], 20))
    object.__setattr__(followed, "track_ids", followed.track_ids.view(Looked))
    assert [len(poses) for poses in followed] == [2] * 20
    assert looks.count(40) == 1
