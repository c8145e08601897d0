"""People in many and long videos: cut into segments that are looked at side by side, then followed as a whole.

Finding people is what takes long, and a frame's people do not depend on other frames; so segments are looked at in any
order. Following and smoothing do depend on the frames before: they take all frames of a video in their order, as
:func:`posecore.video.process_video` does, so that tracks know nothing of cuts. Where a network looks closely at the
place where people were in the frame before (smart crop), a segment begins some frames earlier, which are then dropped.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from posecore.addresses import is_address
from posecore.errors import DataError, PosecoreError, VideoError
from posecore.model import PoseModel
from posecore.parsing import open_arrays, parse_json
from posecore.poses import Poses
from posecore.skeleton import Skeleton, skeleton_of_data
from posecore.spreading.handing_out import hand_out
from posecore.spreading.packing import PackedModel, pack, settled
from posecore.spreading.parts import facts_with, list_failures, locked
from posecore.spreading.sources import local_copy
from posecore.spreading.tables import people_columns, read_table, write_table
from posecore.spreading.workers import Lost, Workers
from posecore.storage import replacing, sweep, writing
from posecore.video import VideoOptions, VideoReader, VideoResult
from posecore.video.finding import Finder
from posecore.video.following import Following
from posecore.video.reading import VideoFrame, VideoInfo
from posecore.video.sequence import ARRAYS, PoseSequence, SequenceBuilder
from posecore.video.stages import batches

#: Kind of the rows of a video's file.
VIDEO = "people_of_video"
#: Seconds of a video before a segment that are looked at with it where frames depend on the ones before.
OVERLAP = 2.0
_PEOPLE, _SEGMENTS = "people", "segments"
#: Options that results depend on.
_TOLD = ("clip", "tracking", "smoothing", "cropping")


@dataclass(frozen=True)
class Probe:
    """Work: look what a video says about itself."""

    source: str


@dataclass(frozen=True)
class Segment:
    """Work: find the people in a part of a video.

    Attributes:
        source: The video.
        index: Number of the part.
        start, end: Its seconds, the end not included; an end of 0 is that of the video.
        first: Number of the video's first frame that is used, from which every n-th one counts.
    """

    source: str
    index: int
    start: float
    end: float
    first: int


@dataclass(frozen=True, eq=False)
class Joining:
    """Work: follow and smooth the people of a whole video."""

    source: str
    about: Probed
    frames: PoseSequence
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Probed:
    """What a video says, and the number of the first frame that is used."""

    info: VideoInfo
    first: int


@dataclass(frozen=True, eq=False)
class Looked:
    """The people of a segment as they were found, followed by nobody, and what was wrong with the video."""

    frames: PoseSequence
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why a video cannot be used."""

    reason: str


Task = Probe | Segment | Joining
Answer = Probed | Looked | VideoResult | Refused


def video_order_of(
    model: PoseModel, device: str, options: VideoOptions, files: Mapping[str, Any]
) -> tuple[VideoOrder, dict[str, Any]]:
    """An order for workers, and how its results are made, as :class:`VideoFolder` wants to know it.

    Args:
        model: What looks at the videos.
        device: Where, at the workers'.
        options: Everything else.
        files: What else is written of each video.
    """
    options = replace(options, network=settled(model, options.network))
    parts = {name: getattr(options, name).model_dump(mode="json") for name in _TOLD}
    facts = {**facts_with(model, options.network, options.decode), "video": parts, "files": dict(files)}
    return VideoOrder(pack(model, device), options), facts


@dataclass(frozen=True)
class VideoOrder:
    """What is to be done with videos; a job for workers.

    Attributes:
        model: What looks at them.
        options: Everything else; network and decode settings are complete.
    """

    model: PackedModel
    options: VideoOptions

    def open(self) -> _VideoWork:
        """Load the model."""
        return _VideoWork(self)


