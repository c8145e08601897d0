"""Picture files as the world makes them: odd metadata, many bits, turned, cut off, of other formats, and bombs."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from posecore import picture_files
from posecore.data.checks import EntryError
from posecore.data.pictures import picture_size
from posecore.errors import ImageError
from posecore.imaging import read_image
from posecore.picture_files import read_picture, stored_size, turned, upright_size

RNG = np.random.default_rng(0)
#: A smooth picture of 120 × 90 without symmetry.
SCENE = cv2.resize(RNG.integers(0, 256, (6, 8, 3), np.uint8), (120, 90), interpolation=cv2.INTER_CUBIC)


def encoded(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(png: bytes, kind: bytes, data: bytes, before: bytes) -> bytes:
    """A PNG with one more chunk in front of its first one of type ``before``."""
    place = png.index(before) - 4
    return png[:place] + png_chunk(kind, data) + png[place:]


def exif_of(orientation: int, *entries: bytes) -> bytes:
    """EXIF with an orientation and further 12-byte entries, as bytes after ``Exif\\0\\0``."""
    fields = [struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0), *entries]
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)


#: XResolution as text, and YResolution as bytes of no type.
TEXT_RESOLUTION = struct.pack("<HHI", 0x11A, 2, 4) + b"72\x00\x00"
BYTES_RESOLUTION = struct.pack("<HHI", 0x11B, 7, 4) + b"\x01\x02\x03\x04"


def peak_of(action: Any) -> float:
    """MB by which an action raises the highest memory use of a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            Path("/proc/self/clear_refs").write_text("5")
            before = _highest()
            action()
            os.write(writer, f"{_highest() - before}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return float(text)


def _highest() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["EPS", "PPM", "SGI", "TGA", "PCX", "JPEG2000", "ICO", "DDS"])
def test_formats_that_nobody_promised_are_not_decoded(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(SCENE, kind))
    with pytest.raises(ImageError, match="not a picture that can be read"):
        read_image(path)
    with pytest.raises(EntryError, match="not a picture that can be read"):
        picture_size(path)


def test_postscript_runs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr("subprocess.Popen", forbidden)
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n{} loop\n%%EOF\n")
    with pytest.raises(ImageError):
        read_image(path)
    with pytest.raises(EntryError):
        picture_size(path)


@pytest.mark.parametrize("kind", ["GIF", "MPO", "TIFF"])
def test_the_first_of_many_pictures_is_read(kind: str) -> None:
    data = encoded(SCENE, kind, save_all=True, append_images=[Image.new("RGB", (120, 90))])
    assert np.abs(read_image(data).astype(int) - SCENE).mean() < 12


def test_every_decoder_error_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised: none of these is a decoder's promise, all have been seen."""
    data = encoded(SCENE, "BMP")
    for error in (ValueError, NotImplementedError, RuntimeError, SyntaxError, struct.error, IndexError, KeyError):

        def fail(*_: Any, error: Any = error) -> None:
            raise error("odd")

        for step in ("load", "convert"):
            with monkeypatch.context() as patch:
                patch.setattr(Image.Image, step, fail)
                with pytest.raises(ImageError, match="damaged"):
                    read_image(data)


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a file"):
        read_image(tmp_path / "pipe.jpg")
    with pytest.raises(EntryError, match="not a file"):
        picture_size(tmp_path / "pipe.jpg")


# --- metadata ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [TEXT_RESOLUTION, BYTES_RESOLUTION, b"\xff" * 12])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_odd_exif_costs_neither_picture_nor_orientation(kind: str, entry: bytes, tmp_path: Path) -> None:
    data = encoded(SCENE, kind, exif=b"Exif\x00\x00" + exif_of(6, entry))
    (tmp_path / "a").write_bytes(data)
    assert read_image(data).shape == (120, 90, 3)
    assert picture_size(tmp_path / "a") == (90, 120)


