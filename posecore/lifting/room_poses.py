"""One person's way through the room: positions over time with the floor below and up where up is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.body import places_of
from posecore.lifting.poses3d import LiftedBy
from posecore.skeleton import Skeleton
from posecore.video.resampling import between

#: Frames by which frames may be from where an even rate would have them.
_UNEVEN = 0.25


@dataclass(frozen=True, eq=False)
class RoomPoses:
    """One person in the room over consecutive frames.

    Axes are right-handed: x to the camera's right, y **up**, z towards the camera; the floor is at y = 0.

    Attributes:
        keypoints: ``(T, K, 3)`` float64 metres; NaN where nothing is known.
        scores: ``(T, K)`` float64 in 0 … 1; 0 where missing.
        skeleton: Meaning of the K keypoints.
        times: ``(T,)`` float64 seconds.
        frames: ``(T,)`` int64 consecutive frame numbers.
        track_id: Identity of the person, or None for a single picture.
        lifted_by: What the positions rest on.
    """

    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    skeleton: Skeleton
    times: NDArray[np.float64]
    frames: NDArray[np.int64]
    track_id: int | None
    lifted_by: LiftedBy

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def label(self) -> str:
        """What files and widgets call the person: ``person3``, or ``person`` in a single picture."""
        return "person" if self.track_id is None else f"person{self.track_id}"

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(T, K)`` True where a keypoint has a position."""
        return np.isfinite(self.keypoints[..., 0])

    @property
    def rate(self) -> float:
        """Frames per second; 30 where there are fewer than two frames to tell."""
        if len(self) < 2 or self.times[-1] <= self.times[0]:
            return 30.0
        return float((len(self) - 1) / (self.times[-1] - self.times[0]))

    def evenly(self) -> RoomPoses:
        """The same person as often and at even times, for files that say a rate in place of times.

        Between two frames everybody is on the straight way from one to the other, where both are known. Who is at even
        times already stays as they are.
        """
        times = np.linspace(self.times[0], self.times[-1], len(self)) if len(self) > 2 else self.times
        if np.abs(times - self.times).max(initial=0.0) * self.rate < _UNEVEN:
            return self
        places = np.interp(times, self.times, np.arange(len(self)))
        return replace(
            self,
            keypoints=between(self.keypoints, places),
            scores=between(self.scores, places),
            times=times,
        )

    def places(self) -> dict[str, NDArray[np.float64]]:
        """Places of the body by name, ``(T, 3)`` each; see :mod:`posecore.lifting.body`."""
        return places_of(self.keypoints, self.skeleton)

    def select(self, which: slice) -> RoomPoses:
        """Some consecutive frames."""
        parts = ("keypoints", "scores", "times", "frames")
        changes: Mapping[str, Any] = {name: getattr(self, name)[which] for name in parts}
        return replace(self, **changes)

    def moved(self, keypoints: NDArray[np.float64]) -> RoomPoses:
        """The same person with keypoints elsewhere."""
        return replace(self, keypoints=keypoints)