class _VideoWork:
    """What a worker does with videos; it keeps the copy of one that lies elsewhere until it gets work on another."""

    def __init__(self, order: VideoOrder) -> None:
        self._options = order.options
        self._model = order.model.unpack()
        self._copied = ""
        self._copy = ExitStack()
        self._path = Path()

    def __call__(self, tasks: Sequence[Task]) -> list[Answer]:
        return [self._do(task) for task in tasks]

    def _do(self, task: Task) -> Answer:
        if isinstance(task, Joining):
            return self._join(task)
        try:
            path = self._here(task.source)
            return self._probe(path) if isinstance(task, Probe) else self._look(path, task)
        except (PosecoreError, OSError) as error:
            return Refused(str(error))

    def _here(self, source: str) -> Path:
        if source != self._copied:
            self._copy.close()
            self._copied = ""
            self._path = self._copy.enter_context(local_copy(source))
            self._copied = source
        return self._path

    def _probe(self, path: Path) -> Probed:
        with VideoReader(path, self._options.clip.model_copy(update={"stride": 1})) as reader:
            frame = next(reader.frames(), None)
            if frame is None:
                raise VideoError(f"{path.name} has no pictures after {self._options.clip.start:g} s.")
            assert frame.number is not None
            return Probed(reader.info, frame.number)

    def _look(self, path: Path, segment: Segment) -> Looked:
        options = self._options
        finder = Finder(self._model)
        crop = finder.crops(options.cropping, options.decode, options.network)
        begin = max(segment.start - (OVERLAP if crop and segment.index else 0), options.clip.start)
        part = options.clip.model_copy(update={"start": begin, "end": segment.end, "stride": 1})
        builder = SequenceBuilder(self._model.skeleton)
        with VideoReader(path, part) as reader:
            used = (
                frame
                for frame in reader.frames()
                if frame.number is not None and not (frame.number - segment.first) % options.clip.stride
            )
            for batch in batches(used, 1 if crop else options.feeding.size_on(self._model.device)):
                for frame, poses in self._found(finder, batch, crop):
                    if frame.time >= segment.start - 1e-9:
                        builder.add(frame.time, poses, frame.number)
            size = (reader.info.width, reader.info.height)
            return Looked(builder.build(size), tuple(reader.warnings))

    def _found(self, finder: Finder, batch: list[VideoFrame], crop: bool) -> Iterator[tuple[VideoFrame, Poses]]:
        names = [str(frame.ticks) for frame in batch]
        fields = finder.fields([frame.picture for frame in batch], names, self._options.network, crop)
        for frame, one in zip(batch, fields, strict=True):
            yield frame, finder.decode(one, self._options.decode, crop)

    def _join(self, task: Joining) -> VideoResult:
        poses, raw = followed(task.frames, self._options)
        start = float(poses.times[0]) if self._options.clip.start else 0.0
        return VideoResult(
            Path(task.source.rsplit("/", 1)[-1] if is_address(task.source) else task.source),
            None,
            self._model.name,
            task.about.info,
            poses,
            raw,
            start,
            poses.image_size,
            task.warnings,
            {},
            False,
            self._options,
        )


@dataclass(frozen=True)
class _Moment:
    time: float
    number: int


def followed(frames: PoseSequence, options: VideoOptions) -> tuple[PoseSequence, PoseSequence]:
    """People of all frames of a video, followed and smoothed as :func:`posecore.video.process_video` does it.

    Returns:
        The people as smoothed and as followed; the same where nothing is smoothed.
    """
    following = Following(frames.skeleton, options)
    moments = map(_Moment, frames.times.tolist(), frames.numbers.tolist())
    found = zip(moments, frames, strict=True)
    raw, smooth = SequenceBuilder(frames.skeleton), SequenceBuilder(frames.skeleton)
    offline = options.smoothing.smooth == "offline"
    for one in following.everybody(found) if offline else following.live(found):
        raw.add(one.frame.time, one.raw, one.frame.number)
        smooth.add(one.frame.time, one.poses, one.frame.number)
    if offline:
        before, after = following.smoothed(raw.build(frames.image_size))
        return after, before
    poses = smooth.build(frames.image_size)
    return poses, raw.build(frames.image_size) if options.smoothing.smooth == "live" else poses


# --- the run ---------------------------------------------------------------------------------------------------------


@dataclass
class _Video:
    """How far a video has come."""

    source: str
    name: str
    about: Probed | None = None
    missing: set[int] = field(default_factory=set)
    looked: set[int] = field(default_factory=set)


