"""People as ROS messages: what they say, into a bag and through a bridge."""

import json
import math
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posecore.cli.ros import bodies_of, live
from posecore.errors import DataError, SettingsError
from posecore.lifting.settings import LiftSettings
from posecore.poses import Poses
from posecore.ros.bridge import Bridge
from posecore.ros.messages import MARKED, SKELETON_2D, TRACKED, people_messages
from posecore.ros.space import FRAMES, MARKED_3D, Body, space_messages
from posecore.skeleton import COCO_17
from posecore.video import LiveFrame, PoseSequence
from tests.job_support import until
from tests.motion_support import seen, stander, walker
from tests.pose_support import poses_from

#: Order of hri_msgs/Skeleton2D as its constants number it.
PUBLISHED = {"NECK": 1, "LEFT_EYE": 14, "RIGHT_EYE": 15, "LEFT_EAR": 16, "RIGHT_EAR": 17, "LEFT_ANKLE": 13}


@pytest.fixture
def poses() -> Poses:
    """Two people, followed as 4 and 9; the second's face and left shoulder are missing."""
    rng = np.random.default_rng(3)
    keypoints = rng.uniform(10, 90, (2, 17, 2)).astype(np.float32)
    scores = rng.uniform(0.2, 1, (2, 17)).astype(np.float32)
    keypoints[1, :6], scores[1, :6] = np.nan, 0
    return poses_from(keypoints, scores, np.array([0.9, 0.6]), COCO_17, (200, 100), np.array([4, 9]))


def by_topic(poses: Poses, **options: Any) -> Any:
    return {message.topic: message.content for message in people_messages(poses, 12.25, "camera", **options)}


def test_who_is_there_and_when(poses: Poses) -> None:
    told = by_topic(poses, markers=False)
    assert told[TRACKED] == {
        "header": {"stamp": {"sec": 12, "nanosec": 250_000_000}, "frame_id": "camera"},
        "ids": ["p4", "p9"],
    }
    assert set(told) == {TRACKED, *(f"/humans/bodies/p{n}/{what}" for n in (4, 9) for what in ("roi", "skeleton2d"))}


def test_joints_go_by_name_and_not_by_number(poses: Poses) -> None:
    points = by_topic(poses)["/humans/bodies/p4/skeleton2d"]["skeleton"]
    assert len(points) == len(SKELETON_2D) == 18
    for name, place in PUBLISHED.items():
        if name != "NECK":
            index = COCO_17.keypoints.index(name.lower())
            assert points[place]["x"] == pytest.approx((poses.keypoints[0, index, 0] + 0.5) / 200)
            assert points[place]["y"] == pytest.approx((poses.keypoints[0, index, 1] + 0.5) / 100)
            assert points[place]["c"] == pytest.approx(poses.keypoint_scores[0, index])
    # Parts of the picture count from its edge.
    shoulders = poses.keypoints[0, 5:7].mean(0) + 0.5
    assert [points[1]["x"], points[1]["y"]] == pytest.approx([shoulders[0] / 200, shoulders[1] / 100])


def test_what_is_missing_is_nought_everywhere(poses: Poses) -> None:
    points = by_topic(poses)["/humans/bodies/p9/skeleton2d"]["skeleton"]
    for name in ("nose", "left_eye", "left_shoulder", "neck"):
        assert points[SKELETON_2D.index(name)] == {"x": 0.0, "y": 0.0, "c": 0.0}
    assert json.loads(json.dumps(points, allow_nan=False)) == points


def test_somebody_without_any_joint_has_an_empty_region() -> None:
    nobody = poses_from(np.full((1, 17, 2), np.nan), np.zeros((1, 17)), np.array([math.nan]), COCO_17, (200, 100))
    region = by_topic(nobody)["/humans/bodies/p1/roi"]
    assert [region[side] for side in ("xmin", "ymin", "xmax", "ymax", "c")] == [0, 0, 0, 0, 0]


