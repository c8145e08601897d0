"""The Train page: setting a run up, the queue, and a run that is looked at, without a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.library import Library
from posecore.errors import SettingsError
from posecore.runs import Registry, Run
from posecore.skeleton import COCO_17, Skeleton
from posecore.training.advice import SetFacts, facts_of, obstacle, warnings, what_happens
from posecore.training.config import make_config, read_config
from posecore.training.recipe import Recipe, suggest
from posecore.ui.app.server import keep_doing
from posecore.ui.shared.background import close_all_tasks
from tests.app_support import (
    forget_everything,
    install_model,
    open_app,
    wait_for_download,
    without_shipped_models,
    words,
)
from tests.run_support import drawn_set, written_run

BASE = "posenet-mobilenet_v1-050.google_quant2"


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()
    close_all_tasks()


@pytest.fixture
def base(home: Path) -> Path:
    """The file of the one model on this machine."""
    return install_model(home, BASE)


@pytest.fixture
def ready(base: Path) -> None:
    """A model and a set: everything that a run needs."""
    drawn_set()


@contextmanager
def at_work(run: Run) -> Iterator[None]:
    """Hold a run's lock, as the process that works on it does."""
    lock = run.lock
    assert lock.acquire()
    try:
        yield
    finally:
        lock.release()


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of this label."""
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def labels(app: AppTest) -> list[str]:
    """Labels of all buttons."""
    return [button.label for button in app.button]


# --- setting up ---


def test_without_pictures_the_page_says_where_to_get_some(base: Path) -> None:
    app = open_app("train")
    assert "There are no labelled pictures yet" in words(app)
    assert "Start training" not in labels(app)


def test_a_drawn_set_is_one_press_away(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.ui.shared.runs.train_setup.SYNTHETIC_PICTURES", 6)
    app = open_app("train")
    app.button(key="draw_set").click().run()
    assert not app.exception
    stored = Library().get("synthetic")
    assert set(stored.parts()) == {"train", "val"}
    assert "6 labelled pictures" in words(app)
    assert "Start training" in labels(app)


def test_a_set_without_people_says_what_to_do(base: Path, home: Path) -> None:
    pictures = sorted(drawn_set(split=0).pictures.iterdir())
    Library().create("blank", pictures, COCO_17)
    Library().remove("people")
    app = open_app("train")
    assert "Nobody is labelled in this set yet" in app.warning[0].value
    assert "Start training" not in labels(app)


def test_a_damaged_set_is_a_sentence(ready: None) -> None:
    Library().get("people").labels.write_text("{")
    app = open_app("train")
    assert "Choose another set" in app.error[0].value


def test_a_model_that_is_not_here_can_be_fetched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_set()

    def fetch(name: str, progress: object, agreed: bool) -> Path:
        return install_model(home, name)

    monkeypatch.setattr("posecore.ui.shared.models.downloads.fetch_model", fetch)
    app = open_app("train")
    assert "Start training" not in labels(app)
    name = str(app.selectbox(key="train_base").value)
    app.button(key="fetch_base").click().run()
    wait_for_download(name)
    app.run()
    assert not app.exception
    assert "Start training" in labels(app)


def test_the_form_begins_with_what_is_suggested(ready: None) -> None:
    app = open_app("train")
    facts = facts_of(Library().get("people"))
    suggestion = suggest(BASE, facts.training, facts.people, facts.skeleton)
    for name in ("part", "epochs", "learning_rate", "batch_size", "input_side", "augmentation", "patience", "seed"):
        assert app.get_by_key(f"recipe_{name}").value == getattr(suggestion, name), name


@pytest.mark.parametrize(("choice", "keypoints"), [("labels", 3), ("base", 17)])
def test_other_keypoints_are_learnt_or_the_models_own_are_kept(base: Path, choice: str, keypoints: int) -> None:
    drawn_set().set_skeleton(Skeleton("mine", ("nose", "left_wrist", "racket")))
    app = open_app("train")
    control = app.segmented_control(key="train_keypoints")
    assert control.value == "labels"
    control.set_value(choice).run()
    assert ("racket" in words(app)) == (choice == "labels")
    press(app, "Start training")
    (run,) = Registry().all()
    assert len(make_config(run.config).skeleton) == keypoints


def test_the_keypoints_are_no_question_where_they_are_the_same(ready: None) -> None:
    assert not [control for control in open_app("train").segmented_control if control.key == "train_keypoints"]


def test_what_was_changed_stays_until_it_is_set_back(ready: None) -> None:
    app = open_app("train")
    suggested = app.slider(key="recipe_epochs").value
    app.slider(key="recipe_epochs").set_value(7).run()
    app.switch_page("../../../pages/about.py").run()
    app.switch_page("../../../pages/train.py").run()
    assert app.slider(key="recipe_epochs").value == 7
    press(app, "Reset to suggested")
    assert app.slider(key="recipe_epochs").value == suggested


def test_an_untouched_setting_follows_the_set_and_a_touched_one_does_not(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_pictures(base: str, pictures: int, people: int, skeleton: Skeleton) -> Recipe:
        return suggest(base, pictures, people, skeleton).model_copy(update={"epochs": 10 * pictures, "patience": 50})

    monkeypatch.setattr("posecore.ui.shared.runs.train_setup.suggest", by_pictures)
    drawn_set("larger", 9, split=0)
    app = open_app("train", dataset="people")
    assert app.slider(key="recipe_epochs").value == 40
    app.slider(key="recipe_patience").set_value(3).run()
    app.selectbox(key="dataset").select("larger").run()
    assert app.slider(key="recipe_epochs").value == 90
    assert app.slider(key="recipe_patience").value == 3


def test_the_configuration_is_what_the_command_line_runs(ready: None, tmp_path: Path) -> None:
    app = open_app("train")
    press(app, "Start training")
    run = Registry().all()[0]
    fresh = open_app("train", train_tab="New run")
    fresh.text_input(key="run_name").set_value("people-1").run()
    text = next(code.value for code in fresh.code if "model:" in code.value)
    (tmp_path / "run.yaml").write_text(text)
    given = read_config(tmp_path / "run.yaml").model_dump(mode="json")
    queued = make_config(run.config).model_dump(mode="json")
    given["data"].pop("root")
    queued["data"].pop("root")
    assert given == queued


def test_start_puts_the_run_in_the_queue_and_shows_it(ready: None) -> None:
    app = open_app("train")
    app.text_input(key="run_name").set_value("mine").run()
    app.segmented_control(key="recipe_part").set_value("heads").run()
    press(app, "Start training")
    run = Registry().get("mine")
    assert run is not None
    assert run.state == "waiting"
    assert any(name.startswith("backbone") for name in run.config["model"]["freeze"])
    assert app.session_state["train_tab"] == "Queue"
    assert "Cancel" in labels(app)


@pytest.mark.parametrize("name", ["people 1", "../x", "-a", ""])
def test_a_name_that_cannot_be_one_starts_nothing(ready: None, name: str) -> None:
    app = open_app("train")
    app.text_input(key="run_name").set_value(name).run()
    assert app.error
    assert "Start training" not in labels(app)
    assert not Registry().all()


def test_a_taken_name_starts_nothing(ready: None) -> None:
    written_run("mine")
    app = open_app("train")
    app.text_input(key="run_name").set_value("mine").run()
    press(app, "Start training")
    assert "already" in app.error[0].value
    assert len(Registry().all()) == 1


FACTS = SetFacts("people", "People", COCO_17, 60, 0, 120, 48, 12, True, 300.0, 0)


def test_a_good_set_has_no_warnings() -> None:
    assert warnings(FACTS, COCO_17, 257, 8) == []
    assert obstacle(FACTS) == ""


def test_what_happens_is_said_before_it_does() -> None:
    said = what_happens(FACTS, 40, 10)
    assert said.startswith("Trains on 48 pictures and is measured on 12 others after each of 40 epochs; stops early")
    assert "stops early" not in what_happens(FACTS, 10, 10)
    assert "kept apart" in what_happens(replace(FACTS, split=False), 40, 10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"people": 5}, "Only 5 people are labelled"),
        ({"training": 3}, "smaller batch"),
        ({"split": False}, "no part for validation"),
        ({"validation": 1}, "Only 1 picture is for validation"),
        ({"waiting": 2}, "2 pictures wait for labels"),
        ({"person_side": 60.0}, "about 60 pixels"),
        ({"skeleton": replace(COCO_17, sides_known=False)}, "pictures are not mirrored"),
        ({"left_out": 1}, "1 entry of the set cannot be used"),
        ({"skeleton": Skeleton("racket", ("nose", "racket_head"))}, "does not know racket head"),
    ],
)
def test_what_may_disappoint_is_said(change: dict[str, Any], words: str) -> None:
    found = warnings(replace(FACTS, **change), COCO_17, 257, 8)
    assert len(found) == 1
    assert words in found[0]


# --- the estimate ---


def test_an_estimate_is_made_in_the_background(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def estimate(config: object, cancel: threading.Event) -> object:
        asked.set()
        assert go_on.wait(20)
        return SimpleNamespace(seconds=372.0, memory_bytes=1.2e9, note="38 people per epoch.")

    monkeypatch.setattr("posecore.ui.train.estimate.estimate", estimate)
    app = open_app("train")
    press(app, "Estimate")
    assert asked.wait(20)
    assert "Taking a few real steps" in words(app)
    go_on.set()
    _until(lambda: "About 6 min" in words(app.run()))
    assert "1.2 GB" in words(app)
    app.slider(key="recipe_epochs").set_value(9).run()
    assert "About 6 min" not in words(app)


def test_an_estimate_can_be_stopped(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    def estimate(config: object, cancel: threading.Event) -> object:
        assert cancel.wait(20)
        stopped.set()
        raise SettingsError("The estimate was cancelled.")

    monkeypatch.setattr("posecore.ui.train.estimate.estimate", estimate)
    app = press(open_app("train"), "Estimate")
    press(app, "Stop")
    assert stopped.wait(20)
    assert "Estimate" in labels(app)
    assert not app.warning


def test_an_estimate_that_fails_says_why(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(config: object, cancel: threading.Event) -> object:
        raise SettingsError("There is not enough memory for a batch size of 8; try 4.")

    monkeypatch.setattr("posecore.ui.train.estimate.estimate", estimate)
    app = press(open_app("train"), "Estimate")
    _until(lambda: bool(app.run().warning))
    assert "try 4" in app.warning[0].value
    assert "Try again" in labels(app)


def _until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


# --- the queue ---


def queue(**state: object) -> AppTest:
    """The Train page with the queue open."""
    return open_app("train", None, train_tab="Queue", **state)


def test_an_empty_queue_says_how_to_fill_it() -> None:
    assert "Nothing is in the queue" in words(queue())


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("waiting", {"Pause", "Cancel"}),
        ("paused", {"Resume", "Cancel"}),
        ("cancelled", {"Resume"}),
        ("failed", {"Resume"}),
        ("running", {"Resume", "Cancel"}),  # without a process: lost
        ("finished", set()),
    ],
)
def test_only_what_can_be_done_is_offered(status: str, expected: set[str]) -> None:
    written_run("mine", status)
    app = queue()
    assert {"Pause", "Resume", "Cancel"} & set(labels(app)) == expected
    assert not app.exception


def test_a_running_run_shows_curves_pictures_and_what_can_be_done() -> None:
    run = written_run("mine", "running", seconds=300.0)
    with at_work(run):
        app = queue()
        assert {"Pause", "Cancel"} <= set(labels(app))
        assert "epoch 3 of 4" in words(app)
        assert "2 min left" in words(app) or "100 s left" in words(app)
        assert "best OKS 0.600, before 0.300" in words(app)
        assert len(app.get("plotly_chart")) == 2
        assert app.select_slider[0].value == 3
        app.select_slider[0].set_value(1).run()
        Registry().record("mine", 4, {"validation/oks": 0.7})
        (run.folder / "overlays" / "epoch-0004.jpg").write_bytes(
            (run.folder / "overlays" / "epoch-0003.jpg").read_bytes()
        )
        app.run()
        assert app.select_slider[0].value == 1
        app.select_slider[0].set_value(4).run()
        assert "epoch 4 of 4" in words(app)
        press(app, "Pause")
        assert Registry().get("mine").state == "pausing"
        press(app, "Resume")
        assert Registry().get("mine").state == "running"


@pytest.mark.parametrize("tab", ["Pictures", "Log", "Learning rate", "Configuration"])
def test_every_tab_of_a_run_can_be_opened(tab: str) -> None:
    written_run("mine")
    app = queue(run_tab_mine=tab)
    assert not app.exception
    if tab == "Log":
        assert "the last line" in app.code[0].value
    if tab == "Configuration":
        assert "architecture" in app.code[0].value


def test_a_run_before_its_first_step_has_no_curves_yet() -> None:
    written_run("mine", "waiting", epochs=-1, weights=False)
    Registry().change("mine", progress=0.0)
    app = queue()
    assert "Curves appear with the first steps" in words(app)
    assert not app.get("plotly_chart")


def test_a_lost_run_says_so_and_can_be_resumed() -> None:
    written_run("mine", "running")
    app = queue()
    assert "lost" in words(app)
    assert "Resume the run" in app.error[0].value
    assert "the last line" in app.code[0].value
    press(app, "Resume")
    assert Registry().get("mine").state == "waiting"


def test_a_failed_run_says_why() -> None:
    written_run("mine", "failed", message="There is not enough memory for a batch size of 8; try 4.")
    assert "try 4" in queue().error[0].value


def test_cancelling_asks_first() -> None:
    run = written_run("mine", "running")
    with at_work(run):
        app = press(queue(), "Cancel")
        assert Registry().get("mine").state == "running"
        app.button(key="cancel_surely").click().run()
        assert not app.exception
        assert Registry().get("mine").state == "cancelling"


def test_a_run_that_ended_meanwhile_is_no_error() -> None:
    run = written_run("mine", "running")
    with at_work(run):
        app = queue()
    Registry().change("mine", status="finished", progress=1.0)
    press(app, "Pause")
    assert "finished" in app.error[0].value


def test_runs_are_listed_in_the_order_in_which_they_are_worked_on() -> None:
    for name, status in (("old", "finished"), ("later", "waiting"), ("now", "running"), ("next", "waiting")):
        written_run(name, status, queued={"now": 1.0, "next": 2.0, "later": 3.0}.get(name, 0.0))
    run = Registry().get("now")
    assert run is not None
    with at_work(run):
        shown = [label for label in labels(queue()) if label in ("old", "later", "now", "next")]
    assert shown == ["now", "next", "later", "old"]


def test_another_run_can_be_looked_at() -> None:
    written_run("one")
    written_run("two")
    app = press(queue(), "one")
    assert app.query_params["run"] == "one"
    assert "**one**" in words(app)


# --- beside the pages ---


def test_the_dispatcher_survives_what_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    ended, calls = threading.Event(), []

    def dispatch() -> None:
        calls.append(1)
        if len(calls) == 4:
            ended.set()
        if len(calls) in (1, 2):
            raise OSError("the disk is full")

    keep_doing(dispatch, ended, interval=0.001)
    assert len(calls) == 4
    assert sum("beside the pages failed" in record.message for record in caplog.records) == 1
