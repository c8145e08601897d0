"""The figure beside the camera's picture: people on a floor as they come, and how the browser gets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest

from posecore.lifting.live_figure import LiveFigure
from posecore.lifting.live_room import LiveRoom
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.ui.webcam.live_figure import OfferedFigure
from posecore.ui.webcam.serving import live_routes
from tests.live_support import Session, told
from tests.motion_support import ANKLE, HEIGHT, seen, stander, walker
from tests.pose_support import poses_from
from tests.routes_support import fetch

RATE = 10.0


def in_pictures(room: np.ndarray, tracked: bool = True) -> list[Poses]:
    """What a camera sees of somebody in the room, ten times a second."""
    person = seen(room[::3], pitch=0.0, camera=(0.0, 1.0, 3.5))
    size = person.lifted_by.image_size
    ids = np.array([4]) if tracked else None
    return [poses_from(xy[None], np.ones((1, 17)), np.ones(1), COCO_17, size, ids) for xy in person.project()]


def figures(frames: list[Poses], mirrored: bool = False) -> Iterator[dict[str, Any]]:
    session = Session(frames, RATE, mirrored)
    return told(LiveFigure(lambda: cast("Any", session)))


def test_whoever_stands_or_squats_has_feet_on_the_floor_and_a_calm_place() -> None:
    knees = np.concatenate([np.zeros(30), np.linspace(0, 100, 30)])
    room, placed = LiveRoom(HEIGHT), []
    for number, poses in enumerate(in_pictures(stander(60, knees))):
        (person,) = room.update(poses, number / RATE)
        placed.append(person.keypoints[0])
    positions = np.stack(placed)
    ankles, hips = (
        positions[:, [COCO_17.index(f"{side}_{name}") for side in ("left", "right")], 1] for name in ("ankle", "hip")
    )
    assert ankles.min(1) == pytest.approx(ANKLE, abs=0.03)
    assert hips[5].mean() > hips[-1].mean() + 0.1
    assert np.abs(np.diff(positions[..., [0, 2]].mean(1), axis=0)).max() < 0.1
    assert "level" in room.basis
    assert "assumed" not in room.basis


def test_without_feet_hips_are_where_they_usually_are() -> None:
    poses = in_pictures(stander(6))[-1]
    poses.keypoints[:, 13:] = np.nan
    (person,) = LiveRoom().update(poses, 0.0)
    assert person.places()["mid_hip"][0, 1] == pytest.approx(0.53 * 1.7, abs=0.02)
    assert LiveRoom().update(Poses.empty(COCO_17, (64, 48)), 0.0) == []
    assert "assumed" in LiveRoom().basis


@pytest.mark.parametrize("tracked", [True, False])
def test_a_mirrored_picture_has_a_mirrored_figure(tracked: bool) -> None:
    frames = in_pictures(walker(1.5, 60.0, (-0.5, 0.0)), tracked)
    for plain, mirror in zip(figures(frames), figures(frames, mirrored=True), strict=True):
        joints = [np.array(answer["people"][0]["joints"], float) for answer in (plain, mirror)]
        np.testing.assert_allclose(joints[1] * [-1, 1, 1], joints[0], atol=0.02)
        assert mirror["middle"] == pytest.approx([-plain["middle"][0], plain["middle"][1]], abs=0.02)


def test_the_browser_asks_until_nothing_new_comes() -> None:
    frames = in_pictures(stander(6))
    session = Session([*frames, Poses.empty(COCO_17, frames[0].image_size)], RATE)
    figure = OfferedFigure(lambda: cast("Any", session))
    answers = [fetch(live_routes(), f"/{figure.address}") for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 200, 204]
    first, _, last = (json.loads(body) for _, _, body in answers[:3])
    assert len(first["people"][0]["joints"]) == 17
    assert (last["people"], last["words"]) == ([], "Nobody is seen.")
    assert answers[0][1]["cache-control"] == "no-store"
    address = figure.address
    del figure
    # The thread that answered last may still hold it for a moment.
    while fetch(live_routes(), f"/{address}")[0] != 404:
        time.sleep(0.05)


def test_a_new_session_begins_anew_and_no_session_tells_nothing() -> None:
    frames = in_pictures(stander(9))
    sessions: list[Session | None] = [Session(frames, RATE)]
    figure = LiveFigure(lambda: cast("Any", sessions[-1]))
    assert len(list(told(figure))) == 3
    sessions.append(Session(frames[:1], RATE))
    assert figure.newest() is not None
    sessions.append(None)
    assert figure.newest() is None
