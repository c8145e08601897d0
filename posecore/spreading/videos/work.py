"""What a worker does with videos: it looks at segments, and follows the people of whole videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posecore.addresses import is_address
from posecore.errors import PosecoreError, VideoError
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.spreading.packing import PackedModel, pack, settled
from posecore.spreading.parts import facts_with
from posecore.spreading.sources import local_copy
from posecore.spreading.videos.tasks import Answer, Joining, Looked, Probe, Probed, Refused, Segment, Task
from posecore.video import VideoOptions, VideoReader, VideoResult
from posecore.video.finding import Finder
from posecore.video.following import Following
from posecore.video.reading import VideoFrame
from posecore.video.sequence import PoseSequence, SequenceBuilder
from posecore.video.stages import batches

#: Seconds of a video before a segment that are looked at with it where frames depend on the ones before.
OVERLAP = 2.0
#: Options that results depend on.
_TOLD = ("clip", "tracking", "smoothing", "cropping")


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