def test_markers_show_limbs_whose_ends_are_both_there(poses: Poses) -> None:
    cleared, *markers = by_topic(poses)[MARKED]["markers"]
    assert cleared["action"] == 3
    limbs = [marker for marker in markers if marker["ns"] == "limbs"]
    both = [sum(poses.present[person][list(edge)].all() for edge in COCO_17.edges) for person in (0, 1)]
    assert [len(marker["points"]) for marker in limbs] == [2 * count for count in both]
    nose = next(marker for marker in markers if marker["ns"] == "joints")["points"][0]
    assert nose["x"] == pytest.approx((poses.keypoints[0, 0, 0] + 0.5 - 100) / 200)
    assert nose["z"] == 1


def test_a_bag_holds_what_was_told(poses: Any, tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="needs posecore[ros]")
    from posecore.ros.bag import Bag, bag_types

    messages = list(people_messages(poses, 12.25, "camera"))
    with Bag(tmp_path / "bag") as bag:
        for message in messages:
            bag.publish(message)
    types = bag_types()
    with rosbag2.Reader(tmp_path / "bag") as reader:
        read = [(c.topic, t, types.deserialize_cdr(data, c.msgtype)) for c, t, data in reader.messages()]
    assert sorted(topic for topic, _, _ in read) == sorted(message.topic for message in messages)
    assert {time for _, time, _ in read} == {12_250_000_000}
    back = {topic: content for topic, _, content in read}
    assert back[TRACKED].ids == ["p4", "p9"]
    said = by_topic(poses)["/humans/bodies/p4/skeleton2d"]["skeleton"]
    heard = [(point.x, point.y, point.c) for point in back["/humans/bodies/p4/skeleton2d"].skeleton]
    np.testing.assert_allclose(heard, [(point["x"], point["y"], point["c"]) for point in said], atol=1e-6)
    assert len(back[MARKED].markers) == 5
    with pytest.raises(DataError, match="exists already"):
        Bag(tmp_path / "bag")


@pytest.fixture
def bodies() -> list[Body]:
    """Somebody who walks, as a camera that looks down a little sees them; and somebody without hips."""
    person = seen(walker(1.0, direction=25.0), pitch=12.0, track=4)
    keypoints = person.in_camera()[20].astype(float)
    half = keypoints + np.array([1.0, 0.0, 0.0])
    half[11:13] = np.nan
    return [Body(4, keypoints, COCO_17), Body(9, half, COCO_17)]


def test_a_body_has_a_frame_that_looks_where_it_does_and_its_joints_in_it(bodies: list[Body]) -> None:
    told = {message.topic: message.content for message in space_messages(bodies, 12.25, "optical")}
    frames = {one["child_frame_id"]: one for one in told[FRAMES]["transforms"]}
    assert len(frames) == 14
    body = frames["body_p4"]
    assert body["header"] == {"stamp": {"sec": 12, "nanosec": 250_000_000}, "frame_id": "optical"}
    turn = Rotation.from_quat([body["transform"]["rotation"][axis] for axis in "xyzw"])
    place = np.array([body["transform"]["translation"][axis] for axis in "xyz"])
    # The room's axes as the camera sees them: it looks down by 12 degrees.
    pitch, direction = np.radians(12.0), np.radians(25.0)
    up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    away = np.array([0.0, -np.sin(pitch), np.cos(pitch)])
    ahead = np.cos(direction) * np.array([1.0, 0.0, 0.0]) + np.sin(direction) * away
    np.testing.assert_allclose(turn.apply([[1, 0, 0], [0, 0, 1]]), [ahead, up], atol=1e-6)
    for name, joint in (("l_wrist", "left_wrist"), ("r_ankle", "right_ankle"), ("l_hip", "left_hip")):
        assert frames[f"{name}_p4"]["header"]["frame_id"] == "body_p4"
        there = np.array([frames[f"{name}_p4"]["transform"]["translation"][axis] for axis in "xyz"])
        np.testing.assert_allclose(turn.apply(there) + place, bodies[0].keypoints[COCO_17.index(joint)], atol=1e-6)
    assert frames["l_hip_p4"]["transform"]["translation"]["y"] == pytest.approx(0.1, abs=1e-6)


