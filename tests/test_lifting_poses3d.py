"""Poses in space keep their shapes, their scale and what they rest on."""

from __future__ import annotations

import numpy as np
import pytest

from posecore.errors import DataError, SettingsError
from posecore.lifting import LiftedBy, Poses3D
from posecore.lifting.lift import check_scale
from posecore.skeleton import COCO_17

BY = LiftedBy("lifter", "0123", 1.70, False, 640.0, False, (640, 480))


def person(frames: int = 4) -> Poses3D:
    keypoints = np.random.default_rng(0).normal(0, 0.3, (frames, 17, 3)).astype(np.float32)
    keypoints[0, 3, 1] = np.nan
    roots = np.tile(np.array([0.5, 0, 3], np.float32), (frames, 1))
    times = np.arange(frames) / 25
    return Poses3D(keypoints, np.ones((frames, 17), np.float32), roots, COCO_17, times, np.arange(frames), 7, BY)


def test_a_keypoint_is_known_whole_or_not_at_all() -> None:
    lifted = person()
    assert np.isnan(lifted.keypoints[0, 3]).all()
    assert lifted.keypoint_scores[0, 3] == 0
    assert lifted.present.sum() == 4 * 17 - 1


def test_frames_per_second_come_from_the_times() -> None:
    assert person().fps == pytest.approx(25)
    assert person(1).fps == 0


def test_a_taller_person_is_farther_away_and_looks_the_same() -> None:
    lifted = person()
    tall = lifted.scaled(2.0)
    assert tall.lifted_by.height_given
    np.testing.assert_allclose(tall.roots, lifted.roots * 2 / 1.7, rtol=1e-6)
    np.testing.assert_allclose(tall.project(), lifted.project(), rtol=1e-4)


def test_projection_has_the_optical_axis_in_the_middle_of_the_picture() -> None:
    lifted = person()
    expected = (lifted.keypoints[1, 5] + [0.5, 0, 3]).astype(np.float64)
    want = expected[:2] / expected[2] * 640 + [319.5, 239.5]
    np.testing.assert_allclose(lifted.project()[1, 5], want, rtol=1e-5)


def test_some_frames_of_a_clip() -> None:
    part = person().select(slice(1, 3))
    assert part.frames.tolist() == [1, 2]
    assert part.roots.shape == (2, 3)


def test_what_they_rest_on_is_read_back() -> None:
    assert LiftedBy.from_dict(BY.to_dict()) == BY
    for wrong in (None, {}, {**BY.to_dict(), "image_size": [1]}, {**BY.to_dict(), "height": "tall"}):
        with pytest.raises(DataError, match="rest on"):
            LiftedBy.from_dict(wrong)


@pytest.mark.parametrize(("height", "focal"), [(178.0, None), (0.1, None), (float("nan"), None), (None, 0.0)])
def test_a_height_or_focal_length_that_cannot_be_is_refused(height: float | None, focal: float | None) -> None:
    with pytest.raises(SettingsError, match="must"):
        check_scale(height, focal)
