"""The Fields page in all its states, without a browser; every family through its fields and evidence alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from app_support import (
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
from streamlit.testing.v1 import AppTest

from posecore.drawing import field_values
from posecore.drawing.views import MapView, Style, channel_for, draw_view, tile_at
from posecore.evidence import (
    candidates_of,
    is_chosen,
    is_taken,
    limb_table,
    limbs_of,
    nearest_candidate,
    nearest_joint,
    step_table,
    tell_joint,
    tell_thresholds,
    try_setting,
)
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, Trace
from posecore.fields import FieldKind, FieldMap, Fields, Provenance
from posecore.imaging import letterbox
from posecore.settings import Control
from posecore.skeleton import COCO_17
from posecore.ui.fields.evidence_panel import Case
from posecore.ui.fields.marks import marks_of
from posecore.ui.shared.maps.map_readings import readable

FAMILIES = (MODEL, "movenet-lightning.google_int8", "openpose-mobilenet_v2_small.tfpose")
WHY = "Why is this joint here?"
NAMES = tuple(name.replace("_", " ") for name in COCO_17.keypoints)


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


def fake_fields() -> Fields:
    """Heatmaps and offsets of a letterboxed picture, with values that are easy to tell apart."""
    random = np.random.default_rng(0)
    grid = {"stride": 16.0, "origin": 7.5, "channels": COCO_17.keypoints, "keypoints": tuple(range(17))}
    heat = random.random((17, 12, 16), np.float32)
    offsets = random.normal(0, 9, (17, 2, 12, 16)).astype(np.float32)
    return Fields(
        "fake",
        (
            FieldMap("heatmaps", FieldKind.HEATMAP, heat, "probability", **grid),
            FieldMap("heatmaps_stage1", FieldKind.HEATMAP, heat[::-1], "probability", **grid, stage=-1),
            FieldMap("offsets", FieldKind.OFFSETS, offsets, "input px", **grid),
        ),
        letterbox((640, 400), (256, 192)),
        COCO_17,
        Provenance("picture", "model", "weights"),
    )


def fake_trace() -> Trace:
    """Two joints of one person, a peak that was not taken, and pairs that were compared."""
    way = np.array([[100.0, 50.0], [118.0, 61.0], [120.0, 60.0]])
    nose = JointEvidence(0, 5, way, ("start", "displaced", "refined"), 0.8)
    shoulder = JointEvidence(5, None, np.array([[100.0, 50.0]]), ("peak",), 0.9)
    samples = np.linspace(0, 1, 10)
    return Trace(
        ((nose, shoulder),),
        (
            Candidate(0, (300.0, 200.0), 0.4, "its person scores too low", "pose_threshold"),
            Candidate(0, (120.0, 60.0), 0.8, "taken"),
        ),
        (
            LimbEvidence((5, 0), (100.0, 50.0), (300.0, 200.0), samples, 0.2, False, "too weak", "limb_share"),
            LimbEvidence((5, 0), (100.0, 50.0), (120.0, 60.0), samples, 0.7, True, "chosen"),
        ),
    )


# --- the page --------------------------------------------------------------------------------------------------------


def test_without_a_model_it_offers_one() -> None:
    app = open_fields()
    assert "No model is on this machine yet" in words(app)
    assert app.button(key="fetch").label.startswith("Fetch it")


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
    assert "stands at" in words(app) or "Nobody was found, so no joint has a place" in words(app)
    assert forward_passes() == 1


def test_the_channel_follows_the_joint_to_another_map(home: Path) -> None:
    install_model(home)
    app = open_fields()
    app.selectbox(key="map_channel").set_value("left knee").run()
    app.segmented_control(key="map_kind").set_value("Displacements").run()
    assert "left knee" in app.selectbox(key="map_channel").value
    app.segmented_control(key="map_kind").set_value("Offsets").run()
    assert "left" in app.selectbox(key="map_channel").value


def test_partners_and_peaks_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_model(home)
    trace = fake_trace()

    def case(model: object, fields: Fields, settings: dict[str, object]) -> Case:
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


@pytest.mark.parametrize(("name", "channel"), [("heatmaps", 3), ("heatmaps", None), ("offsets", 4)])
def test_the_pointer_reads_what_is_drawn(name: str, channel: int | None) -> None:
    fields = fake_fields()
    view = MapView(name, channel, Style.HEAT if name == "heatmaps" else Style.ARROWS)
    read, drawn = readable(fields, view), field_values(fields, name, channel)
    assert read is not None
    random = np.random.default_rng(1)
    for x, y in zip(random.integers(0, 640, 50), random.integers(0, 400, 50), strict=True):
        u = np.clip((x - read.start[0]) / read.step[0], 0, 15)
        v = np.clip((y - read.start[1]) / read.step[1], 0, 11)
        i, j = min(int(u), 14), min(int(v), 10)
        cell = read.cells[..., j : j + 2, i : i + 2]
        value = np.array([1 - (v - j), v - j]) @ cell @ np.array([1 - (u - i), u - i])
        np.testing.assert_allclose(value, drawn[y, x], atol=1e-4)


def test_a_click_on_a_tile_means_its_channel() -> None:
    fields = fake_fields()
    picture = np.zeros((400, 640, 3), np.uint8)
    sheet = draw_view(picture, fields, MapView("heatmaps", None, Style.GRID), tile=160)
    height, width = sheet.shape[:2]
    assert tile_at(picture, fields["heatmaps"], (width, height), 5, 5) == 0
    assert tile_at(picture, fields["heatmaps"], (width, height), 170, 5) == 1
    assert tile_at(picture, fields["heatmaps"], (width, height), width - 3, height - 3) in (None, 16)


def test_edges_are_about_the_joint_they_start_from() -> None:
    field = replace(fake_fields()["offsets"], keypoints=None, edges=tuple((k, (k + 1) % 17) for k in range(17)))
    assert channel_for(field, 4) == 4
    assert channel_for(replace(field, edges=((1, 2),) * 17), 2) == 0
    assert channel_for(replace(field, edges=None), 2) is None


def test_saved_maps_are_read_back(tmp_path: Path) -> None:
    from posecore.ui.shared.pictures.downloads import fields_npz

    fields = fake_fields()
    (tmp_path / "fields.npz").write_bytes(fields_npz(type("", (), {"fields": fields})()))
    np.testing.assert_array_equal(Fields.load(tmp_path / "fields.npz")["offsets"].values, fields["offsets"].values)
    assert set(np.load(io.BytesIO((tmp_path / "fields.npz").read_bytes()))) >= {"heatmaps", "offsets"}


# --- the evidence ----------------------------------------------------------------------------------------------------


def test_a_joint_is_told_in_words_and_steps() -> None:
    trace, fields = fake_trace(), fake_fields()
    nose, shoulder = trace.poses[0]
    assert "came from the left shoulder, 22 pixels away" in tell_joint(nose, "Nose", NAMES)
    assert "not found from another joint" in tell_joint(shoulder, "Left shoulder", NAMES)
    table = step_table(nose, fields, NAMES)
    assert table["step"].tolist() == ["1. Left shoulder", "2. Along the arrow", "3. Moved exactly"]
    expected = field_values(fields, "heatmaps", 0)[60, 120]
    assert table["map"].iloc[-1] == pytest.approx(float(expected), abs=1e-5)
    hidden, _ = tell_thresholds(nose, 0.5, {"keypoint_threshold": 0.9, "pose_threshold": 0.25})
    assert hidden.startswith("Hidden now")


def test_the_nearest_evidence_is_meant() -> None:
    trace = fake_trace()
    assert nearest_joint(trace, (119, 62), 10) == (0, 0)
    assert nearest_joint(trace, (300, 200), 10) is None
    assert nearest_candidate(trace.candidates, (304, 200), 10) is trace.candidates[0]
    assert nearest_candidate(trace.candidates, (400, 200), 10) is None


def test_only_pairs_of_this_very_joint_are_partners() -> None:
    trace = fake_trace()
    assert [limb.outcome for limb in limbs_of(trace, 0, (120.0, 60.0))] == ["chosen"]
    limbs = limbs_of(trace, 5, (100.0, 50.0))
    assert [is_chosen(trace, limb) for limb in limbs] == [True, False]
    assert limb_table(limbs, 5, NAMES)["partner"].tolist() == ["nose", "nose"]
    marks = marks_of(trace.poses[0][0], candidates_of(trace, 0), limbs, trace.candidates[0])
    assert [mark.kind for mark in marks] == ["line", "line", "ring", "ring", "ring", "path"]


@pytest.mark.parametrize(
    ("kind", "limits", "now", "good", "expected"),
    [
        ("float", (0.0, 1.0), 0.5, lambda value: value <= 0.33, 0.33),
        ("int", (1, 20), 10, lambda value: value >= 13, 13),
        ("float", (0.0, 1.0), 0.5, lambda value: False, None),
    ],
)
def test_other_values_are_tried(
    kind: str, limits: tuple[float, float], now: float, good: object, expected: object
) -> None:
    control = Control("radius", "Radius", "", kind, now, minimum=limits[0], maximum=limits[1])
    candidate = Candidate(0, (5.0, 5.0), 0.5, "too near", "radius")

    def decode(changed: dict[str, float]) -> Trace:
        taken = good(changed["radius"])
        return Trace((), (replace(candidate, outcome="taken" if taken else "too near"),))

    trial = try_setting(decode, lambda trace: is_taken(trace, candidate), control, now, "taken")
    assert trial.value == (expected if expected is None else pytest.approx(expected, abs=0.01))
    assert "Radius" in str(trial)
