"""What a run over a video gives: how far it is, and in the end what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.video.corrections import Correction, corrected
from posecore.video.following import smoothed_again
from posecore.video.live_following import mirrored_poses
from posecore.video.options import VideoOptions
from posecore.video.reading import VideoInfo
from posecore.video.sequence import PoseSequence
from posecore.video.smoothing import Change, SmoothingSettings, smooth_sequence


@dataclass(frozen=True, eq=False)
class Progress:
    """How far a run is. Handed out on the thread that called :func:`process_video`.

    Attributes:
        step: ``finding people`` or ``drawing``: the two passes of offline smoothing. Live there is only the first.
        frames: Frames done in this step.
        expected: About how many there will be, as far as the file tells.
        share: Done of the whole run, 0 … 1.
        elapsed: Seconds since the beginning.
        eta: Seconds left, or None while nothing can be said.
        picture: The last frame as drawn, or as found when nothing is drawn yet.
        poses: The people in it.
    """

    step: str
    frames: int
    expected: int | None
    share: float
    elapsed: float
    eta: float | None
    picture: Picture
    poses: Poses


@dataclass(frozen=True, eq=False)
class VideoResult:
    """What a run found.

    Attributes:
        source: The video.
        clip: The drawn clip, or None when none was wanted.
        model: Name of the model.
        info: What the video said about itself.
        poses: People of every frame, as drawn.
        raw: The same before smoothing; the same object when nothing was smoothed. Both are as people corrected them.
        start: Second of the source at which the clip's time begins: ``poses.times - start`` are times in the clip.
        size: (width, height) of the clip, or of the frames when none was written.
        warnings: Sentences about what was wrong with the video.
        seconds: Time that each stage worked, by name, and ``total``.
        cancelled: The run was ended early; everything is complete up to there.
        options: What was told about the run.
        corrections: What people corrected of who is who.
        drawn: Those of the corrections that the clip shows.
        as_found: ``raw`` before them; None while there are none.
        mirrored: Whether the clip and the people in it are as a mirror shows them.
    """

    source: Path
    clip: Path | None
    model: str
    info: VideoInfo
    poses: PoseSequence
    raw: PoseSequence
    start: float
    size: tuple[int, int]
    warnings: tuple[str, ...]
    seconds: Mapping[str, float]
    cancelled: bool
    options: VideoOptions
    corrections: tuple[Correction, ...] = ()
    drawn: tuple[Correction, ...] = ()
    as_found: PoseSequence | None = None
    mirrored: bool = False

    @property
    def filmed(self) -> PoseSequence:
        """The people where the camera saw them, which is how they are lifted: in a mirror, left looks like right."""
        return mirrored_poses(self.poses) if self.mirrored else self.poses

    @property
    def changes(self) -> Mapping[int, tuple[Change, ...]]:
        """What each step of offline smoothing did, per identity; worked out anew, as it weighs ten times the poses."""
        offline = self.options.smoothing.smooth == "offline"
        return smooth_sequence(self.raw, self.options.smoothing)[1] if offline else {}

    def smoothed(self, settings: SmoothingSettings) -> PoseSequence:
        """The people found, smoothed as a run with other settings would have done it; the network is not needed."""
        return smoothed_again(self.raw, replace(self.options, smoothing=settings))

    def with_corrections(self, corrections: Sequence[Correction]) -> VideoResult:
        """The same people found, with other corrections in place of those that there are; the clip stays as it is.

        Args:
            corrections: All of them, in their order.

        Raises:
            VideoError: When one of them would change nobody.
        """
        found = self.raw if self.as_found is None else self.as_found
        raw = corrected(found, corrections)
        changed = replace(self, raw=raw, corrections=tuple(corrections), as_found=found if corrections else None)
        return replace(changed, poses=changed.smoothed(self.options.smoothing))

    @property
    def frames(self) -> int:
        """How many frames were used."""
        return len(self.poses)

    @property
    def timestamps(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """``(F,)`` seconds of every frame on the source's time line."""
        return self.poses.times

    @property
    def fps(self) -> float:
        """Average frames per second of the frames used."""
        times = self.poses.times
        if len(times) < 2:
            return float(self.info.rate)
        return float((len(times) - 1) / (times[-1] - times[0]))
