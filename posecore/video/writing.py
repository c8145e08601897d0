"""Writing clips that every browser plays: H.264 in MP4 with the source's own time stamps, and its sound if wanted.

A clip grows under a temporary name and takes its real one when it is complete, also when that is earlier than planned;
a name therefore never stands for half a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from pydantic import Field

from posecore.errors import VideoError
from posecore.imaging import Picture, has_whole_rows
from posecore.settings import Settings
from posecore.storage import sentence, trouble
from posecore.video.containers import open_container
from posecore.video.reading import VideoInfo

#: Sound that browsers play from an MP4 as it is; other kinds are encoded anew.
_COPIED_SOUND = {"aac", "mp3", "opus", "flac"}
#: Samples per second that AAC knows.
_AAC_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
#: Frames from one key frame to the next: players jump to key frames.
_KEY_FRAMES = 30
#: Pixels from which on an encoder holds few pictures at once.
_LARGE = 9_000_000


class OutputSettings(Settings):
    """How the drawn clip is written."""

    max_side: int = Field(
        default=0,
        ge=0,
        le=8192,
        title="Longest side",
        description="Longest side of the clip in pixels; larger videos are made smaller. 0 keeps the size.",
    )
    audio: Literal["keep", "drop"] = Field(
        default="keep", title="Sound", description="Take the sound of the video along or leave it out."
    )
    crf: int = Field(
        default=20,
        ge=0,
        le=51,
        title="Compression",
        description="Constant rate factor of H.264: lower is a better picture and a larger file.",
    )
    preset: Literal["ultrafast", "superfast", "veryfast", "medium"] = Field(
        default="veryfast",
        title="Encoder",
        description="Preset of x264: a quicker one takes less of the processor and makes a larger file.",
    )


def output_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """(width, height) to draw at: ``size``, made smaller when its longest side exceeds ``max_side`` (0: never)."""
    longest = max(size)
    if not max_side or longest <= max_side:
        return size
    most = max_side - max_side % 2
    width, height = (max(2 * round(side * most / longest / 2), 2) for side in size)
    return width, height


class ClipWriter:
    """Encodes pictures, one after another.

    Args:
        path: Where the finished clip goes; its folder is made if missing. Always MP4, whatever the name ends with.
        size: (width, height) of the pictures; odd sides are made even by repeating the last row or column.
        info: The source, for its rate and its time base.
        settings: How to encode.
        sound: Source of the sound, or None for a silent clip.
        start: Second of the source at which the clip begins.

    Attributes:
        warnings: What could not be kept.

    Raises:
        VideoError: When nothing can be written there.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        info: VideoInfo,
        settings: OutputSettings | None = None,
        sound: Path | None = None,
        start: Fraction = Fraction(0),
    ) -> None:
        settings = settings or OutputSettings()
        self.path = path
        self.warnings: list[str] = []
        self._even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._tick = info.time_base
        self._start = start
        self._end = Fraction(0)
        self._sound: _Sound | None = None
        self._reformatter = VideoReformatter()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._part), "w", format="mp4", container_options={"movflags": "+faststart"})
        except (OSError, FFmpegError) as error:
            raise _unwritable(path, error) from error
        try:
            self._stream = self._add_video(info, settings)
            if sound is not None and settings.audio == "keep" and info.audio:
                self._add_sound(sound, start)
        except BaseException:
            self.abort()
            raise

    def _add_video(self, info: VideoInfo, settings: OutputSettings) -> av.VideoStream:
        options = {"preset": settings.preset, "crf": str(settings.crf)}
        if self._even[0] * self._even[1] > _LARGE:
            # Otherwise some fifty pictures wait in the encoder.
            options["tune"] = "zerolatency"
        stream = self._container.add_stream("libx264", rate=info.rate, options=options)
        stream.width, stream.height = self._even
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._tick
        context = stream.codec_context
        context.time_base = self._tick
        context.gop_size = _KEY_FRAMES
        # Said explicitly, because players guess by the picture's size otherwise.
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _add_sound(self, source: Path, start: Fraction) -> None:
        try:
            self._sound = _Sound(source, self._container, start)
        except (FFmpegError, ValueError, VideoError):
            self.warnings.append("The sound could not be taken along; the clip is silent.")

    def write(self, picture: Picture, ticks: int, duration: int) -> None:
        """Append a picture shown from ``ticks`` of the source for ``duration`` (0: unknown), both in its time base."""
        height, width = picture.shape[:2]
        if (width, height) != self._even:
            right, bottom = self._even[0] - width, self._even[1] - height
            picture = np.asarray(cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        if not has_whole_rows(picture):
            picture = np.ascontiguousarray(picture)
        # The picture's own memory is read; threads that wait for work take more of the processor than they save.
        frame = self._reformatter.reformat(
            av.VideoFrame.from_numpy_buffer(picture, format="rgb24"),
            threads=1,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            dst_color_primaries=ColorPrimaries.BT709,
            dst_color_trc=ColorTrc.BT709,
        )
        frame.time_base = self._tick
        frame.pts = ticks - round(self._start / self._tick)
        frame.duration = duration
        self._mux(self._stream.encode(frame))
        self._end = (frame.pts + duration) * self._tick
        if self._sound:
            self._sound.write_until(frame.pts * self._tick)

    def _mux(self, packets: Any) -> None:
        try:
            for packet in packets:
                self._container.mux(packet)
        except (OSError, FFmpegError) as error:
            raise _unwritable(self.path, error) from error

    def finish(self, whole: bool) -> None:
        """Complete the clip and give it its name.

        Args:
            whole: The source's end was reached: all that is left of the sound belongs to the clip.
        """
        try:
            self._mux(self._stream.encode())
            if self._sound:
                self._sound.write_until(None if whole else self._end)
                self._sound.finish()
                self.warnings += self._sound.warnings
            self._container.close()
            self._part.replace(self.path)
        except (OSError, FFmpegError) as error:
            self.abort()
            raise _unwritable(self.path, error) from error

    def abort(self) -> None:
        """Give up: nothing stays behind. Without effect on a finished clip."""
        with contextlib.suppress(FFmpegError, OSError, ValueError):
            self._container.close()
        if self._sound:
            self._sound.close()
        self._part.unlink(missing_ok=True)


class _Sound:
    """Takes the first audio track of a file over into a clip, a little at a time.

    Args:
        source: File with the sound.
        target: Clip being written.
        start: Second of the source at which the clip begins.
    """

    def __init__(self, source: Path, target: av.container.OutputContainer, start: Fraction) -> None:
        self.warnings: list[str] = []
        self._target = target
        self._source = open_container(source)
        self._input = self._source.streams.audio[0]
        begin = Fraction(self._source.start_time or 0, av.time_base) + start
        tick = self._input.time_base or Fraction(1, self._input.rate)
        self._shift = round(begin / tick)
        self._tick = tick
        self._trim = start > 0
        self._copied = self._input.codec_context.name in _COPIED_SOUND
        self._output: Any
        if self._copied:
            self._output = target.add_stream_from_template(self._input)
        else:
            self._output = target.add_stream("aac", rate=self._input.rate if self._input.rate in _AAC_RATES else 48000)
            # Files of plain samples tell how many channels there are, not where they sound; browsers want one or two.
            self._output.layout = "mono" if self._input.channels == 1 else "stereo"
        if self._trim:
            with contextlib.suppress(FFmpegError):
                self._source.seek(self._shift, stream=self._input)
        self._pieces = self._copy() if self._copied else self._encode()
        self._next: tuple[Fraction, Any] | None = None

    def _copy(self) -> Iterator[tuple[Fraction, Any]]:
        """(seconds in the clip, packet) of the compressed sound as it is."""
        for packet in self._source.demux(self._input):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if packet.size == 0 or stamp is None:
                continue
            stamp -= self._shift
            if self._trim and stamp < 0:
                continue
            packet.pts = stamp
            packet.dts = None if packet.dts is None else packet.dts - self._shift
            packet.stream = self._output
            yield stamp * self._tick, packet

    def _encode(self) -> Iterator[tuple[Fraction, Any]]:
        """(seconds in the clip, frame) of the decoded sound."""
        for packet in self._source.demux(self._input):
            for frame in packet.decode():
                if frame.pts is None:
                    continue
                tick = frame.time_base or self._tick
                stamp = frame.pts - round(self._shift * self._tick / tick)
                if self._trim and stamp < 0:
                    continue
                frame.pts = stamp
                yield stamp * tick, frame

    def write_until(self, seconds: Fraction | None) -> None:
        """Write the sound before ``seconds`` of the clip, or all that is left."""
        try:
            while True:
                if self._next is None:
                    self._next = next(self._pieces, None)
                if self._next is None or (seconds is not None and self._next[0] >= seconds):
                    return
                piece, self._next = self._next[1], None
                for packet in (piece,) if self._copied else self._output.encode(piece):
                    self._target.mux(packet)
        except (FFmpegError, ValueError) as error:
            if trouble(error) == "full":
                raise
            self.warnings.append("The sound is damaged; it ends early in the clip.")
            self._pieces, self._next = iter(()), None

    def finish(self) -> None:
        """Write what the encoder still holds and let go of the source."""
        if not self._copied:
            with contextlib.suppress(FFmpegError, ValueError):
                for packet in self._output.encode(None):
                    self._target.mux(packet)
        self.close()

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()


def _unwritable(path: Path, error: OSError | FFmpegError) -> VideoError:
    reason = f"{path}: {error.strerror or error}" if trouble(error) is None else sentence(error, path)
    return VideoError(f"The clip cannot be written. {reason}")
