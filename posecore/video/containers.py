"""Video files: which containers are opened, and which of their tracks is the video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from posecore.errors import VideoError

#: File name endings that a person is offered to choose from; what is read depends on the content alone.
VIDEO_SUFFIXES = (
    ".mp4",
    ".mov",
    ".m4v",
    ".webm",
    ".mkv",
    ".avi",
    ".mpg",
    ".mpeg",
    ".ts",
    ".wmv",
    ".flv",
    ".3gp",
    ".gif",
)
#: Containers that are opened. Play lists and the like, which can name other files or addresses, are not among them.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,asf_o,ogg,gif,h264,hevc,m4v,mjpeg,"
    "ivf,obu,yuv4mpegpipe,wav,mp3,aac,flac,mxf,dv,nut,rm,swf,vc1,h263,h261"
)
#: Codecs whose "video" is text or a still picture.
_NOT_MOVING = {"ansi", "bintext", "xbin", "idf"}


def check_file(path: Path) -> Path:
    """``path`` if there is a file with something in it; raises ``VideoError`` saying what is there instead."""
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give a video file.")
    if not path.is_file():
        raise VideoError(f"There is no file {path}; check the name and the folder.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path.name} is empty (0 bytes); copy or download it again.")
    return path


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file as one of the containers that are allowed, following no reference to other files or addresses.

    Raises:
        VideoError: When it is none of them or its beginning cannot be read.
    """
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        # The scheme keeps names such as "http:x" or "concat:x" from being taken for addresses.
        return av.open(f"file:{path.absolute()}", container_options=options, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise VideoError(_why_closed(path)) from error
    except OSError as error:
        raise VideoError(f"{path.name} cannot be opened: {error.strerror or error}.") from error


def _why_closed(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return (
            f"{path.name} is an MP4 or MOV video whose table of contents is missing or damaged, as happens when a "
            "recording or download is cut off; make or download it again."
        )
    return f"{path.name} is not a video that can be read; use MP4, MOV, WebM, MKV, AVI or MPEG."


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The video track; a cover picture of a song does not count."""
    moving = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None
        and not (stream.disposition & av.stream.Disposition.attached_pic)
        and stream.codec_context.name not in _NOT_MOVING
    ]
    if moving:
        return moving[0]
    if container.streams.audio:
        raise VideoError(f"{path.name} holds sound but no pictures; choose a video.")
    raise VideoError(f"{path.name} has no video track that can be decoded here; convert it to MP4 with H.264.")


def origin(container: av.container.InputContainer, tick: Fraction) -> int:
    """Time stamp at which the file begins, in ticks; a stream that starts later than another stays later."""
    return round(Fraction(container.start_time or 0, av.time_base) / tick)
