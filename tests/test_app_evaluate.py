"""The Evaluate page: measured in the background, kept, compared, opened in Explore; bad files are a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.library import Library
from posecore.data.synthetic import write_dataset
from posecore.evaluation.saved import SavedEvaluations
from posecore.ui.evaluate.page import Evaluating
from posecore.ui.evaluate.work import evaluations
from posecore.ui.shared.background import close_all_tasks
from tests.app_support import as_read, forget_everything, kept, open_app, words

MODEL = "posenet-mobilenet_v1-075.posecore"


@pytest.fixture(autouse=True)
def drawn(home: Path) -> Path:
    close_all_tasks()
    forget_everything()
    return write_dataset(home / "datasets" / "drawn", 3, seed=3, size=(160, 160))


def settled(app: AppTest) -> AppTest:
    """Once what this visitor started has ended."""
    task = evaluations().get(kept(app, Evaluating).key)
    assert task is not None
    assert task.wait(60)
    app.run()
    assert not app.exception, app.exception
    return app


def test_measured_kept_opened_and_compared(home: Path) -> None:
    app = open_app("evaluate", model_choice=MODEL, eval_input_size=161)
    assert "How good is a model on your pictures?" in words(app)
    app.button(key="evaluate_start").click().run()
    settled(app)
    assert not app.error, words(app)
    assert {"AP", "AR", "OKS"} <= {metric.label for metric in app.metric}
    assert "Kept as" in words(app)
    (saved,) = SavedEvaluations().all()
    assert saved.head is not None
    assert saved.head.provenance.settings["input_size"] == 161
    assert {"Worst cases", "Where joints lie", "What goes wrong"} <= {one.value for one in app.subheader}
    app.segmented_control(key="evaluate_length").set_value("box").run()
    assert not app.exception
    app.session_state["evaluate_view"] = "Kept evaluations"
    app.session_state["evaluate_pair"] = (saved.name, SavedEvaluations().save(saved.measured(), "again").name)
    app.run()
    assert not app.exception, app.exception
    assert "On 3 pictures that both have" in words(app)
    app.session_state["evaluate_view"] = "Result"
    app.run()
    app.button(key="evaluate_fields_0").click().run()
    assert not app.exception, app.exception
    # AppTest stays on the page that it is told of.
    assert app.session_state["model_choice"] == MODEL
    assert app.session_state["input_size"] == 161
    assert app.session_state["source"] == "Upload"
    assert len(app.session_state["posecore"].uploads) == 1


def test_results_of_another_skeleton_are_a_sentence(drawn: Path, tmp_path: Path) -> None:
    app = open_app("evaluate", evaluate_what="Results file")
    assert app.button(key="evaluate_start").disabled
    wrong = [{"image_id": 1, "category_id": 1, "keypoints": [1.0, 2.0, 0.5] * 14, "score": 0.5}]
    app.file_uploader[0].upload("results.json", json.dumps(wrong).encode())
    app.run()
    assert "results.json" in words(app)
    app.button(key="evaluate_start").click().run()
    settled(app)
    assert "results of another skeleton" in as_read(app.error[0].value)
    assert as_read(app.error[0].value).startswith("results.json: result 1 has 42 figures")


def test_a_set_without_labels_cannot_be_measured(home: Path, drawn: Path) -> None:
    pictures = sorted((drawn.parent / "images").iterdir())
    library = Library(home / "datasets")
    library.create("waiting", pictures[:1], library.get("drawn").skeleton)
    app = open_app("evaluate", query={"set": "waiting"}, model_choice=MODEL)
    assert "None of these pictures is labelled yet" in words(app)
    assert app.button(key="evaluate_start").disabled
