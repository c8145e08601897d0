"""From poses in pictures to poses in space."""

from __future__ import annotations

import math

from posecore.errors import SettingsError, WeightsError
from posecore.lifting.poses3d import Poses3D
from posecore.poses import Poses
from posecore.video.sequence import PoseSequence

#: Heights in metres that a person may have.
HEIGHTS = (0.4, 2.6)


def lift(sequence: PoseSequence, *, height: float | None = None, focal: float | None = None) -> list[Poses3D]:
    """Every person of a clip in space, in the order of their track ids.

    A sequence whose people are not followed is lifted frame by frame, as :func:`lift_poses` does.

    Args:
        sequence: The people of every frame, in any skeleton that has COCO's limbs by name.
        height: Height of the people in metres; 1.70 is assumed where it is not given.
        focal: Focal length of the camera in pixels; a usual camera's is assumed where it is not given.

    Raises:
        SettingsError: For a height or focal length that cannot be.
        SkeletonError: When the skeleton lacks the joints of the limbs.
        WeightsError: When the network's weights are not there.
    """
    check_scale(height, focal)
    raise WeightsError("There is no network that lifts poses here; train one with posecore train.")


def lift_poses(poses: Poses, *, height: float | None = None, focal: float | None = None) -> list[Poses3D]:
    """Every person of a single picture in space, one frame each, in the order of ``poses``.

    Args, errors: As of :func:`lift`. A single picture says less than a clip: depth is a guess from the limbs' lengths.
    """
    check_scale(height, focal)
    raise WeightsError("There is no network that lifts poses here; train one with posecore train.")


def check_scale(height: float | None, focal: float | None) -> None:
    """Raise ``SettingsError`` for a height in metres or a focal length in pixels that cannot be."""
    if height is not None and not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise SettingsError(f"A person's height must lie in {HEIGHTS[0]} to {HEIGHTS[1]} metres, not {height:g}.")
    if focal is not None and not (math.isfinite(focal) and focal > 1):
        raise SettingsError(f"The focal length must be more than 1 pixel, not {focal:g}.")
