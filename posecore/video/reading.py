"""Reading videos: upright pictures with their exact times, from files that may be damaged, lie or mean harm.

Anything the header claims (frames, length) is only ever used for estimates; what counts is what can be decoded.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from pydantic import Field

from posecore.errors import VideoError
from posecore.imaging import Picture
from posecore.settings import Settings
from posecore.video.containers import MAX_VIDEO_PIXELS, check_file, open_container, origin, video_stream, video_track
from posecore.video.frames import pixel_shape, upright

#: Frame rate of a stream that does not tell.
_USUAL_RATE = Fraction(25)
#: Seconds from which on it is quicker to jump to a frame than to decode what comes before it.
_LEAP = 10.0


class ClipSettings(Settings):
    """Which part of a video is used."""

    start: float = Field(
        default=0.0,
        ge=0,
        title="Start",
        description="Second of the video to begin at.",
        json_schema_extra={"step": 0.1},
    )
    end: float = Field(
        default=0.0,
        ge=0,
        title="End",
        description="Second of the video to stop before; 0 goes on to its end.",
        json_schema_extra={"step": 0.1},
    )
    stride: int = Field(
        default=1,
        ge=1,
        le=100,
        title="Every n-th frame",
        description="Use every n-th frame only and leave out the others.",
    )


@dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself; lengths are claims, not facts.

    Attributes:
        width, height: Size of a picture as it is shown, rotation and pixel shape taken into account.
        rate: Average frames per second.
        seconds: Claimed length, or None.
        frames: Claimed number of frames, or None.
        time_base: Seconds per tick of its time stamps.
        codec: Name of the video's codec.
        audio: Name of the sound's codec, or None without sound.
        bytes: Size of the file.
    """

    width: int
    height: int
    rate: Fraction
    seconds: float | None
    frames: int | None
    time_base: Fraction
    codec: str
    audio: str | None
    bytes: int

    @property
    def length(self) -> float | None:
        """Claimed length in seconds, also where only the number of frames is claimed; None without either."""
        if self.seconds is not None or self.frames is None:
            return self.seconds
        return float(self.frames / self.rate)


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One picture of a video.

    Attributes:
        number: Number among all frames of the video, from 0; None for a frame that was jumped to.
        ticks: Time stamp in units of the video's time base; the first picture or sound of the file is at about 0.
        duration: How long it is shown, in the same units; 0 when unknown.
        time: ``ticks`` in seconds.
        picture: ``(H, W, 3)`` uint8 RGB, upright, with square pixels, all frames of one size; rows may lie apart in
            memory.
        read: Share of the file that has been read, 0 … 1, as far as that can be told.
    """

    number: int | None
    ticks: int
    duration: int
    time: float
    picture: Picture
    read: float


class VideoReader:
    """Decodes a video frame after frame.

    Args:
        path: The file. Its content decides what it is, not its name.
        clip: Which part to read.

    Attributes:
        info: What the video says about itself.
        warnings: What was wrong with it, complete once :meth:`frames` has ended.

    Raises:
        VideoError: With a sentence fit for the person who gave the file.
    """

    def __init__(self, path: str | Path, clip: ClipSettings | None = None) -> None:
        self.path = check_file(Path(path))
        self.clip = clip or ClipSettings()
        if self.clip.end and self.clip.end <= self.clip.start:
            raise VideoError(f"The end ({self.clip.end:g} s) must lie after the start ({self.clip.start:g} s).")
        self.warnings: list[str] = []
        self._reformatter = VideoReformatter()
        self._container = open_container(self.path)
        try:
            self._track = video_track(self._container, self.path)
            self._restart()
            self._tick = self._stream.time_base or Fraction(1, 90000)
            self._origin = origin(self._container, self._tick)
            first = self._peek()
            self._pixel = pixel_shape(self._stream)
            shown = upright(first, self._pixel, self.path, self._reformatter)
            self._size = (shown.shape[1], shown.shape[0])
            self.info = self._describe()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; ends :meth:`frames` too."""
        self._container.close()

    def _peek(self) -> av.VideoFrame:
        """The first picture, which alone tells size, rotation and pixel shape for certain."""
        decoded = self._decoded(note=False)
        first = next(decoded, None)
        decoded.close()
        if first is None and self._refused:
            raise VideoError(
                f"{self.path.name} has pictures of more than the {MAX_VIDEO_PIXELS / 1e6:g} megapixels allowed in a "
                "video, or damaged ones; make it smaller."
            )
        if first is None:
            raise VideoError(
                f"{self.path.name} has a video track, but no picture in it can be read: it is damaged or was cut off."
            )
        return first

    def _restart(self) -> None:
        """Open the file again: some containers cannot jump back to their first picture."""
        self._container.close()
        self._container = open_container(self.path)
        self._stream = video_stream(self._container, self._track)

    def _from(self, ticks: int, note: bool) -> Iterator[av.VideoFrame]:
        """Pictures from the last key frame at or before ``ticks`` on, or from the beginning where that is not found."""
        self._restart()
        if ticks > 0:
            with contextlib.suppress(FFmpegError):
                self._container.seek(self._origin + ticks, stream=self._stream)
            decoded = self._decoded(note)
            first = next(decoded, None)
            # Streams without an index are entered anywhere, perhaps too late.
            if first is not None and first.pts is not None and first.pts <= self._origin + ticks:
                yield first
                yield from decoded
                return
            decoded.close()
            self._restart()
        yield from self._decoded(note)

    def _describe(self) -> VideoInfo:
        stream, container = self._stream, self._container
        seconds = float(stream.duration * self._tick) if stream.duration else None
        if seconds is None and container.duration:
            seconds = container.duration / av.time_base
        rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
        if not 0 < rate < 1000:
            rate = stream.guessed_rate if stream.guessed_rate and 0 < stream.guessed_rate < 1000 else _USUAL_RATE
        sound = next(iter(container.streams.audio), None)
        return VideoInfo(
            *self._size,
            rate,
            seconds,
            stream.frames or None,
            self._tick,
            stream.codec_context.name,
            sound.codec_context.name if sound and sound.codec_context else None,
            self.path.stat().st_size,
        )

    def expected(self) -> int | None:
        """About how many frames :meth:`frames` will give, if the header tells the truth."""
        seconds = self.info.length
        if seconds is None:
            return None
        end = min(self.clip.end, seconds) if self.clip.end else seconds
        share = max(end - self.clip.start, 0) / seconds if seconds > 0 else 1.0
        total = self.info.frames or seconds * float(self.info.rate)
        return max(math.ceil(share * total / self.clip.stride - 1e-9), 1)

    def frames(self) -> Iterator[VideoFrame]:
        """The frames in [start, end), every ``stride``-th of them, in order of time; may be called again.

        A damaged stream gives what can be decoded; :attr:`warnings` then says what is missing.
        """
        self.warnings.clear()
        seen = 0
        before = 0
        last: int | None = None
        resized = False
        begin = round(self.clip.start / self._tick)
        for number, frame in enumerate(self._from(begin, note=True)):
            if not number and begin and frame.pts is not None:
                before = self._frames_before(frame.pts)
            ticks = self._ticks(frame, last)
            last, seen = ticks, seen + 1
            time = float(ticks * self._tick)
            if time < self.clip.start - 1e-9:
                seen = 0
                continue
            if self.clip.end and time >= self.clip.end - 1e-9:
                return
            if (seen - 1) % self.clip.stride:
                continue
            picture, changed = self._shown(frame)
            resized |= changed
            yield VideoFrame(before + number, ticks, frame.duration or 0, time, picture, self._share(time))
        if resized:
            self.warnings.append(
                "The picture size changes within the video; all pictures were brought to the first one's."
            )
        self._check_length(last)

    def at(self, seconds: float) -> VideoFrame:
        """The frame that is shown at ``seconds``: the last one not later than that, else the first one."""
        # A frame may last long, so begin at the key frame before rather than at the time itself.
        shown: av.VideoFrame | None = None
        last = 0
        for frame in self._from(round(max(seconds, 0) / self._tick), note=False):
            ticks = self._ticks(frame, None if shown is None else last)
            if shown is not None and float(ticks * self._tick) > seconds + 1e-9:
                break
            shown, last = frame, ticks
        if shown is None:
            return next(self.frames())
        return VideoFrame(None, last, shown.duration or 0, float(last * self._tick), self._shown(shown)[0], 0.0)

    def frames_at(self, times: Iterable[float]) -> Iterator[VideoFrame]:
        """The first frame at or after each of the rising ``times`` in seconds, none twice; to the end of the video.

        What lies far between two of them is not decoded.
        """
        decoded: Iterator[av.VideoFrame] = iter(())
        last: int | None = None
        for wanted in times:
            if last is None or wanted - float(last * self._tick) > _LEAP:
                decoded, last = self._from(round(wanted / self._tick), note=False), None
            for frame in decoded:
                last = self._ticks(frame, last)
                time = float(last * self._tick)
                if time >= wanted - 1e-9:
                    yield VideoFrame(None, last, frame.duration or 0, time, self._shown(frame)[0], self._share(time))
                    break
            else:
                return

    def _shown(self, frame: av.VideoFrame) -> tuple[Picture, bool]:
        """A frame's picture in the size of the first one, and whether it had another."""
        picture = upright(frame, self._pixel, self.path, self._reformatter)
        if (picture.shape[1], picture.shape[0]) == self._size:
            return picture, False
        return np.asarray(cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), np.uint8), True

    def _frames_before(self, stamp: int) -> int:
        """How many frames of the video come before the one with this time stamp, told without decoding them."""
        with open_container(self.path) as container, contextlib.suppress(FFmpegError):
            stream = container.streams[self._track]
            before = 0
            for packet in container.demux(stream):
                shown = packet.pts if packet.pts is not None else packet.dts
                before += packet.size > 0 and not packet.is_discard and shown is not None and shown < stamp
                if packet.dts is not None and packet.dts >= stamp:
                    break
        return before

    def _ticks(self, frame: av.VideoFrame, last: int | None) -> int:
        """Time stamp of a frame, always later than the ``last`` one; made from the frame rate where there is none."""
        step = max(round(1 / (self.info.rate * self._tick)), 1)
        if frame.pts is None:
            return 0 if last is None else last + step
        ticks = int(frame.pts) - self._origin
        if last is not None and ticks <= last:
            self._note("Some time stamps are not in order; those frames were moved to just after the one before.")
            return last + 1
        return ticks

    def _note(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _decoded(self, note: bool) -> Generator[av.VideoFrame, None, None]:
        """Whatever can be decoded from here on; damage is noted, not raised."""
        self._packets = 0
        self._position = 0
        self._refused = False
        damaged = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, FFmpegError) as error:
                broken = not isinstance(error, (StopIteration, av.error.EOFError))
                break
            self._packets += packet.size > 0
            self._position = max(self._position, packet.pos or 0)
            damaged += packet.is_corrupt
            try:
                yield from packet.decode()
            except FFmpegError as error:
                self._refused |= isinstance(error, av.error.ArgumentError)
                damaged += not packet.is_corrupt
        if broken:
            # Pictures that the decoder still holds back to put them in order.
            with contextlib.suppress(FFmpegError):
                yield from self._stream.decode(None)
        if note and broken:
            self.warnings.append("Reading broke off at a damaged place; the frames before it were used.")
        if note and damaged:
            self.warnings.append(
                f"{damaged} damaged piece{'s' if damaged > 1 else ''} of the video had to be left out."
            )

    def _share(self, time: float) -> float:
        """How much of what is asked for has been read, by time or by place in the file, whichever is further."""
        end = min(filter(None, (self.clip.end, self.info.seconds)), default=0.0)
        by_time = (time - self.clip.start) / (end - self.clip.start) if end > self.clip.start else 0.0
        # A header may claim hours that are not there; the place in the file cannot.
        by_place = 0.0 if self.clip.end or self.clip.start else self._position / max(self.info.bytes, 1)
        return min(max(by_time, by_place), 1.0)

    def _check_length(self, last: int | None) -> None:
        """Compare what was read with what the header promised."""
        seconds = self.info.seconds
        if self.clip.end or seconds is None or last is None:
            return
        end = float(last * self._tick) + 1 / float(self.info.rate)
        tolerance = 1.5 / float(self.info.rate) if self.info.frames else max(0.5, 0.02 * seconds)
        promised = None if self.clip.start else self.info.frames
        if seconds - end > tolerance and (promised is None or self._packets < promised):
            self.warnings.append(
                f"The file claims to last {clock(seconds)}, but its pictures end after {clock(end)}: it was cut off, "
                "or its header is wrong."
            )


def estimate(seconds: float) -> str:
    """How long something may take, as exact as people say it: ``40 s``, ``1 min 40 s``, ``12 min``, ``1 h 10 min``."""
    step = next(step for limit, step in ((20, 1), (60, 5), (300, 10), (3600, 60), (math.inf, 300)) if seconds <= limit)
    whole = max(step * round(seconds / step), 1)
    parts = ((whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def clock(seconds: float) -> str:
    """Seconds as a person would write them."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def frame_at(path: str | Path, seconds: float) -> VideoFrame:
    """The picture that is shown ``seconds`` into a video; raises ``VideoError`` when the video cannot be read."""
    with VideoReader(path) as reader:
        return reader.at(seconds)
