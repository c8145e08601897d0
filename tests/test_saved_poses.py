"""Saved poses read back, and lifted without a model."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from posecore.cli import app
from posecore.cli.lifting import lift_command
from posecore.errors import DataError
from posecore.poses import Poses
from posecore.skeleton import COCO_17, Skeleton
from posecore.video import PoseSequence, VideoOptions, VideoResult, save_tables
from posecore.video.reading import VideoInfo
from posecore.video.saved import read_saved_poses
from tests.motion_support import seen, walker
from tests.pose_support import poses_from

APP = typer.Typer()
APP.command()(lift_command)


def sequence(frames: int = 24, track: int = 3) -> PoseSequence:
    """Somebody who walks, of whom an ankle is not seen in some frames, and a frame without anybody."""
    person = seen(walker()[:frames])
    size = person.lifted_by.image_size
    people = []
    for frame, xy in enumerate(person.project()):
        xy = xy.copy()
        if 5 < frame < 9:
            xy[15] = np.nan
        known = np.isfinite(xy[:, 0])
        people.append(poses_from(xy[None], known[None] * 0.9, np.ones(1), COCO_17, size, np.array([track])))
    people[11] = Poses.empty(COCO_17, size)
    return PoseSequence.collect(((frame / 30, poses) for frame, poses in enumerate(people)), COCO_17, size)


def save(poses: PoseSequence, stem: Path, mirrored: bool = False) -> None:
    info = VideoInfo(*poses.image_size, Fraction(30), 1.0, 30, Fraction(1, 90000), "h264", None, 1)
    facts: Any = (poses, poses, 0.0, poses.image_size, (), {"total": 1.0}, False, VideoOptions())
    result = VideoResult(Path("clip.mp4"), None, "some-model", info, *facts)
    save_tables(replace(result, mirrored=mirrored), stem, ("csv", "json"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=True)


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_clip_is_read_as_it_was_saved(tmp_path: Path, ending: str) -> None:
    poses = sequence()
    save(poses, tmp_path / "clip")
    back = read_saved_poses(tmp_path / f"clip{ending}")
    assert (back.skeleton, back.image_size) == (COCO_17, poses.image_size)
    for name in ("times", "numbers", "frames", "track_ids", "keypoints", "keypoint_scores", "scores"):
        np.testing.assert_allclose(getattr(back, name), getattr(poses, name), atol=1e-3, err_msg=name)


#: Keypoints as people call them, in an order that a table's reader may stumble over.
ODD = Skeleton(
    "=mine", ("1", "2", "NA", "=left", "-right", "nan", 'a, "b"', "'x", "über\n", ""), ((0, 2),), ((3, 4),), (0.1,) * 10
)


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_skeleton_of_ones_own_comes_back_whole(tmp_path: Path, ending: str) -> None:
    rng = np.random.default_rng(0)
    frames = [poses_from(rng.random((2, 10, 2)), rng.random((2, 10)), np.ones(2), ODD, (64, 48), np.arange(2))] * 3
    poses = PoseSequence.collect(((frame / 30, one) for frame, one in enumerate(frames)), ODD, (64, 48))
    for name, which in (("all", np.ones(6, bool)), ("nobody", np.zeros(6, bool))):
        save(poses.rows(which), tmp_path / name)
        back = read_saved_poses(tmp_path / f"{name}{ending}")
        assert back.skeleton == ODD
        np.testing.assert_allclose(back.keypoints, poses.keypoints[which], atol=1e-3)


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_people_of_a_mirrored_clip_are_where_the_camera_saw_them(tmp_path: Path, ending: str) -> None:
    poses = sequence()
    save(poses, tmp_path / "clip", mirrored=True)
    back = read_saved_poses(tmp_path / f"clip{ending}")
    in_clip = poses.image_size[0] - 1 - back.keypoints[..., 0]
    np.testing.assert_allclose(in_clip, poses.keypoints[..., 0], atol=1e-3)
    np.testing.assert_allclose(back.keypoints[..., 1], poses.keypoints[..., 1], atol=1e-3)


def test_a_clip_without_anybody_and_a_picture_are_read(tmp_path: Path) -> None:
    poses = sequence()
    save(poses.rows(np.zeros(len(poses.frames), bool)), tmp_path / "empty")
    assert len(read_saved_poses(tmp_path / "empty.json").frames) == 0
    assert len(read_saved_poses(tmp_path / "empty.csv").frames) == 0
    (tmp_path / "picture.json").write_text(poses[0].to_json())
    picture = read_saved_poses(tmp_path / "picture.json")
    assert (len(picture), picture.track_ids.tolist()) == (1, [1])


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "#N/A", "null"])
def test_a_table_says_what_is_missing_as_other_programs_do(tmp_path: Path, missing: str) -> None:
    save(sequence(), tmp_path / "clip")
    before = read_saved_poses(tmp_path / "clip.csv")
    pd.read_csv(tmp_path / "clip.csv").to_csv(tmp_path / "clip.csv", index=False, na_rep=missing)
    assert np.isnan(before.keypoints).any()
    np.testing.assert_array_equal(read_saved_poses(tmp_path / "clip.csv").keypoints, before.keypoints)


def broken(data: dict[str, Any], how: str) -> Any:
    changes: dict[str, Any] = {
        "another": {"format": "other"},
        "version": {"version": 9},
        "names": {"keypoint_names": ["nose"]},
        "size": {"image_size": [0, 4]},
        "frames": {"frames": [{"frame": 0}]},
        "times": {"frames": [data["frames"][0]] * 2},
        "nan": {"frames": [{**data["frames"][0], "time": float("nan")}]},
        "twins": {"frames": [{**data["frames"][0], "people": data["frames"][0]["people"] * 2}]},
        "number": {"frames": 7},
    }
    return [] if how == "list" else {**data, **changes[how]}


@pytest.mark.parametrize(
    "how", ["another", "version", "names", "size", "frames", "times", "nan", "twins", "number", "list", "text", "gone"]
)
def test_what_is_no_saved_clip_is_one_sentence(tmp_path: Path, how: str) -> None:
    save(sequence(3 + 9), tmp_path / "clip")
    path = tmp_path / "clip.json"
    if how == "gone":
        path.unlink()
    else:
        path.write_text("{" if how == "text" else json.dumps(broken(json.loads(path.read_text()), how)))
    with pytest.raises(DataError) as error:
        read_saved_poses(path)
    assert str(path) in str(error.value)
    assert str(error.value).endswith(".")


def test_tables_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    save(sequence(14), tmp_path / "clip")
    path = tmp_path / "clip.csv"
    table = pd.read_csv(path)
    for wrong in (
        table.iloc[:-1],
        table[::-1],
        table.drop(columns="x"),
        table.assign(frame=1e18),
        table.assign(time="a"),
    ):
        wrong.to_csv(path, index=False)
        with pytest.raises(DataError, match="clip"):
            read_saved_poses(path)
    (tmp_path / "clip.run.json").unlink()
    with pytest.raises(DataError, match=r"keep clip\.run\.json beside it"):
        read_saved_poses(path)


def test_saved_poses_are_lifted_and_the_others_go_on(tmp_path: Path) -> None:
    save(sequence(), tmp_path / "clip")
    (tmp_path / "bad.json").write_text("{}")
    out = tmp_path / "out"
    out.mkdir()
    asked = ("-o", out, "--height", "1.8", "--formats", "csv,bvh,glb", "--measures", "left_knee")
    result = run(tmp_path / "bad.json", tmp_path / "clip.json", *asked)
    assert result.exit_code == 1
    assert "holds no poses that posecore saved" in " ".join(result.output.split())
    names = {path.name for path in out.iterdir()}
    assert names == {"clip.3d.csv", "clip.3d.measures.csv", "clip.person3.bvh", "clip.3d.glb"}
    assert "a height of 1.80 m, and on a usual camera" in result.output
    again = run(tmp_path / "clip.csv", "-o", out / "clip.bvh", *asked[2:])
    assert "exists; give another name" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--formats", "fbx"), "no format 'fbx'"),
        (("--measures", "left_toe"), "left_toe"),
        (("--height", "9"), "height = 9"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    save(sequence(12), tmp_path / "clip")
    result = run(tmp_path / "clip.json", *arguments)
    assert result.exit_code != 0
    assert message in " ".join(f"{result.output} {result.exception}".split())


def test_people_whom_nobody_followed_are_not_taken_for_a_crowd(tmp_path: Path) -> None:
    poses = sequence(12)
    save(poses.with_ids(np.full(len(poses.frames), -1)), tmp_path / "clip")
    assert "run posecore video again with track on" in str(run(tmp_path / "clip.json", "-o", tmp_path).exception)


def test_one_saved_clip_is_held_against_another(tmp_path: Path) -> None:
    save(sequence(), tmp_path / "one")
    save(sequence(20, track=7), tmp_path / "two")

    def held(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["motion", str(tmp_path / "one.json"), *map(str, arguments)])

    same = held(tmp_path / "one.csv")
    assert "Angles differ by 0° in the mean" in same.stdout, same.output
    table = tmp_path / "t.csv"
    found = held(tmp_path / "two.csv", "--measures", "left_knee,tilt:mid_hip-neck", "--table", table)
    assert found.exit_code == 0, found.output
    assert set(pd.read_csv(table).measure) == {"angle:left_hip-left_knee-left_ankle", "tilt:mid_hip-neck"}
    for words, message in (
        (["--other-person", "3"], "has no person 3; there are 7"),
        (["--measures", "speed:nose"], "is no angle"),
    ):
        refused = held(tmp_path / "two.csv", *words)
        assert refused.exit_code
        assert message in str(refused.exception)
