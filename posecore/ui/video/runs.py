"""Runs over videos in the server's background: they wait their turn, report how far they are, and keep their result.

A run belongs to whoever knows its token. It goes on while nobody looks, and its result is there on return, also after
the server was started anew: see :mod:`posecore.ui.video.run_folders` for how long.
"""

from __future__ import annotations

import contextlib
import logging
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
from posecore.errors import PosecoreError, VideoError
from posecore.storage import sweep, writing
from posecore.ui.shared.background import BusyError, Task, Tasks, tasks
from posecore.ui.shared.videos.store import Video
from posecore.ui.video.run_folders import KEPT_RUNS, Owner, RunFolder, run_folder, run_folders
from posecore.ui.video.stand_ins import InTurn, KnownPeople
from posecore.video import (
    ClipSettings,
    Correction,
    OutputSettings,
    PoseSequence,
    Progress,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    VideoResult,
    process_video,
)
from posecore.video.finding import VideoModel
from posecore.video.kept import data_of_info, data_of_options, info_of_data, load_result, options_of_data, save_result

log = logging.getLogger(__name__)

#: Runs that may be at work at the same time; further ones wait.
AT_ONCE = max(1, min(2, (os.cpu_count() or 1) // 4))
#: Seconds after which what is on the disk is forgotten here until somebody looks at it again.
_REMEMBERED_SECONDS = 1800.0
#: Seconds between two notes that somebody looks at a run.
_LOOK_INTERVAL = 60.0
_RESULT = "result.npz"
#: Whose runs they are where nobody says.
_ANYBODY = Owner("anybody", at_machine=False)
#: What became of a run whose server ended.
_LOST = "The server ended while this run was waiting or at work, so there is no result."
_BROKEN_OFF = "The server ended while this run was at work. What it had done by then is here."
_NOT_DRAWN = "The server ended while this clip was being drawn again. It is as it was before."


@dataclass(eq=False)
class VideoRun:
    """A video, what shall be done with it, and what came of it.

    Attributes:
        token: Unguessable name.
        video: The video; its file is the run's own.
        model: Name of what finds people.
        options: What was asked for.
        job: The work at hand, or the last one.
        owner: Whose it is.
        folder: Where its files lie.
        purpose: What the job is: to ``find`` people, or to ``draw`` those already found.
        lost: What became of it when a server ended before the job did, as a sentence; empty else.
        unkept: Why the result goes with the server, as a sentence; empty when it does not.
        looked: When somebody last looked, by ``time.monotonic``.
    """

    token: str
    video: Video
    model: str
    options: VideoOptions
    job: Task[None, Progress]
    owner: Owner
    folder: RunFolder
    purpose: Literal["find", "draw"] = "find"
    lost: str = ""
    unkept: str = ""
    looked: float = field(default_factory=time.monotonic)
    _result: VideoResult | None = None
    _smoothed: tuple[SmoothingSettings, PoseSequence] | None = None
    _stopped: bool = False

    @property
    def result(self) -> VideoResult | None:
        """What was found, once there is something; read from the disk when it was forgotten meanwhile.

        Raises:
            VideoError: When its file is damaged.
        """
        if self._result is None and (path := self.folder.path / _RESULT).is_file():
            self._result = load_result(path, self.video.path)
        return self._result

    def keep(self, result: VideoResult) -> None:
        """Take a result, and keep it on the disk where that is possible."""
        self._result = result
        if not self.folder.stays:
            self.unkept = "The server cannot keep this result on its disk: it goes when the server ends."
            return
        try:
            with writing(self.folder.path / _RESULT):
                save_result(result, self.folder.path / _RESULT)
            self.unkept = ""
        except PosecoreError as error:
            log.warning("A result was not kept: %s", error)
            self.unkept = "The server has no room to keep this result on its disk: it goes when the server ends."

    def correct(self, corrections: Sequence[Correction]) -> None:
        """Correct who is who, in place of what was corrected before; the clip follows when it is drawn again.

        Raises:
            VideoError: When a correction would change nobody, or there is no result to correct now.
        """
        result = self.result
        if result is None or self.job.active:
            raise VideoError("Wait until the work on this video has ended, then correct who is who.")
        changed = result.with_corrections(corrections)
        self._smoothed = None
        self.keep(changed)

    def note(self, state: str) -> None:
        """Write down what it is and where it stands, for the next server; raises ``OSError`` when there is no room."""
        if self.folder.stays:
            self.folder.write(_record(self) | {"state": state})

    def stop(self) -> None:
        """End the job early, because somebody asked for that; a callback."""
        self._stopped = True
        self.job.cancel()

    def ended(self) -> None:
        """Write down what became of the job: it has ended."""
        if self.job.stopping and not self._stopped:
            self.lost = _NOT_DRAWN if self.purpose == "draw" else _LOST if self._result is None else _BROKEN_OFF
        self.folder.end_work()
        with contextlib.suppress(OSError):
            # A run that was forgotten meanwhile has no folder any more.
            self.note(self.job.state)

    def rest(self) -> None:
        """Forget what the disk has as well."""
        if self.folder.stays and not self.unkept:
            self._result = self._smoothed = None

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
            known = self._smoothed = (settings, result.smoothed(settings))
        return known[1]


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
            if run is not None and not run.job.active and not run.folder.path.is_dir():
                # Nobody had looked at it for long.
                del self._runs[run.token]
                run = None
            if run is None:
                run = _restored(token or "")
                if run is not None and not run.folder.at_work:
                    self._runs[run.token] = run
        if run is not None:
            now = time.monotonic()
            if now - run.looked > _LOOK_INTERVAL:
                run.folder.look()
            run.looked = now
        return run

    def find(self, video: Video, model: VideoModel, options: VideoOptions, owner: Owner = _ANYBODY) -> VideoRun:
        """Have people found in a video and drawn. The video's own file may go meanwhile.

        Raises:
            VideoError: When there is no room for it.
            BusyError: When too many wait already.
        """
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._tidy(owner)
        folder = RunFolder.new(owner, token)
        own = folder.path / "source" / video.path.name
        run = VideoRun(token, replace(video, path=own), model.name, options, Task(token), owner, folder)
        try:
            folder.begin_work()
            _copy(video.path, own)
            run.note("waiting")
        except OSError as error:
            folder.remove()
            raise VideoError(f"The server has no room for {video.label}: {error.strerror or error}.") from error
        with self._lock:
            self._runs[token] = run
        clip, in_turn = _new_clip(run), InTurn(model)
        try:
            self._begin(run, lambda task: process_video(own, in_turn, clip, options, task.tell, task.stop))
        except BusyError:
            with self._lock:
                del self._runs[token]
            folder.remove()
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
            again = process_video(run.video.path, KnownPeople(run.model, people), clip, plain, task.tell, task.stop)
            if again.cancelled:
                clip.unlink(missing_ok=True)
                return result
            return replace(
                result, clip=again.clip, poses=people, size=again.size, options=options, drawn=result.corrections
            )

        run.purpose, run.lost = "draw", ""
        with contextlib.suppress(OSError):
            # Without them the work is done all the same; only the next server would not know of it.
            run.folder.begin_work()
            run.note("waiting")
        self._begin(run, drawn)

    def waiting_before(self, run: VideoRun) -> int:
        """How many pieces of work come before that of a run."""
        return self._work.waiting_before(run.job)

    def forget(self, token: str) -> None:
        """End a run and drop its files."""
        with self._lock:
            run = self._runs.pop(token, None)
        if run is not None:
            run.stop()
            if not run.job.active:
                run.folder.remove()

    def _begin(self, run: VideoRun, work: Callable[[Task[None, Progress]], VideoResult]) -> None:
        def ended() -> None:
            run.ended()
            with self._lock:
                kept = run.token in self._runs
            if not kept:
                run.folder.remove()

        run.job = self._work.start(run.token, lambda task: _do(run, task, work), again=True, on_end=ended)

    def _tidy(self, owner: Owner) -> None:
        """Make room for one more run of ``owner``'s; called with the lock held."""
        limit = time.monotonic() - _REMEMBERED_SECONDS
        for run in self._runs.values():
            if run.looked < limit and not run.job.active:
                run.rest()
        kept = {folder.path.name: folder for folder in run_folders(owner)}
        kept |= {run.token: run.folder for run in self._runs.values() if run.owner == owner}
        active = {run.token for run in self._runs.values() if run.job.active}
        idle = sorted(kept.keys() - active, key=lambda token: kept[token].looked)
        for token in idle[: max(len(kept) - KEPT_RUNS + 1, 0)]:
            self._runs.pop(token, None)
            kept[token].remove()


@st.cache_resource(show_spinner=False)
def run_desk() -> RunDesk:
    """The one desk of this server."""
    return RunDesk(tasks("video", at_once=AT_ONCE, kept=0))


def _do(run: VideoRun, task: Task[None, Progress], work: Callable[[Task[None, Progress]], VideoResult]) -> None:
    """Do a piece of work and keep what came of it."""
    before = run.clip
    try:
        run.keep(work(task))
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


def _record(run: VideoRun) -> dict[str, Any]:
    """What the next server needs to know of a run."""
    return {
        "video": {"key": run.video.key, "label": run.video.label, "note": run.video.note, "file": run.video.path.name},
        "info": data_of_info(run.video.info),
        "model": run.model,
        "options": data_of_options(run.options),
        "purpose": run.purpose,
        "error": run.job.error,
        "lost": run.lost,
        "at_machine": run.owner.at_machine,
    }


def _restored(token: str) -> VideoRun | None:
    """A run of a server before this one, or of another that shares the home; None when there is none of that name."""
    folder = run_folder(token)
    if folder is None:
        return None
    try:
        record = folder.read()
        video, info = record["video"], info_of_data(record["info"])
        path = folder.path / "source" / Path(video["file"]).name
        job: Task[None, Progress] = Task(token, record["state"], error=record["error"])
        owner = Owner(folder.path.parent.name, record["at_machine"])
        run = VideoRun(
            token,
            Video(video["key"], video["label"], path, info, video["note"]),
            record["model"],
            options_of_data(record["options"]),
            job,
            owner,
            folder,
            record["purpose"],
            record["lost"],
        )
        if job.active and folder.at_work:
            job.state = "failed"
            job.error = "Another server is at work on this run; its result can be seen here when that is done."
        elif job.active:
            job.state = "cancelled"
            run.lost = _NOT_DRAWN if run.purpose == "draw" else _LOST
            _clear_left(run)
        return run
    except (OSError, PosecoreError, ValueError, TypeError, KeyError) as error:
        log.warning("The run in %s cannot be read: %s", folder.path, error)
        return None


def _clear_left(run: VideoRun) -> None:
    """Remove what was being written when the server ended, and write down that it did."""
    sweep(run.folder.path)
    for path in run.folder.path.glob("*.mp4"):
        if path != run.clip:
            path.unlink(missing_ok=True)
    run.note(run.job.state)


def settings_changed(run: VideoRun, model: str, options: VideoOptions) -> list[str]:
    """What of ``model`` and ``options`` differs from what people were found with, in words."""
    used = run.options
    parts: Mapping[str, bool] = {
        "model": model != run.model,
        "part of the video": options.clip != used.clip,
        "network": dict(options.network) != dict(used.network),
        "decoder": dict(options.decode) != dict(used.decode),
        "smart crop": options.cropping != used.cropping,
        "tracking": options.tracking != used.tracking,
    }
    return [name for name, differs in parts.items() if differs]
