"""People before a camera on a floor, frame by frame as they come."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.ground import ANKLE, Ground, put_on_ground
from posecore.lifting.lift import LiveLifter
from posecore.lifting.poses3d import USUAL_HEIGHT, Poses3D
from posecore.lifting.room import basis_of
from posecore.lifting.room_poses import RoomPoses
from posecore.poses import Poses
from posecore.skeleton import COCO_17

Array = NDArray[np.float64]

#: Seconds over which somebody's distance is smoothed: the size in the picture tells it, which trembles.
_CALM = 0.3
#: Height of the hips above the floor as a share of stature, where no foot tells it.
_HIPS = 0.53
_ANKLES = [COCO_17.index("left_ankle"), COCO_17.index("right_ankle")]
_CAMERA = "a usual camera that is held level; the lowest joint is taken to be on the floor"


class LivePeople:
    """Lifts people frame by frame, at calm distances from the camera, each on the line on which they are seen.

    Args:
        height: Height of the people in metres; 1.70 is assumed where it is not given.

    Raises:
        SettingsError: For a height that cannot be.
    """

    def __init__(self, height: float | None = None) -> None:
        self._lifter = LiveLifter(height)
        self._places: dict[int | None, tuple[float, Array]] = {}

    def update(self, poses: Poses, time: float) -> list[Poses3D]:
        """The people of a frame at ``time`` seconds, one frame each; see :meth:`LiveLifter.update`."""
        people = [self._calmed(one, time) for one in self._lifter.update(poses, time)]
        self._places = {number: kept for number, kept in self._places.items() if kept[0] > time - 1}
        return people

    def _calmed(self, person: Poses3D, time: float) -> Poses3D:
        """The hips at a calm distance; where they were if nothing tells it now."""
        told = np.asarray(person.roots[0], np.float64)
        since, before = self._places.get(person.track_id, (time, told))
        if np.isfinite(told).all() and np.isfinite(before).all():
            distance = told[2] + math.exp(-(time - since) / _CALM) * (before[2] - told[2])
            place = told * (distance / told[2])
        else:
            place = told if np.isfinite(told).all() else before
        if person.track_id is not None and np.isfinite(place).all():
            self._places[person.track_id] = (time, place)
        return replace(person, roots=place[None].astype(np.float32))


class LiveRoom:
    """Lifts people frame by frame and puts them on a floor.

    What comes later is not known, so this is simpler than :func:`posecore.lifting.room.make_room`: the camera is taken
    to be level, and everybody to touch the floor with what is lowest.

    Args:
        height: Height of the people in metres; 1.70 is assumed where it is not given.

    Raises:
        SettingsError: For a height that cannot be.
    """

    def __init__(self, height: float | None = None) -> None:
        self.height = height
        self._people = LivePeople(height)

    @property
    def basis(self) -> str:
        """What the metres rest on, as a sentence for people."""
        return basis_of(self.height or USUAL_HEIGHT, self.height is not None, _CAMERA)

    def update(self, poses: Poses, time: float) -> list[RoomPoses]:
        """Those people of a frame at ``time`` seconds of whom something is known, one frame each.

        Raises:
            PosecoreError: As :func:`posecore.lifting.lift` does.
        """
        return [_placed(one) for one in self._people.update(poses, time) if one.present.any()]


def _placed(person: Poses3D) -> RoomPoses:
    """One person on the floor, where the camera is at x = z = 0."""
    x, _, z = np.nan_to_num(person.roots[0])
    rooted = replace(person, roots=np.array([[x, 0.0, z]], np.float32))
    return put_on_ground(rooted, Ground(np.eye(3), np.array([0.0, _floor_below(person), 0.0]), _CAMERA))


def _floor_below(person: Poses3D) -> float:
    """Metres from the middle of the hips up to the floor, so a negative number."""
    height = person.lifted_by.height
    ups = -np.asarray(person.keypoints[0, :, 1], np.float64)
    lowest = float(np.nanmin(ups)) - ANKLE * height
    return lowest if person.present[0, _ANKLES].any() else min(lowest, -_HIPS * height)
