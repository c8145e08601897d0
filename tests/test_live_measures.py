"""Measures beside the camera's picture: angles as they come, repetitions as a clip would have them counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.ui.webcam.live_measures import OfferedMeasures
from posecore.ui.webcam.serving import live_routes
from posecore.video import PoseSequence, RepetitionSettings, count_track, live_measures, parse_measure
from posecore.video.live_measures import LiveMeasures, RepetitionCounter
from tests.live_support import Session, told
from tests.pose_support import poses_from
from tests.routes_support import fetch

_RATE = 20.0
_KNEE = parse_measure("left_knee", COCO_17)
_ELBOW = parse_measure("left_elbow", COCO_17)


def bent(degrees: float, identity: int | None = 7) -> Poses:
    """Somebody whose left knee is bent to an angle and who has no left elbow."""
    keypoints = np.zeros((17, 2)) + np.arange(17)[:, None]
    hip, knee, ankle = (COCO_17.index(f"left_{joint}") for joint in ("hip", "knee", "ankle"))
    angle = np.radians(degrees)
    keypoints[[hip, knee, ankle]] = (50, 10), (50, 30), (50 + 20 * np.sin(angle), 30 - 20 * np.cos(angle))
    keypoints[COCO_17.index("left_elbow")] = np.nan
    poses = poses_from(keypoints[None], np.ones((1, 17)), np.ones(1), COCO_17, (100, 100))
    return poses if identity is None else replace(poses, track_ids=np.array([identity]))


def squats(count: int, seconds: float = 2.0) -> list[float]:
    """Knee angles of somebody who squats so many times."""
    frames = round(count * seconds * _RATE) + 1
    return list(125 + 45 * np.cos(2 * np.pi * np.arange(frames) / (seconds * _RATE)))


def measuring(session: Session | None, kind: type[LiveMeasures] = LiveMeasures) -> LiveMeasures:
    measures = kind(lambda: cast("Any", session))
    measures.measures, measures.counted = (_KNEE, _ELBOW), _KNEE
    return measures


def test_angles_come_frame_by_frame_and_repetitions_are_those_of_a_clip() -> None:
    degrees = squats(4)
    answers = list(told(measuring(Session([bent(one) for one in degrees], _RATE))))
    people = [answer["people"][0] for answer in answers]
    assert [person["values"][0] for person in people] == pytest.approx(degrees, abs=0.06)
    assert {person["values"][1] for person in people} == {None}
    assert {person["number"] for person in people} == {7}
    counts = [person["count"] for person in people]
    assert [counts[place] for place in (10, 60, 100, 140)] == [0, 1, 2, 3], "what is not completed is not counted yet"
    items = [(n / _RATE, bent(one)) for n, one in enumerate(degrees)]
    (track,) = PoseSequence.collect(items, COCO_17, (100, 100)).tracks().values()
    assert counts[-1] == count_track(track, _KNEE).completed == 4


def test_a_long_exercise_is_counted_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_measures, "_LONGEST", 20.0)
    counter = RepetitionCounter()
    longest = 0
    for number, degrees in enumerate(squats(30)):
        counter.add(number / _RATE, degrees)
        assert abs(counter.count(RepetitionSettings()) - number / _RATE / 2) <= 1
        longest = max(longest, len(counter._times))
    assert counter.count(RepetitionSettings(min_seconds=0.2)) == 30
    assert longest < 22 * _RATE


def test_counting_begins_anew_on_demand_with_another_angle_and_with_another_camera() -> None:
    sessions = [Session([bent(one) for one in squats(3)], _RATE)]
    measures = LiveMeasures(lambda: cast("Any", sessions[-1]))
    measures.measures, measures.counted = (_KNEE,), _KNEE
    assert list(told(measures))[-1]["people"][0]["count"] == 3
    for begin in (measures.begin_anew, lambda: setattr(measures, "counted", _ELBOW)):
        begin()
        sessions[0].add(bent(90))
        assert [answer["people"][0]["count"] for answer in told(measures)] == [0]
    sessions.append(Session([bent(90)], _RATE))
    assert [answer["people"][0]["count"] for answer in told(measures)] == [0]


def test_somebody_alone_goes_on_where_the_tracker_lost_them() -> None:
    degrees = squats(3)
    people = [bent(one, 7 if n < 50 else 9) for n, one in enumerate(degrees)]
    people.insert(50, Poses.empty(COCO_17, (100, 100)))
    both = replace(bent(90, 9).select([0, 0]), track_ids=np.array([9, 7]))
    *_, alone, two = told(measuring(Session([*people, both], _RATE)))
    assert [(one["number"], one["count"]) for one in alone["people"]] == [(7, 3)]
    assert [one["number"] for one in two["people"]] == [7, 9]


def test_whoever_is_not_followed_is_measured_and_not_counted() -> None:
    (answer,) = told(measuring(Session([bent(90, None)], _RATE)))
    assert (answer["people"][0]["number"], answer["people"][0]["count"]) == (1, None)
    assert "switch Follow people on" in answer["words"]
    (nobody,) = told(measuring(Session([Poses.empty(COCO_17, (100, 100))], _RATE)))
    assert (nobody["people"], nobody["words"]) == ([], "Nobody is seen.")
    assert measuring(None).newest() is None


def test_what_moved_most_is_likely_to_be_counted_and_else_a_knee() -> None:
    right_knee, right_hip = (parse_measure(f"right_{joint}", COCO_17) for joint in ("knee", "hip"))
    joints = (_ELBOW, right_hip, right_knee, _KNEE)
    squatting = measuring(Session([bent(one) for one in squats(2)], _RATE))
    assert squatting.likely(joints) == _KNEE
    assert squatting.likely((_ELBOW, right_hip)) == _ELBOW
    assert squatting.likely(()) is None
    standing = measuring(Session([bent(165 + 5 * (n % 2)) for n in range(40)], _RATE))
    for nothing in (standing, measuring(Session([Poses.empty(COCO_17, (9, 9))], _RATE)), measuring(None)):
        assert nothing.likely(joints) == right_knee


def test_the_browser_asks_for_them() -> None:
    measures = cast("OfferedMeasures", measuring(Session([bent(90)], _RATE), OfferedMeasures))
    status, headers, body = fetch(live_routes(), f"/{measures.address}")
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert json.loads(body)["people"][0]["values"] == [90.0, None]
    assert fetch(live_routes(), f"/{measures.address}")[0] == 204
