"""Scores as chances: a decode-side step that every user of a model gets, and that results tell of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from posecore import load_model
from posecore.calibration import calibration_of, keep_calibration, read_calibration
from posecore.cli import app as cli
from posecore.data.synthetic import render_scene, write_dataset
from posecore.errors import DataError, ExportError, SettingsError
from posecore.export.plan import Plan, check
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.results import keypoint_table
from posecore.settings import CHANCES
from tests.app_support import forget_everything, install_model, open_app, words

NAMES = ("posenet-mobilenet_v1-075.posecore", "movenet-lightning.posecore", "openpose-mobilenet_thin.posecore")


@pytest.fixture(scope="module", params=NAMES)
def looked(request: pytest.FixtureRequest) -> tuple[PoseModel, Fields]:
    model = load_model(request.param)
    return model, model.fields(render_scene(3).image)


def everything(model: PoseModel, fields: Fields, **settings: Any) -> Poses:
    return model.decode(fields, **{**dict.fromkeys(CHANCES, 0.0), **settings})


def test_chances_take_the_place_of_scores(looked: tuple[PoseModel, Fields]) -> None:
    model, fields = looked
    assert model.calibration is not None, "shipped models come with a calibration"
    plain, chances = everything(model, fields), everything(model, fields, calibrated=True)
    expected = model.calibration.apply(plain)
    assert np.array_equal(chances.keypoints, expected.keypoints, equal_nan=True)
    assert np.array_equal(chances.scores, expected.scores)
    assert np.array_equal(chances.keypoint_scores, expected.keypoint_scores)
    assert len(plain)
    assert not np.array_equal(np.sort(plain.keypoint_scores.ravel()), np.sort(chances.keypoint_scores.ravel()))


def test_thresholds_are_chances_too(looked: tuple[PoseModel, Fields]) -> None:
    model, fields = looked
    chances = everything(model, fields, calibrated=True)
    cut = float(np.median(chances.keypoint_scores[chances.present]))
    shown = everything(model, fields, calibrated=True, keypoint_threshold=cut)
    assert np.array_equal(shown.present, chances.present & (chances.keypoint_scores >= np.float32(cut)))
    best = float(chances.scores.max())
    assert len(everything(model, fields, calibrated=True, pose_threshold=best)) >= 1
    assert not len(everything(model, fields, calibrated=True, pose_threshold=min(1.0, best + 0.01)))
    begun = model.decode_settings(calibrated=True).model_dump()
    assert {name: begun[name] for name in CHANCES} == dict(CHANCES)
    assert model.decode_settings(calibrated=True, pose_threshold=0.7).pose_threshold == 0.7


def test_the_evidence_keeps_to_the_poses(looked: tuple[PoseModel, Fields]) -> None:
    model, fields = looked
    poses, trace = model.decode(fields, trace=True, calibrated=True, pose_threshold=0.0, keypoint_threshold=0.0)
    assert len(trace.poses) == len(poses)
    for pose, joints in enumerate(trace.poses):
        for joint in joints:
            if poses.present[pose, joint.keypoint]:
                assert joint.score == pytest.approx(float(poses.keypoint_scores[pose, joint.keypoint]), abs=1e-6)
                assert np.allclose(joint.path[-1], poses.keypoints[pose, joint.keypoint], atol=0.01)


def test_results_say_so(looked: tuple[PoseModel, Fields]) -> None:
    model, fields = looked
    poses = everything(model, fields, calibrated=True)
    made = Poses.from_json(poses.to_json()).made_by
    assert made == poses.made_by
    assert made is not None
    assert made.decode_settings["calibrated"] is True
    assert "coco_train" in made.calibration
    assert "calibrated=True" in keypoint_table([("a.png", poses)], "file")["settings"].iloc[0]
    plain = everything(model, fields).made_by
    assert plain is not None
    assert not plain.calibration


def test_a_model_without_a_calibration_says_so(home: Path) -> None:
    install_model(home)
    model = load_model("posenet-mobilenet_v1-050.google_quant2")
    fields = model.fields(np.zeros((64, 64, 3), np.uint8))
    assert model.calibration is None
    with pytest.raises(SettingsError, match="posecore calibrate"):
        model.decode(fields, calibrated=True)


def test_exports_give_scores_as_they_are() -> None:
    with pytest.raises(ExportError, match="leave “calibrated” off"):
        check(load_model(NAMES[0]), Plan(settings={"calibrated": True}))


def test_own_calibrations_go_first_and_damaged_ones_are_told(home: Path) -> None:
    weights = load_model(NAMES[1]).weights_id
    shipped = calibration_of(weights)
    assert shipped is not None
    file = keep_calibration(shipped)
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "fitted_on": "my own pictures"}))
    again = calibration_of(weights)
    assert again is not None
    assert again.fitted_on == "my own pictures"
    broken = home / "broken.json"
    broken.write_text("{}")
    with pytest.raises(DataError, match="no calibration of posecore"):
        read_calibration(broken)
    assert calibration_of("unknown") is None


def test_the_command_makes_one(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.evaluation.calibration.FEWEST_SAMPLES", 20)
    labels = write_dataset(tmp_path / "drawn", 24, seed=3, size=(160, 160))
    report = tmp_path / "figures.json"
    arguments = ["--model", NAMES[0], "--input-size", "161", "--root-threshold", "0.05"]
    arguments += ["--annotations", str(labels), "--json", str(report)]
    result = CliRunner().invoke(cli, ["calibrate", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    figures = json.loads(report.read_text())
    assert figures["joints"]["pictures"] <= 24
    assert figures["joints"]["after"]["Brier"] < figures["joints"]["before"]["Brier"]
    found = calibration_of(load_model(NAMES[0]).weights_id)
    assert found is not None
    assert found.fitted_on.startswith("24 pictures")


def test_the_switch_keeps_thresholds_when_the_model_is_changed(home: Path) -> None:
    forget_everything()
    install_model(home)
    app = open_app(model_choice=NAMES[0])
    before = app.slider(key="pose_threshold").value
    app.toggle(key="calibrated").set_value(True).run()
    assert "Scores are chances" in words(app)
    assert app.slider(key="pose_threshold").value == CHANCES["pose_threshold"]
    app.slider(key="pose_threshold").set_value(0.2).run()
    app.selectbox(key="model_choice").set_value(NAMES[1]).run()
    assert app.toggle(key="calibrated").value
    assert app.slider(key="pose_threshold").value == 0.2
    app.selectbox(key="model_choice").set_value("posenet-mobilenet_v1-050.google_quant2").run()
    assert "No calibration for this model" in words(app)
    assert not app.exception
    app.selectbox(key="model_choice").set_value(NAMES[0]).run()
    assert app.toggle(key="calibrated").value
    app.toggle(key="calibrated").set_value(False).run()
    assert "Scores are chances" not in words(app)
    assert before != 0.2
