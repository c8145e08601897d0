"""Video files: which containers are opened, and which of their tracks is the video."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
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
#: Pixels that a picture of a video may have: those of 8K, as many of them are held at once.
MAX_VIDEO_PIXELS = 36_000_000
#: Pixels from which on a decoder works on few pictures at once.
_LARGE = 9_000_000
#: Packets that are looked at to tell a video from pictures that go along with it.
_PROBED = 2000
#: Tracks that go along with a video or a song.
_BESIDES = (
    av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails | av.stream.Disposition.still_image
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
    # Looking for the streams decodes some of their pictures already.
    limits = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    try:
        # The scheme keeps names such as "http:x" or "concat:x" from being taken for addresses.
        return av.open(f"file:{path.absolute()}", options=limits, container_options=options, metadata_errors="replace")
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


def video_track(container: av.container.InputContainer, path: Path) -> int:
    """Number of the track that is the video, among all tracks; reads on in ``container`` where there are several.

    A cover picture of a song does not count, nor do previews and slides, of which few come in the time of many pictures
    of a video. Of several videos it is the one with the most pixels, then the one to be played by default.

    Raises:
        VideoError: When there is none.
    """
    moving = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None
        and not stream.disposition & _BESIDES
        and stream.codec_context.name not in _NOT_MOVING
    ]
    if len(moving) == 1:
        return moving[0].index
    if moving:
        counts = _packets(container, moving)
        enough = max(2, max(counts.values(), default=0) // 4)
        videos = [stream for stream in moving if counts[stream.index] >= enough] or moving
        default = av.stream.Disposition.default
        best = max(videos, key=lambda stream: (stream.width * stream.height, bool(stream.disposition & default)))
        return best.index
    if container.streams.audio:
        raise VideoError(f"{path.name} holds sound but no pictures; choose a video.")
    raise VideoError(f"{path.name} has no video track that can be decoded here; convert it to MP4 with H.264.")


def _packets(container: av.container.InputContainer, streams: Sequence[av.VideoStream]) -> Counter[int]:
    """How many packets of each stream come among the next ones of the file."""
    counts: Counter[int] = Counter()
    with contextlib.suppress(FFmpegError):
        for packet in islice(container.demux(list(streams)), _PROBED):
            counts[packet.stream.index] += packet.size > 0
    return counts


def video_stream(container: av.container.InputContainer, track: int) -> av.VideoStream:
    """The video, ready to be decoded."""
    stream = container.streams[track]
    assert isinstance(stream, av.VideoStream)
    stream.codec_context.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    stream.thread_type = "AUTO"
    if stream.width * stream.height > _LARGE:
        stream.codec_context.thread_count = 2
    return stream


def origin(container: av.container.InputContainer, tick: Fraction) -> int:
    """Time stamp at which the file begins, in ticks; a stream that starts later than another stays later."""
    return round(Fraction(container.start_time or 0, av.time_base) / tick)
