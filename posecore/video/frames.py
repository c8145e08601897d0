"""Decoded frames as pictures: RGB, upright, with square pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter

from posecore.errors import ImageError, VideoError
from posecore.imaging import Picture
from posecore.picture_files import check_size
from posecore.video.containers import MAX_VIDEO_PIXELS
from posecore.video.dynamic_range import needs_conversion, to_ordinary


def pixel_shape(stream: av.VideoStream) -> Fraction:
    """Width of a stored pixel relative to its height; 1 where nothing sensible is said."""
    stated = stream.sample_aspect_ratio
    return stated if stated and Fraction(1, 4) <= stated <= 4 else Fraction(1)


def rgb_of(frame: av.VideoFrame, reformatter: VideoReformatter) -> Picture:
    """A frame's pixels as RGB, which nobody else holds; rows may lie apart.

    Args:
        frame: In any format.
        reformatter: One for all frames of a video: making it ready takes as long as using it.
    """
    # Threads that wait for work take more of the processor than they save.
    shown = reformatter.reformat(frame, format="rgb24", threads=1)
    picture = np.asarray(shown.to_ndarray(), np.uint8)
    # What is RGB already comes back itself, and its decoder may go on from it.
    return picture.copy() if shown is frame else picture


def upright(frame: av.VideoFrame, pixel: Fraction, path: Path, reformatter: VideoReformatter) -> Picture:
    """RGB picture as a player shows it: ordinary range, square pixels, turned and mirrored as the file says.

    Args:
        frame: A decoded frame.
        pixel: Width of a stored pixel relative to its height.
        path: What to name when the frame is too large.
        reformatter: See :func:`rgb_of`.
    """
    width = max(round(frame.width * pixel), 1)
    try:
        check_size(frame.width, frame.height, MAX_VIDEO_PIXELS)
        check_size(width, frame.height, MAX_VIDEO_PIXELS)
    except ImageError as error:
        raise VideoError(f"{path.name}: {error}") from error
    picture = to_ordinary(frame) if needs_conversion(frame) else rgb_of(frame, reformatter)
    if width != frame.width:
        picture = np.asarray(cv2.resize(picture, (width, frame.height), interpolation=cv2.INTER_LINEAR), np.uint8)
    return _turned(picture, frame)


def _turned(picture: Picture, frame: av.VideoFrame) -> Picture:
    """Apply the display matrix, as far as it turns by quarters and mirrors."""
    matrix: Any = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
    if matrix is None:
        return picture
    # Shown x = a·x + c·y and y = b·x + d·y (ISO/IEC 14496-12, 8.3.2); their scale does not matter here.
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    if abs(b) > abs(a):
        picture = picture.transpose(1, 0, 2)
        a, d = c, b
    if a < 0:
        picture = picture[:, ::-1]
    if d < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
