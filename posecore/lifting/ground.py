"""Where the floor is and where up is: from people who stand and walk before a camera of which nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.body import ROOT, places_of
from posecore.lifting.contacts import standing
from posecore.lifting.poses3d import Poses3D
from posecore.lifting.room_poses import RoomPoses

Array = NDArray[np.float64]

#: Height of the ankle's joint above the floor as a share of stature (Winter, Biomechanics and Motor Control, 4.1).
ANKLE = 0.039
#: The camera's axes with y up and z towards it.
_FLIP = np.array([1.0, -1.0, -1.0])
_CAMERA_UP = np.array([0.0, 1.0, 0.0])
#: Degrees by which a camera is taken to be tilted at most.
_TILT = 50.0
#: Degrees by which a trunk may lean against the legs while somebody counts as upright.
_STRAIGHT = 25.0
#: Metres that places where feet stood must spread across their line, and most that they may lie off a plane.
_SPREAD, _FLAT = 0.5, 0.06
#: Metres above the lowest place of a body up to which feet are taken to stand on the floor.
_LIFTED = 0.15
#: Frames that have to speak for something, where there are so many.
_FEWEST = 5


@dataclass(frozen=True, eq=False)
class Ground:
    """The floor as the camera sees it.

    Attributes:
        rotation: ``(3, 3)``; brings positions with the camera's axes (x right, y up, z towards it) upright.
        origin: ``(3,)`` metres, upright: the point of the floor that becomes 0.
        basis: What it rests on, as a clause for people.
    """

    rotation: Array
    origin: Array
    basis: str

    @property
    def up(self) -> Array:
        """``(3,)`` where up is, in the camera's axes (x right, y down, z away)."""
        return np.asarray(self.rotation[1] * _FLIP)

    @property
    def tilt(self) -> float:
        """Degrees between the camera's up and the room's."""
        return float(np.degrees(np.arccos(np.clip(self.rotation[1, 1], -1, 1))))

    def upright(self, positions: NDArray[np.floating]) -> Array:
        """``(…, 3)`` metres seen from the camera (x right, y down, z away) in the room (x right, y up, z near)."""
        return np.asarray((positions * _FLIP) @ self.rotation.T - self.origin)

    def from_camera(self, positions: NDArray[np.floating]) -> Array:
        """``(…, 3)`` metres in the room as the camera sees them: x right, y down, z away."""
        return np.asarray(((positions + self.origin) @ self.rotation) * _FLIP)


def find_ground(people: Sequence[Poses3D]) -> Ground:
    """The floor under people of one clip.

    Up is the way in which people stretch while they stand; places where feet stood correct it where they spread over
    the floor; without anybody standing it is the camera's. The floor is as high as the feet that stand on it, else as
    the lowest ones.
    """
    standers = [_Stander(one) for one in people]
    up, basis = _up(standers)
    rotation = _turn(up)
    heights = [stander.heights(rotation[1]) for stander in standers]
    known = np.concatenate([*heights, np.zeros(0)])
    level = float(np.median(known)) if len(known) else 0.0
    roots = np.concatenate([*(stander.places[ROOT][stander.seen] for stander in standers), np.zeros((0, 3))])
    middle = rotation @ roots[0] if len(roots) else np.zeros(3)
    return Ground(rotation, np.array([middle[0], level, middle[2]]), basis)


def put_on_ground(person: Poses3D, ground: Ground) -> RoomPoses:
    """A person in the room with that floor."""
    return RoomPoses(
        ground.upright(np.asarray(person.in_camera(), np.float64)),
        np.asarray(person.keypoint_scores, np.float64),
        person.skeleton,
        person.times,
        person.frames,
        person.track_id,
        person.lifted_by,
    )


