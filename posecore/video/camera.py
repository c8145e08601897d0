"""Pictures from a camera of this machine, an address, or a file played at its own pace."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from posecore.errors import VideoError
from posecore.imaging import Picture
from posecore.video.reading import VideoReader

#: Pictures that may fail in a row before a camera counts as gone.
_PATIENCE = 30


class Camera:
    """Gives pictures as they come; use it in a ``with`` block.

    Args:
        source: Number of a camera (``0``), a device (``/dev/video0``), an address (``rtsp://…``, ``http://…``) or a
            video file.

    Attributes:
        name: What to call it.
        is_here: True for a camera of this machine.

    Raises:
        VideoError: When it cannot be opened.
    """

    def __init__(self, source: str) -> None:
        self._reader: VideoReader | None = None
        self._capture: cv2.VideoCapture | None = None
        self.is_here = source.isdecimal() or _is_device(Path(source))
        if source.isdecimal():
            self.name = f"camera {source}"
            self._capture = _opened(int(source), f"No {self.name} can be opened")
        elif "://" in source or self.is_here:
            self.name = source
            self._capture = _opened(source, f"{source} cannot be opened")
        else:
            self._reader = VideoReader(source)
            self.name = Path(source).name

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the camera back."""
        if self._capture is not None:
            self._capture.release()
        if self._reader is not None:
            self._reader.close()

    def pictures(self) -> Iterator[Picture]:
        """``(H, W, 3)`` uint8 RGB pictures as they come; they end with the file, or when the camera goes."""
        return self._played(self._reader) if self._reader is not None else self._captured()

    def _captured(self) -> Iterator[Picture]:
        assert self._capture is not None
        failed = 0
        while failed < _PATIENCE:
            read, picture = self._capture.read()
            failed = 0 if read else failed + 1
            if read:
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def _played(self, reader: VideoReader) -> Iterator[Picture]:
        """The file's pictures, each at its own time."""
        begun: float | None = None
        for frame in reader.frames():
            now = time.perf_counter()
            begun = now - frame.time if begun is None else begun
            time.sleep(max(begun + frame.time - now, 0))
            yield frame.picture


def _is_device(path: Path) -> bool:
    return path.exists() and stat.S_ISCHR(path.stat().st_mode)


def _opened(source: int | str, trouble: str) -> cv2.VideoCapture:
    # What OpenCV writes to the terminal about devices that are not there helps nobody.
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        capture = cv2.VideoCapture(source)
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not capture.isOpened():
        capture.release()
        raise VideoError(
            f"{trouble}: nothing is there, another program uses it, or this user may not. Give --source the number of "
            "another camera, a video file or an address such as rtsp://…"
        )
    # The newest picture counts; drivers otherwise keep a few old ones.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture
