"""BVH: a skeleton of bones of constant length and how each turns, frame by frame; Blender and others read it.

Units are metres (Blender's scale 1); see :mod:`posecore.lifting.files.bones`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.lifting.files.bones import HIPS, Joint, Turning, turning
from posecore.lifting.room_poses import RoomPoses

Array = NDArray[np.float64]

_ORDER: Literal["ZXY"] = "ZXY"


def write_bvh(person: RoomPoses) -> Iterator[str]:
    """One person as the pieces of a BVH file.

    Raises:
        DataError: When there is no frame, or no frame in which both hips are known.
    """
    bones = turning(person)
    yield "HIERARCHY\n"
    yield from _hierarchy(HIPS, np.zeros(3), bones, "")
    yield f"MOTION\nFrames: {len(person)}\nFrame Time: {1 / person.rate:.8f}\n"
    columns = [bones.root, *(_degrees(turns) for turns in bones.turns.values())]
    for row in np.concatenate(columns, 1):
        yield " ".join(f"{value:.6f}" for value in row) + "\n"


def _hierarchy(joint: Joint, offset: Array, bones: Turning, indent: str) -> Iterator[str]:
    """A joint with all that hangs on it."""
    is_root = joint is HIPS
    yield f"{indent}{'ROOT' if is_root else 'JOINT'} {joint.name}\n{indent}{{\n"
    inner = f"{indent}  "
    yield f"{inner}OFFSET {_numbers(offset)}\n"
    position = "6 Xposition Yposition Zposition" if is_root else "3"
    yield f"{inner}CHANNELS {position} {' '.join(f'{axis}rotation' for axis in _ORDER)}\n"
    for child in joint.children:
        yield from _hierarchy(child, bones.offset(joint, child), bones, inner)
    if not joint.children:
        yield f"{inner}End Site\n{inner}{{\n{inner}  OFFSET {_numbers(np.array(joint.tip))}\n{inner}}}\n"
    yield f"{indent}}}\n"


def _numbers(values: Array) -> str:
    return " ".join(f"{value:.6f}" for value in values)


def _degrees(turns: Rotation) -> Array:
    """``(T, 3)`` degrees in the order of the file."""
    with warnings.catch_warnings():
        # Where two axes come to lie in one, any of the angles that give the rotation will do.
        warnings.simplefilter("ignore", UserWarning)
        angles = turns.as_euler(_ORDER)
    return np.asarray(np.degrees(np.unwrap(angles, axis=0)))
