"""Whether another way to compute a network finds the same people in a picture as PyTorch does in float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic import render_scene
from posecore.families.contract import AnyFamily
from posecore.fields import FieldKind, Fields, Provenance
from posecore.imaging import Picture, sample, stretch
from posecore.poses import Poses
from posecore.settings import NetworkSettings
from posecore.skeleton import Skeleton

#: Most that a keypoint may move, in pixels of the network's input, and a score change.
MOST_PIXELS = 0.5
MOST_SCORE = 0.02
#: Keypoints that score less may lie anywhere: their maps are flat, and the least rounding moves the maximum.
_SURE = 0.3
#: A scene with several people.
_SCENE = 155

Outputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Deviation:
    """How far two answers to one picture lie apart.

    Attributes:
        pixels: Largest distance between the same keypoint of both, in pixels of the network's input.
        score: Largest difference of a score.
        people: People that only one of them found.
    """

    pixels: float
    score: float
    people: int = 0

    @property
    def small(self) -> bool:
        """Whether either answer may stand for the other."""
        return self.pixels <= MOST_PIXELS and self.score <= MOST_SCORE and not self.people

    def __str__(self) -> str:
        missed = f", {self.people} people in one of them only" if self.people else ""
        return f"keypoints within {self.pixels:.2f} px and scores within {self.score:.3f}{missed}"


def check_pixels(size: tuple[int, int]) -> NDArray[np.float32]:
    """``(1, H, W, 3)`` pixels of people, as input of ``size`` (height, width)."""
    picture = _scene()
    whole = stretch((picture.shape[1], picture.shape[0]), (size[1], size[0]), None, half_pixel=True)
    return sample(picture, whole)[None]


@cache
def _scene() -> Picture:
    return render_scene(_SCENE).image


def deviation(
    family: AnyFamily,
    skeleton: Skeleton,
    settings: NetworkSettings,
    size: tuple[int, int],
    exact: Outputs,
    other: Outputs,
) -> Deviation:
    """How far ``other`` lies from ``exact``, decoded as usual.

    Args:
        family: The network's family.
        skeleton: Meaning of its keypoints.
        settings: Network settings of both.
        size: (height, width) of the input.
        exact, other: Outputs of one picture, ``(1, …)``.
    """
    fields = [_fields(family, skeleton, settings, size, outputs) for outputs in (exact, other)]
    found = [family.decode(one, family.decode_settings())[0] for one in fields]
    if not len(found[0]) and not len(found[1]):
        return Deviation(0.0, _largest_difference(*fields))
    return _between(*found)


def _fields(
    family: AnyFamily, skeleton: Skeleton, settings: NetworkSettings, size: tuple[int, int], outputs: Outputs
) -> Fields:
    maps = family.maps({name: values[0] for name, values in outputs.items()}, settings, skeleton)
    width_height = (size[1], size[0])
    transform = stretch(width_height, width_height, None, half_pixel=True)
    return Fields(family.name, maps, transform, skeleton, Provenance("check", "", ""))


def _largest_difference(first: Fields, second: Fields) -> float:
    """Of the maps that decide whether somebody is there."""
    kinds = (FieldKind.HEATMAP, FieldKind.CENTRE)
    pairs = [(one.values, second[one.name].values) for one in first.maps if one.kind in kinds]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def _between(exact: Poses, other: Poses) -> Deviation:
    pixels = score = 0.0
    left = list(range(len(other)))
    for person in range(len(exact)):
        if not left:
            break
        distances = [_distance(exact, person, other, candidate) for candidate in left]
        partner = left.pop(int(np.argmin(distances)))
        sure = exact.keypoint_scores[person] >= _SURE
        here = sure & (other.keypoint_scores[partner] > 0)
        moved = np.linalg.norm(exact.keypoints[person] - other.keypoints[partner], axis=-1)[here]
        changed = np.abs(exact.keypoint_scores[person] - other.keypoint_scores[partner])[sure]
        pixels = max(pixels, float(moved.max(initial=0)))
        whole = abs(float(exact.scores[person] - other.scores[partner]))
        score = max(score, whole, float(changed.max(initial=0)))
    return Deviation(pixels, score, abs(len(exact) - len(other)))


def _distance(exact: Poses, person: int, other: Poses, candidate: int) -> float:
    """Median over the keypoints that both have, in pixels."""
    apart = np.linalg.norm(exact.keypoints[person] - other.keypoints[candidate], axis=-1)
    known = apart[np.isfinite(apart)]
    return float(np.median(known)) if known.size else float("inf")
