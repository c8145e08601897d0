"""Smart crop: in a sequence of pictures, look where the person was in the one before.

The rules are those that MoveNet was published with (tfjs-models, ``pose-detection/src/movenet/crop_utils.ts``): a
square around the hips, large enough for the torso and for the whole body, smoothed over time; the whole picture again
as soon as the torso is not seen well enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, to_edges
from posecore.poses import Poses
from posecore.skeleton import Skeleton


@dataclass(frozen=True)
class CropRules:
    """Constants of the published rules.

    Attributes:
        gate: Score above which a joint is seen.
        torso: Half side of the square relative to the longest way along an axis from the hips to a torso joint.
        body: The same for all joints that are seen.
        alpha: Weight of the new region in the low-pass filter.
    """

    gate: float = 0.2
    torso: float = 1.9
    body: float = 1.2
    alpha: float = 0.9


def square_around(
    keypoints: NDArray[np.floating],
    scores: NDArray[np.floating],
    skeleton: Skeleton,
    image_size: tuple[int, int],
    rules: CropRules = CropRules(),
) -> Region | None:
    """Where to look for a person in the next picture.

    Args:
        keypoints: ``(K, 2)`` (x, y) in source pixels; NaN where missing.
        scores: ``(K,)``.
        skeleton: Names hips and shoulders.
        image_size: (width, height).
        rules: Constants.

    Returns:
        A square, possibly reaching outside the picture; None for the whole picture: when no hip or no shoulder is seen,
        or when the square would be larger than the picture.
    """
    hips, shoulders = (_indices(skeleton, name) for name in ("hip", "shoulder"))
    seen = (scores > rules.gate) & np.isfinite(keypoints).all(1)
    if not (seen[hips].any() and seen[shoulders].any()):
        return None
    # The published rules take the positions of all torso joints, seen or not.
    places = to_edges(keypoints)
    x, y = (float(value) for value in np.nanmean(places[hips], axis=0))
    longest = float(np.nanmax(np.abs(places[[*hips, *shoulders]] - (x, y))))
    furthest = float(np.abs(places[seen] - (x, y)).max())
    width, height = image_size
    half = min(max(rules.torso * longest, rules.body * furthest), max(x, width - x, y, height - y))
    if half > max(width, height) / 2 or half < 1:
        return None
    return x - half, y - half, x + half, y + half


class SmartCrop:
    """Follows one person through a sequence; see :class:`posecore.families.contract.Follower`.

    Args:
        rules: Constants.

    Attributes:
        region: Where the next picture will be looked at; None is all of it.
    """

    def __init__(self, rules: CropRules = CropRules()) -> None:
        self.rules = rules
        self.region: Region | None = None
        self._size: tuple[int, int] | None = None

    def next_region(self, image_size: tuple[int, int]) -> Region | None:
        """Where to look in the next picture; all of it when its size is another than before."""
        if image_size != self._size:
            self.region, self._size = None, image_size
        return self.region

    def observe(self, poses: Poses) -> None:
        """Learn from the poses of a picture: nobody, or a torso not seen, leads back to the whole picture.

        The rules use the positions of unsure torso joints too.
        """
        wanted = None
        if len(poses):
            wanted = square_around(
                poses.keypoints[0], poses.keypoint_scores[0], poses.skeleton, poses.image_size, self.rules
            )
        if wanted is not None and self.region is not None:
            mixed = np.array(self.region) * (1 - self.rules.alpha) + np.array(wanted) * self.rules.alpha
            wanted = (float(mixed[0]), float(mixed[1]), float(mixed[2]), float(mixed[3]))
        self.region = wanted


def _indices(skeleton: Skeleton, joint: str) -> list[int]:
    return [index for index, name in enumerate(skeleton.keypoints) if name in (f"left_{joint}", f"right_{joint}")]
