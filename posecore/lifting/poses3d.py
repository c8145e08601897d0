"""Poses in space: what lifting returns, one object for each person of a clip.

Axes are the camera's: x to the right of the picture, y **down**, z away from the camera. Units are metres; they rest on
the person's height, which is given or assumed (:class:`LiftedBy` says which). Positions are relative to the middle of
the hips; where that is before the camera is a quantity of its own, because it is known far less well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError
from posecore.skeleton import Skeleton

#: Height in metres of a person of whom nobody says it.
USUAL_HEIGHT = 1.70

#: Focal length of a camera of which nobody says it, in longer sides of the picture: a phone or webcam.
USUAL_FOCAL = 1.0


@dataclass(frozen=True)
class LiftedBy:
    """What positions in space rest on.

    Attributes:
        lifter: Name of the network.
        weights: Hash of its weights.
        height: The person's height in metres.
        height_given: False where ``height`` is :data:`USUAL_HEIGHT`, for want of better.
        focal: Focal length in pixels.
        focal_given: False where ``focal`` is that of a usual camera.
        image_size: (width, height) of the pictures in pixels; the optical axis goes through their middle.
    """

    lifter: str
    weights: str
    height: float
    height_given: bool
    focal: float
    focal_given: bool
    image_size: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**vars(self), "image_size": list(self.image_size)}

    @classmethod
    def from_dict(cls, data: Any) -> LiftedBy:
        """Read what :meth:`to_dict` wrote; raises ``DataError`` for anything else."""
        try:
            width, height = (int(side) for side in data["image_size"])
            return cls(
                str(data["lifter"]),
                str(data["weights"]),
                float(data["height"]),
                bool(data["height_given"]),
                float(data["focal"]),
                bool(data["focal_given"]),
                (width, height),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError("What poses in space rest on is incomplete or malformed.") from error


@dataclass(frozen=True, eq=False)
class Poses3D:
    """One person in space over consecutive frames.

    Attributes:
        keypoints: ``(T, K, 3)`` float32 metres (x right, y down, z away from the camera) relative to the middle of the
            hips; NaN where nothing is known.
        keypoint_scores: ``(T, K)`` float32 in 0 … 1; 0 where missing.
        roots: ``(T, 3)`` float32 metres: the middle of the hips, seen from the camera; NaN where nothing is known.
        skeleton: Meaning of the K keypoints.
        times: ``(T,)`` float64 seconds.
        frames: ``(T,)`` int64 consecutive frame numbers in the clip.
        track_id: Identity of the person, or None for a single picture.
        lifted_by: What the positions rest on.

    Raises:
        ValueError: When the shapes do not fit together.
    """

    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    roots: NDArray[np.float32]
    skeleton: Skeleton
    times: NDArray[np.float64]
    frames: NDArray[np.int64]
    track_id: int | None
    lifted_by: LiftedBy

    def __post_init__(self) -> None:
        count = len(self.skeleton)
        keypoints = np.asarray(self.keypoints, np.float32).reshape(-1, count, 3)
        length = len(keypoints)
        known: NDArray[np.bool_] = np.asarray(np.isfinite(keypoints).all(-1))
        scores = np.asarray(self.keypoint_scores, np.float32).reshape(length, count)
        object.__setattr__(self, "keypoints", np.where(known[..., None], keypoints, np.float32(np.nan)))
        object.__setattr__(self, "keypoint_scores", np.where(known, scores, np.float32(0)))
        object.__setattr__(self, "roots", np.asarray(self.roots, np.float32).reshape(length, 3))
        object.__setattr__(self, "times", np.asarray(self.times, np.float64).reshape(length))
        object.__setattr__(self, "frames", np.asarray(self.frames, np.int64).reshape(length))

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(T, K)`` True where a keypoint has a position."""
        known: NDArray[np.bool_] = np.isfinite(self.keypoints[..., 0])
        return known

    @property
    def fps(self) -> float:
        """Frames per second; 0 where there are fewer than two frames."""
        if len(self) < 2 or self.times[-1] <= self.times[0]:
            return 0.0
        return float((len(self) - 1) / (self.times[-1] - self.times[0]))

    def in_camera(self) -> NDArray[np.float32]:
        """``(T, K, 3)`` float32 metres seen from the camera: keypoints and roots together."""
        return self.keypoints + self.roots[:, None]

    def project(self) -> NDArray[np.float32]:
        """``(T, K, 2)`` float32 source pixels (x, y) where the keypoints are seen; NaN where missing."""
        seen = self.in_camera()
        middle = (np.array(self.lifted_by.image_size, np.float32) - 1) / 2
        depth = np.where(seen[..., 2:] > 0, seen[..., 2:], np.float32(np.nan))
        return (seen[..., :2] / depth * np.float32(self.lifted_by.focal) + middle).astype(np.float32)

    def select(self, which: slice) -> Poses3D:
        """Some consecutive frames."""
        parts = ("keypoints", "keypoint_scores", "roots", "times", "frames")
        changes: Mapping[str, Any] = {name: getattr(self, name)[which] for name in parts}
        return replace(self, **changes)

    def scaled(self, height: float) -> Poses3D:
        """The same person if they are ``height`` metres tall."""
        factor = np.float32(height / self.lifted_by.height)
        by = replace(self.lifted_by, height=height, height_given=True)
        return replace(self, keypoints=self.keypoints * factor, roots=self.roots * factor, lifted_by=by)
