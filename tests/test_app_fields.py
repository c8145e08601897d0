"""The Fields page in all its states, without a browser; every family through its fields and evidence alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from posecore.fields import Fields
from posecore.ui.fields.evidence_panel import Case
from tests.app_support import (
    MODEL,
    ROOT,
    ROUTER,
    forget_everything,
    forward_passes,
    install_model,
    jpeg,
    upload,
    without_shipped_models,
    words,
)
from tests.evidence_support import fake_fields, fake_trace

FAMILIES = (MODEL, "movenet-lightning.google_int8", "openpose-mobilenet_v2_small.tfpose")
WHY = "Why is this joint here?"


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()


def open_fields(**state: object) -> AppTest:
    """One visitor opens the page by its address."""
    app = AppTest.from_file(str(ROUTER), default_timeout=60)
    for name, value in state.items():
        app.session_state[name] = value
    app.switch_page(str(ROOT / "pages" / "fields.py")).run()
    assert not app.exception, app.exception
    return app


def test_without_a_model_it_offers_one() -> None:
    app = open_fields()
    assert "No model is on this machine yet" in words(app)
    assert app.button(key="fetch").label.startswith("Download it")


def test_without_a_picture_the_controls_stay(home: Path) -> None:
    install_model(home)
    app = open_fields(source="Upload")
    assert "Drop pictures into the field" in words(app)
    assert any(slider.label == "Pose threshold" for slider in app.slider)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_map_in_every_style_and_the_evidence(name: str, home: Path) -> None:
    install_model(home, name)
    app = open_fields(model_choice=name)
    kinds = app.segmented_control(key="map_kind").options
    assert len(kinds) >= 2
    for kind in kinds:
        app.segmented_control(key="map_kind").set_value(kind).run()
        vectors = any(widget.key == "map_style_vectors" for widget in app.segmented_control)
        key = "map_style_vectors" if vectors else "map_style"
        for style in app.segmented_control(key=key).options:
            app.segmented_control(key=key).set_value(style).run()
            assert not app.exception, (name, kind, style)
            assert not app.error, (name, kind, style)
    if "openpose" in name:
        assert app.segmented_control(key="map_stage").options == list("123456")
    app.session_state["fields_tab"] = WHY
    app.run()
    assert not app.exception
    assert "is at" in words(app) or "Nobody was found, so no joint has a place" in words(app)
    assert forward_passes() == 1


def test_the_channel_follows_the_joint_to_another_map(home: Path) -> None:
    install_model(home)
    app = open_fields()
    app.selectbox(key="map_channel").set_value("left knee").run()
    app.segmented_control(key="map_kind").set_value("Displacements").run()
    assert "left knee" in str(app.selectbox(key="map_channel").value)
    app.segmented_control(key="map_kind").set_value("Offsets").run()
    assert "left" in str(app.selectbox(key="map_channel").value)


def test_partners_and_peaks_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_model(home)
    trace = fake_trace()

    def case(model: Any, fields: Fields, settings: dict[str, object], _who: object) -> Case:
        return Case(model, fields, settings, model.decode(fields), trace)

    monkeypatch.setattr("posecore.ui.fields.page.open_case", case)
    app = open_fields(fields_tab=WHY)
    assert "Nose of person 1" in words(app)
    sections = app.segmented_control(key="why_section")
    assert list(sections.options) == ["How it was found", "Partners", "Peaks"]
    sections.set_value("Partners").run()
    assert any("partner" in table.value.columns for table in app.dataframe)
    app.selectbox(key="why_pair").select_index(1).run()
    assert "**Nose** with the **left shoulder** at x 100, y 50, score 0.70: chosen." in words(app)
    app.segmented_control(key="why_section").set_value("Peaks").run()
    app.selectbox(key="why_peak").select_index(2).run()
    assert "Pose threshold* decided" in words(app)
    app.button(key="why_try").click().run()
    assert not app.exception
    assert "No value of **Pose threshold**" in words(app)


def test_a_picture_in_which_nobody_is(home: Path) -> None:
    install_model(home)
    app = open_fields(fields_tab=WHY, source="Upload", pose_threshold=1.0)
    upload(app, ("grey.jpg", jpeg(320, 240)))
    assert "Nobody was found, so no joint has a place" in words(app)
    assert not app.error


# --- the maps --------------------------------------------------------------------------------------------------------


def test_saved_maps_are_read_back(tmp_path: Path) -> None:
    from posecore.ui.shared.pictures.downloads import fields_npz

    fields = fake_fields()
    (tmp_path / "fields.npz").write_bytes(fields_npz(type("", (), {"fields": fields})()))
    np.testing.assert_array_equal(Fields.load(tmp_path / "fields.npz")["offsets"].values, fields["offsets"].values)
    assert set(np.load(io.BytesIO((tmp_path / "fields.npz").read_bytes()))) >= {"heatmaps", "offsets"}
