"""What is to be done with videos, and in which order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from posecore.errors import PosecoreError
from posecore.spreading.videos.folder import VideoFolder, VideoState
from posecore.spreading.videos.tasks import Answer, Looked, Probe, Probed, Refused, Segment, Task
from posecore.spreading.workers import Lost
from posecore.video import VideoOptions, VideoResult
from posecore.video.sequence import PoseSequence


class Plan:
    """Tasks of all videos, most urgent first; more come up as others are done."""

    def __init__(
        self, videos: Sequence[VideoState], folder: VideoFolder, options: VideoOptions, seconds: float
    ) -> None:
        self.videos = {video.source: video for video in videos}
        self.folder, self.options, self.seconds = folder, options, seconds
        self.failures: list[tuple[str, str]] = []
        self._unseen = deque(videos)
        self._segments: deque[Segment] = deque()
        self._whole: deque[VideoState] = deque()

    def __iter__(self) -> Plan:
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

    def _look_at_once(self, video: VideoState) -> None:
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

    def _cut(self, video: VideoState, about: Probed) -> None:
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

    def _go_on(self, video: VideoState) -> None:
        if not video.missing:
            self._whole.append(video)

    def _finish(self, video: VideoState, result: VideoResult) -> None:
        try:
            self.folder.finish(video, result)
        except PosecoreError as error:
            self._fail(video, str(error))
        else:
            del self.videos[video.source]

    def _fail(self, video: VideoState, reason: str) -> None:
        self.failures.append((video.source, reason))
        self.folder.drop(video)
        del self.videos[video.source]

    def share(self) -> float:
        """How many videos are done, those in work by the part of their segments."""
        return sum(
            len(one.looked) / (len(one.looked) + len(one.missing) + 1) for one in self.videos.values() if one.looked
        )