@pytest.mark.parametrize("exif", [b"", b"\x00" * 40, b"II*\x00\xff\xff\xff\xff", b"MM\x00*\x00\x00\x00\x08\xff\xff"])
def test_exif_of_nothing_is_none(exif: bytes) -> None:
    assert read_image(encoded(SCENE, "JPEG", exif=b"Exif\x00\x00" + exif)).shape == (90, 120, 3)


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_large_words_in_a_png_cost_nothing(before: bytes, tmp_path: Path) -> None:
    large = zlib.compress(bytes(3_000_000))
    for kind, data in (
        (b"zTXt", b"note\x00\x00" + large),
        (b"iTXt", b"note\x00\x01\x00\x00\x00" + large),
        (b"iCCP", b"icc\x00\x00" + large),
    ):
        png = with_chunk(encoded(SCENE, "PNG"), kind, data, before)
        (tmp_path / "a.png").write_bytes(png)
        assert np.array_equal(read_image(png), SCENE)
        assert picture_size(tmp_path / "a.png") == (120, 90)


def test_broken_segments_of_a_jpeg_cost_nothing(tmp_path: Path) -> None:
    data = encoded(SCENE, "JPEG", exif=b"Exif\x00\x00" + exif_of(6))
    expected = read_image(data)
    for marker, content in ((0xED, b"Photoshop 3.0\x008BIM\x04"), (0xE2, b"MPF\x00II"), (0xE2, b"ICC_PROFILE\x00\x09")):
        segment = bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
        odd = data[:2] + segment + data[2:]
        (tmp_path / "a.jpg").write_bytes(odd)
        assert np.array_equal(read_image(odd), expected)
        assert picture_size(tmp_path / "a.jpg") == (90, 120)


# --- turned --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF lzw", "late PNG"])
def test_every_orientation_in_every_format(kind: str, orientation: int, tmp_path: Path) -> None:
    if kind.startswith("TIFF"):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274] = orientation
        compression = {"compression": "tiff_lzw"} if kind.endswith("lzw") else {}
        data = encoded(SCENE, "TIFF", tiffinfo=tags, **compression)
    elif kind == "late PNG":
        data = with_chunk(encoded(SCENE, "PNG"), b"eXIf", exif_of(orientation), b"IEND")
    else:
        options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
        data = encoded(SCENE, kind, exif=b"Exif\x00\x00" + exif_of(orientation), **options)
    (tmp_path / "a").write_bytes(data)
    seen = read_image(data)
    by_pillow = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    expected = SCENE
    if orientation != 1:
        expected = np.asarray(Image.fromarray(SCENE).transpose(Image.Transpose(by_pillow[orientation])))
    assert seen.shape == expected.shape
    assert np.abs(seen.astype(int) - expected).mean() < 3
    assert stored_size(tmp_path / "a") == ((120, 90), orientation)
    assert picture_size(tmp_path / "a") == upright_size((120, 90), orientation) == seen.shape[1::-1]
    assert np.array_equal(turned(SCENE, orientation), expected)


