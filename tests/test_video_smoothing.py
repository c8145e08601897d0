"""Smoothing and repairs: what is constant stays, what is missing for long stays missing, what is wrong is mended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import OneEuro, PoseSequence, SmoothingSettings, Track, smooth_sequence, smooth_track
from posecore.video.smoothing import LiveSmoother, fill_gaps, repair_outliers, repair_swaps, zero_phase
from tests.pose_support import poses_from

LEFT, RIGHT = COCO_17.index("left_ankle"), COCO_17.index("right_ankle")
SIZE = 200.0


def walker(count: int = 240, fps: float = 30.0, noise: float = 0.0, seed: int = 0) -> Track:
    """A person who walks on the spot, seen from the side: the ankles pass each other."""
    rng = np.random.default_rng(seed)
    times = np.arange(count) / fps
    keypoints = np.zeros((count, 17, 2))
    keypoints[..., 1] = np.linspace(100, 100 + SIZE, 17)
    keypoints[..., 0] = 150 + 3 * np.arange(17)
    swing = 40 * np.sin(2 * np.pi * 0.8 * times)
    keypoints[:, LEFT, 0], keypoints[:, RIGHT, 0] = 150 + swing, 150 - swing
    keypoints[:, LEFT, 1] = keypoints[:, RIGHT, 1] = 300
    keypoints += rng.normal(0, noise, keypoints.shape) if noise else 0
    return Track(1, np.arange(count), times, keypoints, np.ones((count, 17)))


def changed(track: Track, keypoints: np.ndarray) -> Track:
    return Track(track.track_id, track.frames, track.times, keypoints, track.scores)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.3, 20), st.booleans())
def test_what_stands_still_stays_where_it_is(seed: int, cutoff: float, even: bool) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    times = np.arange(count) / 30 if even else np.cumsum(rng.uniform(0.01, 0.2, count))
    place = rng.uniform(0, 2000, (17, 2))
    track = Track(1, np.arange(count), times, np.tile(place, (count, 1, 1)), np.ones((count, 17)))
    after, _ = smooth_track(track, COCO_17, SmoothingSettings(smooth="offline", cutoff=cutoff))
    assert after.keypoints == pytest.approx(track.keypoints, abs=1e-6)
    live = OneEuro()
    assert np.stack([live(place, time, 100) for time in times]) == pytest.approx(track.keypoints, abs=1e-9)


def test_zero_phase_calms_without_lag() -> None:
    clean, noisy = walker(), walker(noise=2)
    smooth = zero_phase(noisy, 5.0)
    error = np.sqrt(((smooth.keypoints - clean.keypoints) ** 2).mean())
    assert error < 0.7 * np.sqrt(((noisy.keypoints - clean.keypoints) ** 2).mean())
    ankle, truth = smooth.keypoints[:, LEFT, 0] - 150, clean.keypoints[:, LEFT, 0] - 150
    lags = {shift: float((np.roll(ankle, -shift) * truth)[10:-10].sum()) for shift in range(-3, 4)}
    assert max(lags, key=lambda shift: lags[shift]) == 0


def test_zero_phase_on_uneven_frames_and_slow_videos() -> None:
    rng = np.random.default_rng(1)
    keep = np.sort(rng.choice(240, 200, replace=False))
    whole = walker(noise=2)
    uneven = Track(1, np.arange(200), whole.times[keep], whole.keypoints[keep], whole.scores[keep])
    truth = walker().keypoints[keep]
    after = zero_phase(uneven, 5.0).keypoints
    assert np.sqrt(((after - truth) ** 2).mean()) < 0.8 * np.sqrt(((uneven.keypoints - truth) ** 2).mean())
    slow = walker(count=40, fps=5, noise=2)
    assert np.array_equal(zero_phase(slow, 5.0).keypoints, slow.keypoints)


def test_gaps_are_filled_up_to_the_limit_only() -> None:
    track = walker(count=60)
    keypoints = track.keypoints.copy()
    keypoints[:5, 0] = keypoints[55:, 0] = np.nan
    keypoints[20:25, 0] = np.nan
    keypoints[30:50, 0] = np.nan
    after = fill_gaps(changed(track, keypoints), max_gap=0.3)
    missing = np.isnan(after.keypoints[:, 0, 0])
    assert set(np.flatnonzero(missing)) == {*range(5), *range(30, 50), *range(55, 60)}
    assert after.keypoints[20:25, 0] == pytest.approx(track.keypoints[20:25, 0])
    nothing = fill_gaps(changed(track, keypoints), max_gap=0)
    assert np.isnan(nothing.keypoints[20:25, 0]).all()


def test_filled_joints_take_the_lower_score() -> None:
    track = walker(count=10)
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    keypoints[4:6, 3], scores[4:6, 3], scores[6, 3] = np.nan, 0, 0.4
    after = fill_gaps(Track(1, track.frames, track.times, keypoints, scores), 1.0)
    assert after.scores[4:6, 3] == pytest.approx(0.4)


def test_outliers_go_and_fast_motion_stays() -> None:
    track = walker(noise=1)
    keypoints = track.keypoints.copy()
    wild = np.random.default_rng(2).random((240, 17)) < 0.02
    wild[:2] = wild[-2:] = False
    keypoints[wild] += 60
    after = repair_outliers(changed(track, keypoints))
    gone = np.isnan(after.keypoints[..., 0])
    assert (gone & wild).sum() > 0.8 * wild.sum()
    assert not (gone & ~wild).any()


def test_swapped_sides_are_given_back_and_crossing_legs_left_alone() -> None:
    track = walker(noise=1)
    assert np.array_equal(repair_swaps(track, COCO_17).keypoints, track.keypoints)
    keypoints = track.keypoints.copy()
    for start, stop in ((8, 12), (85, 86), (120, 130)):
        keypoints[start:stop, [LEFT, RIGHT]] = keypoints[start:stop, [RIGHT, LEFT]]
    after = repair_swaps(changed(track, keypoints), COCO_17)
    wrong = np.abs(after.keypoints - track.keypoints).max((1, 2)) > 1e-9
    assert wrong.sum() <= 2


def test_one_euro_lags_little_in_motion_and_calms_at_rest() -> None:
    clean, noisy = walker(), walker(noise=2)
    live = OneEuro()
    smooth = np.stack([live(one, time, SIZE) for one, time in zip(noisy.keypoints, noisy.times, strict=True)])
    rest = slice(0, 10)
    jitter = np.abs(np.diff(smooth[30:, rest], axis=0)).mean()
    assert jitter < 0.5 * np.abs(np.diff(noisy.keypoints[30:, rest], axis=0)).mean()
    assert np.abs(smooth[30:, LEFT, 0] - clean.keypoints[30:, LEFT, 0]).mean() < 6


def test_one_euro_keeps_missing_joints_missing_and_begins_anew_after_long() -> None:
    live = OneEuro()
    for index in range(10):
        live(np.zeros((1, 2)), index / 30, 100)
    assert np.isnan(live(np.full((1, 2), np.nan), 10 / 30, 100)).all()
    assert 0 < live(np.full((1, 2), 10.0), 11 / 30, 100)[0, 0] < 10
    assert live(np.full((1, 2), 50.0), 5.0, 100)[0, 0] == 50


def test_every_step_shows_before_and_after() -> None:
    track = walker(noise=1)
    keypoints = track.keypoints.copy()
    keypoints[100, 0] += 80
    keypoints[50:53, 4] = np.nan
    after, changes = smooth_track(changed(track, keypoints), COCO_17, SmoothingSettings(smooth="offline"))
    assert [change.step for change in changes] == ["swaps", "outliers", "gaps", "filter"]
    assert changes[1].changed[100, 0]
    assert changes[2].changed[50:53, 4].all()
    assert changes[2].before is changes[1].after
    assert changes[-1].after is after
    only, few = smooth_track(
        track, COCO_17, SmoothingSettings(repair_outliers=False, repair_swaps=False, max_gap=0, smooth="offline")
    )
    assert [change.step for change in few] == ["filter"]
    assert len(only) == len(track)


def test_a_sequence_keeps_frames_and_gains_people_in_gaps() -> None:
    def frames() -> Iterator[tuple[float, Poses]]:
        for index in range(30):
            there = not 10 <= index < 14
            keypoints = walker(30).keypoints[index][None]
            poses = poses_from(keypoints, np.ones((1, 17)), [0.5 + 0.01 * index], COCO_17, (640, 480), np.array([7]))
            yield index / 30, poses if there else poses.select([])

    sequence = PoseSequence.collect(frames(), COCO_17, (640, 480))
    after, changes = smooth_sequence(sequence, SmoothingSettings(smooth="offline"))
    assert len(after) == len(sequence) == 30
    assert [len(poses) for poses in sequence][8:16] == [1, 1, 0, 0, 0, 0, 1, 1]
    assert [len(poses) for poses in after] == [1] * 30
    assert after[12].scores[0] == pytest.approx(0.59)
    assert set(changes) == {7}
    assert np.array_equal(after.frames, np.arange(30))


def test_live_smoothing_needs_identities() -> None:
    with pytest.raises(ValueError, match="track_ids"):
        LiveSmoother().update(Poses.empty(COCO_17, (10, 10)), 0.0)
