"""What can be told about a live session, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from posecore.drawing.overlay import DrawingOptions
from posecore.errors import SettingsError
from posecore.imaging import Picture
from posecore.poses import Poses
from posecore.settings import Settings, narrow
from posecore.video.finding import CropSettings
from posecore.video.options import VideoOptions, check_followed
from posecore.video.smoothing import SmoothingSettings
from posecore.video.tracking import TrackingSettings

#: Smoothing that looks at the past alone, or none: those who come later are not known yet.
LIVE_SMOOTHING = narrow(SmoothingSettings, "smooth", ("live", "none"))

#: Names of the parts of the time from a picture's arrival to its drawing (and recording, if wanted), in order.
PARTS = ("wait", "network", "decode", "draw")


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
        check_followed(self.tracking, self.smoothing)

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
        time: Seconds at which the camera's picture came, by ``time.perf_counter``.
        mirrored: Whether ``picture`` and ``poses`` are as a mirror shows them.
    """

    number: int
    picture: Picture
    poses: Poses
    time: float
    mirrored: bool


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
