"""Joints and axes of a synthetic person in a posture, and the builder that hangs solids on them.

A person's own axes are x to its left, y up, z forward. Lengths are fractions of the body height unless they are said
to be metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic.looks import Look
from posecore.data.synthetic.painting import Array, Color, Keep, Paint, Solid
from posecore.data.synthetic.poses import Posture

_THIGH, _SHIN = 0.242, 0.232
_UPPER_ARM, _FOREARM = 0.165, 0.143
SHOULDER_HEIGHT, _NECK_HEIGHT, _HEAD_HEIGHT = 0.288, 0.31, 0.412
WAIST_HEIGHT = 0.1
#: Half the height of a grown-up's head; the unit of everything on the head.
HEAD = 0.069
SIDES = ("left", "right")


@dataclass(frozen=True)
class Figure:
    """A person in the world: how it looks, what it does, where it stands and where it faces.

    ``x``, ``z`` are metres in world axes; ``yaw`` is in degrees, 0 faces the viewer and 90 faces the right side of the
    picture.
    """

    look: Look
    posture: Posture
    x: float
    z: float
    yaw: float


def rotation(axis: int, degrees: float) -> NDArray[np.float64]:
    """``(3, 3)`` right-handed rotation about axis 0, 1 or 2."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cosine
    matrix[i, j], matrix[j, i] = -sine, sine
    return matrix


@dataclass(eq=False)
class Bones:
    """Joint positions (metres, world directions, pelvis at the origin) and the rotations of the parts."""

    joints: dict[str, Array] = field(default_factory=dict)
    frames: dict[str, Array] = field(default_factory=dict)


def pose_bones(figure: Figure) -> Bones:
    """Forward kinematics from the pelvis outwards."""
    look, pose, height = figure.look, figure.posture, figure.look.height
    bones = Bones()
    joints, frames = bones.joints, bones.frames
    pelvis = rotation(1, figure.yaw) @ rotation(0, pose.lean) @ rotation(2, -pose.roll)
    half = rotation(0, pose.bend / 2) @ rotation(2, -pose.sway / 2) @ rotation(1, pose.twist / 2)
    belly = pelvis @ half
    chest = belly @ half
    head = chest @ rotation(0, pose.bend * -0.3 + pose.nod) @ rotation(2, -pose.tilt) @ rotation(1, pose.turn)
    frames.update(pelvis=pelvis, belly=belly, chest=chest, head=head)
    joints["pelvis"] = np.zeros(3)
    joints["waist"] = belly @ (0, WAIST_HEIGHT * height, 0)
    joints["breast"] = joints["waist"] + chest @ (0, 0.125 * height, 0.006 * height)
    joints["neck"] = joints["waist"] + chest @ (0, (_NECK_HEIGHT - WAIST_HEIGHT) * height, -0.006 * height)
    # A larger head sits higher, so that the chin keeps its distance from the neck.
    rise = (_HEAD_HEIGHT - _NECK_HEIGHT + HEAD * (look.head - 1)) * height
    joints["head"] = joints["neck"] + head @ (0, rise, 0.018 * height)
    for index, (side, sign) in enumerate(zip(SIDES, (1, -1), strict=True)):
        shoulder = (sign * look.shoulders, SHOULDER_HEIGHT - WAIST_HEIGHT, -0.004)
        joints[f"{side}_shoulder"] = joints["waist"] + chest @ (np.array(shoulder) * height)
        # A raised arm lifts its shoulder.
        raised = max(pose.arm_out[index] - 60, 0) / 120
        joints[f"{side}_shoulder"] += chest @ (np.array([-sign * 0.012, 0.022, 0]) * raised * height)
        arm = chest @ rotation(2, sign * pose.arm_out[index]) @ rotation(0, -pose.arm_forward[index])
        arm = arm @ rotation(1, -sign * pose.arm_inward[index])
        forearm = arm @ rotation(0, -pose.elbow[index])
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] - arm[:, 1] * _UPPER_ARM * height
        joints[f"{side}_wrist"] = joints[f"{side}_elbow"] - forearm[:, 1] * _FOREARM * height
        joints[f"{side}_hip"] = pelvis @ (sign * look.hips * height, 0, 0)
        leg = pelvis @ rotation(2, sign * pose.leg_out[index]) @ rotation(0, -pose.leg_forward[index])
        leg = leg @ rotation(1, sign * pose.leg_outward[index])
        shin = leg @ rotation(0, pose.knee[index])
        joints[f"{side}_knee"] = joints[f"{side}_hip"] - leg[:, 1] * _THIGH * height
        joints[f"{side}_ankle"] = joints[f"{side}_knee"] - shin[:, 1] * _SHIN * height
        frames[f"{side}_arm"], frames[f"{side}_forearm"] = arm, forearm
        frames[f"{side}_leg"], frames[f"{side}_shin"] = leg, shin
        frames[f"{side}_foot"] = _foot_frame(shin, pose.planted[index])
    return bones


def _foot_frame(shin: Array, planted: float) -> Array:
    """Axes of a foot, between square to the shin and level with the ground."""
    level = np.array([shin[0, 2], 0, shin[2, 2]])
    forward = (1 - planted) * shin[:, 2] + planted * level / max(float(np.linalg.norm(level)), 0.3)
    forward /= np.linalg.norm(forward)
    side = shin[:, 0] - forward * (shin[:, 0] @ forward)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(forward, side), forward], 1)


class Builder:
    """Collects the solids of one figure; lengths are given in fractions of the height and scaled here."""

    def __init__(self, figure: Figure) -> None:
        self.look = figure.look
        self.bones = pose_bones(figure)
        self.solids: list[Solid] = []

    def at(self, joint: str, frame: str | None = None, offset: Sequence[float] | Array = (0, 0, 0)) -> Array:
        """Position near a joint (metres); ``offset`` is in fractions of the height along the axes of ``frame``."""
        position = self.bones.joints[joint]
        if frame is None:
            return position
        return position + self.bones.frames[frame] @ (np.array(offset) * self.look.height)

    def add(
        self,
        tag: str,
        start: Array,
        end: Array,
        radii: tuple[float, float],
        paint: Color | Paint,
        frame: str,
        stretch: tuple[float, float, float] = (1, 1, 1),
        *,
        cut: bool = False,
        keep: Keep | None = None,
        folds: float = 0.0,
        gloss: float = 0.03,
        lead: float = 0.0,
        grow: bool = True,
    ) -> None:
        """Add a solid; ``grow`` makes it as thick as the person is."""
        size = self.look.height * (self.look.girth if grow else 1)
        scaled = (radii[0] * size, radii[1] * size)
        axes = self.bones.frames[frame]
        self.solids.append(Solid(tag, start, end, scaled, paint, axes, stretch, cut, keep, folds, gloss, lead * size))