def test_markers_in_space_are_metres_from_the_camera(bodies: list[Body]) -> None:
    told = {message.topic: message.content for message in space_messages(bodies, 12.25, "optical")}
    cleared, *markers = told[MARKED_3D]["markers"]
    assert cleared["action"] == 3
    assert [(one["id"], one["ns"]) for one in markers] == [(n, kind) for n in (4, 9) for kind in ("limbs", "joints")]
    nose = [markers[1]["points"][0][axis] for axis in "xyz"]
    np.testing.assert_allclose(nose, bodies[0].keypoints[0])
    assert len(markers[3]["points"]) == 15
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [one.topic for one in space_messages([], 1.0, "optical", markers=False)] == []


def test_a_bag_holds_people_in_space(bodies: list[Body], tmp_path: Path) -> None:
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="needs posecore[ros]")
    from posecore.ros.bag import Bag, bag_types

    messages = list(space_messages(bodies, 12.25, "optical"))
    with Bag(tmp_path / "bag") as bag:
        for message in messages:
            bag.publish(message)
    types = bag_types()
    with rosbag2.Reader(tmp_path / "bag") as reader:
        read = {c.topic: (c.msgtype, t, types.deserialize_cdr(data, c.msgtype)) for c, t, data in reader.messages()}
    assert {topic: (kind, time) for topic, (kind, time, _) in read.items()} == {
        FRAMES: ("tf2_msgs/msg/TFMessage", 12_250_000_000),
        MARKED_3D: ("visualization_msgs/msg/MarkerArray", 12_250_000_000),
    }
    body, head = read[FRAMES][2].transforms[:2]
    assert (body.header.frame_id, body.child_frame_id, head.child_frame_id) == ("optical", "body_p4", "head_p4")
    place = body.transform.translation
    np.testing.assert_allclose([place.x, place.y, place.z], bodies[0].keypoints[11:13].mean(0))
    turn = body.transform.rotation
    assert turn.x**2 + turn.y**2 + turn.z**2 + turn.w**2 == pytest.approx(1)


def test_people_of_a_clip_are_where_lifting_puts_them(capsys: Any) -> None:
    person = seen(stander(20), pitch=12.0, track=4)
    frames = [
        Poses(
            xy[None].astype(np.float32),
            np.ones((1, 17), np.float32),
            np.ones(1, np.float32),
            COCO_17,
            person.lifted_by.image_size,
            np.array([4]),
        )
        for xy in person.project()
    ]
    items = [(time, poses) for time, poses in zip(person.times, frames, strict=True)]
    sequence = PoseSequence.collect(items, COCO_17, person.lifted_by.image_size)
    found = bodies_of(sequence, LiftSettings(height=1.7))
    assert [len(there) for there in found] == [1] * 20
    middle = found[10][0].keypoints[11:13].mean(0)
    # However far away they are taken to be, they are on the line on which they are seen.
    width, height = person.lifted_by.image_size
    pixel = middle[:2] / middle[2] * width + [(width - 1) / 2, (height - 1) / 2]
    assert pixel == pytest.approx(frames[10].keypoints[0, 11:13].mean(0), abs=10)
    assert "a height of 1.70 m" in capsys.readouterr().out


def test_a_bag_that_nothing_was_told_leaves_its_name_free(tmp_path: Path) -> None:
    pytest.importorskip("rosbags.rosbag2", reason="needs posecore[ros]")
    from posecore.ros.bag import Bag

    with pytest.raises(SettingsError), Bag(tmp_path / "bag"):
        raise SettingsError("the video cannot be read")
    assert not (tmp_path / "bag").exists()


