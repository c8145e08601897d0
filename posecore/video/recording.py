"""Recording live pictures: a clip with the times at which they came, and the people in it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.skeleton import Skeleton
from posecore.video.options import VideoOptions
from posecore.video.reading import VideoInfo
from posecore.video.results import VideoResult
from posecore.video.sequence import SequenceBuilder
from posecore.video.writing import ClipWriter

#: Pictures carry the times at which they came, in milliseconds.
_TICK = Fraction(1, 1000)
#: Frames per second that players are told to expect; what counts are the times.
_RATE = Fraction(30)


class ClipRecorder:
    """Writes pictures that come at any time and in any size, all of them in the size of the first.

    Args:
        clip: Where the clip goes (MP4).
        skeleton: Of the people in the tables; those of another model are brought into it.
        model: Name of the model.
        source: Name of where the pictures come from.
        options: What the pictures were made with.
        mirrored: Whether they are as a mirror shows them.
        limit_seconds: :meth:`add` says when the recording lasts so long.
    """

    def __init__(
        self,
        clip: Path,
        skeleton: Skeleton,
        model: str,
        source: str,
        options: VideoOptions,
        mirrored: bool,
        limit_seconds: float | None = None,
    ) -> None:
        self.clip = clip
        self._skeleton = skeleton
        self._model = model
        self._source = source
        self._options = options
        self.mirrored = mirrored
        self._limit = limit_seconds
        self._people = SequenceBuilder(skeleton)
        self._writer: ClipWriter | None = None
        self._info: VideoInfo | None = None
        self._start = 0.0
        self._ticks = -1

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        return max(self._ticks, 0) * float(_TICK)

    def add(self, picture: Picture, poses: Poses, came: float) -> bool:
        """Append a picture; False when the recording is as long as it may be.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB, with the people drawn.
            poses: The people in it, in pixels of ``poses.image_size``.
            came: Seconds on any clock that goes forwards.

        Raises:
            VideoError: When the clip cannot be written; nothing of it stays behind.
        """
        size = (picture.shape[1], picture.shape[0])
        if self._writer is None or self._info is None:
            self._info = VideoInfo(*size, _RATE, None, None, _TICK, "h264", None, 0)
            self._writer = ClipWriter(self.clip, size, self._info)
            self._start = came
        target = (self._info.width, self._info.height)
        if size != target:
            picture = np.asarray(cv2.resize(picture, target, interpolation=cv2.INTER_AREA), np.uint8)
        self._ticks = max(round((came - self._start) / float(_TICK)), self._ticks + 1)
        try:
            self._writer.write(picture, self._ticks, 0)
        except BaseException:
            self._writer.abort()
            raise
        self._people.add(self.seconds, poses.resized(target).to_skeleton(self._skeleton))
        return self._limit is None or self.seconds < self._limit

    def finish(self) -> VideoResult | None:
        """Complete the clip; None when no picture came.

        Raises:
            VideoError: When it cannot be completed.
        """
        if self._writer is None or self._info is None:
            return None
        self._writer.finish(whole=True)
        size = (self._info.width, self._info.height)
        poses = self._people.build(size)
        return VideoResult(
            Path(self._source),
            self.clip,
            self._model,
            self._info,
            poses,
            poses,
            0.0,
            size,
            (),
            {"total": self.seconds},
            False,
            self._options,
            mirrored=self.mirrored,
        )
