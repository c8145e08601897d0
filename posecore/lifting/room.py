"""From lifted people to people in the room: bones made steady, the floor found, feet held if that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.anchoring import anchor
from posecore.lifting.contacts import hold_feet
from posecore.lifting.ground import Ground, find_ground, put_on_ground
from posecore.lifting.lift import lift
from posecore.lifting.poses3d import Poses3D
from posecore.lifting.room_poses import RoomPoses
from posecore.lifting.settings import LiftSettings
from posecore.lifting.steady import steady_bones
from posecore.video.sequence import PoseSequence


@dataclass(frozen=True, eq=False)
class Room:
    """People in one room.

    Attributes:
        people: Everybody of whom something is known.
        ground: The floor on which they are.
    """

    people: tuple[RoomPoses, ...]
    ground: Ground

    @property
    def basis(self) -> str:
        """What the metres rest on, as a sentence for people."""
        if not self.people:
            return "Nobody could be lifted."
        by = self.people[0].lifted_by
        camera = "the given focal length" if by.focal_given else "a usual camera"
        return basis_of(by.height, by.height_given, f"{camera}; {self.ground.basis}")


def basis_of(height: float, given: bool, camera: str) -> str:
    """What metres rest on, as a sentence for people.

    Args:
        height: Of the people, in metres.
        given: False where it is assumed.
        camera: What is taken for granted about the camera and where up is.
    """
    tall = f"a height of {height:.2f} m" + ("" if given else ", which is assumed")
    return f"Approximate: it rests on {tall}, and on {camera}. Not for clinical use."


def room_of(sequence: PoseSequence, settings: LiftSettings | None = None) -> Room:
    """The people of a clip in one room.

    Args:
        sequence: The people of every frame.
        settings: How tall they are, and whether feet are held.

    Raises:
        PosecoreError: As :func:`posecore.lifting.lift` does.
    """
    return make_room(lift(sequence), settings, sequence.numbers)


def make_room(
    people: Sequence[Poses3D], settings: LiftSettings | None = None, numbers: NDArray[np.int64] | None = None
) -> Room:
    """Put lifted people into one room.

    Args:
        people: As lifting returns them; who has no position in any frame is left out.
        settings: How tall they are, and whether feet are held.
        numbers: ``(F,)`` number of each frame in the source, to take the place of the clip's.
    """
    settings = settings or LiftSettings()
    known = [steady_bones(one) for one in people if np.isfinite(one.in_camera()).all(-1).any()]
    if settings.given_height is not None:
        known = [one.scaled(settings.given_height) for one in known]
    known = anchor(known, find_ground(known).up)
    ground = find_ground(known)
    placed = [put_on_ground(one, ground) for one in known]
    if numbers is not None:
        placed = [replace(one, frames=numbers[one.frames]) for one in placed]
    return Room(tuple(hold_feet(one) if settings.hold_feet else one for one in placed), ground)
