"""Frames of a video as pictures of a set, to be labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from posecore.data.library import Library, Progress, StoredSet
from posecore.data.pictures import save_jpeg
from posecore.errors import VideoError
from posecore.skeleton import Skeleton
from posecore.video.reading import ClipSettings, VideoFrame, VideoReader
from posecore.words import counted

#: Most frames that are taken from a video at once.
MOST_STILLS = 5_000
#: JPEG quality of the pictures.
_QUALITY = 95
_ORIGIN = "frames of a video"


@dataclass(frozen=True)
class StillsTaken:
    """What came of a video.

    Attributes:
        stored: The set that has the pictures.
        frames: Frames that were taken.
        added: Pictures that are new in the set; others were there already.
        warnings: What was wrong with the video.
    """

    stored: StoredSet
    frames: int
    added: int
    warnings: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What came of it, in words."""
        here = self.frames - self.added
        there = f"; {here} more were there already" if here else ""
        return f"{counted(self.added, 'picture')} of the video in the set {self.stored.name}{there}."


def take_stills(
    library: Library,
    name: str,
    path: Path,
    clip: ClipSettings,
    count: int | None = None,
    *,
    skeleton: Skeleton,
    stem: str = "",
    tell: Callable[[float], None] = lambda share: None,
    progress: Progress | None = None,
) -> StillsTaken:
    """Keep frames of a video as pictures that wait for labels, in a new set or in one that is there.

    Args:
        library: Where sets are.
        name: Of the set.
        path: The video.
        clip: Which part of it; every ``stride``-th frame of that, unless ``count`` is given.
        count: So many frames, spread evenly.
        skeleton: Of a new set.
        stem: What the pictures' names begin with; the video's name unless given. The second of the frame follows.
        tell: Called with the share of the video that was read, after each frame; what it raises breaks off.
        progress: Called after each picture that is put into the set.

    Raises:
        VideoError: When the video cannot be read or has no such frames, or they are more than :data:`MOST_STILLS`.
        DataError: When they cannot be kept; a set is as it was then.
    """
    there = next((stored for stored in library.all() if stored.name == name), None)
    # What cannot be kept is refused before the video is read.
    if there is None:
        library.check_name(name)
    else:
        there.dataset()
    with library.workplace() as folder:
        pictures, warnings = _saved(path, clip, count, folder, stem or path.stem, tell)
        if there is not None:
            stored, added = there, there.add_pictures(pictures, progress)
        else:
            stored = library.create(name, pictures, skeleton, origin=_ORIGIN, progress=progress)
            added = len(pictures)
    return StillsTaken(stored, len(pictures), added, tuple(warnings))


def _saved(
    path: Path, clip: ClipSettings, count: int | None, folder: Path, stem: str, tell: Callable[[float], None]
) -> tuple[list[Path], list[str]]:
    """The frames as files, and what was wrong with the video."""
    with VideoReader(path, clip) as reader:
        if (count or reader.expected() or 0) > MOST_STILLS:
            raise _too_many(path)
        files: list[Path] = []
        for frame in reader.frames() if count is None else _spread(reader, count):
            if len(files) == MOST_STILLS:
                raise _too_many(path)
            files.append(folder / f"{stem}_{frame.time:09.3f}s.jpg")
            save_jpeg(files[-1], frame.picture, _QUALITY)
            tell(frame.read if count is None else len(files) / count)
        if not files:
            raise VideoError(f"{path.name} has no frame in this part; choose an earlier start.")
        return files, list(reader.warnings)


def _spread(reader: VideoReader, count: int) -> Iterator[VideoFrame]:
    """``count`` frames, each in the middle of an equal part of the time; fewer of a video that has fewer."""
    info, start = reader.info, reader.clip.start
    end = min(reader.clip.end or info.length, info.length) if info.length else reader.clip.end
    if not end:
        raise VideoError(
            f"{reader.path.name} does not say how long it is: say at which second to stop, or take every n-th frame."
        )
    # Half a frame earlier, so that the nearest frame is taken rather than the next one.
    early = 0.5 / float(info.rate)
    return reader.frames_at([max(start + (part + 0.5) * (end - start) / count - early, start) for part in range(count)])


def _too_many(path: Path) -> VideoError:
    return VideoError(
        f"That would be more than {MOST_STILLS:,} pictures of {path.name}; take fewer frames, or a part of the video."
    )
