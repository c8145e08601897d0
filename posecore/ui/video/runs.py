"""Runs over videos in the server's background: they wait their turn, report how far they are, and keep their result.

A run belongs to whoever knows its token. It goes on while nobody looks, and its result is there on return, until it was
not looked at for some hours or too many newer ones came.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.errors import VideoError
from posecore.fields import Fields
from posecore.imaging import Picture, Region
from posecore.poses import Poses
from posecore.storage import DraftFolder
from posecore.ui.shared.background import BusyError, Task, Tasks, tasks
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.shared.visitor_files import PREFIX
from posecore.ui.video.store import Video
from posecore.video import (
    ClipSettings,
    LiveSmoother,
    OutputSettings,
    PoseSequence,
    Progress,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    VideoResult,
    process_video,
    smooth_sequence,
)
from posecore.video.finding import VideoModel

#: Runs that may be at work at the same time; further ones wait.
AT_ONCE = max(1, min(2, (os.cpu_count() or 1) // 4))
#: Seconds for which a finished run is kept after somebody last looked at it.
KEPT_SECONDS = 6 * 3600
#: Runs of all visitors that are kept at most.
KEPT_RUNS = 40


@dataclass(eq=False)
class VideoRun:
    """A video, what shall be done with it, and what came of it.

    Attributes:
        token: Unguessable name.
        video: The video; its file is the run's own.
        model: What finds people.
        options: What was asked for.
        job: The work at hand, or the last one.
        purpose: What that is: to ``find`` people, or to ``draw`` those already found.
        result: What was found, once there is something.
        folder: Where its files lie.
        looked: When somebody last looked, by ``time.monotonic``.
    """

    token: str
    video: Video
    model: VideoModel
    options: VideoOptions
    job: Task[None, Progress]
    folder: DraftFolder
    purpose: Literal["find", "draw"] = "find"
    result: VideoResult | None = None
    looked: float = field(default_factory=time.monotonic)
    _smoothed: tuple[SmoothingSettings, PoseSequence] | None = None

    @property
    def clip(self) -> Path | None:
        """The drawn clip, where there is one."""
        return None if self.result is None else self.result.clip

    def smoothed(self, settings: SmoothingSettings) -> PoseSequence:
        """The people found, smoothed in another way than they were drawn; the last answer is remembered.

        Raises:
            RuntimeError: When nothing was found yet.
        """
        result = self.result
        if result is None:
            raise RuntimeError("The run has no result yet.")
        if settings == result.options.smoothing or not result.options.tracking.track:
            return result.poses
        known = self._smoothed
        if known is None or known[0] != settings:
            known = self._smoothed = (settings, smooth_again(result, settings))
        return known[1]


def smooth_again(result: VideoResult, settings: SmoothingSettings) -> PoseSequence:
    """Smooth what was found as the pipeline would have done it; the network is not needed."""
    raw = result.raw
    if settings.smooth == "none":
        return raw
    if settings.smooth == "offline":
        return smooth_sequence(raw, settings)[0]
    smoother = LiveSmoother(settings, max(result.options.tracking.max_age, 0.5))
    times = raw.times.tolist()
    items = ((time, smoother.update(poses, time)) for time, poses in zip(times, raw, strict=True) if len(poses))
    people = dict(items)
    nobody = Poses.empty(raw.skeleton, raw.image_size)
    return PoseSequence.collect(((time, people.get(time, nobody)) for time in times), raw.skeleton, raw.image_size)


class _InTurn:
    """A model that waits for its turn among all that use the network, so that a video leaves room for other pages.

    Args:
        model: What answers.
    """

    def __init__(self, model: VideoModel) -> None:
        self.name, self.skeleton, self.device = model.name, model.skeleton, model.device
        self.decode, self.decode_settings, self.follower = model.decode, model.decode_settings, model.follower
        self._model = model

    def fields(
        self, image: Sequence[Picture], region: Region | None = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Fields]:
        """As the model's own."""
        with network_slots():
            return self._model.fields(image, region, picture=picture, **settings)


class _Known:
    """Stands in for a model where the people of every frame are known already, frame after frame."""

    def __init__(self, model: VideoModel, people: PoseSequence) -> None:
        self.name, self.skeleton, self.device = model.name, people.skeleton, model.device
        self.decode_settings = model.decode_settings
        self._people = iter(people)

    def fields(
        self, image: Sequence[Picture], region: Region | None = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Any]:
        """Something for each picture; nothing is looked at."""
        return list(picture)

    def decode(self, fields: Any, **settings: Any) -> Poses:
        """The people of the next frame."""
        return next(self._people)

    def follower(self, **settings: Any) -> None:
        """Nothing says where to look."""


