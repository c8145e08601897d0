"""People in pictures that keep coming: the newest one is looked at, and what comes meanwhile is dropped.

A :class:`LiveSession` has one worker thread, which lives while pictures come. Pictures, settings and questions may come
from any thread at any time; none of them waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from posecore.drawing.overlay import DrawingOptions, draw_poses
from posecore.errors import PosecoreError, SettingsError
from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.settings import Settings
from posecore.video.finding import CropSettings, Finder, VideoModel
from posecore.video.pipeline import VideoOptions, VideoResult
from posecore.video.recording import ClipRecorder
from posecore.video.smoothing import LiveSmoother, SmoothingSettings
from posecore.video.tracking import Tracker, TrackingSettings

log = logging.getLogger(__name__)

#: Names of the parts of the time from a picture's arrival to its drawing (and recording, if wanted), in order.
PARTS = ("wait", "network", "decode", "draw")
#: Seconds without a picture after which a session closes itself: its source is gone without a word.
IDLE_SECONDS = 10.0
#: Seconds over which rates and times are averaged; longer when fewer pictures than these come in that time.
_WINDOW, _FEW, _OLD = 2.0, 4, 10.0
#: Stamps that are kept for that; a camera gives no more than this in the time.
_STAMPS = 240


class ViewSettings(Settings):
    """How live pictures are shown."""

    mirror: bool = Field(
        default=True,
        title="Mirror",
        description="Show the picture as a mirror does. Left and right joints keep their names.",
    )
    every_frame: bool = Field(
        default=False,
        title="Show every camera frame",
        description="Moves smoothly with slow models too, but the drawing then lags behind the person. Otherwise only "
        "frames that went through the network are shown.",
    )


@dataclass(frozen=True)
class LiveOptions:
    """Everything that can be told about a live session.

    Attributes:
        view: How pictures are shown.
        tracking: How people are followed.
        smoothing: How keypoints are smoothed: ``live``, or ``none``; needs tracking.
        drawing: How people are drawn.
        cropping: Where networks for one person look.
        network, decode: Settings of the model.
    """

    view: ViewSettings = field(default_factory=ViewSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    drawing: DrawingOptions = field(default_factory=DrawingOptions)
    cropping: CropSettings = field(default_factory=CropSettings)
    network: Mapping[str, Any] = field(default_factory=dict)
    decode: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.smoothing.smooth == "offline":
            raise SettingsError("Offline smoothing needs the whole video; smooth live pictures to live or none.")
        if self.smoothing.smooth != "none" and not self.tracking.track:
            raise SettingsError("Smoothing follows people over the frames: switch track on, or smooth to none.")

    def as_video_options(self) -> VideoOptions:
        """The same as options of a run over a video."""
        return VideoOptions(
            tracking=self.tracking,
            smoothing=self.smoothing,
            drawing=self.drawing,
            cropping=self.cropping,
            network=self.network,
            decode=self.decode,
        )


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A picture that went through the network.

    Attributes:
        number: Counts these pictures from 1.
        picture: ``(H, W, 3)`` uint8 RGB, with the people drawn, mirrored if wanted.
        poses: The people, where they are in ``picture`` when scaled from ``poses.image_size`` to its size.
    """

    number: int
    picture: Picture
    poses: Poses


@dataclass(frozen=True)
class LiveStatus:
    """How a session is doing.

    Attributes:
        size: (width, height) of the newest picture in pixels, or None before the first.
        received, processed, shown: Pictures per second that came, went through the network, and were handed out.
        dropped: Pictures that were left out because a newer one had come.
        frames: Pictures that went through the network.
        people: Number of people in the last one.
        latency: Mean milliseconds from a picture's arrival on, by ``PARTS``; empty before the first.
        error: Why the last picture was not looked at, or None.
        recorded: Seconds recorded so far, or None when nothing is being recorded.
        closed: True once the session has ended.
    """

    size: tuple[int, int] | None = None
    received: float = 0.0
    processed: float = 0.0
    shown: float = 0.0
    dropped: int = 0
    frames: int = 0
    people: int = 0
    latency: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    recorded: float | None = None
    closed: bool = False


