"""What the tests of videos share: clips of a walking square, damaged and lying files, and a model that finds it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import torch

from posecore.poses import Poses
from posecore.settings import DecodeSettings, build_settings
from posecore.skeleton import COCO_17
from posecore.video import VideoReader
from tests.pose_support import poses_from

TICK = Fraction(1, 15360)


def picture_of(seconds: float, size: tuple[int, int]) -> np.ndarray:
    """A grey picture with a red corner at the top left and a white square that walks to the right, 40 px per second."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[: height // 3, : width // 3] = (200, 40, 40)
    left = min(4 + round(40 * seconds), width - 12)
    picture[height // 2 : height // 2 + 8, left : left + 8] = 255
    return picture


def write_video(
    path: Path,
    ticks: Sequence[int],
    size: tuple[int, int] = (96, 64),
    tick: Fraction = TICK,
    turn: int = 0,
    mirror: bool = False,
    sound: str | None = None,
    codec: str = "libx264",
    container: str | None = None,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    pixel: Fraction | None = None,
    pictures: Iterable[np.ndarray] | None = None,
) -> Path:
    """A clip with a picture at each of ``ticks``: those of ``pictures``, else :func:`picture_of`."""
    shown = iter(pictures) if pictures is not None else (picture_of(float(stamp * tick), size) for stamp in ticks)
    with av.open(str(path), "w", format=container, options=options or {}) as target:
        stream: Any = target.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = stream.time_base = tick
        if pixel:
            stream.codec_context.sample_aspect_ratio = pixel
        if turn or mirror:
            stream.set_display_rotation(turn, hflip=mirror)
        noise: Any = None
        if sound:
            noise = target.add_stream(sound, rate=48000)
            noise.layout = "mono"
        for stamp, picture in zip(ticks, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = stamp, tick
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if noise is not None:
            seconds = float(ticks[-1] * tick) + 1 / 30
            target.mux(noise.encode(_tone(seconds)))
            target.mux(noise.encode())
    return path


def _tone(seconds: float) -> av.AudioFrame:
    wave = (8000 * np.sin(np.arange(round(48000 * seconds)) * 0.05)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    return frame


def even_ticks(count: int) -> list[int]:
    """Time stamps of ``count`` frames, thirty per second."""
    return [512 * index for index in range(count)]


class StubModel:
    """Finds one person wherever the white square is."""

    name = "stub"
    device = torch.device("cpu")
    skeleton = COCO_17

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.sizes: set[tuple[int, ...]] = set()

    def fields(
        self, image: Sequence[np.ndarray], region: Any = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Any]:
        assert len(image) == len(picture)
        self.batches.append(len(image))
        self.sizes |= {one.shape for one in image}
        return [SimpleNamespace(image=one) for one in image]

    def decode_settings(self, **settings: Any) -> DecodeSettings:
        return build_settings(DecodeSettings, settings)

    def follower(self, **settings: Any) -> None:
        return None

    def decode(self, fields: Any, **settings: Any) -> Poses:
        image = fields.image
        height, width = image.shape[:2]
        ys, xs = np.nonzero(image.min(-1) > 200)
        if not len(xs):
            return Poses.empty(COCO_17, (width, height))
        offsets = np.stack([np.tile(np.arange(-8, 9), 1), np.linspace(-14, 14, 17)], axis=1)
        keypoints = (np.array([xs.mean(), ys.mean()]) + offsets)[None]
        return poses_from(keypoints, np.ones((1, 17)), np.ones(1), COCO_17, (width, height))


def times_of(path: Path) -> list[float]:
    """Seconds of all frames of a clip."""
    with VideoReader(path) as reader:
        return [frame.time for frame in reader.frames()]


def write_song(path: Path) -> Path:
    """A file with sound alone."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=48000)
        stream.layout = "mono"
        target.mux(stream.encode(_tone(0.2)))
    return path


def claiming_eight_hours(path: Path) -> bytes:
    """A clip of 24 frames, written to ``path`` (MP4 or MKV), whose header then claims to last eight hours."""
    ticks = [round(1000 * index / 30) for index in range(24)]
    data = bytearray(write_video(path, ticks, tick=Fraction(1, 1000)).read_bytes())
    if path.suffix == ".mkv":
        # Duration of the segment, a float of milliseconds.
        place = data.index(b"\x44\x89\x88") + 3
        data[place : place + 8] = struct.pack(">d", 8 * 3600 * 1000.0)
    else:
        for box, offset, scale in ((b"mvhd", 20, 1000), (b"mdhd", 20, 16000), (b"tkhd", 24, 1000), (b"elst", 12, 1000)):
            place = data.index(box) + offset
            data[place : place + 4] = (8 * 3600 * scale).to_bytes(4, "big")
    return bytes(data)


def broken(tmp_path: Path, name: str, data: bytes) -> Path:
    """A file with just these bytes."""
    path = tmp_path / name
    path.write_bytes(data)
    return path
