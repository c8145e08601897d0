"""Picture files: which formats are opened, how large a picture may be, and its pixels, upright.

Every picture file is opened here, so that one list says which decoders run and everything that a decoder may raise
becomes an :class:`ImageError`. Memory is judged from the header, before a pixel is decoded.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from posecore.errors import ImageError

Picture = NDArray[np.uint8]

#: The decoders that are used, by Pillow's names (JPEG's also opens MPO). Pillow knows others that run programs (EPS)
#: or are hardly tested.
FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
        GifImagePlugin.GifImageFile,
    )
)
#: File name endings of these formats.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
#: Endings of pictures that are not read; a folder that holds some is not passed over without a word.
FOREIGN_SUFFIXES = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
    ".psd", ".ppm", ".pgm", ".tga",
)  # fmt: skip

MAX_PIXELS = 65_000_000
MIN_SIDE = 8
MAX_ASPECT = 100.0
#: Largest picture file, in bytes.
MAX_FILE = 500_000_000

#: Bytes that any picture may take while it is read, and how many it may when its file is as large as a real one's.
_PLAIN_BYTES = 300 * 2**20
_MAX_BYTES = 480 * 2**20
#: Photographs are packed less than this: bytes in memory per byte of the file.
_PACKING = 100
#: Bytes that all pictures may take which are read at the same time.
_AT_ONCE = 640 * 2**20
#: Pixels that are converted together.
_STRIP = 2**20
#: From this many pixels on, OpenCV reads what it can: Pillow keeps four bytes a pixel beside the result's three.
_LARGE = 12_000_000
#: Brightest values of pictures of 0 … 1, and of 8, 10, 12, 14 and 16 bits.
_WHITES = (1, 255, 1023, 4095, 16383, 65535)
#: By how much interpolation may overshoot in floating-point pictures.
_OVERSHOOT = 0.1

_DAMAGED = "The picture is damaged or cut off; save or download it again."
_UNKNOWN = "This is not a picture that can be read; use JPEG, PNG, WebP, BMP or TIFF (HEIC and RAW need converting)."
_SIDEWAYS = (5, 6, 7, 8)
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
#: What a PNG says beside its pixels, and where it may be wrong without harm to them.
_PNG_WORDS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def read_picture(file: Path | bytes, max_pixels: int = MAX_PIXELS, reduced: int | None = None) -> Picture:
    """The pixels of a picture file, upright.

    Args:
        file: Path or contents.
        max_pixels: Largest width × height accepted.
        reduced: Where the format allows, decode at a fraction of the size that keeps both sides at least this long.

    Returns:
        ``(H, W, 3)`` uint8 RGB, contiguous.

    Raises:
        ImageError: With a sentence fit for the person who gave the picture.
        OSError: When the file cannot be read.
    """
    data = file if isinstance(file, bytes) else _contents(file)
    if not data:
        raise ImageError("The file is empty (0 bytes); choose another picture.")
    try:
        return _decode(data, max_pixels, reduced)
    except ImageError as error:
        mended = _mended(data) if _is_undecoded(error) else None
        if mended is None:
            raise
        return _decode(mended, max_pixels, reduced, whole=False)


def stored_size(path: Path) -> tuple[tuple[int, int], int]:
    """(width, height) of a picture as it is stored, and its EXIF orientation 1 … 8, from the header alone.

    Raises:
        ImageError: When it is no picture, or one that :func:`read_picture` refuses by its header.
        OSError: When the file cannot be read.
    """
    _check_file(path)
    try:
        with _opened(path) as image:
            return _header(image, path.stat().st_size)
    except ImageError as error:
        mended = _mended(_contents(path)) if _is_undecoded(error) else None
        if mended is None:
            raise
        with _opened(mended) as image:
            return _header(image, len(mended))


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) as it is seen of a picture of stored ``size`` with an EXIF ``orientation`` of 1 … 8."""
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse sizes that no pose network can use; raises ``ImageError`` saying which and what would do."""
    if width * height > max_pixels:
        raise ImageError(_too_large((width, height), max_pixels))
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The picture is only {width} × {height} pixels; each side must have at least {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"The picture is {width} × {height} pixels, too long and thin to hold a person; crop it to at most "
            f"{MAX_ASPECT:g} : 1."
        )


def _too_large(size: tuple[int, int] | None, max_pixels: int) -> str:
    claim = f"is {size[0]} × {size[1]} pixels" if size else "claims far too many pixels"
    return f"The picture {claim}, more than the {max_pixels / 1e6:g} megapixels allowed; make it smaller."


# --- opening -------------------------------------------------------------------------------------------------------


def _check_file(path: Path) -> None:
    """Refuse what is no file, or no picture by its size alone; pipes would be waited for."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path} is a folder; give a picture file.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is not a file; give a picture file.")
    check_length(status.st_size)


