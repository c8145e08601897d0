"""How far away people are, by the feet that stand on the floor.

A person's size in the picture tells the distance badly: who bends the knees more than the network believes seems to go
away. A foot that stays where it is in the picture of a camera that does not move stands on the floor, which is as far
below the camera for all feet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from posecore.lifting.body import ROOT, places_of
from posecore.lifting.contacts import still
from posecore.lifting.cuts import unbroken
from posecore.lifting.poses3d import Poses3D

Array = NDArray[np.float64]

#: Metres that a foot is below the hips at least while it may stand.
_BELOW_HIPS = 0.25
#: Metres from the camera down to the floor, at least and at most; outside, distances by size are kept.
_CAMERA = (0.3, 12.0)
#: Factors by which a distance may change.
_CHANGE = (0.6, 1.6)
#: Frames with a standing foot that are needed, where there are so many.
_FEWEST = 5
#: Seconds that a foot stands at least; at the top of a jump it is still for a tenth of a second.
_LASTING = 0.2
#: Seconds over which changes are smoothed.
_SMOOTH = 0.3


def anchor(people: Sequence[Poses3D], up: Array) -> list[Poses3D]:
    """The same people at distances at which standing feet are on one floor.

    Args:
        people: As lifting returns them.
        up: ``(3,)`` where up is, in the camera's axes (x right, y down, z away).
    """
    feet = [_Feet(one, up) for one in people]
    depths = np.concatenate([*(one.depths[one.stand] for one in feet), np.zeros(0)])
    if not len(depths) or not _CAMERA[0] < (floor := float(np.median(depths))) < _CAMERA[1]:
        return list(people)
    return [one.on_floor(floor) for one in feet]


class _Feet:
    """The feet of one person.

    Attributes:
        ankles: ``(T, 2, 3)`` metres, from the camera.
        depths: ``(T, 2)`` metres below the camera.
        stand: ``(T, 2)`` True where a foot stands.
    """

    def __init__(self, person: Poses3D, up: Array) -> None:
        self.person = person
        places = places_of(np.asarray(person.in_camera(), np.float64), person.skeleton)
        self.ankles = np.stack([places["left_ankle"], places["right_ankle"]], 1)
        self.depths = -(self.ankles @ up)
        below = self.depths + (places[ROOT] @ up)[:, None]
        self.stand = np.stack([self._stands(foot) for foot in range(2)], 1) & (np.nan_to_num(below) > _BELOW_HIPS)

    def _stands(self, foot: int) -> NDArray[np.bool_]:
        """``(T,)`` True while a foot stays where it is in the picture."""
        distances = np.linalg.norm(self.ankles[:, foot], axis=1)
        known: NDArray[np.bool_] = np.isfinite(distances)
        if not known.any():
            return known
        rays = self.ankles[:, foot] / np.maximum(distances, 1e-9)[:, None]
        return still(rays * np.median(distances[known]), self.person.times, _LASTING)

    def on_floor(self, floor: float) -> Poses3D:
        """The person with standing feet ``floor`` metres below the camera, each on its line of sight."""
        counts = self.stand.sum(1)
        some = np.flatnonzero(counts)
        if len(some) < min(_FEWEST, len(counts)):
            return self.person
        ratios = np.where(self.stand, np.log(np.clip(floor / np.where(self.stand, self.depths, floor), *_CHANGE)), 0.0)
        changes = np.zeros(len(counts))
        for part in unbroken(self.person.project(), self.person.times):
            changes[part] = self._changes(ratios[part], counts[part])
        shift = (np.exp(changes) - 1)[:, None] * self.ankles.mean(1)
        moved = np.where(np.isfinite(shift), self.person.roots + shift, self.person.roots)
        return replace(self.person, roots=moved.astype(np.float32))

    def _changes(self, ratios: Array, counts: NDArray[np.int64]) -> Array:
        """``(T,)`` logarithms by which distances change: what standing feet ``(T, 2)`` say, smooth in between."""
        some = np.flatnonzero(counts)
        if not len(some):
            return np.zeros(len(counts))
        changes = np.interp(np.arange(len(counts)), some, ratios.sum(1)[some] / counts[some])
        window = min(round(_SMOOTH * self.person.fps) | 1, (len(changes) - 1) | 1)
        return np.asarray(savgol_filter(changes, window, 1)) if 3 <= window <= len(changes) else changes
