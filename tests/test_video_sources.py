"""Which pictures of a file are taken: the right track, the right frame numbers, right colours, none too large."""

from __future__ import annotations

import json
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc
from PIL import Image

from posecore.errors import VideoError
from posecore.video import (
    ClipSettings,
    Progress,
    SmoothingSettings,
    VideoOptions,
    VideoReader,
    process_video,
    save_tables,
)
from posecore.video.reading import clock, estimate
from posecore.video.writing import output_size
from tests.video_support import TICK, StubModel, broken, even_ticks, picture_of, write_video


def write_tracks(path: Path, tracks: list[tuple[str, tuple[int, int], list[int]]]) -> Path:
    """A file with several video tracks: codec, size and time stamps of each."""
    with av.open(str(path), "w") as target:
        packets = []
        for codec, size, ticks in tracks:
            stream: Any = target.add_stream(codec, rate=30)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.time_base = stream.time_base = TICK
            packets.append((stream, size, ticks))
        for stream, size, ticks in packets:
            for stamp in ticks:
                frame = av.VideoFrame.from_ndarray(picture_of(float(stamp * TICK), size), format="rgb24")
                frame = frame.reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = stamp, TICK
                target.mux(stream.encode(frame))
            target.mux(stream.encode())
    return path


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize(
    "beside",
    [
        [("mjpeg", (64, 48), [0])],
        [("mjpeg", (640, 480), [0])],
        [("mjpeg", (640, 480), even_ticks(90)[::30])],
        [("libx264", (64, 48), even_ticks(90))],
        [("mjpeg", (32, 32), [0]), ("libx264", (64, 48), even_ticks(45))],
    ],
    ids=["thumbnail", "large cover", "slides", "small preview", "both"],
)
def test_the_video_is_found_among_other_tracks(
    tmp_path: Path, ending: str, beside: list[tuple[str, tuple[int, int], list[int]]]
) -> None:
    video = ("libx264", (160, 120), even_ticks(90))
    for order in ([*beside, video], [video, *beside]):
        with VideoReader(write_tracks(tmp_path / f"in.{ending}", order)) as reader:
            assert (reader.info.width, reader.info.height) == (160, 120)
            assert len(list(reader.frames())) == 90


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize(("start", "stride"), [(0.0, 4), (1.0, 1), (2.5, 3), (1.05, 7)])
def test_frames_have_the_numbers_they_have_in_the_video(
    tmp_path: Path, codec: str, ending: str, start: float, stride: int
) -> None:
    tick = Fraction(1, 30) if ending == "avi" else TICK
    ticks = list(range(100)) if ending == "avi" else even_ticks(100)
    path = write_video(tmp_path / f"in.{ending}", ticks, tick=tick, codec=codec)
    with VideoReader(path) as reader:
        times = [frame.time for frame in reader.frames()]
    with VideoReader(path, ClipSettings(start=start, stride=stride)) as reader:
        frames = list(reader.frames())
    numbers = [frame.number for frame in frames]
    first = next(number for number, time in enumerate(times) if time >= start - 1e-9)
    assert numbers == list(range(first, 100, stride))
    assert [frame.time for frame in frames] == pytest.approx([times[number or 0] for number in numbers])


def test_uneven_frames_are_counted_not_computed(tmp_path: Path) -> None:
    ticks = [0, 100, 5000, 5100, 5200, 20000, 20001, 26000, 40000]
    path = write_video(tmp_path / "in.mp4", ticks)
    with VideoReader(path, ClipSettings(start=1.0)) as reader:
        assert [frame.number for frame in reader.frames()] == [5, 6, 7, 8]


@pytest.mark.parametrize("smooth", ["live", "offline"])
def test_tables_number_frames_as_the_video_does(tmp_path: Path, smooth: str) -> None:
    path = write_video(tmp_path / "in.mp4", even_ticks(60))
    options = VideoOptions(clip=ClipSettings(start=0.5, stride=5), smoothing=SmoothingSettings(smooth=smooth))
    result = process_video(path, StubModel(), None, options)
    save_tables(result, tmp_path / "out", ("csv", "json", "coco"), ["x:nose"])
    wanted = list(range(15, 60, 5))
    assert pd.read_csv(tmp_path / "out.csv").frame.unique().tolist() == wanted
    assert pd.read_csv(tmp_path / "out.measures.csv").frame.tolist() == wanted
    assert [frame["frame"] for frame in json.loads((tmp_path / "out.json").read_text())["frames"]] == wanted
    images = json.loads((tmp_path / "out.coco_images.json").read_text())
    assert [image["id"] - 1 for image in images] == wanted
    assert images[0]["file_name"] == "in_000015.jpg"