@dataclass(frozen=True, eq=False)
class _Setup:
    """What the worker goes by; replaced as a whole, so that no picture sees half a change."""

    model: VideoModel
    options: LiveOptions


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
        self._setup = _Setup(model, options or LiveOptions())
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
        self._came, self._done, self._shown = (deque[float](maxlen=_STAMPS) for _ in range(3))
        self._times: deque[tuple[float, ...]] = deque(maxlen=_STAMPS)
        self._follower: _Follower | None = None
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
            self._setup = _Setup(model or self._setup.model, options or self._setup.options)

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
            seen = _mirrored(picture) if view.mirror else picture
            return seen if frame is None else draw_poses(seen, frame.poses, self._setup.options.drawing)
        return frame.picture

    def snapshot(self) -> Picture | None:
        """The newest picture as it came, or None before the first."""
        with self._changed:
            return self._last_given

    def status(self) -> LiveStatus:
        """How the session is doing now."""
        with self._recorder_lock:
            recorded = None if self._recorder is None else self._recorder.seconds
        with self._changed:
            now = time.perf_counter()
            last = self._last_given
            count = _recent(self._done, now)
            recent = [spent for _, *spent in list(self._times)[-count:]] if count else []
            return replace(
                self._status,
                size=None if last is None else (last.shape[1], last.shape[0]),
                received=_rate(self._came, now),
                processed=_rate(self._done, now),
                shown=_rate(self._shown, now),
                latency=dict(zip(PARTS, np.mean(recent, 0).tolist(), strict=True)) if recent else {},
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
        setup = self._setup
        recorder = ClipRecorder(
            clip, setup.model.skeleton, setup.model.name, self._source, setup.options.as_video_options(), limit_seconds
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

    def _process(self, given: _Given, setup: _Setup) -> None:
        """One picture, from the network to its drawing."""
        options = setup.options
        follower = self._follower = _follower_for(self._follower, setup, given.picture)
        with self._slots:
            begun = time.perf_counter()
            fields, crop = follower.look(given.picture, options)
        seen = time.perf_counter()
        poses = follower.follow(follower.finder.decode(fields, options.decode, crop), options, given.came)
        decoded = time.perf_counter()
        picture = given.picture
        if options.view.mirror:
            picture, poses = _mirrored(picture), _mirrored_poses(poses)
        frame = LiveFrame(self._number + 1, draw_poses(picture, poses, options.drawing), poses)
        try:
            self._record(frame, given.came)
        finally:
            self._publish(frame, (given.came, begun, seen, decoded, time.perf_counter()))

    def _publish(self, frame: LiveFrame, stamps: tuple[float, ...]) -> None:
        with self._changed:
            self._frame = frame
            self._status = replace(self._status, frames=frame.number, people=len(frame.poses))
            self._done.append(stamps[-1])
            self._times.append((stamps[-1], *(1000 * (after - before) for before, after in pairwise(stamps))))
            self._changed.notify_all()

    def _record(self, frame: LiveFrame, came: float) -> None:
        with self._recorder_lock:
            if self._recorder is None:
                return
            try:
                going_on = self._recorder.add(frame.picture, frame.poses, came)
            except PosecoreError:
                self._recorder = None
                raise
        if not going_on:
            self.stop_recording()


class _Follower:
    """What is remembered about the people from picture to picture, for one model and one shape of picture."""

    def __init__(self, model: VideoModel, size: tuple[int, int], options: LiveOptions) -> None:
        self.model = model
        self.size = size
        self.finder = Finder(model)
        self._tracker = Tracker(model.skeleton, options.tracking)
        self._smoother = LiveSmoother(options.smoothing)

    def look(self, picture: Picture, options: LiveOptions) -> tuple[Any, bool]:
        """Fields of the picture, and whether it was cropped."""
        crop = self.finder.crops(options.cropping, options.decode)
        return self.finder.fields([picture], ["live"], options.network, crop)[0], crop

    def follow(self, poses: Poses, options: LiveOptions, seconds: float) -> Poses:
        """Give people identities and smooth them, in pixels of the first picture's size."""
        if not options.tracking.track:
            return poses
        self._tracker.settings = options.tracking
        followed = self._tracker.confirmed(self._tracker.update(poses.resized(self.size), seconds))
        if options.smoothing.smooth == "none":
            return followed
        if options.smoothing != self._smoother.settings:
            self._smoother = LiveSmoother(options.smoothing)
        return self._smoother.update(followed, seconds)


def _follower_for(known: _Follower | None, setup: _Setup, picture: Picture) -> _Follower:
    """The one that is known, or a new one for another model or another shape of picture."""
    size = (picture.shape[1], picture.shape[0])
    # A connection may change the size of its pictures at any time; a person is not lost for that.
    if (
        known is not None
        and known.model is setup.model
        and abs(known.size[0] * size[1] / size[0] / known.size[1] - 1) < 0.02
    ):
        return known
    return _Follower(setup.model, size, setup.options)


def _mirrored(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, ::-1])


def _mirrored_poses(poses: Poses) -> Poses:
    """Where the people are in the mirrored picture; a left wrist remains a left wrist."""
    keypoints = poses.keypoints.copy()
    keypoints[..., 0] = poses.image_size[0] - 1 - keypoints[..., 0]
    return replace(poses, keypoints=keypoints)


def _recent(stamps: Sequence[float], now: float) -> int:
    """How many of the last stamps count for averages."""
    in_window = sum(now - stamp <= _WINDOW for stamp in stamps)
    return max(in_window, sum(now - stamp <= _OLD for stamp in list(stamps)[-_FEW:]))


def _rate(stamps: deque[float], now: float) -> float:
    """Events per second of late."""
    count = _recent(stamps, now)
    return (count - 1) / (stamps[-1] - stamps[-count]) if count > 1 and stamps[-1] > stamps[-count] else 0.0
