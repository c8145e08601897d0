"""A body as bones of constant length and how each turns, frame by frame: what files of skeletons share.

Units are metres, y is up, the person at rest stands upright, faces +z and holds the arms out. Bones cannot be unknown:
one that is not seen for a while turns evenly from where it was to where it is seen next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import DataError
from posecore.lifting.body import ROOT, bone_lengths
from posecore.lifting.room_poses import RoomPoses

Array = NDArray[np.float64]

#: Lengths in metres of bones that were never seen.
_USUAL_LENGTHS = {
    "neck": 0.49, "head": 0.2, "shoulder": 0.18, "elbow": 0.29, "wrist": 0.25, "hip": 0.1, "knee": 0.42, "ankle": 0.42,
}  # fmt: skip


@dataclass(frozen=True)
class Joint:
    """A joint.

    Attributes:
        name: As files say it; the names are those that most programs know.
        place: The place of the body where it is.
        end: The place at the far end of its bone; None for a joint that has none or turns by its line.
        children: Joints that hang on it.
        line: The two places whose line gives its sideways direction, from the right one to the left one.
        tip: Metres (x, y, z) from a joint without children to where it ends when nothing is turned.
    """

    name: str
    place: str
    end: str | None = None
    children: tuple[Joint, ...] = ()
    line: tuple[str, str] | None = None
    tip: tuple[float, float, float] = (0.0, 0.0, 0.0)


def _limb(side: str, names: str, places: str, tip: tuple[float, float, float]) -> Joint:
    """A limb of three joints, the last of which turns with the bone before it."""
    upper, lower, last = (f"{side.title()}{name}" for name in names.split())
    first, second, third = (f"{side}_{place}" for place in places.split())
    end = Joint(last, third, tip=tip)
    return Joint(upper, first, second, (Joint(lower, second, third, (end,)),))


_ARMS = (
    _limb("left", "Arm ForeArm Hand", "shoulder elbow wrist", (0.08, 0, 0)),
    _limb("right", "Arm ForeArm Hand", "shoulder elbow wrist", (-0.08, 0, 0)),
)
_LEGS = tuple(_limb(side, "UpLeg Leg Foot", "hip knee ankle", (0, 0, 0.12)) for side in ("left", "right"))
_CHEST = Joint("Chest", "neck", None, _ARMS, line=("right_shoulder", "left_shoulder"))
_NECK = Joint("Neck", "neck", "head", (Joint("Head", "head", tip=(0, 0.12, 0)),))
_SPINE = Joint("Spine", ROOT, "neck", (_CHEST, _NECK))
HIPS = Joint("Hips", ROOT, None, (_SPINE, *_LEGS), line=("right_hip", "left_hip"))

_UP, _SIDE = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
#: Direction of each place from the one before it in the pose at rest.
_REST = {
    "neck": _UP,
    "head": _UP,
    **{f"left_{place}": _SIDE for place in ("shoulder", "elbow", "wrist", "hip")},
    **{f"right_{place}": -_SIDE for place in ("shoulder", "elbow", "wrist", "hip")},
    **{f"{side}_{place}": -_UP for side in ("left", "right") for place in ("knee", "ankle")},
}


@dataclass(frozen=True, eq=False)
class Turning:
    """A person as bones that turn.

    Attributes:
        lengths: Place → metres of the bone that ends there.
        root: ``(T, 3)`` metres: where the hips are.
        turns: ``(T,)`` rotations of each joint by name, as seen from the joint on which it hangs.
    """

    lengths: Mapping[str, float]
    root: Array
    turns: Mapping[str, Rotation]

    def offset(self, joint: Joint, child: Joint) -> Array:
        """``(3,)`` metres from a joint to one that hangs on it, when nothing is turned."""
        place = child.place
        return np.zeros(3) if place == joint.place else _REST[place] * self.lengths[place] + 0.0


def turning(person: RoomPoses) -> Turning:
    """A person as bones that turn.

    Raises:
        DataError: When there is no frame, or no frame in which both hips are known.
    """
    places = person.places()
    root = _filled(places[ROOT])
    if root is None:
        raise DataError("It needs the hips of the person in at least one frame; they are nowhere known.")
    seen = bone_lengths(places)
    lengths = {place: seen.get(place, _USUAL_LENGTHS[place.rpartition("_")[2]]) for place in _REST}
    return Turning(lengths, root, dict(_turns(HIPS, places, Rotation.identity(len(person)))))


def _turns(joint: Joint, places: Mapping[str, Array], before: Rotation) -> Iterator[tuple[str, Rotation]]:
    """The names of a joint and of all that hang on it, and how they turn.

    Args:
        joint: The joint.
        places: Where the places of the body are.
        before: How the joint on which it hangs has turned, as seen from the room.
    """
    turned = _turned(joint, places, before)
    yield joint.name, before.inv() * turned
    for child in joint.children:
        yield from _turns(child, places, turned)


def _turned(joint: Joint, places: Mapping[str, Array], before: Rotation) -> Rotation:
    """How a joint has turned, as seen from the room: its bone lies where it lay, and turns on itself least."""
    if joint.line is not None:
        right, left = joint.line
        across = _filled(places[left] - places[right])
        upward = _filled(places["neck"] - places[ROOT])
        rest = before.apply(_SIDE)
        return _frame(rest if across is None else across, before.apply(_UP) if upward is None else upward)
    if joint.end is None:
        return before
    bone = _filled(places[joint.end] - places[joint.place])
    return before if bone is None else least_turn(before.apply(_REST[joint.end]), bone) * before


def _frame(across: Array, upward: Array) -> Rotation:
    """The rotation that brings x to ``across`` and y as near to ``upward`` as that allows."""
    x = _unit(across)
    spare = np.where(np.abs(x[:, 1:2]) < 0.9, _UP, np.array([0.0, 0.0, 1.0]))
    y = upward - (upward * x).sum(1, keepdims=True) * x
    lying = np.linalg.norm(y, axis=1, keepdims=True) < 1e-6
    y = _unit(np.where(lying, spare - (spare * x).sum(1, keepdims=True) * x, y))
    return Rotation.from_matrix(np.stack([x, y, np.cross(x, y)], -1))


def least_turn(start: Array, end: Array) -> Rotation:
    """The smallest rotations that bring directions ``start`` to directions ``end``, ``(T, 3)`` each."""
    start, end = _unit(start), _unit(end)
    axis = np.cross(start, end)
    sine, cosine = np.linalg.norm(axis, axis=1, keepdims=True), (start * end).sum(1, keepdims=True)
    # Turned right back, any axis across will do.
    other = np.where(np.abs(start[:, :1]) < 0.9, _SIDE, _UP)
    axis = np.where(sine > 1e-9, axis, np.cross(start, other))
    return Rotation.from_rotvec(_unit(axis) * np.arctan2(sine, cosine))


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 1e-9, vectors / np.maximum(lengths, 1e-9), _UP)


def _filled(values: Array) -> Array | None:
    """``(T, 3)`` values with unknown frames between the known ones; None when all are unknown."""
    known = np.isfinite(values).all(1)
    if not known.any():
        return None
    frames = np.arange(len(values))
    return np.stack([np.interp(frames, frames[known], values[known, axis]) for axis in range(3)], 1)
