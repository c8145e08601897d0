"""The result type: filters, boxes, and every way out of it and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posecore.errors import DataError
from posecore.poses import Poses
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton

FLOATS = st.floats(-1e4, 1e4, width=32)


@st.composite
def any_poses(draw) -> Poses:
    skeleton = draw(st.sampled_from([COCO_17, Skeleton("stick", ("a", "b"), ((0, 1),))]))
    people = draw(st.integers(0, 4))
    xy = draw(arrays(np.float32, (people, len(skeleton), 2), elements=FLOATS | st.just(np.nan)))
    xy[np.isnan(xy).any(-1)] = np.nan
    scores = draw(arrays(np.float32, (people, len(skeleton)), elements=st.floats(0, 1, width=32)))
    tracks = draw(st.none() | arrays(np.int64, people, elements=st.integers(0, 99)))
    return Poses(xy, scores, scores.mean(1) if people else np.zeros(0, np.float32), skeleton, (640, 480), tracks)


def same(ours: Poses, theirs: Poses) -> bool:
    tracks = (ours.track_ids, theirs.track_ids)
    return (
        np.array_equal(ours.keypoints, theirs.keypoints, equal_nan=True)
        and np.array_equal(ours.keypoint_scores, theirs.keypoint_scores)
        and np.array_equal(ours.scores, theirs.scores)
        and ours.skeleton == theirs.skeleton
        and ours.image_size == theirs.image_size
        and (len(ours) == 0 or (tracks[0] is None) == (tracks[1] is None))
        and (tracks[0] is None or tracks[1] is None or np.array_equal(*tracks))
    )


@given(any_poses())
def test_json_returns_the_same(poses: Poses) -> None:
    assert same(Poses.from_json(poses.to_json()), poses)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not posecore poses"),
        ('{"format": "posecore.poses", "version": 99}', "version 99"),
        ('{"format": "posecore.poses", "version": 1}', "incomplete"),
        (
            '{"format": "posecore.poses", "version": 1, "skeleton": "elephant", "image_size": [1, 1], "people": []}',
            "elephant",
        ),
        (
            '{"format": "posecore.poses", "version": 1, "skeleton": "coco-17", "image_size": [1, 1], '
            '"people": [{"score": 1, "keypoints": [[1, 2]], "keypoint_scores": [1]}]}',
            "17 keypoints",
        ),
    ],
)
def test_foreign_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Poses.from_json(text)


@given(any_poses(), st.floats(0, 1), st.floats(0, 1))
def test_filter_keeps_what_reaches_the_thresholds(poses: Poses, pose: float, keypoint: float) -> None:
    kept = poses.filter(pose, keypoint)
    assert len(kept) == int((poses.scores >= pose).sum())
    assert not (kept.present & (kept.keypoint_scores < keypoint)).any()
    assert kept.present.sum() <= poses.present.sum()


@given(any_poses())
@settings(deadline=None)
def test_tables_have_a_row_per_keypoint(poses: Poses) -> None:
    table = poses.to_dataframe()
    assert len(table) == len(poses) * len(poses.skeleton)
    assert ("track_id" in table) == (poses.track_ids is not None)
    results = poses.to_coco_results(7)
    assert [result["score"] for result in results] == pytest.approx(poses.scores.tolist())
    assert all(len(result["keypoints"]) == 3 * len(poses.skeleton) for result in results)
    assert all(np.isfinite(result["keypoints"] + result["bbox"]).all() for result in results)


def one(**changes) -> Poses:
    xy = np.full((1, 17, 2), np.nan, np.float32)
    xy[0, :2] = [[10, 20], [30, 15]]
    scores = np.where(np.isnan(xy[..., 0]), 0, 0.5)
    return Poses(xy, scores, np.array([0.5]), COCO_17, (100, 50), **changes)


def test_boxes_ignore_missing_keypoints() -> None:
    assert one().boxes().tolist() == [[10, 15, 30, 20]]
    assert np.isnan(one().filter(keypoint_threshold=0.9).boxes()).all()
    assert one().to_coco_results(1)[0]["bbox"] == [10, 15, 20, 5]


@pytest.mark.parametrize("which", [[], [0], slice(0, 1), np.array([True]), np.array([False])])
def test_select_takes_what_numpy_takes(which) -> None:
    selected = one(track_ids=np.array([4])).select(which)
    assert len(selected) == len(np.zeros(1)[which] if not isinstance(which, list) else which)
    assert selected.track_ids is not None


def test_other_skeleton() -> None:
    other = one().to_skeleton(OPENPOSE_18)
    assert other.keypoints[0, 0].tolist() == [10, 20]
    assert not other.present[0, 1]


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Poses(np.zeros((1, 17, 2)), np.zeros((2, 17)), np.zeros(1), COCO_17, (1, 1))


def test_supervision_is_optional() -> None:
    supervision = pytest.importorskip("supervision", reason="the optional package supervision is not installed")
    assert isinstance(one().to_supervision(), supervision.KeyPoints)
