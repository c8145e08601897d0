"""Which videos there are to choose from: samples that are rendered once, and what a visitor uploaded."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path, PurePath

import streamlit as st

from posecore.data.synthetic import render_clip
from posecore.errors import VideoError
from posecore.home import home
from posecore.storage import DraftFolder
from posecore.ui.shared.pictures.open_picture import safe_stem
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.video import ClipWriter, OutputSettings, VideoInfo, VideoReader

#: Bytes on disk that the uploads of one session may take.
MAX_SESSION_BYTES = 4_000_000_000
#: Bytes of a name that every file system takes.
_NAME_BYTES = 200
#: One sample is rendered at a time, whoever asks for it.
_RENDERING = threading.Lock()


@dataclass(frozen=True)
class Video:
    """A video that can be read.

    Attributes:
        key: Identity; equal keys mean equal files.
        label: Words for people.
        path: The file.
        info: What the file says about itself.
        note: A line about where it comes from.
    """

    key: str
    label: str
    path: Path
    info: VideoInfo
    note: str = ""

    @property
    def stem(self) -> str:
        """File name without ending, safe as part of another file name."""
        return safe_stem(self.label, "video")


@dataclass(frozen=True)
class SampleClip:
    """What a sample shows, and how it is rendered."""

    title: str
    seed: int
    people: int
    motion: str | None
    seconds: float = 6.0
    crossing: bool = False
    yaw: float = 20.0


SAMPLES = (
    SampleClip("One person doing squats", seed=29, people=1, motion="squat", seconds=10.0, yaw=62.0),
    SampleClip("Three people crossing", seed=155, people=3, motion=None, seconds=4.5, crossing=True),
    SampleClip("Three people exercising", seed=586, people=3, motion=None),
)
_SAMPLE_SIZE = (640, 360)
_SAMPLE_RATE = 20


def sample_path(sample: SampleClip) -> Path:
    """Where a rendered sample lies, or will lie."""
    return home() / "cache" / "videos" / f"{sample.title.lower().replace(' ', '_')}.mp4"


def sample_video(sample: SampleClip) -> Video:
    """A sample as a video, rendered when it is asked for first.

    Raises:
        VideoError: When it cannot be written.
    """
    path = sample_path(sample)
    with _RENDERING:
        if not path.is_file():
            _render(sample, path)
    return _described(f"sample:{sample.title}", sample.title, path, "Rendered by posecore; the people do not exist.")


def _render(sample: SampleClip, path: Path) -> None:
    """Render a sample under a name of its own first: another server may share this folder."""
    tick = Fraction(1, _SAMPLE_RATE)
    frames = round(sample.seconds * _SAMPLE_RATE)
    info = VideoInfo(*_SAMPLE_SIZE, Fraction(_SAMPLE_RATE), None, None, tick, "h264", None, 0)
    part = path.with_name(f".{secrets.token_hex(6)}.mp4")
    writer = ClipWriter(part, _SAMPLE_SIZE, info, OutputSettings(crf=20))
    try:
        scenes = render_clip(
            sample.seed,
            _SAMPLE_SIZE,
            frames,
            _SAMPLE_RATE,
            sample.people,
            sample.motion,
            crossing=sample.crossing,
            yaw=sample.yaw,
        )
        for index, scene in enumerate(scenes):
            writer.write(scene.image, index, 1)
        writer.finish(whole=True)
        part.replace(path)
    except BaseException:
        writer.abort()
        part.unlink(missing_ok=True)
        raise


def _described(key: str, label: str, path: Path, note: str = "") -> Video:
    return Video(key, label, path, _info(str(path), path.stat().st_mtime_ns), note)


@st.cache_data(max_entries=200, show_spinner=False)
def _info(path: str, stamp: int) -> VideoInfo:
    """What a file says about itself; ``stamp`` tells a replaced file from the one before."""
    with VideoReader(path) as reader:
        return reader.info


@dataclass
class Shelf:
    """The videos of one visitor, and the runs over them.

    Attributes:
        uploader: Counts up, so that the upload field starts empty again after a file was taken from it.
        refused: Sentences about files that were not taken.
        runs: Tokens of this visitor's runs, oldest first.
        address_read: True once the address of the page was looked at for a run.
        last: Key of the video that was chosen when the page was drawn last.
        name: Of the visitor's folder of runs, where their browser has none that outlives the session.
    """

    uploader: int = 0
    refused: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    address_read: bool = False
    last: str | None = None
    name: str = field(default_factory=lambda: f"session-{secrets.token_hex(12)}")
    _folder: DraftFolder = field(default_factory=visitor_folders.new)
    _videos: dict[str, Video] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._videos)

    def __iter__(self) -> Iterator[Video]:
        """The uploads in the order in which they came."""
        return iter(self._videos.values())

    def new_place(self, name: str) -> Path:
        """A path for a file that is called ``name``, in a folder of its own."""
        plain = PurePath(name.replace("\\", "/")).name.replace("\0", "").strip() or "video"
        folder = self._folder.path / secrets.token_hex(6)
        folder.mkdir()
        # Names may be longer than file systems allow, with the ending mattering most to people.
        return folder / plain.encode()[-_NAME_BYTES:].decode(errors="ignore")

    def add(self, path: Path) -> str:
        """Take over a file that lies at a :meth:`new_place`; returns its key. A file that is refused is deleted.

        Raises:
            VideoError: When no video can be read from it, or the session holds too much already.
        """
        try:
            held = sum(video.info.bytes for video in self)
            if held + path.stat().st_size > MAX_SESSION_BYTES:
                raise VideoError(
                    f"{path.name} was not added: your videos take {held / 1e9:.1f} GB already and the limit is "
                    f"{MAX_SESSION_BYTES / 1e9:.0f} GB. Remove some first."
                )
            video = _described(f"upload:{_digest(path)}", path.name, path)
        except VideoError:
            _delete(path)
            raise
        if video.key in self._videos:
            _delete(path)
        else:
            self._videos[video.key] = video
        return video.key

    def remove(self, key: str) -> None:
        """Forget a video; nothing happens when it is not there."""
        video = self._videos.pop(key, None)
        if video is not None:
            _delete(video.path)

    def clear(self) -> None:
        """Forget all videos."""
        for key in list(self._videos):
            self.remove(key)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.rmdir()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def shelf() -> Shelf:
    """This visitor's videos."""
    return state_of(Shelf)
