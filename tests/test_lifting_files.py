"""People in the room as files of other programs."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from posecore.errors import MissingExtraError, SettingsError
from posecore.extras import installed
from posecore.lifting.bodies import read_bodies
from posecore.lifting.bvh import read_bvh
from posecore.lifting.files import FORMATS, room_endings, save_room
from posecore.lifting.files.mot import joint_coordinates
from posecore.lifting.room import make_room
from posecore.lifting.room_poses import RoomPoses
from posecore.skeleton import COCO_17
from tests.motion_support import RATE, seen, stander, walker

TEXTS = [name for name in FORMATS if name != "c3d"]


def a_walker(frames: int = 60) -> RoomPoses:
    return make_room([seen(walker()[:frames], track=3)]).people[0]


def with_a_gap(person: RoomPoses) -> RoomPoses:
    keypoints = person.keypoints.copy()
    keypoints[10:20, COCO_17.index("left_knee")] = np.nan
    return replace(person, keypoints=keypoints)


def test_trc_has_the_header_that_opensim_wants_and_leaves_unknown_places_empty(tmp_path: Path) -> None:
    person = with_a_gap(a_walker())
    (path,), _ = save_room([person], tmp_path / "clip", ["trc"])
    assert path.name == "clip.person3.trc"
    lines = path.read_text().split("\n")
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", path.name]
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert facts["DataRate"] == facts["CameraRate"] == facts["OrigDataRate"] == "30"
    assert (facts["NumFrames"], facts["NumMarkers"], facts["Units"]) == ("60", "17", "m")
    markers = lines[3].split("\t")
    assert markers[:2] == ["Frame#", "Time"]
    assert markers[2::3] == list(COCO_17.keypoints)
    assert len(markers) == 2 + 3 * 17
    assert lines[4].split("\t")[2:] == [f"{axis}{number}" for number in range(1, 18) for axis in "XYZ"]
    assert lines[5] == ""
    rows = [line.split("\t") for line in lines[6:-1]]
    assert {len(row) for row in rows} == {2 + 3 * 17}
    values = np.array([[float(cell or "nan") for cell in row] for row in rows])
    assert values[:, 0].tolist() == list(range(1, 61))
    assert values[:, 1] == pytest.approx(np.arange(60) / RATE, abs=1e-6)
    assert values[:, 2:].reshape(60, 17, 3) == pytest.approx(person.keypoints, abs=1e-6, nan_ok=True)


def test_files_that_say_a_rate_hold_who_was_seen_at_uneven_times_at_even_ones(tmp_path: Path) -> None:
    even = with_a_gap(a_walker())
    # A camera that gave every third picture only, later on.
    kept = np.r_[0:30, 30:60:3]
    person = replace(even, keypoints=even.keypoints[kept], scores=even.scores[kept], times=even.times[kept],
                     frames=np.arange(len(kept)))  # fmt: skip
    assert even.evenly() is even
    (path,), _ = save_room([person], tmp_path / "clip", ["trc"])
    rows = np.genfromtxt(path.read_text().split("\n")[6:-1], delimiter="\t")
    assert len(rows) == len(person)
    assert np.diff(rows[:, 1]) == pytest.approx(1 / person.rate, abs=1e-5)
    assert float(path.read_text().split("\n")[2].split("\t")[0]) == pytest.approx(person.rate, rel=1e-4)
    nose = np.stack([np.interp(rows[:, 1], even.times, even.keypoints[:, 0, axis]) for axis in range(3)], 1)
    assert rows[:, 2:5] == pytest.approx(nose, abs=0.005)
    knee = 2 + 3 * COCO_17.index("left_knee")
    gap = (rows[:, 1] > 9 / RATE) & (rows[:, 1] < 20 / RATE)
    assert (np.isnan(rows[:, knee]) == gap).all()


def test_mot_says_how_joints_bend_in_opensims_names(tmp_path: Path) -> None:
    bent = np.linspace(0, 90, 40)
    person = make_room([seen(stander(40, bent))]).people[0]
    (path,), _ = save_room([person], tmp_path / "clip", ["mot"])
    head, _, body = path.read_text().partition("endheader\n")
    assert head.split("\n")[1:-1] == ["version=1", "nRows=40", "nColumns=16", "inDegrees=yes"]
    table = pd.read_csv(path, sep="\t", skiprows=6)
    assert len(table.columns) == 16
    assert body.startswith("time\tpelvis_tx")
    for side in "lr":
        assert table[f"knee_angle_{side}"].to_numpy() == pytest.approx(bent, abs=1e-2)
        assert table[f"hip_flexion_{side}"].to_numpy() == pytest.approx(bent / 2, abs=1e-2)
        assert table[f"elbow_flex_{side}"].to_numpy() == pytest.approx(90, abs=1e-2)
        assert table[f"arm_flex_{side}"].to_numpy() == pytest.approx(0, abs=1e-2)


def test_limbs_that_swing_aside_have_their_sign() -> None:
    room = stander(3)
    for side, sign in (("left", 1), ("right", -1)):
        shoulder = room[:, COCO_17.index(f"{side}_shoulder")]
        room[:, COCO_17.index(f"{side}_elbow")] = shoulder + 0.28 * np.array([sign * 0.6, -0.8, 0])
    columns = joint_coordinates(make_room([seen(room)]).people[0])
    for side in "lr":
        assert columns[f"arm_add_{side}"] == pytest.approx(-np.degrees(np.arcsin(0.6)), abs=0.1)


def test_tables_and_json_hold_the_same(tmp_path: Path) -> None:
    person = with_a_gap(a_walker())
    written, refused = save_room([person], tmp_path / "clip", ["csv", "json"])
    assert [path.name for path in written] == ["clip.3d.csv", "clip.3d.json"]
    assert refused == []
    table = pd.read_csv(written[0])
    assert list(table.columns) == ["frame", "time", "track_id", "keypoint", "x", "y", "z", "score"]
    assert table[["x", "y", "z"]].to_numpy() == pytest.approx(person.keypoints.reshape(-1, 3), abs=1e-5, nan_ok=True)
    data = json.loads(written[1].read_text())
    assert data["people"][0]["lifted_by"]["height_given"] is False
    frames = data["people"][0]["frames"]
    assert [frame["keypoints"][13] is None for frame in frames] == [10 <= index < 20 for index in range(60)]
    assert frames[5]["keypoints"][0] == pytest.approx(person.keypoints[5, 0], abs=1e-5)


def test_one_frame_and_nobody_can_be_written(tmp_path: Path) -> None:
    for people in ([a_walker(1)], []):
        written, refused = save_room(people, tmp_path / f"{len(people)}", TEXTS)
        assert len(written) == 2 + 4 * len(people)
        assert len(refused) == 1 - len(people)


def test_whom_a_format_cannot_hold_is_named_and_the_others_are_written(tmp_path: Path) -> None:
    person = a_walker()
    keypoints = person.keypoints.copy()
    keypoints[:, COCO_17.index("left_hip")] = np.nan
    written, refused = save_room([replace(person, keypoints=keypoints, track_id=9), person], tmp_path / "clip", TEXTS)
    assert "clip.person3.bvh" in [path.name for path in written]
    assert "clip.person9.trc" in [path.name for path in written]
    assert len(refused) == 2
    assert refused[1] == "clip.3d.glb is without person9, whose hips are nowhere known."
    assert refused[0].startswith("clip.person9.bvh was not written: It needs the hips")
    assert not (tmp_path / "clip.person9.bvh").exists()


def test_unknown_formats_are_named() -> None:
    assert room_endings(["bvh", "csv"], True) == [".3d.csv", ".3d.measures.csv", ".person*.bvh"]
    with pytest.raises(SettingsError, match="did you mean 'bvh'"):
        room_endings(["bvhh"], False)


def test_c3d_holds_the_same(tmp_path: Path) -> None:
    if not installed("c3d"):
        with pytest.raises(MissingExtraError, match="posecore\\[c3d\\]"):
            save_room([a_walker()], tmp_path / "clip", ["c3d"])
        return
    import ezc3d

    person = with_a_gap(a_walker())
    (path,), _ = save_room([person], tmp_path / "clip", ["c3d"])
    file = ezc3d.c3d(str(path))
    points = file["data"]["points"][:3].transpose(2, 1, 0) / 1000
    assert file["parameters"]["POINT"]["LABELS"]["value"] == list(COCO_17.keypoints)
    assert file["parameters"]["POINT"]["RATE"]["value"][0] == pytest.approx(RATE)
    valid = file["data"]["meta_points"]["residuals"][0].T >= 0
    assert (valid == person.present).all()
    assert points[valid] == pytest.approx(person.keypoints[valid], abs=1e-6)


JOINTS = {
    "Hips": "mid_hip", "Chest": "neck", "Head": "head", "LeftArm": "left_shoulder", "LeftForeArm": "left_elbow",
    "LeftHand": "left_wrist", "RightArm": "right_shoulder", "RightForeArm": "right_elbow", "RightHand": "right_wrist",
    "LeftUpLeg": "left_hip", "LeftLeg": "left_knee", "LeftFoot": "left_ankle", "RightUpLeg": "right_hip",
    "RightLeg": "right_knee", "RightFoot": "right_ankle",
}  # fmt: skip


@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_bvh_written_and_read_has_every_joint_where_it_was(tmp_path: Path, noise: float) -> None:
    lifted = seen(walker()[:60], track=3)
    trembling = np.random.default_rng(3).normal(0, noise, lifted.keypoints.shape).astype(np.float32)
    person = make_room([replace(lifted, keypoints=lifted.keypoints + trembling)]).people[0]
    (path,), _ = save_room([person], tmp_path / "clip", ["bvh"])
    motion = read_bvh(path)
    assert motion.frame_time == pytest.approx(1 / RATE, abs=1e-7)
    found, _ = motion.places()
    places = person.places()
    for joint, place in JOINTS.items():
        assert found[:, motion.joints.index(joint)] == pytest.approx(places[place], abs=2e-5), joint


def test_bones_that_are_not_seen_turn_evenly_to_where_they_are_seen_next(tmp_path: Path) -> None:
    person = with_a_gap(a_walker())
    (path,), _ = save_room([person], tmp_path / "clip", ["bvh"])
    motion = read_bvh(path)
    found, _ = motion.places()
    knee, hip = (found[:, motion.joints.index(name)] for name in ("LeftLeg", "LeftUpLeg"))
    assert np.isfinite(motion.values).all()
    assert np.ptp(np.linalg.norm(knee - hip, axis=1)) < 1e-5
    assert np.linalg.norm(np.diff(knee, axis=0), axis=1).max() < 0.15


def test_our_own_bvh_can_be_learnt_from(tmp_path: Path) -> None:
    written, _ = save_room([a_walker(90)], tmp_path / "clip", ["bvh"])
    bodies = read_bodies(written)
    assert len(bodies) == 89


def read_glb(path: Path) -> tuple[dict[str, Any], Callable[[int], np.ndarray]]:
    """What a GLB file says, and its numbers by accessor."""
    data = path.read_bytes()
    magic, version, length, text, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    said = json.loads(data[20 : 20 + text])
    size, kind = struct.unpack_from("<I4s", data, 20 + text)
    binary = data[28 + text :]
    assert (kind, size, said["buffers"][0]["byteLength"]) == (b"BIN\0", len(binary), len(binary))

    def numbers(number: int) -> np.ndarray:
        accessor = said["accessors"][number]
        view = said["bufferViews"][accessor["bufferView"]]
        part = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        columns = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        values = np.frombuffer(part, {5126: "<f4", 5123: "<u2"}[accessor["componentType"]]).reshape(-1, columns)
        assert len(values) == accessor["count"]
        return values

    return said, numbers


def joints_of_glb(path: Path, person: int, frame: int) -> dict[str, np.ndarray]:
    """Where a person's joints are, as a viewer works it out."""
    said, numbers = read_glb(path)
    moved: dict[tuple[int, str], np.ndarray] = {}
    for channel in said["animations"][0]["channels"]:
        sampler = said["animations"][0]["samplers"][channel["sampler"]]
        moved[channel["target"]["node"], channel["target"]["path"]] = numbers(sampler["output"])
    found: dict[str, np.ndarray] = {}

    def visit(number: int, turned: Rotation, place: np.ndarray) -> None:
        node = said["nodes"][number]
        offset = moved[number, "translation"][frame] if (number, "translation") in moved else node.get("translation", 0)
        place = place + turned.apply(np.zeros(3) + offset)
        if (number, "rotation") in moved:
            turned = turned * Rotation.from_quat(moved[number, "rotation"][frame])
        found[node.get("name", "")] = place
        for child in node.get("children", []):
            visit(child, turned, place)

    visit(said["scenes"][0]["nodes"][person], Rotation.identity(), np.zeros(3))
    return found


