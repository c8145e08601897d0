"""The result type: filters, boxes, and every way out of it and back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posecore.errors import DataError
from posecore.poses import MadeBy, Poses
from posecore.results import coco_file, keypoint_table, safe_table
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from tests.pose_support import poses_from

FLOATS = st.floats(-1e4, 1e4, width=32)


@st.composite
def any_poses(draw: st.DrawFn) -> Poses:
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
        and (tracks[0] is None or tracks[1] is None or np.array_equal(tracks[0], tracks[1]))
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


def one(**changes: Any) -> Poses:
    xy = np.full((1, 17, 2), np.nan, np.float32)
    xy[0, :2] = [[10, 20], [30, 15]]
    scores = np.where(np.isnan(xy[..., 0]), 0, 0.5)
    return Poses(xy, scores, np.array([0.5]), COCO_17, (100, 50), **changes)


def test_boxes_ignore_missing_keypoints() -> None:
    assert one().boxes().tolist() == [[10, 15, 30, 20]]
    assert np.isnan(one().filter(keypoint_threshold=0.9).boxes()).all()
    assert one().to_coco_results(1)[0]["bbox"] == [10, 15, 20, 5]


@pytest.mark.parametrize("which", [[], [0], slice(0, 1), np.array([True]), np.array([False])])
def test_select_takes_what_numpy_takes(which: Any) -> None:
    selected = one(track_ids=np.array([4])).select(which)
    assert len(selected) == len(np.zeros(1)[which] if not isinstance(which, list) else which)
    assert selected.track_ids is not None


def test_other_skeleton() -> None:
    other = one().to_skeleton(OPENPOSE_18)
    assert other.keypoints[0, 0].tolist() == [10, 20]
    assert not other.present[0, 1]


MADE = MadeBy("1.0", "net.tag", "abc", "picture", (0.0, 0.0, 10.0, 10.0), {"stride": 16}, {"pose_threshold": 0.3})


def test_json_says_how_poses_were_made() -> None:
    made = one(made_by=MADE)
    again = Poses.from_json(made.to_json())
    assert again.made_by == MADE
    assert again.image_size == (100, 50)
    assert "made_by" not in one().to_dict()
    assert Poses.from_json(one().to_json()).made_by is None
    assert made.select([0]).filter(0.1, 0.1).to_skeleton(OPENPOSE_18).resized((50, 25)).made_by == MADE


@pytest.mark.parametrize(
    "change",
    [
        {"people": [{"score": float("nan"), "keypoints": [None] * 17, "keypoint_scores": [0] * 17}]},
        {"people": [{"score": 1, "keypoints": [[1, float("inf")]] + [None] * 16, "keypoint_scores": [0] * 17}]},
        {"people": [{"score": 1, "keypoints": [[1, 1e300]] + [None] * 16, "keypoint_scores": [0] * 17}]},
        {"people": [{"score": 10**400, "keypoints": [None] * 17, "keypoint_scores": [0] * 17}]},
        {"people": [{"score": 1, "keypoints": [None] * 17, "keypoint_scores": [0] * 17, "track_id": 2**70}]},
        {"people": [[]]},
        {"people": {"a": 1}},
        {"image_size": [0, 10]},
        {"image_size": [float("inf"), 10]},
        {"skeleton": {"name": "a", "keypoints": [1], "edges": [], "flip_pairs": [], "sigmas": []}},
        {"made_by": {"posecore": 1}},
        {"made_by": []},
        {"made_by": {**asdict(MADE), "decode_settings": {"pose_threshold": float("inf")}}},
    ],
)
def test_poses_with_impossible_numbers_are_refused(change: dict[str, Any]) -> None:
    data = {**one().to_dict(), **change}
    with pytest.raises(DataError):
        Poses.from_dict(data)
    with pytest.raises(DataError):
        Poses.from_json(json.dumps(data))


def test_deeply_nested_poses_are_refused() -> None:
    with pytest.raises(DataError, match="nested too deeply"):
        Poses.from_json("[" * 100_000)


def test_tables_run_no_formulas() -> None:
    skeleton = Skeleton("=A1", ("=HYPERLINK(1)", "ok"))
    poses = replace(poses_from(np.full((1, 2, 2), -3.0), np.ones((1, 2)), np.ones(1), skeleton, (9, 9)), made_by=MADE)
    table = keypoint_table([("-evil.jpg", poses), ("+b.jpg", poses)], "file", first_person=1)
    for column in ("file", "keypoint", "model", "settings"):
        assert not any(str(value).startswith(("=", "+", "-", "@")) for value in table[column]), column
    assert table["x"].tolist() == [-3.0] * 4
    assert table["person"].tolist() == [1] * 4
    assert (table["width"] == 9).all()
    assert "pose_threshold=0.3" in table["settings"][0]
    odd = safe_table(pd.DataFrame({"=cmd": ["@a", "b", None], "n": [-1.0, 2.0, 3.0]}))
    assert list(odd.columns) == ["'=cmd", "n"]
    assert odd["'=cmd"].tolist()[:2] == ["'@a", "b"]
    assert odd["n"].tolist() == [-1.0, 2.0, 3.0]


def test_coco_files_say_how_they_were_made() -> None:
    content = coco_file([("a.jpg", one(made_by=MADE)), ("b.jpg", Poses.empty(COCO_17, (3, 4)))])
    assert content["info"]["model"] == "net.tag"
    assert content["info"]["decode_settings"] == {"pose_threshold": 0.3}
    assert [(i["file_name"], i["width"], i["height"]) for i in content["images"]] == [
        ("a.jpg", 100, 50),
        ("b.jpg", 3, 4),
    ]
    (annotation,) = content["annotations"]
    assert annotation["id"] == annotation["image_id"] == 1
    assert annotation["keypoints"][2:6] == [2, 30.0, 15.0, 2]
    assert annotation["num_keypoints"] == 2


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="reshape"):
        poses_from(np.zeros((1, 17, 2)), np.zeros((2, 17)), np.zeros(1), COCO_17, (1, 1))


def test_supervision_is_optional() -> None:
    supervision = pytest.importorskip("supervision", reason="the optional package supervision is not installed")
    assert isinstance(one().to_supervision(), supervision.KeyPoints)