# --- cut off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_is_whole(options: dict[str, Any]) -> None:
    data = encoded(SCENE, "JPEG", **options)
    assert data.endswith(b"\xff\xd9")
    assert np.array_equal(read_image(data[:-2]), read_image(data))
    assert np.array_equal(read_image(data[:-1]), read_image(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"])
def test_half_a_picture_is_refused(kind: str) -> None:
    data = encoded(SCENE, kind)
    with pytest.raises(ImageError, match=r"cut off|not a picture"):
        read_image(data[: len(data) // 2])


# --- many bits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("colour", [False, True])
def test_cameras_of_many_bits_are_as_bright_as_they_are_meant(bits: int, ending: str, colour: bool) -> None:
    wide = np.rint(SCENE.astype(float) * ((2**bits - 1) / 255)).astype(np.uint16)
    wide[0, 0] = 2**bits - 1
    data = cv2.imencode(ending, wide[..., ::-1] if colour else wide[..., 0])[1].tobytes()
    seen = read_image(data).astype(int)
    expected = SCENE if colour else SCENE[..., :1].repeat(3, 2)
    assert np.abs(seen - expected)[1:].max() <= 1


def test_floating_point_tiff_is_not_black(tmp_path: Path) -> None:
    for scale in (1 / 255, 1.0, 257.0):
        data = encoded(Image.fromarray(SCENE[..., 0].astype(np.float32) * np.float32(scale)), "TIFF")
        assert np.abs(read_image(data)[..., 0].astype(int) - SCENE[..., 0]).max() <= 1
    with pytest.raises(ImageError, match=r"0 … 255"):
        read_image(encoded(Image.fromarray(SCENE[..., 0].astype(np.float32) - 500), "TIFF"))


def test_white_is_zero_where_a_tiff_says_so() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    wide = SCENE[..., 0].astype(np.uint16) * 257
    data = encoded(Image.fromarray(wide), "TIFF")
    place = data.index(struct.pack("<HHI", 262, 3, 1))
    inverted = data[: place + 8] + b"\x00\x00" + data[place + 10 :]
    assert np.array_equal(read_image(inverted)[..., 0], 255 - SCENE[..., 0])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_without_anything_to_see_is_refused(kind: str) -> None:
    clear = np.dstack([SCENE, np.zeros(SCENE.shape[:2], np.uint8)])
    with pytest.raises(ImageError, match="transparent"):
        read_image(encoded(clear, kind))


# --- large ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "size"), [("L", (8160, 6144)), ("RGB", (8160, 6144)), ("P", (8192, 6144)), ("L", (9280, 6944))]
)
def test_photographs_of_telephones_are_read(mode: str, size: tuple[int, int]) -> None:
    data = encoded(Image.new(mode, size, 120 if mode != "RGB" else (120, 60, 30)), "PNG", compress_level=1)
    assert read_image(data).shape == (*size[::-1], 3)


def test_large_pictures_are_the_same_as_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones are decoded by another library, which must see the same."""
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        ("JPEG", {}),
        ("JPEG", {"subsampling": 0, "progressive": True}),
        ("PNG", {}),
    )
    for kind, more in (*options, ("WEBP", {"lossless": True})):
        data = encoded(SCENE, kind, exif=b"Exif\x00\x00" + exif_of(6), **more)
        small = read_image(data)
        with monkeypatch.context() as patch:
            patch.setattr(picture_files, "_LARGE", 0)
            assert np.array_equal(read_image(data), small)
            if kind == "JPEG":
                assert np.array_equal(read_image(data[:-2]), small)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA", "I;16", "F", "CMYK", "webp"])
def test_bombs_are_refused_or_take_little(mode: str) -> None:
    """Small files of 50 megapixels: what is read stays below 300 MB above the process."""
    if mode == "webp":
        data = encoded(Image.new("RGBA", (7071, 7071), (9, 9, 9, 100)), "WEBP", lossless=True, quality=0, method=0)
    else:
        kind = {"F": "TIFF", "CMYK": "JPEG"}.get(mode, "PNG")
        options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
        data = encoded(Image.new(mode, (7071, 7071)), kind, **options)

    def read() -> None:
        with contextlib.suppress(ImageError):
            read_image(data)

    assert peak_of(read) < 300


def test_sizes_are_judged_before_a_pixel_is_decoded() -> None:
    def header(width: int, height: int, depth: int, colour: int) -> bytes:
        start = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + start + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")

    with pytest.raises(ImageError, match=r"10000 × 6501.*65 megapixels"):
        read_image(header(10_000, 6_501, 8, 0))
    with pytest.raises(ImageError, match=r"8000 × 8000.*MB of memory"):
        read_image(header(8_000, 8_000, 8, 6))


def test_pictures_that_are_read_at_once_share_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    room = picture_files._Room(100)
    inside, most, lock = [0], [0], threading.Lock()

    def read() -> None:
        with room.taken(60):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=read) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    with room.taken(1000):
        # What is larger than all the room has it alone.
        assert room._free == 0


def test_a_reduced_picture_is_upright_and_small(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(cv2.resize(SCENE, (960, 720)), "JPEG", exif=b"Exif\x00\x00" + exif_of(6)))
    assert read_picture(path, reduced=200).shape == (480, 360, 3)
    assert read_picture(path).shape == (960, 720, 3)


def test_pictures_are_opened_in_one_place() -> None:
    root = Path(picture_files.__file__).parent
    openers = {path.name for path in root.rglob("*.py") if "Image.open(" in path.read_text("utf-8")}
    # An exported model's program stands on its own; its text is in program.py, which opens nothing.
    assert openers == {"picture_files.py", "program.py"}
