"""Poses as ROS 2 messages: plain data, as rosbridge carries them and bags hold them.

Topics and types follow REP-155: who is there, and for each body its region and skeleton. Positions in ``hri_msgs`` are
parts of the picture's width and height, 0 … 1. Markers, which any viewer of ROS shows, stand in a plane one metre
before the camera in which the picture is one metre wide (x right, y down, z away).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import to_edges
from posecore.drawing.overlay import person_color
from posecore.poses import Poses
from posecore.skeleton import Skeleton

#: ``hri_msgs/Skeleton2D`` in its order. Its left eye and ear come first, unlike OpenPose's.
SKELETON_2D = Skeleton("hri-18", (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "left_eye", "right_eye",
    "left_ear", "right_ear",
))  # fmt: skip
IDS, REGION, SKELETON = "hri_msgs/msg/IdsList", "hri_msgs/msg/NormalizedRegionOfInterest2D", "hri_msgs/msg/Skeleton2D"
MARKERS = "visualization_msgs/msg/MarkerArray"
TRACKED, MARKED = "/humans/bodies/tracked", "/humans/bodies/markers"

#: Kinds and actions of ``visualization_msgs/Marker``.
_LINE_LIST, _SPHERE_LIST, _ADD, _DELETE_ALL = 5, 7, 0, 3
#: Metres in the plane of markers: width of limbs, diameter of joints.
_LIMB, _JOINT = 0.006, 0.014
_STILL = {"position": {"x": 0.0, "y": 0.0, "z": 0.0}, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        topic: Where it goes.
        type: Its type, such as ``hri_msgs/msg/Skeleton2D``.
        content: Its fields by name; messages within it are dictionaries too.
    """

    topic: str
    type: str
    content: dict[str, Any]

    @property
    def nanoseconds(self) -> int:
        """Time in its header, or in that of its first part, since 1970."""
        whole = self.content if "header" in self.content else next(iter(self.content.values()))[0]
        stamp = whole["header"]["stamp"]
        return int(stamp["sec"]) * 10**9 + int(stamp["nanosec"])


def body_ids(poses: Poses) -> list[str]:
    """A name for every person: by the track where people are followed, else by place. They start with a letter."""
    numbers = range(1, len(poses) + 1) if poses.track_ids is None else poses.track_ids
    return [f"p{int(number)}" for number in numbers]


def people_messages(poses: Poses, seconds: float, camera_frame: str, *, markers: bool = True) -> Iterator[Message]:
    """Everything about the people of one picture.

    Args:
        poses: The people.
        seconds: When the picture was taken, since 1970.
        camera_frame: Name of the camera's optical frame.
        markers: Also as markers for viewers.
    """
    header = header_at(seconds, camera_frame)
    ids = body_ids(poses)
    yield Message(TRACKED, IDS, {"header": header, "ids": ids})
    for index, (name, points) in enumerate(zip(ids, _skeletons(poses), strict=True)):
        yield Message(f"/humans/bodies/{name}/roi", REGION, {"header": header, **_region(poses, index)})
        yield Message(f"/humans/bodies/{name}/skeleton2d", SKELETON, {"header": header, "skeleton": points})
    if markers:
        yield Message(MARKED, MARKERS, {"markers": _markers(poses, header)})


def header_at(seconds: float, frame: str) -> dict[str, Any]:
    """``std_msgs/Header`` of a moment in seconds since 1970."""
    nanoseconds = round(seconds * 1e9)
    return {"stamp": {"sec": nanoseconds // 10**9, "nanosec": nanoseconds % 10**9}, "frame_id": frame}


def _part(value: float) -> float:
    """A number between 0 and 1; 0 for what is not known."""
    return min(max(float(value), 0.0), 1.0) if math.isfinite(value) else 0.0


def _region(poses: Poses, index: int) -> dict[str, float]:
    width, height = poses.image_size
    x0, y0, x1, y1 = to_edges(poses.boxes()[index].reshape(2, 2)).ravel().tolist()
    corners = {"xmin": x0 / width, "ymin": y0 / height, "xmax": x1 / width, "ymax": y1 / height}
    return {**{name: _part(value) for name, value in corners.items()}, "c": _part(poses.scores[index])}


def _skeletons(poses: Poses) -> list[list[dict[str, float]]]:
    """The 18 points of everybody; those that are missing are 0, 0 with a confidence of 0."""
    named, (width, height) = poses.to_skeleton(SKELETON_2D), poses.image_size
    return [
        [
            {"x": _part(x / width), "y": _part(y / height), "c": _part(score) if known else 0.0}
            for (x, y), score, known in zip(places.tolist(), scores.tolist(), present, strict=True)
        ]
        for places, scores, present in zip(to_edges(named.keypoints), named.keypoint_scores, named.present, strict=True)
    ]


def _markers(poses: Poses, header: dict[str, Any]) -> list[dict[str, Any]]:
    """What was there before goes; then lines and dots for each person."""
    markers = [clearing_marker(header)]
    for index in range(len(poses)):
        places = np.where(poses.present[index][:, None], _in_plane(poses, index), np.nan)
        color = person_color(poses, index)
        markers += limb_and_joint_markers(header, index, color, places, poses.skeleton, limb=_LIMB, joint=_JOINT)
    return markers


def clearing_marker(header: dict[str, Any]) -> dict[str, Any]:
    """The marker before which all others go."""
    return _marker(header, _SPHERE_LIST, 0, 0.0, (0, 0, 0), np.zeros((0, 3)), action=_DELETE_ALL)


def limb_and_joint_markers(
    header: dict[str, Any],
    index: int,
    color: tuple[int, int, int],
    places: NDArray[np.float64],
    skeleton: Skeleton,
    *,
    limb: float,
    joint: float,
) -> list[dict[str, Any]]:
    """One person as lines and dots.

    Args:
        header: Of the message.
        index: Number of the person among the markers.
        color: RGB.
        places: ``(K, 3)`` metres; NaN where missing.
        skeleton: Meaning of the K places.
        limb, joint: Metres: width of a line, diameter of a dot.
    """
    present = np.asarray(np.isfinite(places).all(1))
    edges = np.array(skeleton.edges, int).reshape(-1, 2)
    limbs = places[edges[present[edges].all(1)]].reshape(-1, 3)
    return [
        _marker(header, _LINE_LIST, index, limb, color, limbs),
        _marker(header, _SPHERE_LIST, index, joint, color, places[present]),
    ]


def _in_plane(poses: Poses, index: int) -> NDArray[np.float64]:
    """``(K, 3)`` metres of one person's keypoints in the plane of markers."""
    width, height = poses.image_size
    flat = (to_edges(poses.keypoints[index]) - (width / 2, height / 2)) / width
    return np.column_stack([flat, np.ones(len(flat))])


def _marker(
    header: dict[str, Any],
    kind: int,
    index: int,
    size: float,
    color: tuple[int, int, int],
    points: NDArray[np.float64],
    action: int = _ADD,
) -> dict[str, Any]:
    red, green, blue = (value / 255 for value in color)
    nothing: dict[str, Any] = {"sec": 0, "nanosec": 0}
    return {
        "header": header,
        "ns": "limbs" if kind == _LINE_LIST else "joints",
        "id": index,
        "type": kind,
        "action": action,
        "pose": _STILL,
        "scale": {"x": size, "y": size, "z": size},
        "color": {"r": red, "g": green, "b": blue, "a": 1.0},
        "lifetime": nothing,
        "frame_locked": False,
        "points": [dict(zip("xyz", map(float, point), strict=True)) for point in points],
    }
