"""The settings of a run over a video: their widgets, and the options made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.model import PoseModel
from posecore.ui.shared.sidebar import setting_boxes
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.video import (
    ClipSettings,
    CropSettings,
    OutputSettings,
    RepetitionSettings,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    can_crop,
)


@dataclass(frozen=True)
class Part:
    """Some settings that stand together in the sidebar."""

    name: str
    title: str
    icon: str
    settings: type[ClipSettings | OutputSettings | TrackingSettings | SmoothingSettings]
    prefix: str

    @property
    def controls(self) -> SettingControls:
        return SettingControls(self.settings, prefix=self.prefix)


PARTS = (
    Part("clip", "Part of the video", "content_cut", ClipSettings, "clip_"),
    Part("tracking", "Tracking", "directions_walk", TrackingSettings, "track_"),
    Part("smoothing", "Smoothing", "show_chart", SmoothingSettings, "smooth_"),
    Part("output", "Clip", "movie", OutputSettings, "out_"),
)
_CROP_PREFIX = "crop_"
COUNT_PREFIX = "count_"


def video_boxes() -> dict[str, DeltaGenerator]:
    """Places in the sidebar for all settings of this page."""
    return setting_boxes(others=[(part.name, part.title, part.icon) for part in PARTS])


def resettable() -> list[SettingControls]:
    """The controls that only this page has."""
    crop = SettingControls(CropSettings, prefix=_CROP_PREFIX)
    return [*(part.controls for part in PARTS), crop, SettingControls(RepetitionSettings, prefix=COUNT_PREFIX)]


def video_controls(
    model: PoseModel,
    boxes: Mapping[str, DeltaGenerator],
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    drawing: DrawingOptions,
) -> VideoOptions:
    """Widgets for what concerns videos only; returns everything that a run needs to be told."""
    values: dict[str, dict[str, Any]] = {}
    for part in PARTS:
        controls = part.controls
        with boxes[part.name]:
            if part.name == "smoothing" and not values["tracking"]["track"]:
                st.caption("Smoothing goes along with a person over time: switch *Follow people* on for it.")
                values[part.name] = {"smooth": "none"}
                continue
            controls.draw(controls.others)
            values[part.name] = controls.values
    cropping = _crop_controls(model, boxes, decode)
    return VideoOptions(
        clip=ClipSettings(**values["clip"]),
        output=OutputSettings(**values["output"]),
        tracking=TrackingSettings(**values["tracking"]),
        smoothing=SmoothingSettings(**values["smoothing"]),
        drawing=drawing,
        cropping=cropping,
        network=network,
        decode=decode,
    )


def _crop_controls(model: PoseModel, boxes: Mapping[str, DeltaGenerator], decode: Mapping[str, Any]) -> CropSettings:
    if not can_crop(model, decode):
        return CropSettings()
    controls = SettingControls(CropSettings, prefix=_CROP_PREFIX)
    with boxes["tracking"]:
        controls.draw(controls.others)
    return CropSettings(**controls.values)
