"""People as ROS messages: what they say, into a bag and through a bridge."""

import json
import math
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posecore.cli.ros import live
from posecore.errors import DataError, SettingsError
from posecore.poses import Poses
from posecore.ros.bridge import Bridge
from posecore.ros.messages import MARKED, SKELETON_2D, TRACKED, people_messages
from posecore.skeleton import COCO_17
from posecore.video import LiveFrame
from tests.job_support import until
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
    assert [seconds for seconds, _ in live("0", nothing, nothing)] == [998.5]
