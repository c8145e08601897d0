"""A table of joint angles in the layout of OpenSim's MOT files.

Columns have the names and directions of coordinates in OpenSim's full-body models (Rajagopal 2016): degrees, 0 when
standing straight with the arms hanging, bending forward and towards the middle counts as more. They are read off the
joints one by one. OpenSim's own inverse kinematics, fed with the TRC file, fits a whole model instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.body import ROOT
from posecore.lifting.room_poses import RoomPoses

Array = NDArray[np.float64]


def write_mot(person: RoomPoses, name: str) -> Iterator[str]:
    """One person as the pieces of a MOT file; an unknown angle is ``nan``.

    Args:
        person: The person.
        name: Of the table; it stands in the first line.
    """
    columns = joint_coordinates(person)
    yield f"{name}\nversion=1\nnRows={len(person)}\nnColumns={len(columns) + 1}\ninDegrees=yes\nendheader\n"
    yield "\t".join(["time", *columns]) + "\n"
    for row in np.stack([person.times, *columns.values()], 1):
        yield "\t".join(f"{value:.6f}" for value in row) + "\n"


def joint_coordinates(person: RoomPoses) -> dict[str, Array]:
    """Coordinate → ``(T,)`` values: places of the pelvis in metres, angles in degrees."""
    places = person.places()
    root = places[ROOT]
    columns = {f"pelvis_t{axis}": root[:, place] for place, axis in enumerate("xyz")}
    trunk = places["neck"] - root
    pelvis = _axes(places["left_hip"] - places["right_hip"], trunk)
    chest = _axes(places["left_shoulder"] - places["right_shoulder"], trunk)
    for side in ("left", "right"):
        knee, ankle = places[f"{side}_knee"], places[f"{side}_ankle"]
        hip, shoulder = places[f"{side}_hip"], places[f"{side}_shoulder"]
        elbow, wrist = places[f"{side}_elbow"], places[f"{side}_wrist"]
        end = side[0]
        flexion, adduction = _swing(knee - hip, pelvis, side)
        columns |= {f"hip_flexion_{end}": flexion, f"hip_adduction_{end}": adduction}
        columns[f"knee_angle_{end}"] = bend(hip, knee, ankle)
        flexion, adduction = _swing(elbow - shoulder, chest, side)
        columns |= {f"arm_flex_{end}": flexion, f"arm_add_{end}": adduction}
        columns[f"elbow_flex_{end}"] = bend(shoulder, elbow, wrist)
    return columns


def bend(before: Array, joint: Array, after: Array) -> Array:
    """``(T,)`` degrees by which a joint is bent: 0 straight, 180 folded."""
    first, second = joint - before, after - joint
    across = np.linalg.norm(np.cross(first, second), axis=1)
    return np.asarray(np.degrees(np.arctan2(across, (first * second).sum(1))))


def _axes(to_left: Array, upward: Array) -> Mapping[str, Array]:
    """Unit vectors to the person's left, up along the trunk, and forward, ``(T, 3)`` each."""
    up = _unit(upward)
    left = _unit(to_left - (to_left * up).sum(1, keepdims=True) * up)
    return {"left": left, "up": up, "forward": np.cross(left, up)}


def _unit(vectors: Array) -> Array:
    """Directions; NaN for vectors without length."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0))


def _swing(limb: Array, axes: Mapping[str, Array], side: str) -> tuple[Array, Array]:
    """Degrees by which a limb swings forward and towards the middle, from hanging down."""
    forward, down = (limb * axes["forward"]).sum(1), -(limb * axes["up"]).sum(1)
    outward = (limb * axes["left"]).sum(1) * (1 if side == "left" else -1)
    return np.degrees(np.arctan2(forward, down)), -np.degrees(np.arctan2(outward, np.hypot(forward, down)))