def _signal(light: np.ndarray, transfer: ColorTrc) -> np.ndarray:
    """The signal of linear light, 1 at reference white."""
    if transfer == ColorTrc.SMPTE2084:
        power = (light * 203 / 10000) ** (2610 / 16384)
        c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
        return ((c1 + c2 * power) / (1 + c3 * power)) ** (2523 / 32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = light * (np.exp((0.75 - c) / a) + b) / 12
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


@pytest.mark.parametrize("transfer", [ColorTrc.ARIB_STD_B67, ColorTrc.SMPTE2084])
def test_high_dynamic_range_looks_as_the_ordinary_picture_does(tmp_path: Path, transfer: ColorTrc) -> None:
    random = np.random.default_rng(0)
    blocks = random.integers(10, 230, (6, 8, 3)).astype(np.uint8)
    looks = blocks.repeat(40, 0).repeat(40, 1)
    value = looks / 255.0
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    signal = np.round(65535 * _signal(light @ to_2020.T, transfer)).astype(np.uint16)
    path = tmp_path / "hdr.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx265", rate=30, options={"x265-params": "log-level=none:crf=4"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = (
            transfer,
            ColorPrimaries.BT2020,
            Colorspace.BT2020,
        )
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
            frame = frame.reformat(format="yuv444p10le", dst_colorspace=Colorspace.BT2020)
            frame.pts = index
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    with VideoReader(path) as reader:
        picture = next(reader.frames()).picture.astype(float)
    middles = (slice(20, None, 40), slice(20, None, 40))
    assert picture[middles] == pytest.approx(looks[middles].astype(float), abs=20)
    assert np.abs(picture - looks).mean() < 8


def test_progress_does_not_guess_from_the_first_pieces_of_a_file(tmp_path: Path) -> None:
    seen: list[Progress] = []
    process_video(write_video(tmp_path / "in.mp4", even_ticks(90)), StubModel(), progress=seen.append)
    assert {progress.expected for progress in seen} == {90}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _empty_png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel, which packs to next to nothing."""
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def test_pictures_that_unpack_to_far_too_much_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mov"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("png", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "monob"
        packet = av.Packet(_empty_png(9000, 9000))
        packet.pts = packet.dts = 0
        packet.time_base, packet.stream = Fraction(1, 30), stream
        target.mux(packet)
    with pytest.raises(VideoError, match="36 megapixels"):
        VideoReader(path)


def test_a_moment_has_the_size_of_all_other_pictures_though_the_video_changes_its_own(tmp_path: Path) -> None:
    path = tmp_path / "in.mjpeg"
    with path.open("wb") as file:
        for size in [(96, 64)] * 4 + [(48, 32)] * 4:
            Image.fromarray(picture_of(0.0, size)).save(file, "JPEG")
    with VideoReader(path) as reader:
        assert {frame.picture.shape for frame in reader.frames()} == {(64, 96, 3)}
        assert "picture size changes" in reader.warnings[0]
        assert reader.at(0.25).picture.shape == (64, 96, 3)


@pytest.mark.parametrize("most", [100, 101, 103])
def test_a_clip_is_no_larger_than_was_asked_for(most: int) -> None:
    assert output_size((1920, 1080), most) == (100 if most < 102 else 102, 56 if most < 102 else 58)


def test_a_gif_with_a_huge_canvas_is_refused(tmp_path: Path) -> None:
    head = b"GIF89a" + (16000).to_bytes(2, "little") * 2 + bytes([0xF0, 0, 0]) + bytes(3) + b"\xff" * 3
    picture = b"\x2c" + bytes(4) + bytes([1, 0, 1, 0, 0]) + b"\x02\x02\x44\x01\x00"
    with pytest.raises(VideoError, match="36 megapixels"):
        VideoReader(broken(tmp_path, "huge.gif", head + picture * 2 + b"\x3b"))


def test_a_file_of_several_tracks_that_was_cut_off_is_read_or_refused(tmp_path: Path) -> None:
    tracks = [("mjpeg", (64, 48), [0]), ("libx264", (160, 120), even_ticks(30))]
    whole = write_tracks(tmp_path / "in.mkv", tracks).read_bytes()
    with VideoReader(broken(tmp_path, "cut.mkv", whole[: round(0.8 * len(whole))])) as reader:
        assert 0 < len(list(reader.frames())) <= 30
    # What describes the tracks, and the first bytes of the part with their packets.
    header = whole[: whole.index(b"\x1f\x43\xb6\x75") + 20]
    with pytest.raises(VideoError, match="no picture in it can be read"):
        VideoReader(broken(tmp_path, "empty.mkv", header))


@pytest.mark.parametrize(
    ("seconds", "text"), [(6.94, "6.9 s"), (267, "4 min 27 s"), (3600, "1 h 0 min"), (3599.7, "1 h 0 min")]
)
def test_times_are_written_as_people_do(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (42.4, "40 s"),
        (59, "1 min"),
        (98.0, "1 min 40 s"),
        (172.6, "2 min 50 s"),
        (700, "12 min"),
        (3590, "1 h"),
        (4000, "1 h 5 min"),
    ],
)
def test_estimates_are_as_exact_as_people_say_them(seconds: float, text: str) -> None:
    assert estimate(seconds) == text
