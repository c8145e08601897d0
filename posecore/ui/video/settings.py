"""The settings of a run over a video: their widgets, and the options made from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st
from pydantic import BaseModel
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.model import PoseModel
from posecore.ui.shared.lifting import lift_controls
from posecore.ui.shared.measure_words import COUNT_PREFIX
from posecore.ui.shared.sidebar import Sidebar, lay_out_sidebar
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.video import (
    ClipSettings,
    CropSettings,
    OutputSettings,
    RepetitionSettings,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    crop_settings,
)

_Settings = TypeVar("_Settings", bound=BaseModel)


@dataclass(frozen=True)
class _Part(Generic[_Settings]):
    """Some settings that stand together in the sidebar."""

    title: str
    icon: str
    settings: type[_Settings]
    prefix: str

    @property
    def controls(self) -> SettingControls:
        return SettingControls(self.settings, prefix=self.prefix)

    def lay_out(self) -> DeltaGenerator:
        """Their place, where the script is now."""
        return st.expander(self.title, icon=f":material/{self.icon}:")

    def draw(self, place: DeltaGenerator) -> _Settings:
        """Their widgets; returns what they say."""
        controls = self.controls
        with place:
            controls.draw(controls.others)
        return self.settings(**controls.values)


_CLIP = _Part("Part of the video", "content_cut", ClipSettings, "clip_")
_TRACKING = _Part("Tracking", "directions_walk", TrackingSettings, "track_")
_SMOOTHING = _Part("Smoothing", "show_chart", SmoothingSettings, "smooth_")
_OUTPUT = _Part("Clip", "movie", OutputSettings, "out_")
PARTS: tuple[_Part[Any], ...] = (_CLIP, _TRACKING, _SMOOTHING, _OUTPUT)
_CROP_PREFIX = "crop_"


@dataclass(frozen=True)
class VideoSidebar:
    """Places in the sidebar: those that other pages have too, and those of this page."""

    shared: Sidebar
    clip: DeltaGenerator
    tracking: DeltaGenerator
    smoothing: DeltaGenerator
    output: DeltaGenerator


def lay_out_video_sidebar() -> VideoSidebar:
    """Make the places for all settings of this page."""
    shared = lay_out_sidebar()
    with shared.own:
        return VideoSidebar(shared, _CLIP.lay_out(), _TRACKING.lay_out(), _SMOOTHING.lay_out(), _OUTPUT.lay_out())


def resettable() -> list[SettingControls]:
    """The controls that only this page has."""
    parts = [part.controls for part in PARTS]
    crop = SettingControls(CropSettings, prefix=_CROP_PREFIX)
    return [*parts, crop, SettingControls(RepetitionSettings, prefix=COUNT_PREFIX), lift_controls()]


def video_controls(
    model: PoseModel,
    sidebar: VideoSidebar,
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    drawing: DrawingOptions,
) -> VideoOptions:
    """Widgets for what concerns videos only; returns everything that a run needs to be told."""
    clip, tracking = _CLIP.draw(sidebar.clip), _TRACKING.draw(sidebar.tracking)
    return VideoOptions(
        clip=clip,
        tracking=tracking,
        smoothing=_smoothing(sidebar.smoothing, tracking),
        output=_OUTPUT.draw(sidebar.output),
        drawing=drawing,
        cropping=_cropping(model, sidebar.tracking, decode),
        network=network,
        decode=decode,
    )


def _smoothing(place: DeltaGenerator, tracking: TrackingSettings) -> SmoothingSettings:
    if tracking.track:
        return _SMOOTHING.draw(place)
    with place:
        st.caption("Smoothing goes along with a person over time: switch *Follow people* on for it.")
    return SmoothingSettings(smooth="none")


def _cropping(model: PoseModel, place: DeltaGenerator, decode: Mapping[str, Any]) -> CropSettings:
    names = crop_settings(model, decode)
    if not names:
        return CropSettings()
    controls = SettingControls(CropSettings, prefix=_CROP_PREFIX)
    with place:
        controls.draw(names)
    return CropSettings(**controls.values)
