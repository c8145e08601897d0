"""Reading pictures safely, and the invertible way from a picture to a network's input.

Pictures are ``(height, width, 3)`` uint8 RGB arrays, upright. Coordinates follow :mod:`posecore.poses`: (x, y), the
centre of the top-left pixel at (0, 0).
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from posecore.errors import ImageError

Picture = NDArray[np.uint8]
#: (x0, y0, x1, y1) in source pixels; may reach outside the picture. The whole picture is (0, 0, width, height).
Region = tuple[float, float, float, float]
ImageSource = str | Path | bytes | IO[bytes] | Image.Image | NDArray[Any]

MAX_PIXELS = 50_000_000
MIN_SIDE = 8
MAX_ASPECT = 100.0
_DAMAGED = "The picture is damaged or cut off; save or download it again."
#: File name endings of the formats that posecore promises to read.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def read_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture as upright RGB.

    EXIF rotation is applied; grey, palette, CMYK and 16-bit pictures are converted; transparency is laid on white.
    The size is checked before pixels are decoded, so that a small file cannot claim gigabytes of memory.

    Args:
        source: Path, encoded bytes, open binary file, Pillow image or array ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``
            of uint8 (RGB order) or uint16.
        max_pixels: Largest width × height accepted.

    Returns:
        ``(H, W, 3)`` uint8 RGB, contiguous.

    Raises:
        ImageError: With a sentence fit for the person who gave the picture.
        FileNotFoundError: When a path does not exist.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        return _from_pillow(source, max_pixels)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.is_dir():
            raise ImageError(f"{path} is a folder; give a picture file.")
        data = path.read_bytes()
    elif isinstance(source, bytes):
        data = source
    else:
        data = source.read()
    if not data:
        raise ImageError("The file is empty (0 bytes); choose another picture.")
    return _from_bytes(data, max_pixels)


def _from_bytes(data: bytes, max_pixels: int) -> Picture:
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes and of odd metadata; sizes are checked below, metadata does not matter here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                return _from_pillow(image, max_pixels)
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(None, max_pixels)) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            "This is not a picture that can be read; use JPEG, PNG, WebP, BMP or TIFF (HEIC and RAW need converting)."
        ) from error
    except (OSError, SyntaxError, EOFError, MemoryError, struct.error, OverflowError) as error:
        raise ImageError(_DAMAGED) from error


def _from_pillow(image: Image.Image, max_pixels: int) -> Picture:
    check_size(image.width, image.height, max_pixels)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise ImageError(_DAMAGED) from error
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_array(np.asarray(upright), max_pixels)
    if "A" in upright.getbands() or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.array(upright.convert("RGB"))


def _from_array(array: NDArray[Any], max_pixels: int) -> Picture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"An array of shape {array.shape} is not a picture; use (H, W), (H, W, 3) or (H, W, 4).")
    check_size(array.shape[1], array.shape[0], max_pixels)
    if array.dtype != np.uint8:
        array = _to_eight_bits(array)
    if array.ndim == 2 or array.shape[2] == 1:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        return np.rint(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(array)


def _to_eight_bits(array: NDArray[Any]) -> Picture:
    """16-bit pictures by their high byte; anything else only when its values already are 0 … 255."""
    values = np.nan_to_num(np.asarray(array, np.float64))
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"Pixel values {low:g} … {high:g} are neither 8-bit nor 16-bit; scale them to 0 … 255.")
    scale = 1.0 if high <= 255 and array.dtype != np.uint16 else 255 / 65535
    return np.rint(values * scale).astype(np.uint8)


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


def full_region(image_size: tuple[int, int]) -> Region:
    """The region that is the whole picture of ``image_size`` (width, height)."""
    return (0.0, 0.0, float(image_size[0]), float(image_size[1]))


def check_region(region: Region) -> Region:
    """A region as four floats; raises ``ImageError`` when it is empty or not finite."""
    x0, y0, x1, y1 = (float(value) for value in region)
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)) or x1 - x0 < 1 or y1 - y0 < 1:
        raise ImageError(f"Region {tuple(region)} is empty; give x0, y0, x1, y1 with x1 > x0 and y1 > y0.")
    return x0, y0, x1, y1


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
    block = int(min(scale_x, scale_y))
    if antialias and block >= 2:
        height, width = (max(side // block, 1) * block for side in picture.shape[:2])
        picture = cv2.resize(picture[:height, :width], (width // block, height // block), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        # The centre of block i is source pixel i · block + (block - 1) / 2.
        middle = (block - 1) / 2
        scale_x, scale_y = scale_x / block, scale_y / block
        shift_x, shift_y = (shift_x - middle) / block, (shift_y - middle) / block
    width, height = transform.input_size
    rows = _interpolate(picture, np.arange(height) * scale_y + shift_y, 0, fill)
    return _interpolate(rows, np.arange(width) * scale_x + shift_x, 1, fill)


def _interpolate(values: NDArray[Any], positions: NDArray[Any], axis: int, fill: float | None) -> NDArray[np.float32]:
    """Linear interpolation of ``values`` along ``axis`` at fractional ``positions``."""
    last = values.shape[axis] - 1
    floor = np.floor(positions)
    weight = (positions - floor).astype(np.float32)
    lower = floor.astype(np.int64)
    shape = [1] * values.ndim
    shape[axis] = -1

    def take(index: NDArray[np.int64]) -> NDArray[np.float32]:
        taken = np.take(values, index.clip(0, last), axis=axis).astype(np.float32, copy=False)
        if fill is not None:
            outside = ((index < 0) | (index > last)).reshape(shape)
            if outside.any():
                taken = np.where(outside, np.float32(fill), taken)
        return taken

    first, second = take(lower), take(lower + 1)
    second -= first
    second *= weight.reshape(shape)
    second += first
    return second
