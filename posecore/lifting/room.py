"""From lifted people to people in the room: bones made steady, the floor found, feet held if that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

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
        height = f"a height of {by.height:.2f} m" + ("" if by.height_given else ", which is assumed")
        camera = "the given focal length" if by.focal_given else "a usual camera"
        return f"Approximate: it rests on {height}, and on {camera}; {self.ground.basis}. Not for clinical use."


def room_of(sequence: PoseSequence, settings: LiftSettings | None = None) -> Room:
    """The people of a clip in one room; their frame numbers are those of the source, as in all tables.

    Args:
        sequence: The people of every frame.
        settings: How tall they are, and whether feet are held.

    Raises:
        PosecoreError: As :func:`posecore.lifting.lift` does.
    """
    settings = settings or LiftSettings()
    room = make_room(lift(sequence, height=settings.given_height), hold=settings.hold_feet)
    return replace(room, people=tuple(replace(one, frames=sequence.numbers[one.frames]) for one in room.people))


def make_room(people: Sequence[Poses3D], *, hold: bool = False) -> Room:
    """Put lifted people into one room.

    Args:
        people: As lifting returns them; who has no position in any frame is left out.
        hold: Hold feet where they stand, so that they do not slide; legs then agree a little less with the picture.
    """
    known = [steady_bones(one) for one in people if np.isfinite(one.in_camera()).all(-1).any()]
    ground = find_ground(known)
    standing = (put_on_ground(one, ground) for one in known)
    return Room(tuple(hold_feet(one) if hold else one for one in standing), ground)
