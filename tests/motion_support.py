"""Made-up people in a room, of whom everything is known, and the camera that sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.lifting import LiftedBy, Poses3D
from posecore.skeleton import COCO_17

Array = NDArray[np.float64]

RATE = 30.0
STRIDE, STEP, STANCE = 1.1, 0.65, 0.62
THIGH = SHANK = 0.46
#: The ankle's joint above the floor for the height of the made-up people.
HEIGHT = 1.70
ANKLE = 0.039 * HEIGHT
_HIPS = 0.86


def upper_body(hips: Array, forward: Array, left: Array) -> dict[str, Array]:
    """Joints above the hips, arms hanging with bent elbows, for ``(T, 3)`` middles of the hips."""
    up = np.array([0.0, 1.0, 0.0])
    joints = {"nose": hips + 0.68 * up + 0.1 * forward}
    for side, sign in (("left", 1), ("right", -1)):
        joints[f"{side}_eye"] = hips + 0.72 * up + 0.08 * forward + sign * 0.03 * left
        joints[f"{side}_ear"] = hips + 0.70 * up + sign * 0.07 * left
        shoulder = joints[f"{side}_shoulder"] = hips + 0.5 * up + sign * 0.18 * left
        elbow = joints[f"{side}_elbow"] = shoulder - 0.28 * up
        joints[f"{side}_wrist"] = elbow + 0.25 * forward
        joints[f"{side}_hip"] = hips + sign * 0.1 * left
    return joints


def knee_between(hip: Array, ankle: Array, forward: Array) -> Array:
    """The knee of a leg of ``THIGH`` and ``SHANK``, bent forward."""
    line = ankle - hip
    length = np.linalg.norm(line, axis=1, keepdims=True)
    ahead = line / length
    along = (THIGH**2 - SHANK**2 + length**2) / (2 * length)
    aside = forward - (forward * ahead).sum(1, keepdims=True) * ahead
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return hip + along * ahead + np.sqrt(THIGH**2 - along**2) * aside


def stack(joints: dict[str, Array]) -> Array:
    """``(T, 17, 3)`` in the order of COCO."""
    return np.stack([joints[name] for name in COCO_17.keypoints], 1)


def walker(seconds: float = 6.0, direction: float = 25.0, start: tuple[float, float] = (-2.0, 1.0)) -> Array:
    """``(T, 17, 3)`` metres, y up, of somebody who walks evenly: stride, steps and stance as the constants say."""
    times = np.arange(round(seconds * RATE)) / RATE
    angle = np.radians(direction)
    forward, left = np.array([np.cos(angle), 0.0, -np.sin(angle)]), np.array([-np.sin(angle), 0.0, -np.cos(angle)])
    speed = 2 * STEP / STRIDE
    hips = np.array([start[0], _HIPS, start[1]]) + times[:, None] * speed * forward
    joints = upper_body(hips, np.broadcast_to(forward, hips.shape), np.broadcast_to(left, hips.shape))
    for side, sign, late in (("left", 1, 0.0), ("right", -1, STRIDE / 2)):
        stride, phase = np.divmod((times - late) / STRIDE, 1.0)
        swing = np.clip((phase - STANCE) / (1 - STANCE), 0, 1)
        touched = late + stride * STRIDE
        along = touched * speed + speed * STANCE * STRIDE / 2 + swing * 2 * STEP
        ankle = np.array([start[0], ANKLE, start[1]]) + along[:, None] * forward + sign * 0.1 * left
        ankle[:, 1] += 0.1 * np.sin(np.pi * swing)
        joints[f"{side}_ankle"] = ankle
        joints[f"{side}_knee"] = knee_between(joints[f"{side}_hip"], ankle, forward)
    return stack(joints)


def stander(frames: int = 30, knees: Array | None = None) -> Array:
    """``(T, 17, 3)`` metres, y up, of somebody who stands and faces +z, with ``knees`` bent by so many degrees."""
    bent = np.radians(np.zeros(frames) if knees is None else knees)
    height = ANKLE + np.sqrt(THIGH**2 + SHANK**2 + 2 * THIGH * SHANK * np.cos(bent))
    hips = np.stack([np.zeros(frames), height, np.zeros(frames)], 1)
    forward, left = (np.broadcast_to(axis, hips.shape) for axis in ([0.0, 0.0, 1.0], [1.0, 0.0, 0.0]))
    joints = upper_body(hips, forward, left)
    for side in ("left", "right"):
        ankle = joints[f"{side}_hip"] * [1, 0, 1] + [0, ANKLE, 0]
        joints[f"{side}_ankle"] = ankle
        leg = THIGH + SHANK - 1e-9
        reached = np.where((joints[f"{side}_hip"][:, 1:2] - ANKLE) > leg, ankle + np.array([0, 1e-9, 0]), ankle)
        joints[f"{side}_knee"] = knee_between(joints[f"{side}_hip"], reached, forward)
    return stack(joints)


def seen(
    room: Array, *, pitch: float = 12.0, camera: tuple[float, float, float] = (0.0, 1.6, 6.0), track: int = 1
) -> Poses3D:
    """What lifting would return of people in the room if it made no mistakes.

    Args:
        room: ``(T, 17, 3)`` metres, y up.
        pitch: Degrees by which the camera looks down.
        camera: Where it is.
        track: Number of the person.
    """
    angle = np.radians(pitch)
    right, up, back = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]], np.float64
    )
    axes = np.stack([right, -up, -back])
    positions = (room - np.array(camera)) @ axes.T
    hips = [COCO_17.index("left_hip"), COCO_17.index("right_hip")]
    roots = positions[:, hips].mean(1)
    frames = np.arange(len(room))
    by = LiftedBy("made-up", "none", HEIGHT, False, 1200.0, False, (1280, 720))
    scores = np.where(np.isfinite(room).all(-1), 0.9, 0.0)
    return Poses3D(positions - roots[:, None], scores, roots, COCO_17, frames / RATE, frames, track, by)
