"""From poses in pictures to poses in space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.errors import SettingsError, SkeletonError
from posecore.lifting.agreement import agreeing, place_roots
from posecore.lifting.bodies import RATE
from posecore.lifting.cuts import unbroken
from posecore.lifting.features import REACH, see
from posecore.lifting.network import lift_both_ways
from posecore.lifting.poses3d import USUAL_FOCAL, USUAL_HEIGHT, LiftedBy, Poses3D
from posecore.lifting.weights import LoadedLifter, load_lifter
from posecore.poses import Poses
from posecore.skeleton import COCO_17, Skeleton, map_skeleton
from posecore.video.resampling import between
from posecore.video.sequence import UNTRACKED, PoseSequence, Track

Array = NDArray[np.float64]
_Advance = Callable[[float], None]

#: Heights in metres that a person may have.
HEIGHTS = (0.4, 2.6)

#: The joint of a frame is known where it was seen in the frames that the network looks at, and the frame where so many
#: joints were seen in those close by.
_CLOSE, _LEAST_JOINTS = 3, 4

#: Error in statures at which a joint's score is 1/e.
_ERROR_SCALE = 0.1

#: Frames lifted at once; more cost memory and are no faster.
_CHUNK = 2048

#: Frames per second at which clips are lifted as they are; others are looked at 30 times a second.
_RATES = (20.0, 40.0)


def _ignore(frames: float) -> None:
    """Nobody asks how far it is."""


def lift(
    sequence: PoseSequence,
    *,
    height: float | None = None,
    focal: float | None = None,
    tell: Callable[[float], None] | None = None,
) -> list[Poses3D]:
    """Every person of a clip in space, in the order of their track ids.

    People who are not followed are lifted frame by frame, as :func:`lift_poses` does.

    Args:
        sequence: The people of every frame, in any skeleton that has COCO's limbs by name.
        height: Height of the people in metres; 1.70 is assumed where it is not given.
        focal: Focal length of the camera in pixels; a usual camera's is assumed where it is not given.
        tell: Called with the share that is done, 0 … 1, person by person and some thousand frames at a time.

    Raises:
        SettingsError: For a height or focal length that cannot be.
        SkeletonError: When the skeleton lacks the joints of the limbs.
        WeightsError: When the network's weights are not there.
    """
    lifter, by = _prepared(sequence.skeleton, sequence.image_size, height, focal)
    tracks = list(sequence.tracks().values())
    frames, done = sum(map(len, tracks)), 0.0

    def advance(more: float) -> None:
        nonlocal done
        done += more
        if tell is not None:
            tell(min(done / frames, 1.0))

    lifted = [_lift_track(track, sequence.skeleton, lifter, by, advance) for track in tracks]
    for row in np.flatnonzero(sequence.track_ids == UNTRACKED):
        frame = sequence.frames[row : row + 1]
        keypoints, scores = sequence.keypoints[row : row + 1], sequence.keypoint_scores[row : row + 1]
        lifted.append(
            _lift_frames(keypoints, scores, sequence.times[frame], frame, None, sequence.skeleton, lifter, by)
        )
    return lifted


def lift_poses(poses: Poses, *, height: float | None = None, focal: float | None = None) -> list[Poses3D]:
    """Every person of a single picture in space, one frame each, in the order of ``poses``.

    Args, errors: As of :func:`lift`. A single picture says less than a clip: depth is a guess from the limbs' lengths.
    """
    lifter, by = _prepared(poses.skeleton, poses.image_size, height, focal)
    ids = [None] * len(poses) if poses.track_ids is None else poses.track_ids.tolist()
    nought = np.zeros(1)
    return [
        _lift_frames(
            poses.keypoints[row : row + 1],
            poses.keypoint_scores[row : row + 1],
            nought,
            nought.astype(np.int64),
            ids[row],
            poses.skeleton,
            lifter,
            by,
        )
        for row in range(len(poses))
    ]


class LiveLifter:
    """Lifts people frame by frame as they come, from what was seen of them so far.

    Args:
        height, focal: As of :func:`lift`.
    """

    def __init__(self, height: float | None = None, focal: float | None = None) -> None:
        check_scale(height, focal)
        self.height, self.focal = height, focal
        self._seen: dict[int, list[tuple[float, NDArray[np.float32], NDArray[np.float32]]]] = {}

    def update(self, poses: Poses, time: float) -> list[Poses3D]:
        """The followed people of a frame at ``time`` seconds in space, one frame each, in the order of ``poses``.

        Frames should come 20 to 40 times a second; those of a track that was away for a second are forgotten.
        """
        if poses.track_ids is None:
            return lift_poses(poses, height=self.height, focal=self.focal)
        lifter, by = _prepared(poses.skeleton, poses.image_size, self.height, self.focal)
        kept = {}
        for row, number in enumerate(poses.track_ids.tolist()):
            before = [seen for seen in self._seen.get(number, []) if time - 1 < seen[0] < time]
            kept[number] = [*before[-2 * REACH :], (time, poses.keypoints[row], poses.keypoint_scores[row])]
        away = {number: seen for number, seen in self._seen.items() if number not in kept and seen[-1][0] > time - 1}
        self._seen = {**away, **kept}
        return [self._newest(kept[number], number, poses.skeleton, lifter, by) for number in kept]

    def _newest(
        self,
        seen: Sequence[tuple[float, NDArray[np.float32], NDArray[np.float32]]],
        number: int,
        skeleton: Skeleton,
        lifter: LoadedLifter,
        by: LiftedBy,
    ) -> Poses3D:
        times = np.array([time for time, _, _ in seen])
        keypoints, scores = np.stack([xy for _, xy, _ in seen]), np.stack([score for _, _, score in seen])
        frames = np.arange(len(seen))
        lifted = _lift_frames(keypoints, scores, times, frames, number, skeleton, lifter, by)
        return lifted.select(slice(len(lifted) - 1, None))


def check_scale(height: float | None, focal: float | None) -> None:
    """Raise ``SettingsError`` for a height in metres or a focal length in pixels that cannot be."""
    if height is not None and not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise SettingsError(f"A person's height must lie in {HEIGHTS[0]} to {HEIGHTS[1]} metres, not {height:g}.")
    if focal is not None and not (math.isfinite(focal) and focal > 1):
        raise SettingsError(f"The focal length must be more than 1 pixel, not {focal:g}.")


def _prepared(
    skeleton: Skeleton, image_size: tuple[int, int], height: float | None, focal: float | None
) -> tuple[LoadedLifter, LiftedBy]:
    check_scale(height, focal)
    limbs = COCO_17.keypoints[5:]
    missing = [name for name in limbs if name not in skeleton.keypoints]
    if missing:
        lacking = ", ".join(missing).replace("_", " ")
        raise SkeletonError(f"People with skeleton {skeleton.name!r} cannot be lifted: it has no {lacking}.")
    lifter = load_lifter()
    length = USUAL_FOCAL * max(image_size) if focal is None else focal
    size = USUAL_HEIGHT if height is None else height
    by = LiftedBy(lifter.name, lifter.sha256, size, height is not None, length, focal is not None, image_size)
    return lifter, by


def _lift_track(track: Track, skeleton: Skeleton, lifter: LoadedLifter, by: LiftedBy, advance: _Advance) -> Poses3D:
    return _lift_frames(
        track.keypoints, track.scores, track.times, track.frames, track.track_id, skeleton, lifter, by, advance
    )


def _lift_frames(
    keypoints: NDArray[np.floating],
    scores: NDArray[np.floating],
    times: Array,
    frames: NDArray[np.int64],
    track_id: int | None,
    skeleton: Skeleton,
    lifter: LoadedLifter,
    by: LiftedBy,
    advance: _Advance = _ignore,
) -> Poses3D:
    """One person over ``(T,)`` consecutive frames."""
    xy, _ = map_skeleton(skeleton, COCO_17).keypoints(np.asarray(keypoints), np.asarray(scores))
    middle = (np.array(by.image_size) - 1) / 2
    rays = (xy.astype(np.float64) - middle) / by.focal
    rays[~np.isfinite(rays).all(-1)] = np.nan
    # What was seen before a cut tells nothing about what comes after it.
    parts = [_lift_stretch(rays[part], times[part], lifter, advance) for part in unbroken(rays, times)]
    joints, errors, roots = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Poses3D(
        (joints * by.height).astype(np.float32),
        np.exp(-errors / _ERROR_SCALE).astype(np.float32),
        (roots * by.height).astype(np.float32),
        COCO_17,
        times,
        frames,
        track_id,
        by,
    )


def _lift_stretch(rays: Array, times: Array, lifter: LoadedLifter, advance: _Advance) -> tuple[Array, Array, Array]:
    """Joints ``(T, 17, 3)``, their errors and roots of one person, in statures; NaN where nothing is known."""
    resampled, places = _at_rate(rays, times)
    share = len(rays) / len(resampled)
    joints, errors = lift_rays(resampled, lifter, lambda frames: advance(share * frames))
    joints, errors = between(joints, places), between(errors, places)
    roots = place_roots(joints, rays)
    known = _known(np.isfinite(resampled[..., 0]))[np.round(places).astype(int)]
    joints = np.where(known[..., None], joints, np.nan)
    return joints, errors, np.where(known.any(1, keepdims=True), roots, np.nan)


def lift_rays(rays: Array, lifter: LoadedLifter, advance: _Advance = _ignore) -> tuple[Array, Array]:
    """Joints ``(T, 17, 3)`` in statures and the errors ``(T, 17)`` to expect of keypoints at 30 frames per second.

    Args:
        rays: ``(T, 17, 2)`` positions (x, y) relative to the optical axis in focal lengths; NaN where missing.
        lifter: The network.
        advance: Called with how many more frames are done.

    Returns:
        Positions relative to the middle of the hips in the camera's axes, of all joints, seen or not.
    """
    parts, errors = [], []
    for part, inner in _chunks(len(rays)):
        found, expected, turns = lift_batch(rays[None, part], lifter)
        joints = np.einsum("...ji,...kj->...ki", turns[0], found[0])
        parts.append(joints[inner])
        errors.append(expected[0][inner])
        advance(len(errors[-1]))
    return np.concatenate(parts), np.concatenate(errors)


def lift_batch(rays: Array, lifter: LoadedLifter) -> tuple[Array, Array, Array]:
    """As :func:`lift_rays` for people ``(B, T, 17, 2)``, in the axes of virtual cameras, and the turns to these."""
    seen = see(rays)
    lifted = lift_both_ways(lifter.network, torch.from_numpy(seen.features))
    joints = agreeing(lifted.joints.double().numpy(), seen.flat)
    return joints, lifted.errors.double().numpy(), seen.turns


def _chunks(length: int) -> Iterator[tuple[slice, slice]]:
    """Parts of a clip with the frames around that count for them, and where they lie in these."""
    # A frame's size is a mean over the frames around it, each of which the network looks at, and what it says is
    # compared with the picture in the frames around that.
    around = 3 * REACH
    for start in range(0, length, _CHUNK):
        first, end = max(start - around, 0), min(start + _CHUNK, length)
        yield slice(first, min(end + around, length)), slice(start - first, end - first)


def _at_rate(rays: Array, times: Array) -> tuple[Array, Array]:
    """Keypoints about 30 times a second, and where among them each frame lies."""
    length = len(rays)
    rate = (length - 1) / max(times[-1] - times[0], 1e-9) if length > 1 else RATE
    if _RATES[0] <= rate <= _RATES[1]:
        return rays, np.arange(length, dtype=np.float64)
    count = min(max(round((times[-1] - times[0]) * RATE), 1) + 1, 16 * length)
    moments = np.linspace(times[0], times[-1], count)
    places = np.interp(times, moments, np.arange(count))
    return between(rays, np.interp(moments, times, np.arange(length))), places


def _known(present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(T, 17)`` what can be said: joints that were seen in the network's reach, in frames with anybody close by."""
    seen = _any_around(present, REACH)
    close = _any_around(present, _CLOSE).sum(1) >= _LEAST_JOINTS
    return np.asarray(seen & close[:, None])


def _any_around(present: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    sums = np.concatenate([np.zeros((1, present.shape[1]), int), np.cumsum(present, 0)])
    frames = np.arange(len(present))
    return np.asarray(sums[np.minimum(frames + reach + 1, len(present))] > sums[np.maximum(frames - reach, 0)])
