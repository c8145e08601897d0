"""Measures against values known exactly, and repetitions counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from posecore.errors import SettingsError
from posecore.skeleton import COCO_17, LSP_14, Skeleton
from posecore.video import RepetitionSettings, Track, count_repetitions, count_track, parse_measure

TIMES = np.arange(120) / 30
HIP, KNEE, ANKLE = (COCO_17.index(f"left_{joint}") for joint in ("hip", "knee", "ankle"))


def leg(degrees: np.ndarray, mirrored: bool = False, times: np.ndarray = TIMES) -> Track:
    """A leg whose knee is bent by exactly these angles, the thigh swinging along."""
    keypoints = np.full((len(times), 17, 2), np.nan)
    lean = np.radians(20 * np.sin(times))
    bend = lean + np.radians(degrees)
    keypoints[:, KNEE] = (300, 300)
    keypoints[:, HIP] = 300 + 100 * np.stack([np.sin(lean), -np.cos(lean)], 1)
    keypoints[:, ANKLE] = 300 + 90 * np.stack([np.sin(bend), -np.cos(bend)], 1)
    if mirrored:
        keypoints[..., 0] = 600 - keypoints[..., 0]
    return Track(1, np.arange(len(times)), times, keypoints, np.ones((len(times), 17)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_angles_are_exact_and_end_at_straight(mirrored: bool) -> None:
    degrees = 150 + 50 * np.sin(3 * TIMES)
    values = parse_measure("angle:left_hip-left_knee-left_ankle", COCO_17).values(leg(degrees, mirrored))
    assert degrees.max() > 195
    assert values == pytest.approx(180 - np.abs(180 - degrees), abs=1e-9)


def test_wild_keypoints_never_leave_the_half_turn() -> None:
    track = leg(np.full(120, 178.0))
    track.keypoints[:] += np.random.default_rng(0).normal(0, 60, track.keypoints.shape)
    values = parse_measure("left_knee", COCO_17).values(track)
    assert 0 <= values.min() <= values.max() <= 180


def test_turning_round_changes_no_angle() -> None:
    degrees = 120 + 40 * np.sin(3 * TIMES)
    track, mirrored = leg(degrees), leg(degrees, mirrored=True)
    track.keypoints[60:] = mirrored.keypoints[60:]
    assert parse_measure("left_knee", COCO_17).values(track) == pytest.approx(degrees, abs=1e-9)


def test_one_bad_frame_changes_no_other() -> None:
    track = leg(60 + 40 * np.sin(TIMES))
    before = parse_measure("left_knee", COCO_17).values(track)
    track.keypoints[50:52, ANKLE] = 2 * track.keypoints[50:52, KNEE] - track.keypoints[50:52, ANKLE]
    after = parse_measure("left_knee", COCO_17).values(track)
    assert np.flatnonzero(np.abs(before - after) > 1e-9).tolist() == [50, 51]


def test_a_joint_alone_means_its_angle() -> None:
    short, named, full = (
        parse_measure(text, COCO_17) for text in ("left_knee", "angle:left_knee", "angle:left_hip-left_knee-left_ankle")
    )
    assert short == named == full


def test_angular_velocity_is_exact_for_steady_motion() -> None:
    track = leg(10 + 40 * TIMES)
    assert parse_measure("rate:left_knee", COCO_17).values(track) == pytest.approx(np.full(120, 40.0), abs=1e-6)


def test_gaps_leave_gaps_and_nothing_else() -> None:
    track = leg(60 + 10 * TIMES)
    track.keypoints[50:60, ANKLE] = np.nan
    for text in ("angle:left_knee", "rate:left_knee", "length:left_knee-left_ankle", "speed:left_ankle"):
        values = parse_measure(text, COCO_17).values(track)
        assert set(np.flatnonzero(np.isnan(values))) == set(range(50, 60)), text


def test_lengths_speeds_and_distances() -> None:
    keypoints = np.zeros((120, 17, 2))
    keypoints[:, 0] = np.stack([30 * TIMES, 40 * TIMES], 1)
    track = Track(1, np.arange(120), TIMES, keypoints, np.ones((120, 17)))
    assert parse_measure("speed:nose", COCO_17).values(track) == pytest.approx(np.full(120, 50.0))
    assert parse_measure("distance:nose", COCO_17).values(track) == pytest.approx(50 * TIMES)
    assert parse_measure("length:nose-left_eye", COCO_17).values(track) == pytest.approx(50 * TIMES)
    assert parse_measure("y:nose", COCO_17).values(track) == pytest.approx(40 * TIMES)


@pytest.mark.parametrize(("to", "degrees"), [((0, -9), 0), ((9, 0), 90), ((-9, 0), 90), ((0, 9), 180), ((5, -5), 45)])
def test_tilt_is_from_upright_whichever_way_a_line_leans(to: tuple[int, int], degrees: float) -> None:
    keypoints = np.zeros((3, 17, 2))
    keypoints[:, COCO_17.index("left_shoulder")] = keypoints[:, COCO_17.index("right_shoulder")] = to
    track = Track(1, np.arange(3), TIMES[:3], keypoints, np.ones((3, 17)))
    measure = parse_measure("tilt:mid_hip-neck", COCO_17)
    assert measure.values(track) == pytest.approx([degrees] * 3)
    # In the room, y grows upwards.
    room = replace(track, keypoints=np.concatenate([keypoints * [1, -1], np.zeros((3, 17, 1))], axis=2))
    assert measure.values(room) == pytest.approx([degrees] * 3)


def test_speed_over_uneven_frames() -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.1, 50))
    keypoints = np.zeros((50, 17, 2))
    keypoints[:, 0, 0] = 25 * times
    track = Track(1, np.arange(50), times, keypoints, np.ones((50, 17)))
    assert parse_measure("speed:nose", COCO_17).values(track) == pytest.approx(np.full(50, 25.0))


def test_middles_can_be_named() -> None:
    keypoints = np.zeros((3, 17, 2))
    keypoints[:, COCO_17.index("left_shoulder"), 0] = 10
    track = Track(1, np.arange(3), TIMES[:3], keypoints, np.ones((3, 17)))
    assert parse_measure("x:neck", COCO_17).values(track) == pytest.approx([5, 5, 5])
    assert parse_measure("x:neck", LSP_14).keypoints == ((LSP_14.index("neck"),),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("angel:left_knee", "did you mean 'angle'"),
        ("left_nee", "did you mean 'left_knee'"),
        ("angle:nose", "name three keypoints"),
        ("length:nose", "needs 2"),
        ("speed:left_wirst", "did you mean 'left_wrist'"),
        ("", "no angle of its own"),
    ],
)
def test_mistakes_name_the_nearest(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_measure(text, COCO_17)


def test_keypoints_may_have_hyphens() -> None:
    names = ("left-hip", "left-knee", "left-ankle", "left-knee-pad")
    skeleton = Skeleton("mine", names)
    for text, kind, wanted in (
        ("x:left-knee", "x", (1,)),
        ("length:left-hip-left-ankle", "length", (0, 2)),
        ("length:left-knee-pad-left-knee", "length", (3, 1)),
        ("left-knee", "angle", (0, 1, 2)),
        ("rate:left-hip-left-knee-left-ankle", "rate", (0, 1, 2)),
    ):
        found = parse_measure(text, skeleton)
        assert (found.kind, found.keypoints) == (kind, tuple((index,) for index in wanted))
        assert parse_measure(found.text, skeleton) == found
    with pytest.raises(SettingsError, match="did you mean 'left-knee'"):
        parse_measure("x:left-kne", skeleton)


def test_a_text_with_two_meanings_is_refused() -> None:
    with pytest.raises(SettingsError, match="can be read as a and b-c or a-b and c"):
        parse_measure("length:a-b-c", Skeleton("mine", ("a", "b-c", "a-b", "c")))


def squats(count: float, noise: float = 0.0, rest: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and knee angles: standing, ``count`` times down and up, standing; half a one ends at the bottom."""
    times = np.arange(round((rest + 2 * count) * 30)) / 30
    phase = np.maximum(times - rest, 0) / 2
    angle = 130 + 45 * np.cos(2 * np.pi * phase)
    return times, angle + np.random.default_rng(0).normal(0, noise, len(times)) if noise else angle