def check_length(length: int) -> None:
    """Refuse files that are too long to be a picture; raises ``ImageError``."""
    if length > MAX_FILE:
        raise ImageError(f"The file has {length / 1e6:.0f} MB, more than the {MAX_FILE / 1e6:g} MB that are read.")


def _contents(path: Path) -> bytes:
    _check_file(path)
    return path.read_bytes()


@contextmanager
def _opened(file: Path | bytes) -> Iterator[ImageFile.ImageFile]:
    """A picture file of which the header is read; whatever a decoder raises in the block is an ``ImageError``."""
    with (
        io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as stream,
        decoding(),
        Image.open(stream, formats=FORMATS) as image,
    ):
        yield image


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a decoder raises into an ``ImageError``."""
    with warnings.catch_warnings():
        # Pillow warns of sizes and of odd metadata; sizes are checked here, metadata does not matter.
        warnings.simplefilter("ignore")
        try:
            yield
        except ImageError:
            raise
        except UnidentifiedImageError as error:
            raise ImageError(_UNKNOWN) from error
        except Image.DecompressionBombError as error:
            raise ImageError(_too_large(None, MAX_PIXELS)) from error
        except Exception as error:
            raise ImageError(_DAMAGED) from error


def _is_undecoded(error: ImageError) -> bool:
    """True when a decoder gave up: a file rid of what does not matter may still be read."""
    return error.__cause__ is not None


def _header(image: ImageFile.ImageFile, length: int) -> tuple[tuple[int, int], int]:
    """What :func:`stored_size` tells, of a file of ``length`` bytes."""
    check_size(*image.size)
    _check_memory(image, length)
    turned = _orientation(image)
    if image.format == "TIFF":
        # Pillow has turned the size, and turns the pixels.
        return upright_size(image.size, turned), turned
    return image.size, turned


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1 … 8; 1 where there is none that can be understood."""
    try:
        if image.format == "PNG" and "exif" not in image.info and isinstance(image, ImageFile.ImageFile) and image.fp:
            _late_exif(image, image.fp)
        # Not PNG's own, which decodes the whole picture to look for what comes after it.
        found = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - metadata may be anything, and must not cost the picture
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _late_exif(image: Image.Image, stream: IO[bytes]) -> None:
    """Find EXIF that comes after a PNG's pixels."""
    place = stream.tell()
    try:
        stream.seek(len(_PNG))
        for kind, length in _chunk_heads(stream):
            if kind == b"eXIf":
                image.info["exif"] = b"Exif\x00\x00" + stream.read(min(length, 2**20))
                return
    finally:
        stream.seek(place)


