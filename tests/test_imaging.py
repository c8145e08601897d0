"""Reading pictures of every kind, refusing the others, and sampling without a shift."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from posecore.errors import ImageError
from posecore.imaging import InputTransform, letterbox, picture_id, read_image, sample, stretch

GRADIENT = np.stack(np.meshgrid(np.arange(64) * 4, np.arange(48) * 5), axis=-1).astype(np.uint8)
COLOUR = np.dstack([GRADIENT, np.full((48, 64), 128, np.uint8)])


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "WebP", "BMP", "TIFF"])
def test_lossless_formats(kind: str) -> None:
    options = {"lossless": True} if kind == "WebP" else {}
    assert np.array_equal(read_image(encoded(Image.fromarray(COLOUR), kind, **options)), COLOUR)


def test_jpeg_from_path_file_and_pillow(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(COLOUR), "JPEG", quality=95)
    path = tmp_path / "shot.jpg"
    path.write_bytes(data)
    expected = read_image(data)
    assert np.abs(expected.astype(int) - COLOUR).mean() < 3
    with path.open("rb") as file:
        assert np.array_equal(read_image(file), expected)
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(str(path)), expected)
    assert np.array_equal(read_image(Image.open(path)), expected)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a)),
        (2, lambda a: a[:, ::-1]),
    ],
)
def test_exif_rotation(orientation: int, turned: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(COLOUR), "PNG", exif=exif)
    assert np.array_equal(read_image(data), turned(COLOUR))


def test_grey_palette_and_cmyk() -> None:
    grey = read_image(encoded(Image.fromarray(GRADIENT[..., 0]), "PNG"))
    assert np.array_equal(grey[..., 2], GRADIENT[..., 0])
    palette = Image.fromarray(COLOUR).quantize(256)
    assert np.array_equal(read_image(encoded(palette, "PNG")), np.array(palette.convert("RGB")))
    cmyk = read_image(encoded(Image.fromarray(COLOUR).convert("CMYK"), "TIFF"))
    assert np.abs(cmyk.astype(int) - COLOUR).max() <= 2
    assert read_image(encoded(Image.fromarray(GRADIENT[..., 0] > 100), "PNG")).max() == 255


def test_transparency_is_laid_on_white() -> None:
    alpha = np.dstack([COLOUR, np.zeros((48, 64), np.uint8)])
    alpha[:, 32:, 3] = 255
    seen = read_image(encoded(Image.fromarray(alpha), "PNG"))
    assert (seen[:, :32] == 255).all()
    assert np.array_equal(seen[:, 32:], COLOUR[:, 32:])
    assert np.array_equal(read_image(alpha), seen)
    palette = Image.fromarray(COLOUR).quantize(4)
    palette.info["transparency"] = 0
    assert read_image(encoded(palette, "PNG", transparency=0)).shape == (48, 64, 3)


def test_sixteen_bits() -> None:
    wide = GRADIENT[..., 0].astype(np.uint16) * 257
    assert np.array_equal(read_image(encoded(Image.fromarray(wide), "PNG"))[..., 0], GRADIENT[..., 0])
    assert np.array_equal(read_image(wide)[..., 0], GRADIENT[..., 0])
    _, colour_tiff = cv2.imencode(".tiff", COLOUR[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_image(colour_tiff.tobytes()), COLOUR)
    _, colour_png = cv2.imencode(".png", COLOUR[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_image(colour_png.tobytes()), COLOUR)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"GIF87 nothing of the kind", "not a picture"),
        (b"\x00" * 5000, "not a picture"),
        (encoded(Image.fromarray(COLOUR), "JPEG")[:400], "cut off"),
        (encoded(Image.fromarray(COLOUR), "PNG")[:90], "cut off"),
        (png_header(60_000, 60_000), "megapixels"),
        (png_header(300, 300), "cut off"),
        (encoded(Image.new("RGB", (1, 1)), "PNG"), "1 × 1"),
        (encoded(Image.new("RGB", (20_000, 30)), "PNG"), "long and thin"),
    ],
)
def test_unusable_pictures_are_explained(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        read_image(data)
    assert str(caught.value).endswith(".")


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP", b"BM", b"II*\x00"]),
)
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_are_a_picture_or_an_explanation(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert read_image(start + data).dtype == np.uint8


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((5,)),
        np.zeros((20, 20, 2)),
        np.full((20, 20), -3),
        np.full((20, 20), 1e9),
        np.full((20, 20), 3.0),
        np.linspace(-2, 2, 400).reshape(20, 20),
        np.zeros((20, 20), complex),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_pictures(array: Any) -> None:
    with pytest.raises(ImageError):
        read_image(array)


@pytest.mark.parametrize(
    ("array", "exact"),
    [
        (COLOUR / 255, True),
        ((COLOUR / 255).astype(np.float16), False),
        (COLOUR / 255 * 1.04 - 0.02, False),
        (COLOUR * 1.02, False),
        (COLOUR.astype(np.int64), True),
        (COLOUR.astype(np.uint16) * 4, False),
        (COLOUR.astype(np.uint16) * 16, False),
        (COLOUR.astype(np.uint16) * 64, False),
        (COLOUR.astype(np.uint16) * 257, True),
        (COLOUR.astype(np.float32) * 257, True),
    ],
)
def test_arrays_of_any_range_are_as_bright_as_they_are_meant(array: Any, exact: bool) -> None:
    seen = read_image(array)
    assert seen.dtype == np.uint8
    assert np.abs(seen.astype(int) - COLOUR).max() <= (0 if exact else 8)


@pytest.mark.parametrize("kind", [bool, np.int32, np.float64])
def test_masks_are_black_and_white(kind: Any) -> None:
    mask = np.zeros((40, 60), kind)
    mask[10:30, 20:40] = 1
    assert np.array_equal(np.unique(read_image(mask)), [0, 255])
    assert read_image(np.full((20, 20), np.nan)).max() == 0


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)


def test_picture_id_depends_on_pixels_and_shape() -> None:
    ids = {picture_id(a) for a in (COLOUR, COLOUR + 1, COLOUR.reshape(64, 48, 3))}
    assert len(ids) == 3
    assert picture_id(COLOUR[:, ::-1][:, ::-1]) == picture_id(COLOUR)


SIZES = st.tuples(st.integers(8, 900), st.integers(8, 900))


@given(SIZES, SIZES, st.booleans(), st.sampled_from([stretch, letterbox]))
def test_transforms_invert_and_centre(image_size: Any, input_size: Any, half_pixel: Any, place: Any) -> None:
    transform = place(image_size, input_size, half_pixel=half_pixel)
    points = np.random.default_rng(0).uniform(-100, 1000, (20, 2))
    assert transform.to_input(transform.to_source(points)) == pytest.approx(points, abs=1e-6)
    # Where the middle of the input lies: half a pixel apart in the two conventions.
    middle = np.array(input_size) / 2 - (0.5 if half_pixel else 0)
    expected = np.array(image_size) / 2 - (0.5 if half_pixel else 0)
    assert transform.to_source(middle) == pytest.approx(expected)
    if place is letterbox:
        assert transform.scale[0] == pytest.approx(transform.scale[1])


@given(st.floats(0.3, 4), st.floats(-20, 20))
def test_sampling_reads_a_ramp_exactly(scale: float, shift: float) -> None:
    """Bilinear sampling of a linear ramp gives the position itself: no shift, no rounding."""
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    transform = InputTransform((scale, 1.0), (shift, 0.0), (50, 40), (200, 40))
    seen = sample(ramp, transform)[20, :, 0]
    assert seen == pytest.approx((np.arange(50) * scale + shift).clip(0, 199), abs=1e-3)


def test_sampling_agrees_with_opencv_when_enlarging() -> None:
    transform = stretch((64, 48), (128, 96), half_pixel=True)
    expected = cv2.resize(COLOUR.astype(np.float32), (128, 96), interpolation=cv2.INTER_LINEAR)
    assert sample(COLOUR, transform) == pytest.approx(expected, abs=1e-3)


def test_outside_is_border_or_fill() -> None:
    transform = letterbox((64, 48), (64, 64))
    assert np.array_equal(sample(COLOUR, transform)[0], COLOUR[0])
    assert (sample(COLOUR, transform, fill=7.0)[0] == 7).all()
    assert np.array_equal(sample(COLOUR, transform, fill=7.0)[32], COLOUR[24])


def test_antialias_averages_and_keeps_its_place() -> None:
    stripes = np.zeros((120, 120, 3), np.uint8)
    stripes[:, ::2] = 255
    transform = stretch((120, 120), (15, 15), half_pixel=True)
    assert sample(stripes, transform, antialias=True) == pytest.approx(np.full((15, 15, 3), 127.5), abs=1)
    ramp = np.repeat(np.arange(120, dtype=np.uint8)[None, :, None] * 2, 120, 0).repeat(3, 2)
    exact = np.arange(15) * 8 + 3.5
    assert sample(ramp, transform, antialias=True)[7, 1:-1, 0] == pytest.approx(2 * exact[1:-1], abs=1)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("fill", [None, 9.0])
def test_a_part_of_a_picture_is_sampled_as_the_whole_would_be(antialias: bool, fill: float | None) -> None:
    """What lies beyond the part that is looked at has no say, and rows may lie apart."""
    random = np.random.default_rng(4)
    picture = random.integers(0, 256, (90, 130, 3), np.uint8)
    apart = np.zeros((90, 140, 3), np.uint8)[:, :130]
    apart[:] = picture
    for _ in range(12):
        x, y = random.uniform(-60, 120, 2)
        side = random.uniform(8, 150)
        transform = letterbox((130, 90), (16, 16), (x, y, x + side, y + side), half_pixel=True)
        seen = sample(apart, transform, fill, antialias)
        block = max(int(transform.scale[0]), 1) if antialias else 1
        blocks = picture[: 90 // block * block, : 130 // block * block].astype(np.float64)
        means = np.rint(blocks.reshape(90 // block, block, 130 // block, block, 3).mean((1, 3)))
        places = transform.to_source(np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1))
        expected = _bilinear(means, (places - (block - 1) / 2) / block, fill)
        # Halves of a grey value may be rounded either way.
        assert np.abs(seen - expected).max() < (1e-3 if block == 1 else 1.001)


def _bilinear(values: np.ndarray, places: np.ndarray, fill: float | None) -> np.ndarray:
    """Values ``(H, W, C)`` at ``(…, 2)`` places (x, y), straight from the definition."""
    total = np.zeros((*places.shape[:2], values.shape[2]))
    limits = np.array([values.shape[1], values.shape[0]]) - 1
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        cell = np.floor(places).astype(int) + corner
        share = (1 - np.abs(places - cell)).prod(-1, keepdims=True)
        held = cell.clip(0, limits)
        value = values[held[..., 1], held[..., 0]]
        outside = (cell != held).any(-1, keepdims=True)
        total += share * (value if fill is None else np.where(outside, fill, value))
    return total


def test_rows_that_lie_apart_are_not_copied() -> None:
    apart = np.zeros((16, 20, 3), np.uint8)[:, :18]
    assert read_image(apart) is apart
    assert read_image(apart[:, ::-1]).flags.c_contiguous
    assert read_image(apart[::-1]).flags.c_contiguous
