"""What can be told about a run over a video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from pydantic import Field

from posecore.drawing.overlay import DrawingOptions
from posecore.errors import SettingsError
from posecore.model import usual_batch
from posecore.settings import Settings, build_settings
from posecore.video.finding import CropSettings
from posecore.video.reading import ClipSettings
from posecore.video.smoothing import SmoothingSettings
from posecore.video.tracking import TrackingSettings
from posecore.video.writing import OutputSettings

_NOT_FOLLOWED = "Smoothing follows people over the frames: switch track on, or smooth to none."

Smoothing = TypeVar("Smoothing", bound=SmoothingSettings)


def follow_and_smooth(
    tracking: Mapping[str, Any], smoothing: Mapping[str, Any], smoothed: type[Smoothing]
) -> tuple[TrackingSettings, Smoothing]:
    """Settings of tracking and smoothing from what was asked for, as plain values.

    Smoothing is on by default and needs tracks: who does not want people followed cannot have meant it.

    Args:
        tracking: Values of :class:`TrackingSettings`.
        smoothing: Values of ``smoothed``.
        smoothed: Which settings of smoothing.

    Raises:
        SettingsError: As :func:`~posecore.settings.build_settings`, and for smoothing of people who are not followed.
    """
    followed = build_settings(TrackingSettings, tracking)
    if not followed.track and smoothing and "smooth" not in smoothing:
        raise SettingsError(_NOT_FOLLOWED)
    return followed, build_settings(smoothed, smoothing if followed.track else {"smooth": "none", **smoothing})


def check_followed(tracking: TrackingSettings, smoothing: SmoothingSettings) -> None:
    """Raise ``SettingsError`` for smoothing of people who are not followed."""
    if smoothing.smooth != "none" and not tracking.track:
        raise SettingsError(_NOT_FOLLOWED)


class BatchSettings(Settings):
    """How the network is fed."""

    batch: int = Field(
        default=0,
        ge=0,
        le=64,
        title="Frames at once",
        description="Frames that go through the network together; 0 takes 1 on a processor and 8 on a graphics card. "
        "Smart crop takes 1 always.",
    )

    def size_on(self, device: torch.device) -> int:
        """Frames at once on ``device``."""
        return self.batch or usual_batch(device)


@dataclass(frozen=True)
class VideoOptions:
    """Everything that can be told about a run.

    Attributes:
        clip: Which part of the video.
        output: How the clip is written.
        tracking: How people are followed.
        smoothing: How keypoints are smoothed; needs tracking.
        drawing: How people are drawn.
        feeding: How the network is fed.
        cropping: Where networks for one person look.
        network, decode: Settings of the model.
    """

    clip: ClipSettings = field(default_factory=ClipSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)
    drawing: DrawingOptions = field(default_factory=DrawingOptions)
    feeding: BatchSettings = field(default_factory=BatchSettings)
    cropping: CropSettings = field(default_factory=CropSettings)
    network: Mapping[str, Any] = field(default_factory=dict)
    decode: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_followed(self.tracking, self.smoothing)
