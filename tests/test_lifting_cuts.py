"""Clips that go wrong for lifting: cuts, people who are taken for each other, and whoever is hardly seen."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.lifting import LiveLifter, Poses3D, lift
from posecore.lifting.cuts import unbroken
from posecore.lifting.room import make_room
from posecore.skeleton import COCO_17
from posecore.video.sequence import PoseSequence
from tests.motion_support import RATE, seen, stander, walker
from tests.pose_support import poses_from

THIGH = [COCO_17.index("left_hip"), COCO_17.index("left_knee")]


def drawn(pictures: np.ndarray, like: Poses3D) -> PoseSequence:
    """A clip of one followed person, ``(T, 17, 2)`` pixels."""
    size = like.lifted_by.image_size
    frames = [poses_from(xy[None], np.ones((1, 17)), np.ones(1), COCO_17, size, np.array([1])) for xy in pictures]
    return PoseSequence.collect(((n / RATE, poses) for n, poses in enumerate(frames)), COCO_17, size)


def alone(clip: PoseSequence) -> Poses3D:
    (person,) = lift(clip, focal=1200.0)
    return person


def near() -> Poses3D:
    return seen(walker(1.5, 20.0, (-0.6, 1.5)))


def far() -> Poses3D:
    return seen(walker(1.5, 170.0, (3.5, -4.0)))


def test_a_cut_is_found_where_it_is_and_movement_is_none() -> None:
    first, second = near().project(), far().project()
    times = np.arange(90) / RATE
    assert unbroken(np.concatenate([first, second]), times) == [slice(0, 45), slice(45, 90)]
    assert unbroken(first, times[:45]) == [slice(0, 45)]
    fast = seen(stander(45) + np.linspace(0, 9, 45)[:, None, None] * [1, 0, 0]).project()
    assert unbroken(fast, times[:45]) == [slice(0, 45)]
    closer = first[20] + (first[20] - first[20].mean(0)) * np.r_[np.zeros(9), np.ones(9)][:, None, None]
    assert unbroken(closer, times[:18]) == [slice(0, 9), slice(9, 18)]


def test_what_is_hardly_seen_or_wrong_for_a_moment_is_no_cut() -> None:
    pictures, times = near().project(), np.arange(45) / RATE
    assert unbroken(np.full((4, 17, 2), np.nan), times[:4]) == [slice(0, 4)]
    assert unbroken(pictures[:1], times[:1]) == [slice(0, 1)]
    wrong = pictures.copy()
    wrong[20:22] += 400
    wrong[30, 9:] = np.nan
    assert unbroken(wrong, times) == [slice(0, 45)]
    away = pictures.copy()
    away[10:40] = np.nan
    away[40:] += 150
    assert unbroken(away, times) == [slice(0, 45)]


def test_scenes_are_lifted_as_if_each_were_a_clip() -> None:
    first, second = near(), far()
    clip = drawn(np.concatenate([first.project(), second.project()]), first)
    both = alone(clip)
    for part, one in ((slice(0, 45), first), (slice(45, 90), second)):
        single = alone(drawn(one.project(), one))
        np.testing.assert_allclose(both.keypoints[part], single.keypoints, atol=1e-5)
    live, size = LiveLifter(focal=1200.0), first.lifted_by.image_size
    newest = [live.update(poses, time)[0] for time, poses in zip(clip.times[:46].tolist(), clip, strict=False)][-1]
    np.testing.assert_allclose(newest.keypoints[0], alone(drawn(second.project()[:1], second)).keypoints[0], atol=1e-4)
    assert size == newest.lifted_by.image_size
    hips = make_room([both]).people[0].places()["mid_hip"]
    # Smoothed over the cut, somebody would glide from scene to scene.
    assert np.linalg.norm(np.diff(hips[43:48], axis=0), axis=1).argmax() == 1
    assert np.linalg.norm(np.diff(hips, axis=0), axis=1)[[42, 43, 45, 46]].max() < 0.2


def test_taken_for_somebody_who_crosses_nobody_is_stretched() -> None:
    one, other = seen(walker(2.0, 0.0, (-1.2, 1.0))), seen(walker(2.0, 180.0, (1.2, 0.2)))
    ours, theirs = one.project(), other.project()
    crossing = int(np.linalg.norm(ours - theirs, axis=-1).mean(1).argmin())
    person = alone(drawn(np.concatenate([ours[:crossing], theirs[crossing:]]), one))
    thighs = np.linalg.norm(np.diff(person.keypoints[:, THIGH], axis=1)[:, 0], axis=1)
    assert 0.75 < thighs.min() / np.median(thighs) < thighs.max() / np.median(thighs) < 1.25
    room = make_room([person]).people[0]
    steady = np.linalg.norm(np.diff(room.keypoints[:, THIGH], axis=1)[:, 0], axis=1)
    np.testing.assert_allclose(steady, steady[0], rtol=1e-4)


@pytest.mark.parametrize("how", ["upside down", "half", "one frame", "nothing", "infinite"])
def test_whoever_is_hard_to_see_is_a_sane_figure(how: str) -> None:
    person = near()
    pictures = person.project().copy()
    if how == "upside down":
        pictures = person.lifted_by.image_size - pictures
    elif how == "half":
        pictures[np.random.default_rng(0).random(pictures.shape[:2]) < 0.5] = np.nan
    elif how == "one frame":
        pictures = pictures[:1]
    elif how == "nothing":
        pictures[10:] = np.nan
    else:
        pictures[::7, 3, 0] = np.inf
        pictures[5, :, 1] = np.nan
    lifted = alone(drawn(pictures, person))
    known = lifted.keypoints[lifted.present]
    assert lifted.present.any()
    assert np.abs(known).max() < 1.7
    assert not lifted.present[30:].any() or how != "nothing"
    room = make_room([lifted])
    there = room.people[0].keypoints[room.people[0].present]
    assert np.isfinite(there).all()
    assert -0.5 < there[:, 1].min() < there[:, 1].max() < 2.6
    assert room.ground.tilt <= 50
