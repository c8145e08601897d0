"""One visitor's camera: what happens between the pictures that the browser sends and those that it gets back.

No widget is made here; pictures come on threads of their own.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import streamlit as st

from posecore.errors import VideoError
from posecore.imaging import Picture
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require
from posecore.video import LiveOptions, LiveSession, LiveStatus, PoseSequence, VideoResult, save_tables
from posecore.video.finding import VideoModel
from posecore.video.sequence import UNTRACKED

#: Cameras that may be looked at at the same time, unless POSECORE_WEBCAMS says otherwise: they share the processor.
MOST_AT_ONCE = 4
#: Seconds after which a recording ends by itself.
RECORDING_LIMIT = 600.0
#: Recordings that are kept for a visitor.
MOST_RECORDINGS = 6
#: Seconds that a camera picture waits for the network before the last drawn one is shown again.
_PATIENCE = 0.04


def most_at_once() -> int:
    """How many cameras may be looked at at the same time."""
    asked = os.environ.get("POSECORE_WEBCAMS", "")
    return max(int(asked), 1) if asked.isdecimal() else MOST_AT_ONCE


@st.cache_resource(show_spinner=False)
def places() -> threading.BoundedSemaphore:
    """A place for every camera that may be looked at; all visitors share them."""
    return threading.BoundedSemaphore(most_at_once())


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded clip.

    Attributes:
        name: File name without ending.
        result: What is in it.
    """

    name: str
    result: VideoResult

    @property
    def seconds(self) -> float:
        """How long it is."""
        times = self.result.poses.times
        return float(times[-1] - times[0]) if len(times) else 0.0

    @property
    def clip(self) -> Path:
        """The clip (MP4)."""
        assert self.result.clip is not None
        return self.result.clip

    @property
    def followed(self) -> PoseSequence:
        """The people who were followed, where the camera saw them, mirrored or not."""
        filmed = self.result.filmed
        return filmed.rows(filmed.track_ids != UNTRACKED)

    def table(self, kind: str) -> bytes:
        """Its keypoints as ``csv`` or ``json``."""
        with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
            # First the table, then what else belongs to it.
            return save_tables(self.result, Path(folder) / self.name, {kind})[0].read_bytes()


class Webcam:
    """Takes a visitor's camera pictures while there are any; between two streams nothing of it runs.

    Args:
        folder: Where recordings lie.
        slots: Held while a network runs.
        places: Of all cameras; while none is free, pictures go back as they came.
    """

    def __init__(self, folder: Path, slots: AbstractContextManager[Any], places: threading.BoundedSemaphore) -> None:
        self._folder = folder
        self._slots = slots
        self._places = places
        self._lock = threading.Lock()
        self._model: VideoModel | None = None
        self._options = LiveOptions()
        self._live: LiveSession | None = None
        self._recordings: list[Recording] = []
        self._named = 0
        self._waiting = False
        self._begun: float | None = None

    def prepare(self, model: VideoModel | None, options: LiveOptions | None = None) -> None:
        """What to look with from the next picture on; None shows pictures as they come."""
        with self._lock:
            self._model = model
            self._options = options or self._options
            live = self._live
            if model is not None and live is not None:
                live.change(model, self._options)
        if model is None and live is not None:
            live.close()

    def show(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame to show in place of a camera frame; called on the stream's own thread."""
        picture = np.asarray(frame.to_ndarray(format="rgb24", threads=1), np.uint8)
        live = self._session()
        if live is not None:
            picture = live.exchange(picture, _PATIENCE)
        elif self._options.view.mirror:
            picture = np.ascontiguousarray(picture[:, ::-1])
        return av.VideoFrame.from_ndarray(picture, format="rgb24")

    def _session(self) -> LiveSession | None:
        """The running session, begun if need be; None without a model or a free place."""
        with self._lock:
            if self._model is None:
                return None
            if self._live is not None and not self._live.closed:
                return self._live
            self._keep_recordings()
            self._waiting = not self._places.acquire(blocking=False)
            if self._waiting:
                return None
            self._live = LiveSession(
                self._model, self._options, slots=self._slots, on_close=self._places.release, source="webcam"
            )
            return self._live

    def ended(self) -> None:
        """The stream is over; called on a thread that must not wait."""
        with self._lock:
            self._waiting = False
            self._begun = None
            if self._live is not None:
                self._live.close(wait=False)

    def stop(self) -> None:
        """End the session and wait until its recording is complete."""
        self.ended()
        if self._live is not None:
            self._live.close()

    @property
    def crowded(self) -> bool:
        """True while pictures go back as they came because too many other cameras are being looked at."""
        return self._waiting

    @property
    def status(self) -> LiveStatus | None:
        """How the running session is doing; None when there is none."""
        live = self.running
        return None if live is None else live.status()

    @property
    def running(self) -> LiveSession | None:
        """The session that looks at the pictures; None when there is none."""
        live = self._live
        return None if live is None or live.closed else live

    def waited(self, playing: bool) -> float:
        """Seconds since the stream was asked for without a picture having come; 0 as soon as one has."""
        status = self.status
        if not playing or self._waiting or (status is not None and status.size is not None):
            self._begun = None
            return 0.0
        if self._begun is None:
            self._begun = time.monotonic()
        return time.monotonic() - self._begun

    def snapshot(self) -> Picture | None:
        """The newest picture as it came."""
        return None if self._live is None else self._live.snapshot()

    def record(self) -> None:
        """Begin to record what is shown; nothing happens while a recording runs.

        Raises:
            NotAllowedError: When visitors may not use the webcam.
        """
        require("use", "Recording")
        if self._live is not None and self._live.status().recorded is None:
            self._named += 1
            self._live.record(self._folder / f"webcam_{self._named}.mp4", RECORDING_LIMIT)

    def stop_recording(self) -> None:
        """End the recording; nothing happens when none runs.

        Raises:
            VideoError: When its clip cannot be completed, or no picture came into it.
        """
        if self._live is None or self._live.status().recorded is None:
            return
        if self._live.stop_recording() is None:
            raise VideoError(
                "Nothing was recorded, because no picture had been looked at yet. Record again, for longer."
            )

    @property
    def recordings(self) -> Sequence[Recording]:
        """Complete recordings, the newest first."""
        with self._lock:
            self._keep_recordings()
            return tuple(reversed(self._recordings))

    def _keep_recordings(self) -> None:
        """Take over what the session recorded; the oldest recordings go."""
        if self._live is None:
            return
        while self._live.recordings:
            result = self._live.recordings.pop(0)
            assert result.clip is not None
            self._recordings.append(Recording(result.clip.stem, result))
        for old in self._recordings[:-MOST_RECORDINGS]:
            old.clip.unlink(missing_ok=True)
        del self._recordings[:-MOST_RECORDINGS]

    def forget(self, name: str) -> None:
        """Delete a recording; nothing happens when it is not there."""
        with self._lock:
            for recording in [one for one in self._recordings if one.name == name]:
                recording.clip.unlink(missing_ok=True)
                self._recordings.remove(recording)


def webcam(folder: Path) -> Webcam:
    """This visitor's camera; recordings lie in ``folder``."""
    return state_of(Webcam, lambda: Webcam(folder, network_slots(), places()))
