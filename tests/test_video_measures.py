"""Measures against values known exactly, and repetitions counted."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.errors import SettingsError
from posecore.skeleton import COCO_17, LSP_14
from posecore.video import RepetitionSettings, Track, count_repetitions, parse_measure

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
def test_angles_are_exact_and_go_on_past_straight(mirrored: bool) -> None:
    degrees = 150 + 50 * np.sin(3 * TIMES)
    values = parse_measure("angle:left_hip-left_knee-left_ankle", COCO_17).values(leg(degrees, mirrored))
    assert degrees.max() > 195
    assert values == pytest.approx(degrees, abs=1e-9)


def test_a_joint_alone_means_its_angle() -> None:
    short, named, full = (
        parse_measure(text, COCO_17) for text in ("left_knee", "angle:left_knee", "angle:left_hip-left_knee-left_ankle")
    )
    assert short == named == full


def test_angular_velocity_is_exact_for_steady_motion() -> None:
    track = leg(60 + 45 * TIMES)
    assert parse_measure("rate:left_knee", COCO_17).values(track) == pytest.approx(np.full(120, 45.0), abs=1e-6)


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
