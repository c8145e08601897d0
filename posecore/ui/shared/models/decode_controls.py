"""The controls of a model's decoder, with the switch that makes chances of its scores."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.settings import CHANCES
from posecore.ui.shared.address import asked_setting
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.zoo.guide import Preset, guide

_SWITCH = "calibrated"
_PRESET, _USUAL = "decoder_preset", "Usual"
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


def pick_preset(model: PoseModel, controls: SettingControls) -> None:
    """Thresholds for a purpose, where some were measured; what is chosen moves the controls, and their place says it.

    Args:
        model: The model.
        controls: Of its decoder, not drawn yet.
    """
    presets: dict[str, Preset] = {preset.word: preset for preset in guide().presets.get(model.name, ())}
    if not presets or wants_chances():
        return
    usual: dict[str, float] = {name: controls.defaults[name] for preset in presets.values() for name in preset.settings}
    choices: dict[str, Mapping[str, float]] = {_USUAL: usual, **{word: one.settings for word, one in presets.items()}}
    values = controls.values
    chosen = next((word for word, some in choices.items() if all(values[name] == some[name] for name in some)), None)
    st.session_state[_PRESET] = chosen
    st.segmented_control(
        "Thresholds for",
        list(choices),
        key=_PRESET,
        on_change=lambda: controls.take(choices.get(st.session_state[_PRESET] or "", {})),
        label_visibility="collapsed",
        help="Thresholds that were measured for this model; the sliders below follow, and can be moved on from there.",
        width="stretch",
    )
    if chosen in presets:
        st.caption(presets[chosen].sentences)


def tell_chances(model: PoseModel) -> None:
    """A line about what scores mean now, unless they are what they always were."""
    if not wants_chances():
        return
    calibration = model.calibration if has_calibration(model) else None
    if calibration is None:
        st.caption(":material/warning: No calibration for this model: its scores are not chances. Thresholds differ.")
    else:
        st.caption(f":material/percent: Scores are chances of being right, learnt from {calibration.fitted_on}.")
