"""The Runs page: before and after, using a run's model, taking it away, comparing runs, without a browser."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.library import Library
from posecore.errors import DataError
from posecore.evaluation import Interval
from posecore.poses import Poses
from posecore.runs import Registry, Run
from posecore.skeleton import COCO_17
from posecore.training.card import archive, model_card
from posecore.training.comparison import Comparison, Figures, PictureChange
from posecore.training.config import read_config
from posecore.ui.shared.background import close_all_tasks
from posecore.ui.shared.runs.run_curves import line_of, over_epochs, run_comparison
from posecore.ui.shared.runs.run_words import ago, duration
from posecore.zoo import list_models, load_model
from tests.app_support import forget_everything, install_model, open_app, without_shipped_models, words
from tests.run_support import ARCHITECTURE, drawn_set, write_weights, written_run


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()
    close_all_tasks()


Compared = Callable[[Run, Any, threading.Event], Comparison]


def compared(monkeypatch: pytest.MonkeyPatch, work: Compared) -> None:
    """Let the page's comparisons be made by ``work``."""
    monkeypatch.setattr("posecore.ui.runs.before_after.compare", work)


def a_comparison(run: Run, base: bool = True) -> Comparison:
    """Three pictures: one got better, one stayed, one got worse."""
    pictures = sorted(drawn_set(split=0).pictures.iterdir())[:3]
    before, after = Figures(0.2, 0.3, 0.5, {"nose": 0.4}), Figures(0.25, 0.3, 0.45, {"nose": 0.6})
    poses = Poses(
        np.full((1, 17, 2), 40, np.float32), np.ones((1, 17), np.float32), np.ones(1, np.float32), COCO_17, (640, 480)
    )
    changes = [
        PictureChange(path, poses, 0.5 if base else None, score, poses if base else None, poses)
        for path, score in zip(pictures, (0.9, 0.5, 0.1), strict=True)
    ]
    intervals = {"ap": Interval(0.01, 0.09), "pck": Interval(-0.2, 0.1)} if base else {}
    return Comparison(
        run.name,
        "the base" if base else None,
        ("nose",),
        before if base else None,
        after,
        changes,
        "A note.",
        intervals=intervals,
    )


def until(app: AppTest, condition: Callable[[], bool]) -> AppTest:
    """Run the page until something holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
        app.run()
        assert not app.exception, app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of this label."""
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


# --- what is shown ---


def test_without_runs_the_page_says_how_to_make_one() -> None:
    app = open_app("runs")
    assert "There are no training runs yet" in words(app)
    assert "posecore train" in words(app)


def test_before_and_after_is_measured_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    go_on = threading.Event()

    def work(run: Run, progress: Callable[[int, int], None], cancel: threading.Event) -> Comparison:
        progress(1, 4)
        assert go_on.wait(20)
        return found

    found = a_comparison(run)
    compared(monkeypatch, work)
    app = open_app("runs")
    until(app, lambda: bool(app.get("progress")) and app.get("progress")[0].value == 25)
    assert not app.metric
    go_on.set()
    until(app, lambda: bool(app.metric))
    values = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert values["Average precision (AP)"] == ("0.250", "+0.050 from 0.200")
    assert values["Average recall (AR)"] == ("0.300", "as before (0.300)")
    assert values["Correct joints (PCK@0.2)"] == ("0.450", "-0.050 from 0.500, within chance")
    assert "3 validation pictures" in words(app)
    assert "A note." in words(app)


