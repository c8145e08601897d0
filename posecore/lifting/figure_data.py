"""People in the room as the browser's figure takes them; see ``ui/frontend/figure/figure.js``."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from posecore.lifting.measures import way
from posecore.lifting.room_poses import RoomPoses
from posecore.skeleton import COCO_17, Skeleton

#: Frames of people that a browser gets at most; of longer clips it gets every second one, every third one and so on.
MOST_FRAMES = 6000
_UNKNOWN, _LONGEST = -32768, 32767
_MILLIMETRE = 0.001
#: Metres of the room that are always seen, across and up, and most across: people must not become too small.
_LEAST, _WIDEST = (1.6, 1.9), 7.0
#: Metres around somebody's hips that their limbs need, at each side.
_LIMBS = 0.7
#: Seconds over which the point that is looked at is smoothed.
_CALM = 1.0


def packed(people: Sequence[RoomPoses], times: NDArray[np.floating], colors: Sequence[str]) -> dict[str, Any]:
    """People of a clip.

    Args:
        people: The people, all of one skeleton; at least one.
        times: ``(F,)`` seconds of all frames.
        colors: A CSS colour for each.
    """
    skeleton = people[0].skeleton
    step = max(-(-sum(len(one) for one in people) // MOST_FRAMES), 1)
    shown = np.arange(0, len(times), step)
    kept = [_Kept(one, np.asarray(times, np.float64), step) for one in people]
    middles, extent = _looked_at(kept, len(shown), len(times) / max(float(times[-1] - times[0]), 1e-3) / step)
    most = max((float(np.nanmax(np.abs(one.places), initial=0.0)) for one in kept), default=0.0)
    unit = max(_MILLIMETRE, most / _LONGEST)
    data: dict[str, Any] = {
        "times": base64.b64encode(np.ascontiguousarray(times[shown], "<f4").tobytes()).decode("ascii"),
        **_body_of(skeleton),
        "people": [
            {"color": color, "first": one.first, "places": _pack(one.places, unit), "way": _pack(one.way, unit)}
            for one, color in zip(kept, colors, strict=True)
        ],
        "unit": unit,
        "middles": _pack(middles, unit),
        "extent": extent,
    }
    text = f"{data['times']}{data['middles']}{[(one['color'], one['places']) for one in data['people']]}"
    return data | {"token": hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}


def packed_live(address: str) -> dict[str, Any]:
    """The people before a camera, for whom the browser asks at ``address``, relative to the page."""
    nobody = {"times": "", "people": [], "unit": _MILLIMETRE, "middles": "", "extent": _LEAST, "token": ""}
    return {"channel": "", "live": address, **nobody, **_body_of(COCO_17)}


class _Kept:
    """The frames of one person that the browser gets: every ``step``-th of the clip.

    Attributes:
        first: Number of the first of them among all that the browser gets.
        places: ``(T, K, 3)`` metres.
        way: ``(T, 2)`` metres (x, z).
    """

    def __init__(self, person: RoomPoses, times: NDArray[np.float64], step: int) -> None:
        start = int(np.searchsorted(times, person.times[0] - 1e-6))
        rows = slice(-start % step, None, step)
        self.first = -(-start // step)
        self.places, self.way = person.keypoints[rows], way(person)[rows]

    @property
    def frames(self) -> slice:
        """Where they are among all that the browser gets."""
        return slice(self.first, self.first + len(self.way))


def _looked_at(kept: Sequence[_Kept], frames: int, rate: float) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """``(F, 2)`` the point (x, z) that is looked at, and the metres across and up that have to be seen from there."""
    ways = np.full((len(kept), frames, 2), np.nan)
    for index, one in enumerate(kept):
        ways[index, one.frames] = one.way
    known = np.isfinite(ways).all(-1)
    sums, counts = np.where(known[..., None], ways, 0.0).sum(0), known.sum(0)
    some = np.flatnonzero(counts)
    if not len(some):
        return np.zeros((frames, 2)), _LEAST
    means = sums[some] / counts[some, None]
    middles = np.stack([np.interp(np.arange(frames), some, means[:, axis]) for axis in range(2)], 1)
    middles = uniform_filter1d(middles, max(min(round(rate * _CALM), frames), 1), axis=0, mode="nearest")
    away = np.linalg.norm(ways - middles, axis=-1)[known]
    heights = np.concatenate([np.nanmax(one.places[..., 1], axis=1, initial=0.0) for one in kept])
    across = 2 * (float(np.percentile(away, 98)) + _LIMBS)
    return middles, (min(max(across, _LEAST[0]), _WIDEST), max(float(np.percentile(heights, 98)) + 0.1, _LEAST[1]))


def _body_of(skeleton: Skeleton) -> dict[str, Any]:
    """How many joints there are, and between which of them bones, head and neck are drawn."""
    body = {
        "bones": _bones(skeleton),
        "head": _known(skeleton, ("left_ear", "right_ear")) or _known(skeleton, ("head_top",)),
        "shoulders": _known(skeleton, ("left_shoulder", "right_shoulder")),
    }
    return {"joints": len(skeleton), "body": body}


def _bones(skeleton: Skeleton) -> list[Mapping[str, Any]]:
    """Bones of trunk and limbs; lines within a face would be smaller than the head is drawn."""
    face = set(_known(skeleton, ("nose", "left_eye", "right_eye")))
    return [
        {"from": a, "to": b, "far": "right" in (skeleton.side(a), skeleton.side(b))}
        for a, b in skeleton.edges
        if not {a, b} & face
    ]


def _known(skeleton: Skeleton, names: Sequence[str]) -> list[int]:
    return [skeleton.index(name) for name in names if name in skeleton.keypoints]


def _pack(metres: NDArray[np.floating], unit: float) -> str:
    """Metres as whole multiples of ``unit``, unknown ones as the lowest number."""
    multiples = np.round(metres / unit)
    numbers = np.where(np.isfinite(multiples), multiples, _UNKNOWN)
    return base64.b64encode(numbers.astype("<i2").tobytes()).decode("ascii")
