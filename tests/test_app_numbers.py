"""Numbers that are slid and typed: one value, whichever way it comes."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from posecore.ui.shared.widgets.numbers import on_step


@pytest.mark.parametrize(
    ("value", "low", "high", "step", "nearest"),
    [
        (320, 65, 2049, 16, 321),
        (2049, 65, 2049, 16, 2049),
        (5, 0, 7, 3, 6),
        (8, 0, 7, 3, 7),
        (0.314, 0.0, 1.0, 0.01, 0.31),
        (0.3, 0.0, 1.0, 0.01, 0.3),
        (0.07, 0.02, 0.5, 0.05, 0.07),
    ],
)
def test_what_is_typed_is_taken_at_the_nearest_step(
    value: float, low: float, high: float, step: float, nearest: float
) -> None:
    taken = on_step(value, low, high, step)
    assert taken == nearest
    assert type(taken) is type(step)


def _page() -> None:
    import streamlit as st

    from posecore.ui.shared.widgets.numbers import number

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.button("Reset", on_click=lambda: st.session_state.update(size=257))
    st.text(number("Size", 65, 2049, 257, step=16, key="size"))


def test_slider_and_field_follow_each_other() -> None:
    app = AppTest.from_function(_page).run()
    field, slider = app.number_input(key="size_typed"), app.slider(key="size")
    assert field.value == slider.value == 257

    field.set_value(320).run()
    assert app.text[0].value == "321"
    assert app.slider(key="size").value == app.number_input(key="size_typed").value == 321
    assert app.session_state["runs"] == 2

    app.slider(key="size").set_value(417).run()
    assert app.text[0].value == "417"
    assert app.number_input(key="size_typed").value == 417

    app.button[0].click().run()
    assert app.slider(key="size").value == app.number_input(key="size_typed").value == 257
    assert app.session_state["runs"] == 4


def _settings() -> None:
    import streamlit as st

    from posecore.families.posenet.codec import PoseNetDecodeSettings
    from posecore.ui.shared.widgets.setting_controls import SettingControls

    controls = SettingControls(PoseNetDecodeSettings)
    controls.draw(controls.main)
    st.button("Reset", on_click=controls.reset)


def test_addresses_say_settings_and_bring_them_back() -> None:
    app = AppTest.from_function(_settings, default_timeout=60)
    app.query_params.update(pose_threshold="0.404", max_poses="1e9", nms_radius="far", keypoint_threshold="0.10")
    app.run()
    assert app.slider(key="pose_threshold").value == app.number_input(key="pose_threshold_typed").value == 0.4
    assert app.slider(key="max_poses").value == 100
    assert dict(app.query_params) == {"pose_threshold": "0.4", "max_poses": "100"}

    app.number_input(key="pose_threshold_typed").set_value(1.0).run()
    assert app.query_params["pose_threshold"] == "1"
    app.button[0].click().run()
    assert not app.query_params
    assert app.slider(key="pose_threshold").value == app.number_input(key="pose_threshold_typed").value == 0.25
