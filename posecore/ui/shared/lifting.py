"""People in three dimensions: whether they can be had here, and how tall they are."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError
from posecore.lifting import lift
from posecore.lifting.settings import LiftSettings
from posecore.skeleton import Skeleton
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.video import PoseSequence

LIFT_PREFIX = "lift_"


@st.cache_data(ttl=60, show_spinner=False)
def can_lift(names: tuple[str, ...]) -> bool:
    """Whether people of such joints can be lifted: the network's weights are there, and all limbs are known."""
    try:
        lift(PoseSequence.collect([], Skeleton("asked", names), (1, 1)))
    except PosecoreError:
        return False
    return True


def lift_settings(*names: str) -> LiftSettings:
    """Widgets for some of the settings, beside each other; the others are as they are usually."""
    controls = SettingControls(LiftSettings, prefix=LIFT_PREFIX)
    columns = st.columns([3, 2][: len(names)], gap="medium", vertical_alignment="bottom")
    for name, column in zip(names, columns, strict=True):
        with column:
            controls.draw([name], columns=1)
    # A height that nobody touched is assumed.
    usual = LiftSettings().model_dump()
    return LiftSettings(**{name: controls.values[name] for name in names if controls.values[name] != usual[name]})
