"""From a video to its people, and to a clip with them drawn in: stages that overlap, and memory that does not grow.

Live: decode → network → poses → tracks → One-Euro → draw → encode in one go. Offline: decode → network → poses → tracks
first, then all tracks are repaired and smoothed, then decode → draw → encode. Pictures are only ever held by the
handful; what grows with the length are the keypoints: 20 bytes per person and frame and 12 for each keypoint, once as
found and once as smoothed, and while offline smoothing works about four times that. An hour of one person with 17
keypoints at 30 frames per second takes 49 MB.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from posecore.drawing.overlay import draw_poses
from posecore.errors import VideoError
from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.video.finding import Finder, VideoModel
from posecore.video.following import Followed, Following
from posecore.video.options import VideoOptions
from posecore.video.reading import ClipSettings, VideoFrame, VideoInfo, VideoReader
from posecore.video.results import Progress, VideoResult
from posecore.video.sequence import PoseSequence, SequenceBuilder
from posecore.video.stages import Stages, Stopwatch, batches
from posecore.video.writing import ClipWriter, output_size

#: Bytes of pictures that may wait between two stages.
_WAITING_BYTES = 64_000_000
#: Frames after which the share of the file that was read says how many there are.
_TELLING = 30


def process_video(
    source: str | Path,
    model: VideoModel,
    clip: str | Path | None = None,
    options: VideoOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> VideoResult:
    """Find, follow and smooth the people in a video, and draw them into a new clip.

    Args:
        source: The video.
        model: What finds people.
        clip: Where the drawn clip goes (MP4), or None for the keypoints alone.
        options: Everything else.
        progress: Called after each frame, on this thread.
        cancel: Ends the run early when set. What was found until then is drawn, written and returned.

    Raises:
        VideoError: When the video cannot be read or the clip not be written.
        SettingsError: When settings of the model are wrong.
    """
    run = _Run(Path(source), model, None if clip is None else Path(clip), options or VideoOptions(), progress, cancel)
    return run.offline() if run.options.smoothing.smooth == "offline" else run.live()


class _Run:
    """One run of :func:`process_video`."""

    def __init__(
        self,
        source: Path,
        model: VideoModel,
        clip: Path | None,
        options: VideoOptions,
        progress: Callable[[Progress], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self.source, self.model, self.clip, self.options = source, model, clip, options
        self.report = progress
        self.finder = Finder(model)
        self.crop = self.finder.crops(options.cropping, options.decode, options.network)
        self.batch = 1 if self.crop else options.feeding.size_on(model.device)
        self.cancel = cancel or threading.Event()
        self.watch = Stopwatch()
        self.began = time.perf_counter()
        self.whole = True
        self.warnings: list[str] = []
        self.following = Following(model.skeleton, options, self.watch)
        if clip is not None and clip.exists() and source.exists() and clip.samefile(source):
            raise VideoError(f"{clip} is the video itself; give the clip another name.")

    def live(self) -> VideoResult:
        """Everything in one pass."""
        smooths = self.options.smoothing.smooth == "live"
        people = SequenceBuilder(self.model.skeleton)
        raw = SequenceBuilder(self.model.skeleton) if smooths else None

        with VideoReader(self.source, self.options.clip) as reader, _stages(reader, self.batch) as stages:
            found = self.following.live(self._found(reader, stages))
            drawn = self._drawn(found, reader, stages)
            start, size = self._write(drawn, reader, raw, people, "finding people", (0.0, 1.0))
            self.warnings = [*reader.warnings, *self.warnings]
        sequence = people.build(size.frame)
        before = sequence if raw is None else raw.build(size.frame)
        return self._result(reader.info, sequence, before, start, size.clip, self.cancel.is_set())

    def offline(self) -> VideoResult:
        """Keypoints first, then smoothing, then a second pass that draws."""
        builder = SequenceBuilder(self.model.skeleton)
        share = 1.0 if self.clip is None else 0.8
        with VideoReader(self.source, self.options.clip) as reader, _stages(reader, self.batch) as stages:
            found = self.following.everybody(self._found(reader, stages))
            found_only = ((one, one.frame.picture) for one in found)
            # Everybody is kept until it is known who will be confirmed.
            start, size = self._write(found_only, reader, None, builder, "finding people", (0.0, share), draws=False)
            self.warnings = list(reader.warnings)
        raw, smooth = self.following.smoothed(builder.build(size.frame))
        cancelled = self.cancel.is_set()
        if self.clip is not None and len(raw):
            # The first pass was perhaps ended on purpose; what was found in it is drawn all the same.
            self.cancel = threading.Event() if cancelled else self.cancel
            self.whole = not cancelled
            drawn_frames, clip_size = self._draw_again(smooth, share)
            if drawn_frames < len(smooth):
                smooth, raw = smooth.head(drawn_frames), raw.head(drawn_frames)
            size = replace(size, clip=clip_size)
        cancelled = cancelled or self.cancel.is_set()
        return self._result(reader.info, smooth, raw, start, size.clip, cancelled)

    def _draw_again(self, sequence: PoseSequence, share: float) -> tuple[int, tuple[int, int]]:
        """The second pass; returns how many frames were written, and the clip's size."""
        count = SequenceBuilder(self.model.skeleton)
        with VideoReader(self.source, self.options.clip) as reader, _stages(reader, self.batch) as stages:
            frames = stages.ahead(self._decoded(reader))
            paired = zip(sequence, frames, strict=False)
            drawn = self._drawn((Followed(frame, poses, poses) for poses, frame in paired), reader, stages)
            _, size = self._write(drawn, reader, None, count, "drawing", (share, 1.0))
        return len(count), size.clip

    def _decoded(self, reader: VideoReader) -> Iterator[VideoFrame]:
        for frame in self.watch.each("decode", reader.frames()):
            if self.cancel.is_set():
                return
            yield frame

    def _found(self, reader: VideoReader, stages: Stages) -> Iterator[tuple[VideoFrame, Poses]]:
        """Frames and the people in them; decoding and the network run in threads of their own."""
        frames = stages.ahead(self._decoded(reader))
        return stages.ahead(self._inferred(frames))

    def _inferred(self, frames: Iterable[VideoFrame]) -> Iterator[tuple[VideoFrame, Poses]]:
        for batch in batches(frames, self.batch):
            if self.cancel.is_set():
                return
            pictures = [frame.picture for frame in batch]
            names = [f"{self.source.name}#{frame.ticks}" for frame in batch]
            with self.watch.time("network"):
                fields = self.finder.fields(pictures, names, self.options.network, self.crop)
            for frame, one in zip(batch, fields, strict=True):
                with self.watch.time("poses"):
                    poses = self.finder.decode(one, self.options.decode, self.crop)
                yield frame, poses

    def _drawn(
        self, found: Iterable[Followed[VideoFrame]], reader: VideoReader, stages: Stages
    ) -> Iterator[tuple[Followed[VideoFrame], Picture]]:
        """Frames and their pictures, drawn in a thread of its own; as they are when no clip is wanted."""
        if self.clip is None:
            return ((item, item.frame.picture) for item in found)
        size = output_size((reader.info.width, reader.info.height), self.options.output.max_side)

        def draw(item: Followed[VideoFrame]) -> tuple[Followed[VideoFrame], Picture]:
            picture = item.frame.picture
            with self.watch.time("draw"):
                if size != (picture.shape[1], picture.shape[0]):
                    picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
                # The frame was looked at already.
                return item, draw_poses(picture, item.poses, self.options.drawing, in_place=True)

        return stages.ahead(map(draw, found))

    def _write(
        self,
        drawn: Iterable[tuple[Followed[VideoFrame], Picture]],
        reader: VideoReader,
        raw: SequenceBuilder | None,
        smoothed: SequenceBuilder,
        step: str,
        shares: tuple[float, float],
        draws: bool = True,
    ) -> tuple[float, _Sizes]:
        """Collect poses, encode pictures and report, on the caller's thread.

        Returns:
            The source's second at which the clip begins, and the sizes.
        """
        writer: ClipWriter | None = None
        start = Fraction(0)
        size = (reader.info.width, reader.info.height)
        try:
            for found, picture in drawn:
                frame = found.frame
                if not len(smoothed) and self.options.clip.start:
                    start = frame.ticks * reader.info.time_base
                if writer is None and self.clip is not None and draws:
                    size = (picture.shape[1], picture.shape[0])
                    writer = ClipWriter(self.clip, size, reader.info, self.options.output, self.source, start)
                if writer is not None:
                    with self.watch.time("encode"):
                        writer.write(picture, frame.ticks, frame.duration)
                smoothed.add(frame.time, found.poses, frame.number)
                if raw is not None:
                    raw.add(frame.time, found.raw, frame.number)
                self._tell(step, found, picture, len(smoothed), reader.expected(), shares)
            if not len(smoothed) and not self.cancel.is_set():
                raise VideoError(_nothing(self.source, self.options.clip, reader.info))
            if writer is not None:
                whole = self.whole and not self.cancel.is_set() and not self.options.clip.end
                with self.watch.time("encode"):
                    writer.finish(whole)
                self.warnings += writer.warnings
        except BaseException:
            if writer is not None:
                writer.abort()
            raise
        return float(start), _Sizes((reader.info.width, reader.info.height), size)

    def _tell(
        self,
        step: str,
        found: Followed[VideoFrame],
        picture: Picture,
        frames: int,
        expected: int | None,
        shares: tuple[float, float],
    ) -> None:
        if self.report is None:
            return
        read = found.frame.read
        share = shares[0] + (shares[1] - shares[0]) * read
        if expected is not None and (frames >= _TELLING or read > 0.5):
            # A header may claim far more frames than the file has room for; the first pieces read say little of it.
            expected = expected if expected * read < 2 * frames + 10 else math.ceil(frames / read)
        elapsed = time.perf_counter() - self.began
        # The first frames say little about the rest.
        eta = elapsed * (1 - share) / share if share > 0.005 else None
        self.report(Progress(step, frames, expected, share, elapsed, eta, picture, found.poses))

    def _result(
        self,
        info: VideoInfo,
        poses: PoseSequence,
        raw: PoseSequence,
        start: float,
        size: tuple[int, int],
        cancelled: bool,
    ) -> VideoResult:
        seconds = {**self.watch.seconds, "total": time.perf_counter() - self.began}
        clip = self.clip if len(poses) else None
        warnings = tuple(dict.fromkeys(self.warnings))
        return VideoResult(
            self.source,
            clip,
            self.model.name,
            info,
            poses,
            raw,
            start,
            size,
            warnings,
            seconds,
            cancelled,
            self.options,
        )


def _stages(reader: VideoReader, batch: int) -> Stages:
    """Stages between which some pictures wait, two batches or a few at least, and fewer when they are large."""
    picture_bytes = 3 * reader.info.width * reader.info.height
    return Stages(min(max(_WAITING_BYTES // picture_bytes, 1), max(2 * batch, 4)))


@dataclass(frozen=True)
class _Sizes:
    """(width, height) of the frames and of the clip."""

    frame: tuple[int, int]
    clip: tuple[int, int]


def _nothing(source: Path, clip: ClipSettings, info: VideoInfo) -> str:
    length = "" if info.seconds is None else f"; the video lasts about {info.seconds:.1f} s"
    if clip.start or clip.end:
        until = f" and {clip.end:g} s" if clip.end else ""
        return f"{source.name} has no pictures {'between' if until else 'after'} {clip.start:g} s{until}{length}."
    return f"No picture of {source.name} can be read: it is damaged or was cut off."
