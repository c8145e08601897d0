"""Where a track goes over to another scene or to somebody else: what is smoothed there would be nobody's movement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: How far the middle one of a person's joints gets from frame to frame at most, in sizes of the person: at least that,
#: and that much a second (ten metres).
_STEP, _SPEED = 0.3, 6.0
#: By which factor a person's size changes from frame to frame at most, and by how much more in a second.
_GROWTH, _GROWING = 1.6, 4.0
#: Joints of limbs and trunk that both frames must show; a head alone moves too fast for its size.
_FEWEST = 4
_LIMBS = slice(5, None)
#: Frames after which somebody who is where they were before was not away: a model was wrong for a moment.
_MOMENT = 5


def unbroken(keypoints: NDArray[np.floating], times: Array) -> list[slice]:
    """Stretches of a track in which nobody leaps as nobody can.

    Args:
        keypoints: ``(T, 17, 2)`` positions in the picture, in any unit and COCO's order; NaN where missing.
        times: ``(T,)`` seconds.
    """
    cuts = [0, *_cuts(np.asarray(keypoints, np.float64)[:, _LIMBS], times), len(times)]
    return [slice(start, stop) for start, stop in pairwise(cuts) if stop > start]


def _cuts(keypoints: Array, times: Array) -> Iterator[int]:
    """Frames with which something else begins."""
    known = np.isfinite(keypoints).all(-1, keepdims=True)
    keypoints = np.where(known, keypoints, np.nan)
    seen = np.flatnonzero(known.sum(1)[:, 0] >= _FEWEST)
    if len(seen) < 2:
        return
    steady, at_once = 0, np.zeros(len(times))
    for place in np.flatnonzero(_leaps(keypoints, times, seen[:-1], seen[1:])):
        before = seen[place]
        if place < steady:
            continue
        later = seen[place + 2 : place + 2 + _MOMENT]
        back = np.flatnonzero(~_leaps(keypoints, at_once, np.full(len(later), before), later))
        if len(back):
            steady = int(place + 2 + back[0])
        else:
            yield int(seen[place + 1])


def _leaps(keypoints: Array, times: Array, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.bool_]:
    """``(N,)`` whether nobody can have got from frames ``before`` to frames ``after``, as far as these tell."""
    both = np.isfinite(keypoints[before] + keypoints[after])[..., 0]
    enough = both.sum(1) >= _FEWEST
    result = np.zeros(len(before), bool)
    if not enough.any():
        return result
    whole = [keypoints[frames[enough]] for frames in (before, after)]
    sizes = [np.nanmax(np.nanmax(one, 1) - np.nanmin(one, 1), 1) for one in whole]
    first, second = (np.where(both[enough][..., None], one, np.nan) for one in whole)
    seconds = np.maximum(times[after] - times[before], 0.0)[enough]
    steps = np.nanmedian(np.linalg.norm(second - first, axis=-1), 1)
    spreads = [np.maximum(_spread(one), 1e-9) for one in (first, second)]
    growth = np.maximum(spreads[0] / spreads[1], spreads[1] / spreads[0])
    far = steps > np.maximum(*sizes) * np.maximum(_STEP, _SPEED * seconds)
    result[enough] = far | (growth > _GROWTH + _GROWING * seconds)
    return result


def _spread(positions: Array) -> Array:
    """``(N,)`` how far the middle one of a person's joints is from their middle."""
    middles = np.nanmedian(positions, 1, keepdims=True)
    return np.asarray(np.nanmedian(np.linalg.norm(positions - middles, axis=-1), 1))