class VideoFolder:
    """Results of videos, and segments of those that are not done, in a folder.

    ``people/NAME.parquet`` has a row for every person in every frame and is written last, so that a video that has one
    is done. ``segments/NAME/`` holds what has been found of the others.

    Args:
        folder: Where; made if missing.
        facts: How results are made; what was made otherwise is refused.
        save: Writes other files of a video, given its result and what their names begin with.
    """

    def __init__(
        self,
        folder: Path,
        facts: Mapping[str, Any],
        save: Callable[[VideoResult, Path], object] = lambda result, stem: None,
    ) -> None:
        self.folder, self.save = folder, save
        # As they are read back.
        self.facts = json.loads(json.dumps(facts))
        with writing(folder):
            for name in (_PEOPLE, _SEGMENTS):
                (folder / name).mkdir(parents=True, exist_ok=True)
            sweep(folder / _PEOPLE)

    def is_done(self, video: _Video) -> bool:
        """Whether a video was done before; raises ``DataError`` when that was done otherwise."""
        path = self._path(video)
        if not path.exists():
            return False
        _, facts = read_table(path, VIDEO, ["frame"])
        if facts.get("source") != video.source or not self._are_ours(facts):
            raise DataError(f"{path} is of another video, model or settings; give another folder.")
        return True

    def _are_ours(self, facts: Mapping[str, Any]) -> bool:
        """Whether something was made as this run makes it; another version of posecore may have."""
        return all(facts.get(name) == one for name, one in self.facts.items() if name != "posecore")

    def take_up(self, video: _Video) -> None:
        """Know which segments of a video have been looked at."""
        place = self.folder / _SEGMENTS / video.name
        if not place.is_dir():
            return
        sweep(place)
        for index in sorted(video.missing):
            try:
                self._segment(video, index)
            except (OSError, DataError):
                continue
            video.looked.add(index)
        video.missing -= video.looked

    def keep(self, video: _Video, index: int, looked: Looked) -> None:
        """Write what was found in a segment; it is there as a whole, or not at all."""
        frames = looked.frames
        meta = {"source": video.source, "facts": self.facts, "size": frames.image_size, "warnings": looked.warnings}
        path = self._segment_path(video, index)
        with writing(path), replacing(path) as part, part.open("wb") as file:
            np.savez(file, __meta__=np.array(json.dumps(meta)), **frames.arrays())

    def joined(self, video: _Video) -> Joining:
        """All frames of a video whose segments have been looked at."""
        assert video.about is not None
        parts = [self._segment(video, index) for index in sorted(video.looked)]
        whole = PoseSequence.joined([part.frames for part in parts])
        warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
        return Joining(video.source, video.about, whole, tuple(warnings))

    def finish(self, video: _Video, result: VideoResult) -> None:
        """Write a video's results; its segments are of no more use."""
        self.save(result, self.folder / video.name)
        poses = result.poses
        columns = {
            "frame": pa.array(poses.numbers[poses.frames]),
            "time": pa.array(poses.times[poses.frames]),
            "track_id": pa.array(poses.track_ids),
            **people_columns(poses.skeleton, poses.keypoints, poses.keypoint_scores, poses.scores),
        }
        about = {
            "source": video.source,
            "size": list(poses.image_size),
            "frames": len(poses),
            "rate": float(result.info.rate),
            "warnings": list(result.warnings),
        }
        write_table(self._path(video), VIDEO, columns, {**self.facts, **about})
        self.drop(video)

    def drop(self, video: _Video) -> None:
        """Remove the segments of a video."""
        shutil.rmtree(self.folder / _SEGMENTS / video.name, ignore_errors=True)

    def _path(self, video: _Video) -> Path:
        return self.folder / _PEOPLE / f"{video.name}.parquet"

    def _segment_path(self, video: _Video, index: int) -> Path:
        return self.folder / _SEGMENTS / video.name / f"{index:05}.npz"

    def _segment(self, video: _Video, index: int) -> Looked:
        """A segment that was looked at in the same way; raises ``DataError`` or ``OSError`` for anything else."""
        path = self._segment_path(video, index)
        try:
            with open_arrays(path) as archive:
                meta = parse_json(str(archive["__meta__"]))
                if meta["source"] != video.source or not self._are_ours(meta["facts"]):
                    raise DataError(f"{path} was made otherwise.")
                size = (int(meta["size"][0]), int(meta["size"][1]))
                sequence = PoseSequence(self._skeleton, size, **{name: archive[name] for name in ARRAYS})
                return Looked(sequence, tuple(meta["warnings"]))
        except (OSError, DataError):
            raise
        except Exception as error:
            # zipfile, zlib and NumPy raise a dozen kinds for damaged files.
            raise DataError(f"{path} is damaged.") from error

    @property
    def _skeleton(self) -> Skeleton:
        return skeleton_of_data(self.facts["skeleton"])


