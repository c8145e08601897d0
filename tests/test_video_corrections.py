"""Correcting who is who by hand: identities change, positions and everybody else do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from posecore.errors import VideoError
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import (
    Correction,
    PoseSequence,
    SmoothingSettings,
    VideoInfo,
    VideoOptions,
    VideoResult,
    corrected,
    smooth_sequence,
)
from posecore.video.following import smoothed_again
from posecore.video.kept import load_result, save_result
from posecore.video.sequence import SequenceBuilder
from posecore.video.tables import run_facts
from tests.pose_support import poses_from

_SIZE = (640, 360)


def people(*there: tuple[int, float, float]) -> Poses:
    """(identity, where from left to right, score) of everybody in a frame, the best first."""
    keypoints = np.stack([np.full((17, 2), place) + np.arange(17)[:, None] for _, place, _ in there])
    scores = np.array([score for _, _, score in there])
    poses = poses_from(keypoints, np.ones((len(there), 17)), scores, COCO_17, _SIZE)
    return replace(poses, track_ids=np.array([number for number, _, _ in there]))


@pytest.fixture
def crossing() -> PoseSequence:
    """Person 1 walks on; person 2 is lost after frame 3 and comes back as 3, and both are there in frame 3."""
    frames = [people((1, 10 + n, 0.9), (2, 200 + n, 0.8)) for n in range(3)]
    frames.append(people((1, 13, 0.9), (2, 203, 0.4), (3, 203.5, 0.3)))
    frames += [people((1, 10 + n, 0.9), (3, 200 + n, 0.7)) for n in range(4, 6)]
    builder = SequenceBuilder(COCO_17)
    for number, poses in enumerate(frames):
        builder.add(number / 30, poses, number)
    return builder.build(_SIZE)


def where(sequence: PoseSequence, number: int) -> list[float]:
    """Where a person is in frame after frame; NaN where nowhere."""
    track = sequence.tracks()[number]
    return list(track.keypoints[:, 0, 0])


def test_somebody_who_was_lost_is_the_one_before(crossing: PoseSequence) -> None:
    one = corrected(crossing, [Correction("merge", 3, 0.0, 2)])
    assert set(one.tracks()) == {1, 2}
    assert where(one, 2) == [200, 201, 202, 203, 204, 205], "the surer one stays where there were two"
    assert where(one, 1) == where(crossing, 1)
    assert (np.diff(one.frames) >= 0).all()


def test_two_who_were_exchanged_are_themselves_from_a_moment_on(crossing: PoseSequence) -> None:
    # 0.13 is what a player shows of frame 4.
    two = corrected(crossing, [Correction("swap", 1, 0.13, 3)])
    assert where(two, 1) == [10, 11, 12, 13, 204, 205]
    assert where(two, 3) == [203.5, 14, 15]
    again = corrected(crossing, [Correction("swap", 1, 0.13, 3), Correction("swap", 3, 0.13, 1)])
    assert (again.track_ids == crossing.track_ids).all()


def test_somebody_is_left_out_from_a_moment_on(crossing: PoseSequence) -> None:
    assert where(corrected(crossing, [Correction("remove", 1, 0.07)]), 1) == [10, 11]
    assert set(corrected(crossing, [Correction("remove", 1, 0.0)]).tracks()) == {2, 3}


@pytest.mark.parametrize(
    "wrong", [Correction("merge", 2, 0.15, 1), Correction("remove", 9, 0.0), Correction("swap", 1, 0.0, 1)]
)
def test_what_would_change_nobody_is_refused(crossing: PoseSequence, wrong: Correction) -> None:
    with pytest.raises(VideoError, match=r"choose (an earlier second|two people)"):
        corrected(crossing, [wrong])


@pytest.mark.parametrize("smooth", ["none", "live", "offline"])
def test_what_is_smoothed_again_keeps_its_frames_of_the_source(
    crossing: PoseSequence, smooth: Literal["none", "live", "offline"]
) -> None:
    part = replace(crossing, numbers=60 + 5 * crossing.numbers)
    again = smoothed_again(part, VideoOptions(smoothing=SmoothingSettings(smooth=smooth)))
    assert again.numbers.tolist() == part.numbers.tolist()
    assert (np.array_equal(again.keypoints, part.keypoints)) == (smooth == "none")


def test_a_result_remembers_what_was_corrected_and_can_go_back(crossing: PoseSequence, tmp_path: Path) -> None:
    info = VideoInfo(*_SIZE, Fraction(30), 0.2, 6, Fraction(1, 30), "h264", None, 1000)
    options = VideoOptions(smoothing=SmoothingSettings(smooth="offline"))
    poses = smooth_sequence(crossing, options.smoothing)[0]
    found = VideoResult(
        tmp_path / "a.mp4",
        None,
        "stub",
        info,
        poses,
        crossing,
        0.0,
        _SIZE,
        (),
        {"total": 1.0},
        False,
        options,
        mirrored=True,
    )
    merged = Correction("merge", 3, 0.0, 2)
    result = found.with_corrections([merged]).with_corrections([merged, Correction("remove", 1, 0.0)])
    assert set(result.raw.tracks()) == set(result.poses.tracks()) == {2}
    save_result(result, tmp_path / "result.npz")
    loaded = load_result(tmp_path / "result.npz", tmp_path / "a.mp4")
    assert (loaded.corrections, loaded.drawn, loaded.mirrored) == (result.corrections, (), True)
    assert [one["kind"] for one in run_facts(loaded)["corrections"]] == ["merge", "remove"]
    for sequence, other in ((loaded.raw, result.raw), (loaded.poses, result.poses)):
        assert (sequence.track_ids == other.track_ids).all()
    back = loaded.with_corrections([])
    assert back.as_found is None
    assert (back.raw.track_ids == crossing.track_ids).all()
    assert np.array_equal(back.poses.keypoints, poses.keypoints, equal_nan=True)
    save_result(back, tmp_path / "result.npz")
    assert load_result(tmp_path / "result.npz", tmp_path / "a.mp4").corrections == ()
