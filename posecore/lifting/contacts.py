"""When feet stand still, and how to keep them where they stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from posecore.lifting.room_poses import RoomPoses
from posecore.video.smoothing import runs

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: A foot that moves slower than this, in metres per second, may stand.
STILL = 0.45
#: Metres above its lowest places up to which a foot may stand.
LOW = 0.12
#: Seconds that a foot stands at least.
SHORTEST = 0.1
#: Seconds over which speeds are averaged.
_WINDOW = 0.12
#: Seconds in which a held foot is let go.
_RELEASE = 0.1


def standing(ankle: Array, times: Array, up: Array) -> Mask:
    """``(T,)`` True while a foot stands: slow, and not far above its lowest places.

    Args:
        ankle: ``(T, 3)`` metres.
        times: ``(T,)`` seconds.
        up: ``(3,)`` where up is.
    """
    known = np.isfinite(ankle[:, 0])
    heights = ankle @ up
    lowest = np.percentile(heights[known], 5) if known.any() else 0.0
    return _lasting(still(ankle, times) & (np.nan_to_num(heights, nan=np.inf) < lowest + LOW), times)


def still(place: Array, times: Array, shortest: float = SHORTEST) -> Mask:
    """``(T,)`` True while a place (T, 3) in metres stays where it is, for so many seconds at least."""
    known = np.isfinite(place[:, 0])
    if len(times) < 3:
        return known
    window = _window(times)
    result = np.zeros(len(place), bool)
    for run in runs(known):
        if run.stop - run.start < 3:
            continue
        smooth = uniform_filter1d(place[run], min(window, run.stop - run.start), axis=0, mode="nearest")
        result[run] = np.linalg.norm(np.gradient(smooth, times[run], axis=0), axis=1) < STILL
    return _lasting(known & median_filter(result.astype(np.uint8), window).astype(bool), times, shortest)


def _step(times: Array) -> float:
    """Seconds from frame to frame."""
    return max(float(np.median(np.diff(times))), 1e-3) if len(times) > 1 else 1.0


def _window(times: Array) -> int:
    return max(round(_WINDOW / _step(times)) | 1, 3)


def _lasting(mask: Mask, times: Array, shortest: float = SHORTEST) -> Mask:
    """The same without stretches that are too short."""
    result = mask.copy()
    if len(times) >= 3:
        for run in runs(mask):
            # The last frame lasts as long as others do; on paper, stretches of just the length are kept.
            if times[run.stop - 1] - times[run.start] + _step(times) < shortest - 1e-6:
                result[run] = False
    return result


def hold_feet(person: RoomPoses) -> RoomPoses:
    """The same person with each foot held where it stands while it stands; hip and bones stay as long as they are.

    A foot that stands farther away than the leg is long is brought as near as that allows.
    """
    keypoints = person.keypoints.copy()
    for side in ("left", "right"):
        names = [f"{side}_{joint}" for joint in ("hip", "knee", "ankle")]
        if not set(names) <= set(person.skeleton.keypoints):
            continue
        hip, knee, ankle = (person.skeleton.index(name) for name in names)
        wanted = _held(keypoints[:, ankle], person)
        keypoints[:, knee], keypoints[:, ankle] = _reach(
            keypoints[:, hip], keypoints[:, knee], keypoints[:, ankle], wanted
        )
    return replace(person, keypoints=keypoints)


def _held(ankle: Array, person: RoomPoses) -> Array:
    """``(T, 3)`` where an ankle should be: in one place while the foot stands, and eased to and from it."""
    stands = standing(ankle, person.times, np.array([0.0, 1.0, 0.0]))
    shift, weight = np.zeros_like(ankle), np.zeros(len(ankle))
    ease = max(round(_RELEASE * person.rate), 1)
    ramp = np.arange(1, ease + 1) / (ease + 1)
    for run in runs(stands):
        frames = np.arange(run.start - ease, run.stop + ease)
        share = np.concatenate([ramp, np.ones(run.stop - run.start), ramp[::-1]])
        offset = np.median(ankle[run], axis=0) - ankle[frames.clip(run.start, run.stop - 1)]
        there = (frames >= 0) & (frames < len(ankle))
        there &= share > weight[frames.clip(0, len(ankle) - 1)]
        weight[frames[there]], shift[frames[there]] = share[there], offset[there]
    return ankle + shift * weight[:, None]


def _reach(hip: Array, knee: Array, ankle: Array, wanted: Array) -> tuple[Array, Array]:
    """Knee and ankle of a leg whose foot is moved to ``wanted``; the knee keeps to the side on which it is."""
    thigh, shank = (np.linalg.norm(bone, axis=1, keepdims=True) for bone in (knee - hip, ankle - knee))
    line = wanted - hip
    length = np.linalg.norm(line, axis=1, keepdims=True)
    ahead = line / np.maximum(length, 1e-9)
    reach = np.clip(length, np.abs(thigh - shank) + 1e-6, thigh + shank)
    along = (thigh**2 - shank**2 + reach**2) / (2 * np.maximum(reach, 1e-9))
    aside = knee - hip
    aside = aside - (aside * ahead).sum(1, keepdims=True) * ahead
    # A straight leg may bend any way.
    other = np.cross(ahead, np.where(np.abs(ahead[:, :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    aside = np.where(np.linalg.norm(aside, axis=1, keepdims=True) > 1e-6, aside, other)
    aside = aside / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-9)
    bent = hip + along * ahead + np.sqrt(np.maximum(thigh**2 - along**2, 0.0)) * aside
    changed = np.linalg.norm(wanted - ankle, axis=1, keepdims=True) > 1e-9
    return np.where(changed, bent, knee), np.where(changed, hip + reach * ahead, ankle)
