"""The controls of a model's decoder, with the switch that makes chances of its scores."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.settings import CHANCES
from posecore.ui.shared.address import asked_setting
from posecore.ui.shared.widgets.setting_controls import SettingControls

_SWITCH = "calibrated"
_NO_MAP = "Nobody has measured yet how often this model is right at which score: “posecore calibrate” does."


def decode_controls(model: PoseModel, prefix: str = "") -> SettingControls:
    """Controls of the decoder; thresholds begin elsewhere while scores are chances.

    Args:
        model: The model.
        prefix: Put before the names in session state and address.
    """
    known = has_calibration(model)
    defaults = CHANCES if known and wants_chances(prefix) else {}
    return SettingControls(
        model.decode_settings_class, defaults, prefix, unavailable={} if known else {_SWITCH: _NO_MAP}
    )


def wants_chances(prefix: str = "") -> bool:
    """Whether the switch is on, whatever the model."""
    said = (asked_setting(prefix + _SWITCH) or "").lower() == "true"
    return bool(st.session_state.get(prefix + _SWITCH, said))


def has_calibration(model: PoseModel) -> bool:
    """Whether its scores can be turned into chances; a damaged file counts as none."""
    try:
        return model.calibration is not None
    except PosecoreError:
        return False


def tell_chances(model: PoseModel) -> None:
    """A line about what scores mean now, unless they are what they always were."""
    if not wants_chances():
        return
    calibration = model.calibration if has_calibration(model) else None
    if calibration is None:
        st.caption(":material/warning: No calibration for this model: its scores are not chances. Thresholds differ.")
    else:
        st.caption(f":material/percent: Scores are chances of being right, learnt from {calibration.fitted_on}.")
