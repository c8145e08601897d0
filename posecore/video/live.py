"""People in pictures that keep coming: the newest one is looked at, and what comes meanwhile is dropped.

A :class:`LiveSession` has one worker thread, which lives while pictures come. Pictures, settings and questions may come
from any thread at any time; none of them waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from posecore.drawing.overlay import draw_poses
from posecore.errors import PosecoreError
from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.video.finding import VideoModel
from posecore.video.live_following import Follower, Setup, follower_for, mirrored, mirrored_poses
from posecore.video.live_options import PARTS, LiveFrame, LiveOptions, LiveStatus
from posecore.video.rates import STAMPS, rate, recent
from posecore.video.recording import ClipRecorder
from posecore.video.results import VideoResult
from posecore.video.sequence import PoseSequence

log = logging.getLogger(__name__)

#: Seconds without a picture after which a session closes itself: its source is gone without a word.
IDLE_SECONDS = 10.0
#: Seconds for which it is remembered who was seen.
_LATELY = 10.0


@dataclass(frozen=True, eq=False)
class _Given:
    """A picture and when it came."""

    picture: Picture
    came: float


class LiveSession:
    """Looks at the newest of the pictures that it is given.

    Args:
        model: What finds people.
        options: Everything else; both may be changed at any time.
        slots: Held while the network runs, so that several sessions can share a machine fairly.
        on_close: Called once when the session has ended, on the thread that ended it.
        idle_seconds: Closes itself when no picture comes for so long; None never does.
        source: Name of where pictures come from, for the tables of recordings.

    Attributes:
        recordings: What was recorded, as soon as each recording has ended.
    """

    def __init__(
        self,
        model: VideoModel,
        options: LiveOptions | None = None,
        *,
        slots: AbstractContextManager[Any] | None = None,
        on_close: Callable[[], None] | None = None,
        idle_seconds: float | None = IDLE_SECONDS,
        source: str = "webcam",
    ) -> None:
        self.recordings: list[VideoResult] = []
        self._setup = Setup(model, options or LiveOptions())
        self._slots = slots or nullcontext()
        self._on_close = on_close
        self._idle_seconds = idle_seconds
        self._source = source
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._waiting: _Given | None = None
        self._last_given: Picture | None = None
        self._frame: LiveFrame | None = None
        self._handed_out = 0
        self._status = LiveStatus()
        self._came, self._done, self._shown = (deque[float](maxlen=STAMPS) for _ in range(3))
        self._times: deque[tuple[float, ...]] = deque(maxlen=STAMPS)
        self._seen: deque[tuple[float, Poses]] = deque()
        self._follower: Follower | None = None
        self._recorder_lock = threading.Lock()
        self._recorder: ClipRecorder | None = None

    def __enter__(self) -> LiveSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """True once the session has ended."""
        return self._closed

    @property
    def options(self) -> LiveOptions:
        """The present options."""
        return self._setup.options

    def change(self, model: VideoModel | None = None, options: LiveOptions | None = None) -> None:
        """Use another model or other options from the next picture on."""
        with self._changed:
            self._setup = Setup(model or self._setup.model, options or self._setup.options)

    def give(self, picture: Picture) -> None:
        """Take a picture, ``(H, W, 3)`` uint8 RGB, and return at once; one that still waited is dropped."""
        with self._changed:
            if self._closed:
                return
            now = time.perf_counter()
            self._came.append(now)
            if self._waiting is not None:
                self._status = replace(self._status, dropped=self._status.dropped + 1)
            self._waiting = _Given(picture, now)
            self._last_given = picture
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="posecore-live", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def newer(self, number: int, patience: float | None = None) -> LiveFrame | None:
        """The newest frame if it comes after ``number``; waits ``patience`` seconds for one (None: until the end)."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, patience)
            return self._frame if self._number > number else None

    @property
    def _number(self) -> int:
        return 0 if self._frame is None else self._frame.number

    def exchange(self, picture: Picture, patience: float = 0.0) -> Picture:
        """Give a picture and take the one to show instead.

        Args:
            picture: ``(H, W, 3)`` uint8 RGB.
            patience: Seconds to wait for a frame that was not handed out before; after that the last one comes again.
        """
        view = self._setup.options.view
        self.give(picture)
        if not view.every_frame:
            self.newer(self._handed_out, patience)
        with self._changed:
            frame = self._frame
            if view.every_frame or self._number > self._handed_out:
                self._shown.append(time.perf_counter())
            self._handed_out = self._number
        if view.every_frame or frame is None:
            seen = mirrored(picture) if view.mirror else picture
            if frame is None:
                return seen
            return draw_poses(seen, frame.poses, self._setup.options.drawing, in_place=view.mirror)
        return frame.picture

    def snapshot(self) -> Picture | None:
        """The newest picture as it came, or None before the first."""
        with self._changed:
            return self._last_given

    def lately(self) -> PoseSequence:
        """The people of the last ten seconds, as far as the present model found them; mirrored as they were shown."""
        with self._changed:
            skeleton, seen = self._setup.model.skeleton, list(self._seen)
        known = [(time, poses) for time, poses in seen if poses.skeleton == skeleton]
        size = known[-1][1].image_size if known else (1, 1)
        return PoseSequence.collect(((time, poses.resized(size)) for time, poses in known), skeleton, size)

    def status(self) -> LiveStatus:
        """How the session is doing now."""
        with self._recorder_lock:
            recorded = None if self._recorder is None else self._recorder.seconds
        with self._changed:
            now = time.perf_counter()
            last = self._last_given
            count = recent(self._done, now)
            spent = [parts for _, *parts in list(self._times)[-count:]] if count else []
            return replace(
                self._status,
                size=None if last is None else (last.shape[1], last.shape[0]),
                received=rate(self._came, now),
                processed=rate(self._done, now),
                shown=rate(self._shown, now),
                latency=dict(zip(PARTS, np.mean(spent, 0).tolist(), strict=True)) if spent else {},
                recorded=recorded,
                closed=self._closed,
            )

    def record(self, clip: Path, limit_seconds: float | None = None) -> None:
        """Begin to record what is shown, with the people in it; a recording that runs already is ended first.

        Args:
            clip: Where the clip goes (MP4).
            limit_seconds: The recording ends by itself after so long.
        """
        self.stop_recording()
        model, options = self._setup.model, self._setup.options
        recorder = ClipRecorder(
            clip,
            model.skeleton,
            model.name,
            self._source,
            options.as_video_options(),
            options.view.mirror,
            limit_seconds,
        )
        with self._recorder_lock:
            if not self._closed:
                self._recorder = recorder

    def stop_recording(self) -> VideoResult | None:
        """End the recording; None when nothing was recorded.

        Raises:
            VideoError: When the clip cannot be completed.
        """
        with self._recorder_lock:
            recorder, self._recorder = self._recorder, None
            result = None if recorder is None else recorder.finish()
            if result is not None:
                self.recordings.append(result)
            return result

    def close(self, wait: bool = True) -> None:
        """End the session; may be called again.

        Args:
            wait: Return when the thread is gone and a recording is complete; else at once.
        """
        with self._changed:
            first, self._closed = not self._closed, True
            self._waiting = None
            thread = self._thread
            self._changed.notify_all()
        if thread is None:
            if first:
                self._finish()
        elif wait and thread is not threading.current_thread():
            thread.join()

    def _finish(self) -> None:
        try:
            self.stop_recording()
        except PosecoreError as error:
            self._say(str(error))
        finally:
            self._follower = None
            if self._on_close is not None:
                self._on_close()

    def _work(self) -> None:
        while (given := self._next()) is not None:
            try:
                self._process(given, self._setup)
                self._say(None)
            except PosecoreError as error:
                self._say(str(error))
            except Exception as error:
                # A thread that died without a word would leave a still picture behind.
                log.exception("A live picture was not looked at")
                self._say(f"The picture could not be looked at: {error}")
        self._finish()

    def _next(self) -> _Given | None:
        """The newest picture; None when the session ends, also for lack of pictures."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None, self._idle_seconds)
            given, self._waiting = self._waiting, None
            self._closed = self._closed or given is None
            return None if self._closed else given

    def _say(self, error: str | None) -> None:
        with self._changed:
            if error != self._status.error:
                self._status = replace(self._status, error=error)

    def _process(self, given: _Given, setup: Setup) -> None:
        """One picture, from the network to its drawing."""
        options = setup.options
        follower = self._follower = follower_for(self._follower, setup, given.picture)
        with self._slots:
            begun = time.perf_counter()
            fields, crop = follower.look(given.picture, options)
        seen = time.perf_counter()
        poses = follower.follow(follower.finder.decode(fields, options.decode, crop), options, given.came)
        decoded = time.perf_counter()
        frame = self._drawn(given, poses, options, options.view.mirror)
        try:
            self._record(frame, lambda mirror: self._drawn(given, poses, options, mirror))
        finally:
            self._publish(frame, (given.came, begun, seen, decoded, time.perf_counter()))

    def _drawn(self, given: _Given, poses: Poses, options: LiveOptions, mirror: bool) -> LiveFrame:
        """A picture with its people, as it is shown."""
        picture = given.picture
        if mirror:
            picture, poses = mirrored(picture), mirrored_poses(poses)
        # What came may be asked for later, its mirrored copy may not.
        drawn = draw_poses(picture, poses, options.drawing, in_place=mirror)
        return LiveFrame(self._number + 1, drawn, poses, given.came, mirrored=mirror)

    def _publish(self, frame: LiveFrame, stamps: tuple[float, ...]) -> None:
        with self._changed:
            self._frame = frame
            self._status = replace(self._status, frames=frame.number, people=len(frame.poses))
            self._seen.append((frame.time, frame.poses))
            while self._seen[0][0] < frame.time - _LATELY:
                self._seen.popleft()
            self._done.append(stamps[-1])
            self._times.append((stamps[-1], *(1000 * (after - before) for before, after in pairwise(stamps))))
            self._changed.notify_all()

    def _record(self, frame: LiveFrame, drawn: Callable[[bool], LiveFrame]) -> None:
        """Append a frame to the recording; ``drawn`` draws it anew, mirrored or not."""
        with self._recorder_lock:
            if self._recorder is None:
                return
            if frame.mirrored != self._recorder.mirrored:
                # What began as a mirror stays one: its people are lifted as one.
                frame = drawn(self._recorder.mirrored)
            try:
                going_on = self._recorder.add(frame.picture, frame.poses, frame.time)
            except PosecoreError:
                self._recorder = None
                raise
        if not going_on:
            self.stop_recording()
