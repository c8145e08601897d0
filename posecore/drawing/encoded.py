"""Pictures made smaller and encoded, to be shown or kept."""

from __future__ import annotations

import cv2
import numpy as np

from posecore.imaging import Picture

JPEG_QUALITY = 88


def shrink(picture: Picture, longest: int) -> Picture:
    """The picture with its longer side at most ``longest``; itself when it is that small already."""
    height, width = picture.shape[:2]
    factor = longest / max(width, height)
    if factor >= 1:
        return picture
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_jpeg(picture: Picture, quality: int = JPEG_QUALITY) -> bytes:
    """Encode small and quickly, with a little loss."""
    return _encode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])


def to_png(picture: Picture) -> bytes:
    """Encode without loss, quickly rather than small."""
    return _encode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _encode(ending: str, picture: Picture, parameters: list[int]) -> bytes:
    _, data = cv2.imencode(ending, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)
    return data.tobytes()
