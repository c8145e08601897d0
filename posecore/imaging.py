"""Reading pictures safely, and the invertible way from a picture to a network's input.

Pictures are ``(height, width, 3)`` uint8 RGB arrays, upright. Coordinates follow :mod:`posecore.poses`: (x, y), the
centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from posecore.boxes import Region as Region
from posecore.boxes import check_region as check_region
from posecore.boxes import full_region as full_region
from posecore.boxes import square_around_box as square_around_box
from posecore.errors import ImageError
from posecore.picture_files import (
    MAX_FILE,
    MAX_PIXELS,
    check_length,
    decoding,
    picture_of_array,
    pixels_of,
    read_picture,
)
from posecore.picture_files import (
    Picture as Picture,
)
from posecore.picture_files import (
    check_size as check_size,
)

ImageSource = str | Path | bytes | IO[bytes] | Image.Image | NDArray[Any]


def read_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as upright RGB.

    EXIF rotation is applied; grey, palette, CMYK and 16-bit pictures are converted; transparency is laid on white.
    The size is checked before pixels are decoded, so that a small file cannot claim gigabytes of memory.
    What is white in a picture of more than 8 bits or of 0 … 1 says :func:`posecore.picture_files.white_level`.

    Args:
        source: Path, encoded bytes, open binary file, Pillow image or array ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``
            in RGB order, of uint8, or of other numbers of 0 … 1, 0 … 255 or up to 16 bits; masks are black and white.
        max_pixels: Largest width × height accepted.

    Returns:
        ``(H, W, 3)`` uint8 RGB, contiguous; an array of that kind whose rows are contiguous comes back as it is.

    Raises:
        ImageError: With a sentence fit for the person who gave the picture.
        FileNotFoundError: When a path does not exist.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        with decoding():
            check_size(source.width, source.height, max_pixels)
            return pixels_of(source)
    if isinstance(source, (str, Path)):
        return read_picture(Path(source), max_pixels)
    data = source if isinstance(source, bytes) else source.read(MAX_FILE + 1)
    check_length(len(data))
    return read_picture(data, max_pixels)


def _from_array(array: NDArray[Any], max_pixels: int) -> Picture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"An array of shape {array.shape} is not a picture; use (H, W), (H, W, 3) or (H, W, 4).")
    if array.dtype.kind not in "buif":
        raise ImageError(f"An array of {array.dtype} is not a picture; use numbers of 0 … 255 or 0 … 1.")
    check_size(array.shape[1], array.shape[0], max_pixels)
    if array.dtype == np.uint8 and array.ndim == 3 and has_whole_rows(array):
        return array
    return picture_of_array(array)


def has_whole_rows(picture: NDArray[Any]) -> bool:
    """Whether each row of an ``(H, W, 3)`` uint8 picture is one piece of memory, as OpenCV and FFmpeg need it.

    Rows may lie apart, as those of decoded frames do.
    """
    return picture.strides[1:] == (3, 1) and picture.strides[0] > 0


def picture_id(picture: Picture) -> str:
    """Hash of a picture's pixels and shape (hex), for provenance and caches."""
    digest = hashlib.blake2b(np.ascontiguousarray(picture).data, digest_size=16)
    digest.update(repr(picture.shape).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class InputTransform:
    """The way between source pixels and pixels of the network's input; both (x, y), axes independent.

    ``source = input · scale + shift`` for each axis. Exact in both directions.

    Attributes:
        scale: Source pixels per input pixel, (x, y).
        shift: Source position of input pixel (0, 0), (x, y).
        input_size: (width, height) of the network's input.
        image_size: (width, height) of the source picture.
    """

    scale: tuple[float, float]
    shift: tuple[float, float]
    input_size: tuple[int, int]
    image_size: tuple[int, int]

    def to_source(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Input pixels ``(…, 2)`` to source pixels."""
        return np.asarray(xy, np.float64) * self.scale + self.shift

    def to_input(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Source pixels ``(…, 2)`` to input pixels."""
        return (np.asarray(xy, np.float64) - self.shift) / self.scale


def stretch(
    image_size: tuple[int, int], input_size: tuple[int, int], region: Region | None = None, half_pixel: bool = False
) -> InputTransform:
    """Map ``region`` onto the whole input, each axis by its own factor.

    ``half_pixel`` False maps pixel 0 on pixel 0 (``source = input · factor``, as TensorFlow.js does); True maps the
    *edges* of the pixels on each other, as OpenCV's and Pillow's resizing does.
    """
    x0, y0, x1, y1 = check_region(region or full_region(image_size))
    scale = ((x1 - x0) / input_size[0], (y1 - y0) / input_size[1])
    extra = (0.5 * scale[0] - 0.5, 0.5 * scale[1] - 0.5) if half_pixel else (0.0, 0.0)
    return InputTransform(scale, (x0 + extra[0], y0 + extra[1]), input_size, image_size)


def letterbox(
    image_size: tuple[int, int], input_size: tuple[int, int], region: Region | None = None, half_pixel: bool = False
) -> InputTransform:
    """Map ``region`` into the input with its aspect ratio kept, centred; what lies beside it fills the rest."""
    x0, y0, x1, y1 = check_region(region or full_region(image_size))
    factor = max((x1 - x0) / input_size[0], (y1 - y0) / input_size[1])
    width, height = factor * input_size[0], factor * input_size[1]
    left, top = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return stretch(image_size, input_size, (left, top, left + width, top + height), half_pixel)


def sample(
    picture: Picture, transform: InputTransform, fill: float | None = None, antialias: bool = False
) -> NDArray[np.float32]:
    """Sample a picture at every input pixel, bilinear and without rounding.

    Args:
        picture: ``(H, W, 3)`` uint8.
        transform: Where input pixels lie in the picture.
        fill: Value outside the picture; None replicates the border.
        antialias: Average whole blocks of pixels first where the picture shrinks by two or more.

    Returns:
        ``(input height, input width, 3)`` float32 in 0 … 255.
    """
    (scale_x, scale_y), (shift_x, shift_y) = transform.scale, transform.shift
    block = max(int(min(scale_x, scale_y)), 1) if antialias else 1
    # The centre of block i is source pixel i · block + (block - 1) / 2.
    middle = (block - 1) / 2
    width, height = transform.input_size
    columns = np.arange(width) * (scale_x / block) + (shift_x - middle) / block
    rows = np.arange(height) * (scale_y / block) + (shift_y - middle) / block
    across = _Line.of(columns, max(picture.shape[1] // block, 1))
    down = _Line.of(rows, max(picture.shape[0] // block, 1))
    # What no input pixel is made of is left alone.
    seen = picture[down.low * block : down.high * block, across.low * block : across.high * block]
    if block > 1:
        size = (across.high - across.low, down.high - down.low)
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return _interpolate(_interpolate(seen, down, 0, fill), across, 1, fill)


@dataclass(frozen=True, eq=False)
class _Line:
    """Where input pixels lie along one axis of a picture.

    Attributes:
        lower: Pixel at or before each of them, possibly outside the picture.
        weight: How far towards the next pixel it lies, 0 … 1.
        last: The picture's last pixel.
        low, high: Pixels of the picture that they are made of, ``low`` up to before ``high``.
    """

    lower: NDArray[np.int64]
    weight: NDArray[np.float32]
    last: int
    low: int
    high: int

    @classmethod
    def of(cls, positions: NDArray[Any], length: int) -> _Line:
        """Fractional ``positions`` in a picture of so many pixels."""
        floor = np.floor(positions)
        lower, last = floor.astype(np.int64), length - 1
        low, high = (int(min(max(index, 0), last)) for index in (lower.min(), lower.max() + 1))
        return cls(lower, (positions - floor).astype(np.float32), last, low, high + 1)


def _interpolate(values: NDArray[Any], line: _Line, axis: int, fill: float | None) -> NDArray[np.float32]:
    """Linear interpolation along ``axis`` of the pixels from ``line.low`` on."""
    shape = [1] * values.ndim
    shape[axis] = -1

    def take(index: NDArray[np.int64]) -> NDArray[np.float32]:
        held = index.clip(0, line.last) - line.low
        # Indexing rows copies no more than these; np.take would copy all of a part of a picture first.
        taken = (values[held] if axis == 0 else np.take(values, held, axis=axis)).astype(np.float32, copy=False)
        if fill is not None:
            outside = (index < 0) | (index > line.last)
            taken[outside if axis == 0 else (slice(None), outside)] = fill
        return taken

    first, second = take(line.lower), take(line.lower + 1)
    second -= first
    second *= line.weight.reshape(shape)
    second += first
    return second