def _chunk_heads(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """(type, length) of a PNG's chunks, the stream at the data of each."""
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        place = stream.tell()
        yield kind, length
        stream.seek(place + length + 4)


def _mended(data: bytes) -> bytes | None:
    """A file without what is beside the pixels and may be wrong; a JPEG gets its end. None when nothing can be done."""
    if data.startswith(_PNG):
        mended = _lean_png(data)
    elif data.startswith(_JPEG):
        mended = _lean_jpeg(data)
        if not mended.rstrip(b"\x00").endswith(_JPEG_END):
            mended += _JPEG_END
    else:
        return None
    return None if mended == data else mended


def _lean_png(data: bytes) -> bytes:
    kept, stream = [_PNG], io.BytesIO(data)
    stream.seek(len(_PNG))
    for kind, length in _chunk_heads(stream):
        if kind not in _PNG_WORDS:
            start = stream.tell()
            kept.append(data[start - 8 : start + length + 4])
    return b"".join(kept)


def _lean_jpeg(data: bytes) -> bytes:
    """A JPEG without comments and application segments, except those that say how to show it."""
    kept, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        marker, end = data[place + 1], place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        words = 0xE0 <= marker <= 0xEF or marker == 0xFE
        exif = marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\x00\x00"
        if not words or marker in (0xE0, 0xEE) or exif:
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


# --- memory --------------------------------------------------------------------------------------------------------


def _is_plain(image: ImageFile.ImageFile) -> bool:
    """True when OpenCV reads the same pixels: colours of 8 bits in a still picture without transparency."""
    return (
        image.mode == "RGB"
        and image.format in ("JPEG", "MPO", "PNG", "WEBP")
        and "transparency" not in image.info
        and not _is_wide(image)
        and not (image.format == "WEBP" and getattr(image, "is_animated", False))
    )


def _is_wide(image: ImageFile.ImageFile) -> bool:
    """True when the file has 16 bits a channel, of which Pillow keeps eight; asked before it is loaded."""
    return any(";16" in str(tile.args) for tile in image.tile) and not image.mode.startswith("I")


def _memory(image: ImageFile.ImageFile) -> int:
    """Bytes that reading takes at most, the result included."""
    pixels = image.width * image.height
    if pixels > _LARGE and _is_plain(image):
        return 6 * pixels
    if image.format == "WEBP":
        return 20 * pixels
    stored = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    return (stored + 3) * pixels


def _check_memory(image: ImageFile.ImageFile, length: int) -> int:
    """Bytes that reading takes; raises ``ImageError`` when they are too many for a file of ``length`` bytes."""
    needed = _memory(image)
    if needed > _MAX_BYTES or (needed > _PLAIN_BYTES and needed > _PACKING * length):
        raise ImageError(
            f"The picture of {image.width} × {image.height} pixels would take {needed / 1e6:.0f} MB of memory, too "
            "much for its kind; make it smaller, or save it as an ordinary JPEG."
        )
    return needed


class _Room:
    """Memory that those share who read pictures at the same time: who finds too little left waits."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.reset()

    def reset(self) -> None:
        """Forget who reads."""
        self._free = self._total
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Hold ``wanted`` bytes."""
        wanted = min(wanted, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


_room = _Room(_AT_ONCE)
if hasattr(os, "register_at_fork"):
    # A child process has none of the readers that its parent had.
    os.register_at_fork(after_in_child=_room.reset)


# --- pixels --------------------------------------------------------------------------------------------------------


def _decode(data: bytes, max_pixels: int, reduced: int | None, whole: bool = True) -> Picture:
    """Pixels of a file; of one that is not ``whole`` only when they are all there."""
    with _opened(data) as image:
        if reduced is not None:
            image.draft("RGB", (reduced, reduced))
        check_size(image.width, image.height, max_pixels)
        needed = _check_memory(image, len(data))
        with _room.taken(needed):
            if whole and reduced is None and image.width * image.height > _LARGE and _is_plain(image):
                picture = _by_opencv(data, image)
                if picture is not None:
                    return picture
            if not _is_wide(image):
                return pixels_of(image, check_end=not whole)
            picture = pixels_of(image, check_end=not whole)
    # The upper eight bits of a picture of 14 bits or fewer.
    return _all_bits(data) if picture.max() < 64 else picture


def _by_opencv(data: bytes, image: Image.Image) -> Picture | None:
    """A plain picture as OpenCV decodes it; None when it cannot, or sees another picture."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[1::-1] != image.size:
        return None
    return np.ascontiguousarray(turned(np.asarray(pixels, np.uint8), _orientation(image)))


def _all_bits(data: bytes) -> Picture:
    """A dark picture of 16 bits a channel, brightened by as many bits as it does not use."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise ImageError("The picture has 16 bits a channel and is nearly black; save it with 8 bits a channel.")
    order = [2, 1, 0, 3][: pixels.shape[2]]
    with _opened(data) as image:
        orientation = _orientation(image)
    return picture_of_array(turned(pixels[..., order], orientation))


def pixels_of(image: Image.Image, check_end: bool = False) -> Picture:
    """Pixels of a Pillow image, upright: grey, palette and CMYK become RGB, transparency is laid on white.

    Args:
        image: The image; loaded by this.
        check_end: Refuse it when its last block is empty, as in a JPEG that was cut off.
    """
    orientation = 1 if image.format == "TIFF" else _orientation(image)
    inverted = image.format == "TIFF" and image.mode[0] in "IF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]
    image.load()
    width, height = image.size
    if check_end and _is_empty(image.crop((width - 8, height - 8, width, height))):
        raise ImageError(_DAMAGED)
    convert = _converter(image, inverted)
    picture: Picture = np.empty((*upright_size((height, width), orientation), 3), np.uint8)
    as_stored = turned(picture, {6: 8, 8: 6}.get(orientation, orientation))
    for top, strip in _strips(image):
        as_stored[top : top + strip.height] = convert(strip)
    return picture


def _is_empty(block: Image.Image) -> bool:
    """True for a part of a JPEG that a decoder found nothing for."""
    found: Any = block.getextrema()
    return all(limits == (128, 128) for limits in (found if isinstance(found[0], tuple) else (found,)))


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Parts of an image from top to bottom, each with its first row: converting all at once takes memory twice."""
    rows = max(_STRIP // image.width, 1)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _converter(image: Image.Image, inverted: bool) -> Callable[[Image.Image], NDArray[np.uint8]]:
    """What makes ``(h, w, 3)`` RGB of a part of ``image``."""
    if image.mode[0] in "IF":
        parts = (np.asarray(strip) for _, strip in _strips(image))
        white = white_level(parts, np.dtype(np.float32 if image.mode == "F" else np.uint16))

        def grey(strip: Image.Image) -> NDArray[np.uint8]:
            values = eight_bits(np.asarray(strip), white)[..., None]
            return 255 - values if inverted else values

        return grey
    if "A" not in image.getbands() and "transparency" not in image.info:
        return lambda strip: np.asarray(strip.convert("RGB"))
    if "A" in image.getbands() and image.getchannel("A").getextrema() == (0, 0):
        raise ImageError("The picture is wholly transparent, so that there is nothing to see; save it without alpha.")

    def on_white(strip: Image.Image) -> NDArray[np.uint8]:
        layer = strip.convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))

    return on_white


def turned(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of stored pixels ``(H, W, …)`` as EXIF ``orientation`` 1 … 8 says that they are to be seen."""
    if orientation in _SIDEWAYS:
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture[:, ::-1] if orientation in (2, 3, 6, 7) else picture


def picture_of_array(array: NDArray[Any]) -> Picture:
    """``(H, W, 3)`` uint8 RGB of an array ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)`` of any numbers.

    See :func:`white_level` for what is taken as white.

    Raises:
        ImageError: When the numbers are no picture's.
    """
    if array.dtype != np.uint8:
        white = white_level([array], array.dtype)
        wide, array = array, np.empty(array.shape, np.uint8)
        for row, values in enumerate(wide):
            array[row] = eight_bits(values, white)
    if array.ndim == 2 or array.shape[2] == 1:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        return np.rint(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(array)


def white_level(parts: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> int:
    """The value that is white: the lowest of 1, 255, 1023, 4095, 16383 and 65535 that is not below the brightest.

    So pictures of 0 … 1, and of cameras with 10 to 14 bits stored in 16, are as bright as they are meant.

    Args:
        parts: All values of the picture.
        dtype: Of floating-point numbers a tenth may lie outside of the range, as interpolation leaves it.

    Raises:
        ImageError: When no range fits.
    """
    # NaN is no value; a picture of nothing else is black.
    limits = [(float(np.fmin.reduce(part, None)), float(np.fmax.reduce(part, None))) for part in parts]
    low, high = float(np.fmin.reduce([a for a, _ in limits])), float(np.fmax.reduce([b for _, b in limits]))
    floating = np.issubdtype(dtype, np.floating)
    slack = _OVERSHOOT if floating else 0.0
    if np.isnan(high):
        return 1
    white = next((white for white in _WHITES if high <= white * (1 + slack)), None)
    # Floating-point numbers a little above 1 are neither 0 … 1 nor, as they are all but black, 0 … 255.
    unclear = floating and 1 + slack < high < 8
    if white is not None and low >= -slack * white and not unclear:
        return white
    raise ImageError(
        f"Pixel values {low:g} … {high:g} are neither those of 8 or 16 bits nor 0 … 1; scale them to 0 … 255."
    )


def eight_bits(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Values of which ``white`` is the brightest as 0 … 255; NaN is black."""
    scaled = np.nan_to_num(values.astype(np.float32)) * np.float32(255 / white)
    return np.asarray(np.rint(scaled.clip(0, 255)), np.uint8)
