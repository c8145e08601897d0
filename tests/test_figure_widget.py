"""What the browser gets of people in the room."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from posecore.lifting import figure_data
from posecore.lifting.figure_data import packed
from posecore.lifting.room import make_room
from posecore.lifting.room_poses import RoomPoses
from posecore.skeleton import COCO_17
from tests.motion_support import seen, stander, walker


def shorts(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2")


def times_of(data: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data["times"]), "<f4")


def from_frame(room: np.ndarray, first: int, track: int) -> RoomPoses:
    person = seen(room[first:], track=track)
    object.__setattr__(person, "times", (np.arange(len(room)) / 30)[first:])
    return make_room([person]).people[0]


def test_places_are_millimetres_and_unknown_ones_are_told() -> None:
    person = make_room([seen(walker())]).people[0]
    keypoints = person.keypoints.copy()
    keypoints[7, 9] = np.nan
    data = packed([person.moved(keypoints)], person.times, ["red"])
    places = shorts(data["people"][0]["places"]).reshape(-1, 17, 3)
    assert (places[7, 9] == -32768).all()
    known = np.isfinite(keypoints)
    assert places[known] == pytest.approx(keypoints[known] * 1000, abs=0.51)
    assert times_of(data) == pytest.approx(person.times, abs=1e-4)


def test_whoever_comes_later_begins_later_also_where_frames_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    late = from_frame(walker(), 40, track=2)
    whole = make_room([seen(walker())]).people[0]
    data = packed([whole, late], whole.times, ["red", "blue"])
    assert [one["first"] for one in data["people"]] == [0, 40]
    monkeypatch.setattr(figure_data, "MOST_FRAMES", 100)
    thinned = packed([whole, late], whole.times, ["red", "blue"])
    step = 4  # 320 frames of people in at most 100
    assert len(times_of(thinned)) == 45
    assert [one["first"] for one in thinned["people"]] == [0, 10]
    places = shorts(thinned["people"][1]["places"]).reshape(-1, 17, 3)
    assert places == pytest.approx(late.keypoints[::step] * 1000, abs=0.51)
    assert thinned["token"] != data["token"]


def test_everybody_is_looked_at_for_their_size_and_way() -> None:
    person = make_room([seen(walker())]).people[0]
    data = packed([person], person.times, ["red"])
    middles = shorts(data["middles"]).reshape(-1, 2) / 1000
    hips = person.places()["mid_hip"][:, [0, 2]]
    assert np.abs(middles - hips)[20:-20].max() < 0.05
    across, up = data["extent"]
    assert 1.4 < across < 2.5
    assert up == pytest.approx(1.9)
    rooms = [make_room([seen(stander() + np.array([x, 0, 0]))]).people[0] for x in (0, 0)]
    apart = [rooms[0], rooms[1].moved(rooms[1].keypoints + np.array([4.0, 0, 0]))]
    assert packed(apart, apart[0].times, ["red", "blue"])["extent"][0] > 5


def test_the_face_is_left_to_the_head_and_sides_are_told() -> None:
    person = make_room([seen(stander(1))]).people[0]
    body = packed([person], person.times, ["red"])["body"]
    assert body["head"] == [COCO_17.index("left_ear"), COCO_17.index("right_ear")]
    face = {COCO_17.index(name) for name in ("nose", "left_eye", "right_eye")}
    assert not face & {end for bone in body["bones"] for end in (bone["from"], bone["to"])}
    right = {"from": COCO_17.index("right_knee"), "to": COCO_17.index("right_ankle"), "far": True}
    assert right in body["bones"]


def test_whoever_is_far_away_is_packed_less_finely() -> None:
    person = make_room([seen(walker())]).people[0]
    far = person.moved(person.keypoints + np.array([120.0, 0, 0]))
    data = packed([far], far.times, ["red"])
    places = shorts(data["people"][0]["places"]).reshape(-1, 17, 3) * data["unit"]
    assert places == pytest.approx(far.keypoints, abs=0.003)