@pytest.mark.parametrize("noise", [0.0, 6.0])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_repetitions_are_counted(count: int, noise: float) -> None:
    found = count_repetitions(*squats(count, noise))
    assert (found.count, found.completed) == (count, count)
    assert found.turns == pytest.approx(0.5 + 1 + 2 * np.arange(count), abs=0.25)


def test_a_last_one_that_is_not_completed_is_counted_and_told() -> None:
    found = count_repetitions(*squats(3.6))
    assert (found.count, found.completed) == (4, 3)
    assert np.isnan(found.ends[-1])


def test_what_does_not_move_enough_is_no_repetition() -> None:
    times, values = squats(5)
    assert count_repetitions(times, 170 + 0.1 * values).count == 0
    assert count_repetitions(times, 170 + 0.1 * values, RepetitionSettings(min_amplitude=5)).count == 5
    assert count_repetitions(times, np.full(len(times), np.nan)).count == 0
    assert count_repetitions(np.zeros(0), np.zeros(0)).count == 0


def test_rising_movements_and_gaps() -> None:
    times, values = squats(4)
    values = 200 - values
    values[::7] = np.nan
    assert count_repetitions(times, values).count == 4


def knee(
    count: int,
    period: float = 2.0,
    fps: float = 30.0,
    noise: float = 3.0,
    pause: float = 0.0,
    bad: tuple[int, int] = (0, 0),
    depth: float = 90.0,
    missing: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and knee angles (0 … 180) of ``count`` squats with a second of standing around them.

    Args:
        pause: Seconds of standing after every other one.
        bad: How many stretches of how many frames read anything.
        missing: Share of the frames without a reading.
    """
    random = np.random.default_rng(seed)
    steps = max(round(period * fps), 3)
    one = 180 - depth / 2 * (1 - np.cos(2 * np.pi * (np.arange(steps) + 0.5) / steps))
    still = np.full(round(fps), 180.0)
    waiting = np.full(round(pause * fps), 180.0)
    parts = [part for number in range(count) for part in (one, waiting if number % 2 else waiting[:0])]
    values = np.concatenate([still, *parts, still])
    values = 180 - np.abs(180 - values - random.normal(0, noise, len(values)))
    for _ in range(bad[0]):
        start = int(random.integers(0, len(values) - bad[1]))
        values[start : start + bad[1]] = random.uniform(0, 180, bad[1])
    values[random.random(len(values)) < missing] = np.nan
    return np.arange(len(values)) / fps, values


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"noise": 15.0},
        {"pause": 20.0},
        {"bad": (4, 2)},
        {"missing": 0.2},
        {"depth": 45.0},
        {"period": 0.6},
        {"fps": 10.0},
        {"fps": 4.0},
        {"fps": 60.0, "noise": 5.0},
    ],
    ids=str,
)
def test_counts_are_exact(kind: dict[str, Any]) -> None:
    counts = [1, 2, 3, 5, 8, 12, 20]
    assert [count_repetitions(*knee(count, seed=count, **kind)).count for count in counts] == counts


def test_one_squat_in_a_long_clip_is_counted() -> None:
    values = knee(1)[1]
    still = np.full(1800, 180.0) + np.random.default_rng(1).normal(0, 2, 1800)
    values = np.concatenate([still, values, still])
    assert count_repetitions(np.arange(len(values)) / 30, values).count == 1


@pytest.mark.parametrize("noise", [5.0, 15.0, 30.0])
def test_noise_alone_is_no_repetition(noise: float) -> None:
    values = 120 + np.random.default_rng(3).normal(0, noise, 1800)
    assert count_repetitions(np.arange(1800) / 30, values).count == 0


@pytest.mark.parametrize("seed", range(4))
def test_fast_repetitions_are_counted_though_half_of_the_frames_are_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.arange(30 * 24) / 30
    values = 125 + 45 * np.cos(2 * np.pi * times / 1.2)
    values[rng.random(len(times)) < 0.5] = np.nan
    assert count_repetitions(times, values).count == 20


def test_noise_between_frames_far_apart_adds_no_repetitions() -> None:
    times = np.arange(10 * 40) / 10
    values = 170 - 90 * np.sin(np.pi * times / 5) ** 8
    noisy = values + np.random.default_rng(1).normal(0, 8, len(times))
    noisy[np.random.default_rng(2).random(len(times)) < 0.2] = np.nan
    assert count_repetitions(times, noisy).count == 8


def test_what_is_no_angle_is_judged_by_the_size_of_the_person() -> None:
    times, values = knee(4, noise=0.3)
    counts = {}
    for scale in (0.1, 1.0, 10.0):
        for travel in (0.02, 0.5):
            keypoints = np.zeros((len(times), 17, 2))
            keypoints[:, ANKLE, 1] = 180 * scale
            keypoints[:, 0, 1] = travel * 2 * scale * (values - 180)
            track = Track(1, np.arange(len(times)), times, keypoints, np.ones((len(times), 17)))
            counts[scale, travel] = count_track(track, parse_measure("y:nose", COCO_17)).count
    assert counts == {(scale, travel): 4 if travel > 0.1 else 0 for scale in (0.1, 1.0, 10.0) for travel in (0.02, 0.5)}


def test_rates_are_counted_by_degrees_per_second() -> None:
    times = np.arange(240) / 30
    counts = {}
    for way in (2.0, 20.0):
        # There and back every two seconds: at 20 degrees from the middle, up to 63 degrees per second either way.
        bend = np.radians(120 + way * np.sin(np.pi * times))
        keypoints = np.zeros((len(times), 17, 2))
        keypoints[:, HIP, 1] = -1
        keypoints[:, ANKLE] = np.stack([np.sin(bend), -np.cos(bend)], 1)
        track = Track(1, np.arange(len(times)), times, keypoints, np.ones((len(times), 17)))
        measure = parse_measure("rate:left_knee", COCO_17)
        counts[way] = (
            count_track(track, measure).count,
            count_track(track, measure, RepetitionSettings(min_rate=3)).count,
        )
    assert counts[2.0][0] == 0
    assert counts[2.0][1] == counts[20.0][0] > 2


def test_only_a_steady_pace_is_regular() -> None:
    assert count_repetitions(*knee(5)).regular
    assert not count_repetitions(*knee(2)).regular
    assert not count_repetitions(*knee(6, pause=20)).regular