def test_glb_moves_the_same_joints_in_the_same_places(tmp_path: Path) -> None:
    first = a_walker()
    second = replace(first, times=first.times + 1.0, track_id=5).moved(first.keypoints + np.array([1.0, 0, 0]))
    (path,), _ = save_room([first, second], tmp_path / "clip", ["glb"])
    assert path.name == "clip.3d.glb"
    names = {"Arm": "shoulder", "ForeArm": "elbow", "Hand": "wrist", "UpLeg": "hip", "Leg": "knee", "Foot": "ankle"}
    for number, person in enumerate((first, second)):
        for frame in (0, 23, 59):
            found, places = joints_of_glb(path, number, frame), person.places()
            assert found["Head"] == pytest.approx(places["head"][frame], abs=2e-3)
            for side in ("left", "right"):
                for name, place in names.items():
                    there = places[f"{side}_{place}"][frame]
                    assert found[f"{side.title()}{name}"] == pytest.approx(there, abs=2e-3)
    said, numbers = read_glb(path)
    animation = said["animations"][0]
    times: dict[str, list[np.ndarray]] = {channel["target"]["path"]: [] for channel in animation["channels"]}
    for channel in animation["channels"]:
        times[channel["target"]["path"]].append(numbers(animation["samplers"][channel["sampler"]]["input"])[:, 0])
    # The second one comes a second later, the first one is gone by the end of the clip.
    assert [shown.tolist() for shown in times["scale"]] == [
        pytest.approx([0, first.times[-1] + 1 / RATE]),
        pytest.approx([0, 1]),
    ]
    assert times["translation"][1] == pytest.approx(first.times + 1, abs=1e-5)
    assert all((np.diff(one) > 0).all() for several in times.values() for one in several)


