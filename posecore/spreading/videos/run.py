"""The run over many videos: it hands out work and keeps results."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from posecore.spreading.handing_out import hand_out
from posecore.spreading.parts import list_failures, locked
from posecore.spreading.videos.folder import VideoFolder, VideoState
from posecore.spreading.videos.plan import Plan
from posecore.spreading.videos.tasks import Answer, Task
from posecore.spreading.workers import Workers
from posecore.video import VideoOptions


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
    videos = [VideoState(source, name) for source, name in zip(sources, _names(sources), strict=True)]
    left = [video for video in videos if not folder.is_done(video)]
    before = len(videos) - len(left)
    progress(before)
    plan = Plan(left, folder, options, seconds)
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
