"""One movement held against another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecore.errors import SettingsError
from posecore.skeleton import COCO_17, Skeleton
from posecore.video import Track
from posecore.video.motion import align, compare_motion


def leg(angles: NDArray[np.float64], times: NDArray[np.float64], side: str = "left") -> Track:
    """Somebody of whom one leg is seen, with these angles of the knee."""
    keypoints = np.full((len(times), 17, 2), np.nan)
    hip, knee, ankle = (COCO_17.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    turn = np.radians(angles)
    keypoints[:, hip], keypoints[:, knee] = (100, 0), (100, 100)
    keypoints[:, ankle] = np.stack([100 + 80 * np.sin(turn), 100 - 80 * np.cos(turn)], axis=1)
    scores = np.isfinite(keypoints[..., 0]).astype(float)
    return Track(1, np.arange(len(times)), times, keypoints, scores)


def squat(times: NDArray[np.float64], pace: float = 1.0, depth: float = 80.0) -> NDArray[np.float64]:
    """The knee's angle while somebody goes down and up once in 4 seconds at pace 1."""
    phase = np.clip(times * pace / 4, 0, 1)
    return np.asarray(170 - depth * np.sin(np.pi * phase) ** 2)


def test_whoever_is_slower_does_the_same() -> None:
    quick, slow = np.arange(0, 4, 1 / 30), np.arange(0, 8, 1 / 25)
    found = compare_motion(leg(squat(quick), quick), COCO_17, leg(squat(slow, 0.5), slow), COCO_17)
    assert [measure.text for measure in found.measures] == ["angle:left_hip-left_knee-left_ankle"]
    assert found.mean < 1.5
    assert np.abs(found.times[:, 1] - 2 * found.times[:, 0]).max() < 1.0
    assert (np.diff(found.times, axis=0) >= 0).all()


def test_what_differs_is_found_with_its_time() -> None:
    times = np.arange(0, 4, 1 / 30)
    found = compare_motion(leg(squat(times), times), COCO_17, leg(squat(times, depth=50), times), COCO_17)
    joint = found.joints()[0]
    assert found.differences.max() == pytest.approx(30, abs=1.5)
    assert (joint.time, joint.other_time) == pytest.approx((2, 2), abs=0.3)
    table = found.table()
    assert list(table.columns) == ["time", "other_time", "measure", "value", "other_value", "difference"]
    assert table.difference.abs().max() == pytest.approx(30, abs=1.5)


def test_a_mirror_image_and_angles_that_one_lacks() -> None:
    times = np.arange(0, 4, 1 / 30)
    one, other = leg(squat(times), times), leg(squat(times), times, "right")
    assert compare_motion(one, COCO_17, other, COCO_17, mirrored=True).mean == pytest.approx(0, abs=1e-6)
    with pytest.raises(SettingsError, match="No angle is known often enough"):
        compare_motion(one, COCO_17, other, COCO_17)
    head = Skeleton("head", ("nose",))
    with pytest.raises(SettingsError, match="No angle is known often enough"):
        compare_motion(one, COCO_17, other, head)
    with pytest.raises(SettingsError, match="no keypoint 'left_hip'"):
        compare_motion(one, COCO_17, other, head, ["left_knee"])
    with pytest.raises(SettingsError, match="no angle"):
        compare_motion(one, COCO_17, other, COCO_17, ["speed:nose"])


def test_gaps_are_brought_along() -> None:
    times = np.arange(0, 4, 1 / 30)
    gappy = leg(squat(times), times)
    gappy.keypoints[30:60] = np.nan
    found = compare_motion(leg(squat(times), times), COCO_17, gappy, COCO_17)
    assert found.mean < 1.5
    assert np.isnan(found.differences).any()


_series = st.lists(st.integers(0, 180) | st.just(None), min_size=1, max_size=7)


@given(one=_series, other=_series)
def test_no_other_way_is_shorter(one: list[int | None], other: list[int | None]) -> None:
    first, second = (np.array([[np.nan if v is None else v] for v in values], float) for values in (one, other))
    rows, columns = align(first, second)
    assert (rows[0], columns[0], rows[-1], columns[-1]) == (0, 0, len(one) - 1, len(other) - 1)
    steps = np.stack([np.diff(rows), np.diff(columns)], 1)
    assert {tuple(step) for step in steps} <= {(1, 1), (1, 0), (0, 1)}
    cost = np.abs(first - second.T)
    cost = np.where(np.isfinite(cost), cost, np.nanmean(cost) if np.isfinite(cost).any() else 0.0)
    weights = [2, *steps.sum(1)]
    taken = sum(weight * cost[row, column] for weight, row, column in zip(weights, rows, columns, strict=True))
    best: dict[tuple[int, int], float] = {}
    for row in range(len(one)):
        for column in range(len(other)):
            here = cost[row, column]
            ways = [
                best.get((row - 1, column - 1), np.inf) + 2 * here,
                best.get((row - 1, column), np.inf) + here,
                best.get((row, column - 1), np.inf) + here,
            ]
            best[row, column] = 2 * here if row == column == 0 else min(ways)
    assert taken == pytest.approx(best[len(one) - 1, len(other) - 1])