class RunDesk:
    """Takes runs in, has them done in turn, and keeps them.

    Args:
        work: Does them.
    """

    def __init__(self, work: Tasks[None, Progress]) -> None:
        self._runs: dict[str, VideoRun] = {}
        self._work = work
        self._lock = threading.Lock()

    def get(self, token: str | None) -> VideoRun | None:
        """The run of that name, which is then kept for longer; None when there is none."""
        with self._lock:
            run = self._runs.get(token or "")
        if run is not None:
            run.looked = time.monotonic()
        return run

    def find(self, video: Video, model: VideoModel, options: VideoOptions) -> VideoRun:
        """Have people found in a video and drawn. The video's own file may go meanwhile.

        Raises:
            VideoError: When there is no room for it.
            BusyError: When too many wait already.
        """
        folder = DraftFolder(PREFIX)
        own = folder.path / "source" / video.path.name
        token = secrets.token_urlsafe(16)
        try:
            _copy(video.path, own)
        except OSError as error:
            folder.cleanup()
            raise VideoError(f"The server has no room for {video.label}: {error.strerror or error}.") from error
        run = VideoRun(token, replace(video, path=own), model, options, Task(token), folder)
        with self._lock:
            self._tidy()
            self._runs[token] = run
        clip, in_turn = _new_clip(run), _InTurn(model)
        try:
            self._begin(run, lambda task: process_video(own, in_turn, clip, options, task.tell, task.stop))
        except BusyError:
            self.forget(token)
            folder.cleanup()
            raise
        return run

    def draw(
        self, run: VideoRun, smoothing: SmoothingSettings, drawing: DrawingOptions, output: OutputSettings
    ) -> None:
        """Have what was found drawn again, without the network.

        Raises:
            BusyError: When too many wait already.
        """
        result = run.result
        if result is None or run.job.active:
            return
        options = replace(result.options, smoothing=smoothing, drawing=drawing, output=output)
        people = run.smoothed(smoothing)
        plain = replace(
            options,
            clip=_clip_of(result),
            tracking=TrackingSettings(track=False),
            smoothing=SmoothingSettings(smooth="none"),
        )
        clip = _new_clip(run)

        def drawn(task: Task[None, Progress]) -> VideoResult:
            again = process_video(run.video.path, _Known(run.model, people), clip, plain, task.tell, task.stop)
            if again.cancelled:
                clip.unlink(missing_ok=True)
                return result
            return replace(result, clip=again.clip, poses=people, size=again.size, options=options)

        run.purpose = "draw"
        self._begin(run, drawn)

    def waiting_before(self, run: VideoRun) -> int:
        """How many pieces of work come before that of a run."""
        return self._work.waiting_before(run.job)

    def forget(self, token: str) -> None:
        """End a run and drop its files."""
        with self._lock:
            run = self._runs.pop(token, None)
        if run is not None:
            run.job.cancel()
            if not run.job.active:
                run.folder.cleanup()

    def _begin(self, run: VideoRun, work: Callable[[Task[None, Progress]], VideoResult]) -> None:
        def forgotten() -> None:
            with self._lock:
                kept = run.token in self._runs
            if not kept:
                run.folder.cleanup()

        run.job = self._work.start(run.token, lambda task: _do(run, task, work), again=True, on_end=forgotten)

    def _tidy(self) -> None:
        """Drop runs that nobody has looked at for long; called with the lock held."""
        idle = sorted((run for run in self._runs.values() if not run.job.active), key=lambda run: run.looked)
        limit = time.monotonic() - KEPT_SECONDS
        for run in idle:
            if run.looked < limit or len(self._runs) >= KEPT_RUNS:
                del self._runs[run.token]
                run.folder.cleanup()


@st.cache_resource(show_spinner=False)
def run_desk() -> RunDesk:
    """The one desk of this server."""
    return RunDesk(tasks("video", at_once=AT_ONCE, kept=0))


def _do(run: VideoRun, task: Task[None, Progress], work: Callable[[Task[None, Progress]], VideoResult]) -> None:
    """Do a piece of work and keep what came of it."""
    before = run.clip
    try:
        run.result = work(task)
    finally:
        if task.report is not None:
            # The last picture of a large video is not needed any more.
            task.tell(replace(task.report, picture=task.report.picture[:1, :1].copy()))
    if before is not None and before != run.clip:
        # A browser that still plays the old clip has it open, or gets the new one.
        before.unlink(missing_ok=True)


def _clip_of(result: VideoResult) -> ClipSettings:
    """The same part of the video, up to the last frame that was used."""
    times = result.poses.times
    step = 1 / max(float(result.info.rate), 1.0)
    if not result.cancelled:
        return result.options.clip
    # Between the last frame used and the one after it.
    return result.options.clip.model_copy(update={"end": float(times[-1]) + step / 2})


def _copy(path: Path, own: Path) -> None:
    """The same file at another place, without taking room where the file system allows that."""
    own.parent.mkdir()
    with contextlib.suppress(OSError):
        own.hardlink_to(path)
        return
    shutil.copyfile(path, own)


def _new_clip(run: VideoRun) -> Path:
    """Where the next clip goes: a name of its own, so that no browser takes it for the one before."""
    return run.folder.path / f"{secrets.token_hex(4)}.mp4"


def settings_changed(run: VideoRun, model: str, options: VideoOptions) -> list[str]:
    """What of ``model`` and ``options`` differs from what people were found with, in words."""
    used = run.options
    parts: Mapping[str, bool] = {
        "model": model != run.model.name,
        "part of the video": options.clip != used.clip,
        "network": dict(options.network) != dict(used.network),
        "decoder": dict(options.decode) != dict(used.decode),
        "smart crop": options.cropping != used.cropping,
        "tracking": options.tracking != used.tracking,
    }
    return [name for name, differs in parts.items() if differs]