class _Plan:
    """Tasks of all videos, most urgent first; more come up as others are done."""

    def __init__(self, videos: Sequence[_Video], folder: VideoFolder, options: VideoOptions, seconds: float) -> None:
        self.videos = {video.source: video for video in videos}
        self.folder, self.options, self.seconds = folder, options, seconds
        self.failures: list[tuple[str, str]] = []
        self._unseen = deque(videos)
        self._segments: deque[Segment] = deque()
        self._whole: deque[_Video] = deque()

    def __iter__(self) -> _Plan:
        return self

    def __next__(self) -> list[Task]:
        task = self._next()
        if task is None:
            raise StopIteration
        return [task]

    def _next(self) -> Task | None:
        while self._whole:
            video = self._whole.popleft()
            joining = self.folder.joined(video)
            if len(video.looked) == 1 or self._fits(joining.frames):
                return joining
            self._look_at_once(video)
        while self._segments:
            segment = self._segments.popleft()
            if segment.source in self.videos:
                return segment
        return Probe(self._unseen.popleft().source) if self._unseen else None

    def _fits(self, frames: PoseSequence) -> bool:
        """Whether segments follow each other frame for frame, which they do not where time stamps are out of order."""
        return bool((np.diff(frames.numbers) == self.options.clip.stride).all() and (np.diff(frames.times) > 0).all())

    def _look_at_once(self, video: _Video) -> None:
        """Take a video that cannot be cut as a single segment."""
        assert video.about is not None
        self.folder.drop(video)
        video.looked, video.missing = set(), {0}
        clip = self.options.clip
        self._segments.appendleft(Segment(video.source, 0, clip.start, clip.end, video.about.first))

    def take(self, task: Task, answer: Answer | Lost) -> None:
        """Go on with what came of a task."""
        video = self.videos.get(task.source)
        if video is None:
            return
        if isinstance(answer, (Refused, Lost)):
            self._fail(video, answer.reason)
        elif isinstance(answer, Probed):
            self._cut(video, answer)
        elif isinstance(answer, Looked):
            assert isinstance(task, Segment)
            self.folder.keep(video, task.index, answer)
            video.missing.discard(task.index)
            video.looked.add(task.index)
            self._go_on(video)
        else:
            self._finish(video, answer)

    def _cut(self, video: _Video, about: Probed) -> None:
        """Cut a video into segments; those that have been looked at are not looked at again."""
        video.about = about
        clip = self.options.clip
        length = about.info.seconds or 0.0
        end = min(clip.end, length) if clip.end and length else clip.end or length
        count = max(math.ceil((end - clip.start) / self.seconds - 1e-9), 1)
        video.missing = set(range(count))
        self.folder.take_up(video)
        for index in sorted(video.missing):
            start = clip.start + index * self.seconds
            # The last one goes on to wherever the video really ends.
            stop = clip.start + (index + 1) * self.seconds if index + 1 < count else clip.end
            self._segments.append(Segment(video.source, index, start, stop, about.first))
        self._go_on(video)

    def _go_on(self, video: _Video) -> None:
        if not video.missing:
            self._whole.append(video)

    def _finish(self, video: _Video, result: VideoResult) -> None:
        try:
            self.folder.finish(video, result)
        except PosecoreError as error:
            self._fail(video, str(error))
        else:
            del self.videos[video.source]

    def _fail(self, video: _Video, reason: str) -> None:
        self.failures.append((video.source, reason))
        self.folder.drop(video)
        del self.videos[video.source]

    def share(self) -> float:
        """How many videos are done, those in work by the part of their segments."""
        return sum(
            len(one.looked) / (len(one.looked) + len(one.missing) + 1) for one in self.videos.values() if one.looked
        )


@dataclass(frozen=True)
class VideosOutcome:
    """What a run came to: videos done, how many of them before, and why others could not be."""

    done: int
    before: int
    failures: Sequence[tuple[str, str]]


def spread_videos(
    sources: Sequence[str],
    folder: VideoFolder,
    options: VideoOptions,
    seconds: float,
    workers_for: Callable[[int | None], Workers[Task, Answer]],
    progress: Callable[[float], object] = lambda done: None,
) -> VideosOutcome:
    """Find, follow and smooth the people in videos with workers.

    Args:
        sources: The videos.
        folder: Where results go; what is done in it is not done again.
        options: As :func:`posecore.video.process_video` takes them.
        seconds: Length of the segments that videos are cut into.
        workers_for: Workers, for at most so many pieces of work; called when there is any, and closed in the end.
        progress: Told how many videos are done, as a fraction.

    Raises:
        DataError: When the folder holds results that were made otherwise.
    """
    with locked(folder.folder):
        outcome = _spread(sources, folder, options, seconds, workers_for, progress)
        list_failures(folder.folder, outcome.failures)
    return outcome


def _spread(
    sources: Sequence[str],
    folder: VideoFolder,
    options: VideoOptions,
    seconds: float,
    workers_for: Callable[[int | None], Workers[Task, Answer]],
    progress: Callable[[float], object],
) -> VideosOutcome:
    videos = [_Video(source, name) for source, name in zip(sources, _names(sources), strict=True)]
    left = [video for video in videos if not folder.is_done(video)]
    before = len(videos) - len(left)
    progress(before)
    plan = _Plan(left, folder, options, seconds)
    if left:
        with closing(workers_for(None)) as workers:
            for _, (task,), (answer,) in hand_out(workers, plan):
                plan.take(task, answer)
                progress(len(videos) - len(plan.videos) + plan.share())
    return VideosOutcome(len(videos) - len(plan.failures), before, plan.failures)


def _names(sources: Sequence[str]) -> list[str]:
    """What the files of each video are called: as itself, with some of a hash where several are called so."""
    stems = [Path(source.partition("?")[0]).stem for source in sources]
    alike = Counter(stem.casefold() for stem in stems)
    return [
        stem if alike[stem.casefold()] == 1 else f"{stem}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        for stem, source in zip(stems, sources, strict=True)
    ]