def test_glb_has_shapes_with_outsides(tmp_path: Path) -> None:
    (path,), _ = save_room([a_walker(2)], tmp_path / "clip", ["glb"])
    said, numbers = read_glb(path)
    for mesh in said["meshes"]:
        (shape,) = mesh["primitives"]
        points, normals = (numbers(shape["attributes"][name]) for name in ("POSITION", "NORMAL"))
        corners = points[numbers(shape["indices"]).reshape(-1, 3).astype(int)]
        outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        middles = corners.mean(1) * ([1, 0, 1] if np.ptp(normals[:, 1]) == 0 else 1)
        assert ((outward * middles).sum(1) > -1e-7).all()
        assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-6)


#: Prints what Khronos's validator finds in the file that it is given.
VALIDATE = """
import { readFileSync } from "node:fs";
import { validateBytes } from "gltf-validator";
const { issues } = await validateBytes(new Uint8Array(readFileSync(process.argv[1])));
console.log(JSON.stringify(issues.messages.map(({ code, pointer, message }) => [code, pointer, message])));
"""


def test_the_validator_of_the_format_has_nothing_against_glb(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[1]
    node = shutil.which("node", path=f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}")
    if node is None or not (project / "node_modules" / "gltf-validator").is_dir():
        pytest.skip("needs node and its modules: make frontend")
    later = replace(a_walker(20), times=np.arange(20) / RATE + 1.0, track_id=5)
    for people in ([a_walker(), later], [with_a_gap(a_walker())], [a_walker(1)]):
        (path,), _ = save_room(people, tmp_path / f"clip-{len(people[0])}", ["glb"])
        told = subprocess.run(
            [node, "--input-type=module", "--eval", VALIDATE, "--", str(path)],
            cwd=project, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(told.stdout) == []
