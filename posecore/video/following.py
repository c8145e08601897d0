"""From the people of each frame to people who are followed and smoothed, as frames come or once all are known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np

from posecore.poses import Poses
from posecore.skeleton import Skeleton
from posecore.video.options import VideoOptions
from posecore.video.sequence import PoseSequence
from posecore.video.smoothing import LiveSmoother, smoothed
from posecore.video.stages import Stopwatch
from posecore.video.tracking import Tracker

#: Frames that are held back at most to see whether somebody new stays.
_LOOK_AHEAD = 4


class Timed(Protocol):
    """A frame, as far as following people goes."""

    @property
    def time(self) -> float:
        """Seconds."""


Frame = TypeVar("Frame", bound=Timed)


@dataclass(frozen=True, eq=False)
class Followed(Generic[Frame]):
    """A frame with its people: as found and followed, and as smoothed."""

    frame: Frame
    raw: Poses
    poses: Poses


class Following:
    """Follows and smooths the people of one video.

    Args:
        skeleton: Of their poses.
        options: How.
        watch: Books the time that it takes.
    """

    def __init__(self, skeleton: Skeleton, options: VideoOptions, watch: Stopwatch | None = None) -> None:
        self._options = options
        self._watch = watch or Stopwatch()
        self._tracker = Tracker(skeleton, options.tracking)

    def live(self, found: Iterable[tuple[Frame, Poses]]) -> Iterator[Followed[Frame]]:
        """Frames with people who are confirmed, smoothed as they come."""
        smoother = _live_smoother(self._options)
        for frame, poses in self._settled(found):
            if self._options.smoothing.smooth != "live":
                yield Followed(frame, poses, poses)
                continue
            with self._watch.time("smooth"):
                smooth = smoother.update(poses, frame.time)
            yield Followed(frame, poses, smooth)

    def everybody(self, found: Iterable[tuple[Frame, Poses]]) -> Iterator[Followed[Frame]]:
        """Frames with all people, until :meth:`smoothed` knows who is confirmed."""
        for frame, poses in found:
            followed = self._follow(poses, frame.time)
            yield Followed(frame, followed, followed)

    def smoothed(self, everybody: PoseSequence) -> tuple[PoseSequence, PoseSequence]:
        """All frames that :meth:`everybody` gave, before and after smoothing.

        Everybody who was confirmed in the end is there under their final identity from their first frame on.
        """
        names = self._tracker.names
        ids = np.array([names.get(number, number) for number in everybody.track_ids.tolist()], np.int64)
        raw = everybody.with_ids(ids).rows(ids > 0)
        with self._watch.time("smooth"):
            return raw, smoothed(raw, self._options.smoothing)

    def _follow(self, poses: Poses, seconds: float) -> Poses:
        if not self._options.tracking.track:
            return poses
        with self._watch.time("track"):
            return self._tracker.update(poses, seconds)

    def _settled(self, found: Iterable[tuple[Frame, Poses]]) -> Iterator[tuple[Frame, Poses]]:
        """Frames with people who are confirmed, followed from their first frame on as far as a few frames allow."""
        if not self._options.tracking.track:
            yield from found
            return
        waiting: deque[tuple[Frame, Poses]] = deque()
        for frame, poses in found:
            waiting.append((frame, self._follow(poses, frame.time)))
            if len(waiting) >= min(self._options.tracking.min_hits, _LOOK_AHEAD):
                earlier, people = waiting.popleft()
                yield earlier, self._tracker.confirmed(people)
        while waiting:
            earlier, people = waiting.popleft()
            yield earlier, self._tracker.confirmed(people)


def smoothed_again(raw: PoseSequence, options: VideoOptions) -> PoseSequence:
    """People who were followed, smoothed as :class:`Following` does it with ``options``."""
    if options.smoothing.smooth == "none":
        return raw
    if options.smoothing.smooth == "offline":
        return smoothed(raw, options.smoothing)
    smoother = _live_smoother(options)
    smooth = (smoother.update(poses, time).keypoints for time, poses in zip(raw.times.tolist(), raw, strict=True))
    return replace(raw, keypoints=np.concatenate([raw.keypoints[:0], *smooth]))


def _live_smoother(options: VideoOptions) -> LiveSmoother:
    return LiveSmoother(options.smoothing, max(options.tracking.max_age, 0.5))