class _Stander:
    """What one person says about the floor, with the camera's axes, y up and z near."""

    def __init__(self, person: Poses3D) -> None:
        self.person = person
        self.places = places_of(np.asarray(person.in_camera(), np.float64) * _FLIP, person.skeleton)
        self.seen = np.isfinite(self.places[ROOT]).all(1)
        self.ankles = [self.places[f"{side}_ankle"] for side in ("left", "right")]

    def stretches(self) -> Array:
        """``(N, 3)`` directions from the feet to the neck, in frames in which the person stands upright."""
        feet, root, neck = (self.ankles[0] + self.ankles[1]) / 2, self.places[ROOT], self.places["neck"]
        legs, trunk = _unit(root - feet), _unit(neck - root)
        leans = np.degrees(np.arccos(np.clip((legs * trunk).sum(1), -1, 1)))
        body = _unit(neck - feet)
        tilted = np.degrees(np.arccos(np.clip(body @ _CAMERA_UP, -1, 1)))
        knees = [_angle(self.places, side) for side in ("left", "right")]
        upright = (leans < _STRAIGHT) & (tilted < _TILT) & (np.minimum(*knees) > 180 - 2 * _STRAIGHT)
        return np.asarray(body[upright])

    def steps(self, up: Array) -> Array:
        """``(N, 3)`` places where feet stand."""
        times = self.person.times
        return np.concatenate([ankle[standing(ankle, times, up)] for ankle in self.ankles])

    def heights(self, up: Array) -> Array:
        """``(N,)`` heights of the floor that this person tells: below standing feet, or what else is lowest."""
        below = ANKLE * self.person.lifted_by.height
        everything = np.stack(list(self.places.values())) @ up
        lowest = np.min(everything, axis=0, initial=np.inf, where=np.isfinite(everything))
        lowest = lowest[np.isfinite(lowest)]
        if not len(lowest):
            return np.zeros(0)
        floor = np.percentile(lowest, [5])
        feet = self.steps(up) @ up
        # Who stands on the hands or lies has feet that are still as well.
        return np.asarray(feet - below) if len(feet) >= _FEWEST and np.median(feet) < floor + _LIFTED else floor - below


def _up(standers: Sequence[_Stander]) -> tuple[Array, str]:
    """``(3,)`` the way up, and what says so."""
    stretched = np.concatenate([*(stander.stretches() for stander in standers), np.zeros((0, 3))])
    if len(stretched) < min(_FEWEST, max((len(stander.person) for stander in standers), default=1)):
        return _CAMERA_UP, "nobody is seen standing upright, so the camera is taken to be held level"
    up = _unit(np.median(stretched, axis=0)[None])[0]
    steps = np.concatenate([stander.steps(up) for stander in standers])
    normal = _plane(steps, up)
    if normal is not None:
        return normal, "up is across the places where feet stood"
    return up, "up is the way in which people stretch while they stand upright"


def _plane(steps: Array, up: Array) -> Array | None:
    """The direction across the places where feet stood; None where they do not tell."""
    if len(steps) < 2 * _FEWEST:
        return None
    _, spreads, axes = np.linalg.svd(steps - steps.mean(0), full_matrices=False)
    spreads = spreads / np.sqrt(len(steps))
    normal = axes[2] * np.sign(axes[2] @ up)
    near = np.degrees(np.arccos(np.clip(normal @ up, -1, 1))) < 20
    return normal if near and spreads[1] > _SPREAD / 2 and spreads[2] < _FLAT else None


def _turn(up: Array) -> Array:
    """The rotation that brings ``up`` to (0, 1, 0) and leaves x in the plane in which it was with ``up``."""
    x = np.array([1.0, 0.0, 0.0])
    x = _unit((x - (x @ up) * up)[None])[0]
    return np.stack([x, up, np.cross(x, up)])


def _angle(places: dict[str, Array], side: str) -> Array:
    hip, knee, ankle = (places[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
    first, second = _unit(hip - knee), _unit(ankle - knee)
    return np.asarray(np.degrees(np.arccos(np.clip((first * second).sum(1), -1, 1))))


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
