"""Lifted people in the room: floor, bones, held feet, and what is measured, on made-up people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecore.lifting.body import PARENTS, bone_lengths, places_of
from posecore.lifting.contacts import standing, still
from posecore.lifting.ground import find_ground, put_on_ground
from posecore.lifting.measures import in_metres, most_moving, room_measures, room_table, room_values, walking, way
from posecore.lifting.poses3d import Poses3D
from posecore.lifting.room import make_room
from posecore.lifting.settings import LiftSettings
from posecore.lifting.steady import seen_alike, steady_bones
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, map_skeleton
from posecore.video.measures import parse_measure
from tests.motion_support import ANKLE, RATE, STANCE, STEP, STRIDE, seen, stander, walker

ANKLES = [COCO_17.index("left_ankle"), COCO_17.index("right_ankle")]


def noisy(person: Poses3D, seed: int = 0, metres: float = 0.02) -> Poses3D:
    random = np.random.default_rng(seed)
    return replace(
        person, keypoints=person.keypoints + random.normal(0, metres, person.keypoints.shape).astype(np.float32)
    )


@pytest.mark.parametrize("pitch", [0.0, 12.0, 30.0])
def test_the_floor_and_up_are_found_whatever_the_camera_is_tilted_by(pitch: float) -> None:
    room = walker()
    found = make_room([seen(room, pitch=pitch, camera=(0.0, 1.6 + pitch / 20, 6.0))])
    assert found.ground.tilt == pytest.approx(pitch, abs=0.5)
    places = found.people[0].keypoints
    assert np.abs((places - places[:1, :1]) - (room - room[:1, :1])).max() < 0.06
    assert places[..., 1].min() == pytest.approx(room[..., 1].min(), abs=0.01)


def test_where_feet_stood_all_over_the_floor_it_is_a_plane() -> None:
    turned = [walker(direction=angle, start=(x, z)) for angle, x, z in ((0, -2, 0), (120, 2, -1), (240, 1, 2))]
    room = np.concatenate(turned)
    found = make_room([seen(room)])
    assert "across the places" in found.basis
    assert found.ground.tilt == pytest.approx(12.0, abs=0.2)
    assert "stretch" in make_room([seen(walker())]).basis


def test_nobody_upright_leaves_the_camera_level() -> None:
    found = make_room([seen(stander() * [1, -1, 1], pitch=0.0)])
    assert found.ground.tilt == 0
    assert "held level" in found.basis
    assert np.isfinite(found.people[0].keypoints).all()


def test_people_of_one_picture_stand_on_one_floor() -> None:
    rooms = [stander(1) + np.array([x, 0, z]) for x, z in ((-1, 0), (0.2, -2), (1, -5))]
    lifted = [seen(room, track=number) for number, room in enumerate(rooms)]
    wrong = [one.scaled(1.7 * factor) for one, factor in zip(lifted, (1.0, 1.1, 0.9), strict=True)]
    found = make_room([replace(one, keypoints=true.keypoints) for one, true in zip(wrong, lifted, strict=True)])
    assert found.ground.tilt == pytest.approx(12.0, abs=3.0)
    heights = np.array([one.keypoints[0, ANKLES, 1].mean() for one in found.people])
    assert np.ptp(heights) < 0.05
    assert np.abs(heights - ANKLE).max() < 0.1


def test_bones_are_steady_and_people_are_seen_where_they_were() -> None:
    true = seen(walker())
    person = make_room([noisy(true)]).people[0]
    places = person.places()
    for place, parent in PARENTS.items():
        lengths = np.linalg.norm(places[place] - places[parent], axis=1)
        assert np.ptp(lengths) < 1e-5, place
    lengths = bone_lengths(places)
    assert lengths["left_knee"] == pytest.approx(lengths["right_knee"]) == pytest.approx(0.46, abs=0.005)


def test_steady_bones_reproject_within_the_noise() -> None:
    true = seen(walker())
    person = noisy(true)
    shift = np.linalg.norm(steady_bones(person).project() - person.project(), axis=-1)
    noise = np.linalg.norm(true.project() - person.project(), axis=-1)
    assert np.median(shift) < np.median(noise)


def test_held_feet_stay_where_they_stand_and_legs_as_long() -> None:
    person = noisy(seen(walker()), metres=0.01)
    free, held = (make_room([person], LiftSettings(hold_feet=hold)).people[0] for hold in (False, True))
    up = np.array([0.0, 1.0, 0.0])
    for ankle in ANKLES:
        stands = standing(free.keypoints[:, ankle], free.times, up)
        inside = stands & np.roll(stands, 1) & np.roll(stands, -1)
        inside[[0, -1]] = False
        assert 0.3 < inside.mean() < 0.8
        slips = [np.linalg.norm(np.diff(one.keypoints[:, ankle], axis=0), axis=1)[inside[1:]] for one in (free, held)]
        assert np.median(slips[1]) < 1e-6 < np.median(slips[0])
    before, after = (bone_lengths(one.places()) for one in (free, held))
    assert after == pytest.approx(before, abs=1e-3)


@pytest.mark.parametrize("metres", [0.0, 0.015])
def test_walking_is_measured(metres: float) -> None:
    found = walking(make_room([noisy(seen(walker(8.0)), metres=metres)]).people[0])
    assert not isinstance(found, str)
    assert found.cadence == pytest.approx(120 / STRIDE, rel=0.04)
    for side in ("left", "right"):
        assert found.step_lengths[side] == pytest.approx(STEP, abs=0.03)
        assert found.stance[side] == pytest.approx(STANCE, abs=0.04)
    assert found.speed == pytest.approx(2 * STEP / STRIDE, rel=0.06)


def test_who_stands_does_squats_or_is_seen_once_does_not_walk() -> None:
    squats = stander(300, 60 - 60 * np.cos(np.arange(300) / RATE * 2))
    for room, words in ((stander(90), "at least twice"), (squats, "No walking"), (stander(1), "One picture")):
        found = walking(make_room([seen(room)]).people[0])
        assert isinstance(found, str)
        assert words in found


def test_way_and_speed_are_in_metres() -> None:
    person = make_room([seen(walker(6.0))]).people[0]
    gone = np.linalg.norm(np.diff(way(person), axis=0), axis=1).sum()
    assert gone == pytest.approx((6.0 - 1 / RATE) * 2 * STEP / STRIDE, rel=0.01)
    speed = in_metres(parse_measure("speed:mid_hip", COCO_17))
    table = room_table([person], [speed])
    assert set(table["unit"]) == {"m/s"}
    assert table["value"].median() == pytest.approx(2 * STEP / STRIDE, rel=0.02)


def test_ways_and_speeds_do_not_lead_across_a_cut() -> None:
    person = make_room([seen(walker(4.0))]).people[0]
    leapt = person.moved(person.keypoints + np.where(np.arange(120) < 60, 0.0, 3.0)[:, None, None] * [1.0, 0.0, 0.0])
    for text, tolerance in (("speed:mid_hip", 0.15), ("distance:mid_hip", 0.1)):
        measure = in_metres(parse_measure(text, COCO_17))
        whole, parted = room_values(measure, person), room_values(measure, leapt)
        np.testing.assert_allclose(parted, whole, atol=tolerance)
    assert np.diff(way(leapt), axis=0).max() == pytest.approx(3.0, abs=0.2)


def test_angles_in_space_do_not_depend_on_where_the_camera_is() -> None:
    bent = np.linspace(0, 120, 60)
    room = stander(60, bent)
    knee = next(one for one in room_measures(COCO_17) if "left_knee" in one.names[1:2])
    for camera, pitch in (((0.0, 1.6, 6.0), 12.0), ((3.0, 1.0, 6.0), 0.0)):
        person = make_room([seen(room, camera=camera, pitch=pitch)]).people[0]
        assert knee.values(person) == pytest.approx(180 - bent, abs=1e-2)


def test_half_of_the_joints_missing_leaves_a_figure() -> None:
    whole = seen(walker())
    missing = np.random.default_rng(4).random(whole.present.shape) < 0.5
    found = make_room(
        [replace(whole, keypoints=np.where(missing[..., None], np.nan, whole.keypoints).astype(np.float32))]
    )
    person = found.people[0]
    assert (person.present == ~missing).all()
    assert np.nanmax(np.abs(person.keypoints)) < 10


def test_people_of_whom_nothing_is_known_are_left_out() -> None:
    nobody = seen(np.full((5, 17, 3), np.nan))
    assert make_room([nobody]).people == ()
    assert "Nobody" in make_room([]).basis


def test_several_people_keep_their_places_to_each_other() -> None:
    rooms = [walker(), walker() + np.array([0.8, 0, -1.5])]
    one, other = make_room([seen(room, track=number) for number, room in enumerate(rooms, 1)]).people
    shift = (other.keypoints - one.keypoints).reshape(-1, 3)
    assert np.median(shift, axis=0) == pytest.approx([0.8, 0.0, -1.5], abs=0.03)


def test_places_of_other_skeletons() -> None:
    room = walker()[:3]
    for skeleton in (OPENPOSE_18, LSP_14):
        flat = room.reshape(-1, 17, 3)
        indices = map_skeleton(COCO_17, skeleton).sources
        mapped = np.stack([flat[:, list(one)].mean(1) if one else np.full((3, 3), np.nan) for one in indices], 1)
        places = places_of(mapped, skeleton)
        assert np.allclose(places["left_knee"], room[:, COCO_17.index("left_knee")])
        assert np.allclose(places["mid_hip"], room[:, [11, 12]].mean(1))


def test_a_given_height_scales_everything_and_is_said() -> None:
    person = seen(walker())
    assumed, given = make_room([person]), make_room([person], LiftSettings(height=1.87))
    assert "1.70 m, which is assumed" in assumed.basis
    assert "1.87 m, and" in given.basis
    ratio = given.people[0].keypoints / assumed.people[0].keypoints
    assert np.median(ratio) == pytest.approx(1.1, abs=1e-3)


def test_the_joint_that_moves_most_is_named() -> None:
    squats = stander(120, 50 - 50 * np.cos(np.arange(120) / RATE * 2))
    assert "knee" in most_moving(make_room([seen(squats)]).people[0]).names[1]


def test_who_stands_on_the_hands_is_above_the_floor() -> None:
    person = make_room([seen(stander() * [1, -1, 1], pitch=0.0)]).people[0]
    assert 0 < np.nanmin(person.keypoints[..., 1]) < 0.2


def test_frames_of_which_nothing_is_known_stay_unknown_and_disturb_nothing() -> None:
    person = seen(walker())
    keypoints = person.keypoints.copy()
    keypoints[::7] = np.nan
    found = make_room([replace(person, keypoints=keypoints)], LiftSettings(hold_feet=True))
    assert found.ground.tilt == pytest.approx(12.0, abs=0.5)
    assert not found.people[0].present[::7].any()
    assert found.people[0].present[1::7].all()


def test_standing_feet_are_on_one_floor_though_knees_are_lifted_less_bent_than_they_are() -> None:
    bent = 50 - 50 * np.cos(np.arange(180) / RATE * 2)
    true, lifted = seen(stander(180, bent)), seen(stander(180, 0.6 * bent))
    person = replace(lifted, roots=seen_alike(lifted, true).astype(np.float32))
    before = put_on_ground(person, find_ground([person])).keypoints
    after = make_room([person]).people[0].keypoints
    for ankle in ANKLES:
        assert np.ptp(before[:, ankle, 1]) > 0.1
        assert np.ptp(after[:, ankle, 1]) < 0.03
        assert np.abs(after[:, ankle, 1] - ANKLE).max() < 0.03


def test_jumps_stay_jumps() -> None:
    room = stander(90)
    seconds = np.arange(90) / RATE - 1
    room[..., 1] += np.clip(2.8 * seconds - 9.81 / 2 * seconds**2, 0, None)[:, None]
    found = make_room([seen(room)]).people[0]
    assert np.ptp(found.keypoints[:, ANKLES[0], 1]) == pytest.approx(0.4, abs=0.05)


def test_how_fast_a_foot_is_goes_by_the_time_of_each_frame() -> None:
    times = np.concatenate([np.arange(0, 1, 0.1), np.arange(1, 4, 1 / 60)])
    slow, fast = (np.outer(speed * times, [1.0, 0.0, 0.0]) for speed in (0.3, 0.6))
    assert still(slow, times).all()
    assert not still(fast, times)[5:-5].any()
