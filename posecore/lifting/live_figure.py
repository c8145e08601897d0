"""The people before a camera in space, for a browser that asks for them again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.overlay import color_of
from posecore.errors import PosecoreError
from posecore.lifting.live_room import LiveRoom
from posecore.lifting.room_poses import RoomPoses
from posecore.video import LiveFrame, LiveSession
from posecore.video.live_following import mirrored_poses
from posecore.video.live_telling import LiveTeller

#: Share of the way by which the point that is looked at goes on with each picture.
_FOLLOW = 0.2


class LiveFigure(LiveTeller):
    """Lifts what a camera sees, but only as often as somebody asks.

    Args:
        running: The session that looks at the camera's pictures; None while there is none.
        height: How tall the people are in metres; None where it is assumed. May be set at any time.
    """

    def __init__(self, running: Callable[[], LiveSession | None], height: float | None = None) -> None:
        super().__init__(running)
        self.height = height
        self._room = LiveRoom(height)
        self._middle: NDArray[np.float64] | None = None

    @property
    def basis(self) -> str:
        """What the metres rest on, as a sentence for people."""
        return LiveRoom(self.height).basis

    def forget(self) -> None:
        """Nobody's distance or place is remembered."""
        self._room, self._middle = LiveRoom(self.height), None

    def told(self, frame: LiveFrame) -> dict[str, Any]:
        """The people of a picture; see ``frontend/figure/figure.js`` for what it holds."""
        if self.height != self._room.height:
            self.forget()
        # In a mirror a left hand looks like a right one, which the network would not believe.
        poses = mirrored_poses(frame.poses) if frame.mirrored else frame.poses
        try:
            people = self._room.update(poses, frame.time)
        except PosecoreError as error:
            return {"people": [], "middle": [0.0, 0.0], "words": str(error)}
        nobody = "Too few joints are seen." if len(poses) else "Nobody is seen."
        across = -1.0 if frame.mirrored else 1.0
        return {
            "people": [_person(one, place, across) for place, one in enumerate(people)],
            "middle": self._looked_at(people, across),
            "words": "" if people else nobody,
        }

    def _looked_at(self, people: Sequence[RoomPoses], across: float) -> list[float]:
        """The point (x, z) that is looked at: amid the people, and calm."""
        if people:
            amid = np.mean([np.nanmean(one.keypoints[0][:, [0, 2]], 0) for one in people], 0)
            self._middle = amid if self._middle is None else self._middle + _FOLLOW * (amid - self._middle)
        x, z = np.zeros(2) if self._middle is None else self._middle
        return [round(across * float(x), 3), round(float(z), 3)]


def _person(person: RoomPoses, place: int, across: float) -> dict[str, Any]:
    metres = np.round(person.keypoints[0] * [across, 1.0, 1.0], 3)
    joints = [joint if known else None for joint, known in zip(metres.tolist(), person.present[0], strict=True)]
    return {"color": color_of(place if person.track_id is None else person.track_id), "joints": joints}