@pytest.fixture
def robot(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bridge that remembers what it hears: (address, operations, the server)."""
    server_of = pytest.importorskip("websockets.sync.server", reason="needs posecore[ros]")
    monkeypatch.setattr("posecore.ros.bridge.require", lambda extra: None)
    heard: list[Any] = []

    def listen(connection: Any) -> None:
        heard.extend(json.loads(text) for text in connection)

    with server_of.serve(listen, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}", heard
        server.shutdown()
        thread.join()


def test_a_bridge_hears_of_topics_before_their_messages(poses: Any, robot: Any) -> None:
    address, heard = robot
    messages = list(people_messages(poses, 12.25, "camera"))
    with Bridge(address) as bridge:
        for message in messages * 2:
            bridge.publish(message)
    # The robot reads in a thread of its own.
    until(lambda: len(heard) == 4 * len(messages))
    kinds = [operation["op"] for operation in heard]
    assert kinds.count("advertise") == kinds.count("unadvertise") == len(messages)
    assert [one["msg"] for one in heard if one["op"] == "publish"] == [one.content for one in messages * 2]
    for topic in {message.topic for message in messages}:
        assert next(one["op"] for one in heard if one["topic"] == topic) == "advertise"


def test_nobody_at_the_address(robot: Any) -> None:
    address, _ = robot
    for nobody in (address.replace("127.0.0.1", "127.0.0.9"), "ws://robot..local:9090"):
        with pytest.raises(SettingsError, match="No bridge answers"), Bridge(nobody):
            pass


@pytest.mark.parametrize("address", ["robot:9090", "http://robot", "ws://", "ws://robot:99999", "", "ws://[::1"])
def test_addresses_that_are_none(address: Any) -> None:
    with pytest.raises(SettingsError, match="looks like ws://"):
        Bridge(address)


class StandsStill:
    """A camera whose pictures no network can look at, and the session that says so."""

    name = "camera"

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pictures(self) -> Any:
        return [np.zeros((8, 8, 3), np.uint8)] * 3

    def give(self, picture: object) -> None: ...

    def newer(self, number: int, seconds: float) -> None: ...

    def status(self) -> Any:
        return SimpleNamespace(error="The picture could not be looked at.", latency={})


def test_what_goes_wrong_live_is_said_once(monkeypatch: Any, capsys: Any) -> None:
    for name in ("Camera", "LiveSession"):
        monkeypatch.setattr(f"posecore.cli.ros.{name}", StandsStill)
    nothing: Any = None
    assert list(live("0", nothing, nothing)) == []
    assert capsys.readouterr().err.count("could not be looked at") == 1


class SeesNobody(StandsStill):
    """A session whose pictures are looked at, a while after they came."""

    def newer(self, number: int, seconds: float) -> Any:
        return None if number else LiveFrame(1, self.pictures()[0], Poses.empty(COCO_17, (8, 8)), 48.5, False)

    def status(self) -> Any:
        return SimpleNamespace(error=None, latency={"network": 9000.0})


def test_what_is_seen_live_has_the_time_at_which_its_picture_came(monkeypatch: Any) -> None:
    for name in ("Camera", "LiveSession"):
        monkeypatch.setattr(f"posecore.cli.ros.{name}", SeesNobody)
    clock = SimpleNamespace(time=lambda: 1000.0, perf_counter=lambda: 50.0)
    monkeypatch.setattr("posecore.cli.ros.time", clock)
    nothing: Any = None
    assert [(moment.seconds, moment.bodies) for moment in live("0", nothing, nothing)] == [(998.5, [])]


class SeesSomebody(SeesNobody):
    """A session that sees one person once."""

    def newer(self, number: int, seconds: float) -> Any:
        person = seen(stander(1), track=4)
        poses = poses_from(
            person.project()[:1], np.ones((1, 17)), np.ones(1), COCO_17, person.lifted_by.image_size, np.array([4])
        )
        return None if number else LiveFrame(1, self.pictures()[0], poses, 48.5, False)


def test_people_seen_live_are_told_in_space(monkeypatch: Any) -> None:
    for name in ("Camera", "LiveSession"):
        monkeypatch.setattr(f"posecore.cli.ros.{name}", SeesSomebody)
    nothing: Any = None
    (moment,) = live("0", nothing, nothing, LiftSettings(height=1.7))
    (body,) = moment.bodies
    assert body.number == 4
    # As tall as was said, before the camera and upright: y is down.
    assert body.keypoints[:, 2].min() > 3
    assert np.ptp(body.keypoints[:, 1]) == pytest.approx(1.5, abs=0.2)