def test_pictures_are_ordered_by_change(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    found = a_comparison(run)
    compared(monkeypatch, lambda run, progress, cancel: found)
    app = open_app("runs")
    until(app, lambda: bool(app.metric))
    assert "after · 0.90" in words(app)
    app.segmented_control(key="change_order").set_value("Largest regressions first").run()
    assert not app.exception
    assert "after · 0.10" in words(app)
    assert "labelled" not in [caption.value for caption in app.caption]
    app.toggle(key="change_labels").set_value(True).run()
    assert "labelled" in [caption.value for caption in app.caption]


def test_a_run_from_random_weights_has_no_before(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    found = a_comparison(run, base=False)
    compared(monkeypatch, lambda run, progress, cancel: found)
    app = open_app("runs")
    until(app, lambda: bool(app.metric))
    assert app.metric[0].delta == ""
    assert not any(caption.value.startswith("before") for caption in app.caption)


def test_pictures_that_are_gone_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    found = a_comparison(run)
    found.pictures[0].path.unlink()
    compared(monkeypatch, lambda run, progress, cancel: found)
    app = open_app("runs")
    until(app, lambda: bool(app.metric))
    assert "cannot be read any more" in app.warning[0].value


def test_visitors_who_may_only_look_have_no_models_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    written_run("mine")
    calls: list[object] = []
    compared(monkeypatch, lambda *asked: calls.append(asked))  # type: ignore[arg-type]
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    app = open_app("runs")
    until(app, lambda: bool(app.error))
    assert "Comparing models is not allowed to visitors" in words(app)
    assert not calls


def test_a_comparison_that_fails_says_why_and_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    found = a_comparison(run)
    calls: list[int] = []

    def work(run: Run, progress: object, cancel: object) -> Comparison:
        calls.append(1)
        if len(calls) == 1:
            raise DataError("The pictures of this set are gone; put them back.")
        return found

    compared(monkeypatch, work)
    app = open_app("runs")
    until(app, lambda: bool(app.error))
    assert "put them back" in app.error[0].value
    press(app, "Try again")
    until(app, lambda: bool(app.metric))
    assert len(calls) == 2


def test_new_weights_are_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine")
    found = a_comparison(run)
    calls: list[int] = []

    def work(run: Run, progress: object, cancel: object) -> Comparison:
        calls.append(1)
        return found

    compared(monkeypatch, work)
    app = open_app("runs")
    until(app, lambda: bool(app.metric))
    app.run()
    assert len(calls) == 1
    write_weights("mine", seed=5)
    app.run()
    until(app, lambda: len(calls) == 2)


def test_a_run_at_work_is_compared_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    run = written_run("mine", "waiting")
    found = a_comparison(run)
    compared(monkeypatch, lambda run, progress, cancel: found)
    app = open_app("runs")
    assert "still at work" in app.info[0].value
    app.button(key="compare_now").click().run()
    until(app, lambda: bool(app.metric))


def test_a_run_without_weights_offers_nothing_that_needs_them() -> None:
    written_run("mine", "failed", weights=False, message="The disk is full.")
    app = open_app("runs")
    assert "ended before its first epoch" in app.info[0].value
    assert app.menu_button(key="use_in").disabled
    assert next(button for button in app.button if button.label == "Continue from it").disabled
    assert not next(button for button in app.button if button.label == "Delete").disabled


@pytest.mark.parametrize("tab", ["Training", "Compare", "All 2 runs"])
def test_every_tab_can_be_opened(tab: str) -> None:
    written_run("one")
    written_run("two", "failed", weights=False)
    app = open_app("runs", runs_tab=tab)
    assert not app.exception
    assert app.get("plotly_chart") or app.dataframe


def test_runs_of_the_command_line_are_there_too() -> None:
    written_run("one")
    Registry().add("from-a-terminal", Registry().get("one").config, "waiting")
    app = open_app("runs")
    assert any("from-a-terminal" in option for option in app.selectbox(key="run").options)


def test_a_link_names_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    written_run("one", "waiting", weights=False)
    written_run("two", "waiting", weights=False)
    assert open_app("runs").selectbox(key="run").value == "two"
    app = open_app()
    app.switch_page("../../../pages/runs.py")
    app.query_params["run"] = "one"
    app.run()
    assert app.selectbox(key="run").value == "one"


# --- what can be done ---


@pytest.mark.parametrize("page", ["Explore", "Fields"])
def test_the_model_is_used_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    run = written_run("mine")
    compared(monkeypatch, lambda run, progress, cancel: a_comparison(run))
    app = open_app("runs")
    app.menu_button(key="use_in").click(page).run()
    assert not app.exception
    assert app.selectbox(key="model_choice").value == f"run:{run.name}"


def test_a_new_model_is_in_the_lists_without_a_restart(home: Path) -> None:
    install_model(home)
    app = open_app()
    assert "run:mine" not in app.selectbox(key="model_choice").options
    written_run("mine")
    app.run()
    assert any(info.name == "run:mine" for info in list_models())
    app.selectbox(key="model_choice").set_value("run:mine").run()
    assert not app.exception
    assert app.selectbox(key="model_choice").value == "run:mine"


def test_weights_that_were_replaced_are_loaded_anew() -> None:
    written_run("mine")
    app = open_app(query={"model": "run:mine"})
    first = load_model("run:mine").weights_id
    from posecore.ui.shared.models.engine import shared_model
    from posecore.zoo import list_models as listed

    info = next(info for info in listed() if info.name == "run:mine")
    assert shared_model(info).weights_id == first
    write_weights("mine", seed=9)
    app.run()
    assert not app.exception
    info = next(info for info in listed() if info.name == "run:mine")
    assert shared_model(info).weights_id == load_model("run:mine").weights_id != first


def test_going_on_from_a_run_chooses_it_as_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_set("more")
    written_run("mine_2", "paused")
    compared(monkeypatch, lambda run, progress, cancel: a_comparison(run))
    app = press(open_app("runs"), "Continue from it")
    assert app.selectbox(key="train_base").value == "run:mine_2"


@pytest.mark.parametrize("known", [True, False])
def test_going_on_from_a_run_opens_the_set_it_learnt_from(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """Whichever set was added or looked at last; without it, any other."""
    first = drawn_set("first")
    sources = first.sources()
    written_run("mine", data={part: [one.model_dump() for one in sources._asdict()[part]] for part in sources._fields})
    drawn_set("newest")
    if not known:
        Library().remove("first")
    compared(monkeypatch, lambda run, progress, cancel: a_comparison(run))
    app = press(open_app("runs"), "Continue from it")
    assert app.selectbox(key="train_base").value == "run:mine"
    assert app.selectbox(key="dataset").value == ("first" if known else "newest")


def test_a_run_gets_another_name_and_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    written_run("mine")
    compared(monkeypatch, lambda run, progress, cancel: a_comparison(run))
    app = press(open_app("runs"), "Rename, note")
    app.text_input(key="new_name").set_value("better")
    app.text_area(key="new_note").set_value("with more pictures")
    press(app, "Save")
    run = Registry().get("better")
    assert run is not None
    assert run.note == "with more pictures"
    assert Registry().get("mine") is None
    assert app.selectbox(key="run").value == "better"
    assert "with more pictures" in words(app)


def test_a_name_that_is_taken_is_refused() -> None:
    written_run("other", "waiting", weights=False)
    written_run("mine", "failed", weights=False)
    app = press(open_app("runs"), "Rename, note")
    app.text_input(key="new_name").set_value("other")
    press(app, "Save")
    assert "already" in app.error[0].value
    assert {run.name for run in Registry().all()} == {"mine", "other"}


def test_deleting_asks_first_and_takes_the_files() -> None:
    run = written_run("mine", "failed", weights=False)
    app = press(open_app("runs"), "Delete")
    assert Registry().get("mine") is not None
    app.button(key="delete_surely").click().run()
    assert not app.exception
    assert "There are no training runs yet" in words(app)
    assert not run.folder.exists()


# --- taking away ---


def test_the_archive_holds_what_is_needed_to_use_and_repeat_the_run(tmp_path: Path) -> None:
    run = written_run("mine")
    with zipfile.ZipFile(io.BytesIO(archive(run, a_comparison(run)))) as file:
        file.extractall(tmp_path)
        assert set(file.namelist()) == {"mine.safetensors", "config.yaml", "README.md"}
    assert read_config(tmp_path / "config.yaml").model_dump(mode="json") == run.config
    model = load_model(ARCHITECTURE, weights=tmp_path / "mine.safetensors")
    assert model.weights_id == load_model("run:mine").weights_id
    card = (tmp_path / "README.md").read_text()
    for part in (
        "## Data",
        "## Recipe",
        "## Figures",
        "## Licence",
        "| AP | 0.200 | 0.250 | +0.010 … +0.090 |",
        "| AR | 0.300 | 0.300 | – |",
        "| PCK@0.2 | 0.500 | 0.450 | -0.200 … +0.100 |",
        "Within chance on these pictures: PCK@0.2 (-0.200 … +0.100).",
    ):
        assert part in card
    assert "3 of at most 4 epochs" in card


def test_a_card_without_measurements_says_what_was_measured_during_training() -> None:
    card = model_card(written_run("mine"))
    assert "oks 0.6, pck 0.2" in card


# --- charts and words ---


def test_curves_know_the_value_before_training() -> None:
    epochs = [(0, {"a": 1.0}), (1, {"a": 2.0, "steps": 10.0}), (2, {"steps": 20.0})]
    line = line_of("A", "a", "red", epochs)
    assert (line.points, line.before) == ([(0, 1.0), (1, 2.0)], 1.0)
    assert over_epochs([(5, 0.5, 0.1), (20, 0.4, 0.2)], epochs, 0.5, 4) == [(0.5, 0.5, 0.1), (2.0, 0.4, 0.2)]
    # Before the first epoch is over its length is known from the progress.
    assert over_epochs([(5, 0.5, 0.1)], [], 0.125, 4) == [(0.5, 0.5, 0.1)]
    assert over_epochs([], [], 0.0, 4) == []


@pytest.mark.parametrize(("over", "last"), [("epochs", 2), ("minutes", 7.5)])
def test_runs_are_compared_over_epochs_or_minutes(over: str, last: float) -> None:
    runs = {"one": [(1, {"a": 1.0, "minutes": 3.0}), (2, {"a": 2.0, "minutes": 7.5})], "none": []}
    chart = run_comparison(runs, "a", over=over, title="A")
    assert [trace.name for trace in chart.data] == ["one", "none"]
    assert chart.data[0].x[-1] == last


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (40, "40 s"), (372, "6 min"), (5400, "1 h 30 min"), (7190, "2 h")]
)
def test_durations_are_as_exact_as_people_need(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ago() -> None:
    assert ago(100.0, 130.0) == "just now"
    assert ago(100.0, 460.0) == "6 min ago"
    assert ":" in ago(100.0, 1e6)
