"""Measuring: what is measured, what is said of it, and the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from posecore.benchmark import STAGES, Judged, Row, Trial, front, measure, measure_apart, table_of, trials
from posecore.errors import PosecoreError
from posecore.ui.benchmark.chart import accuracy, bars
from tests.app_support import MODEL, forget_everything, install_model, open_app, without_shipped_models, words

SMALL = {"input_size": 65}
FIGURES = {stage: {"p5": 1.0, "p50": 2.0, "p95": 3.0} for stage in (*STAGES, "total")}


@pytest.fixture(autouse=True)
def _one_model(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    install_model(home)
    forget_everything()


def test_every_combination_is_a_trial() -> None:
    made = trials(["a", "b"], {"runtime": ["torch", "auto"], "input_size": [65, 97]}, {"antialias": False}, [1], [1, 4])
    assert len(made) == len({repr(one) for one in made}) == 16
    assert all(one.settings["antialias"] is False for one in made)
    assert not trials(["a"], {"runtime": []})


def test_rows_say_what_was_measured_or_why_not() -> None:
    """One row that cannot be measured leaves the others alone, and threads are as they were."""
    before = torch.get_num_threads()
    plan = [Trial(MODEL, {**SMALL, "output_stride": 7}, 1), Trial(MODEL, SMALL, 1, 2), Trial("nobody", {}, 1)]
    wrong, good, unknown = measure(plan, runs=2)
    assert "output_stride" in wrong.error
    assert "nobody" in unknown.error
    assert (good.error, good.computed, good.size) == ("", "torch float32", "65×49")
    parts = sum(good.milliseconds[stage]["p50"] for stage in STAGES)
    assert 0 < parts <= 2 * good.milliseconds["total"]["p95"]
    assert torch.get_num_threads() == before
    table = table_of([wrong, good, unknown])
    assert list(table["batch"]) == [1, 2, 1]
    assert table["total p50"].notna().tolist() == [False, True, False]
    assert len(bars([("good", good)]).data) == len(STAGES)


def test_another_process_measures_the_same(home: Path) -> None:
    # There, shipped models are there as well.
    (row,) = measure_apart([Trial(MODEL, SMALL, 1)], 1, threading.Event())
    assert (row.trial, row.computed) == (Trial(MODEL, SMALL, 1), "torch float32")
    assert row.milliseconds["network"]["p50"] > 0
    stop = threading.Event()
    stop.set()
    assert list(measure_apart([Trial(MODEL, SMALL, 1)], 1, stop)) == []


def test_a_process_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.benchmark.sys.executable", "/bin/false")
    with pytest.raises(PosecoreError, match="after 0 of 1 rows"):
        list(measure_apart([Trial(MODEL)], 1, threading.Event()))


def test_the_page_measures_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    judges: list[Judged | None] = []

    def pretend(wanted: Sequence[Trial], runs: int, stop: threading.Event, judged: Judged | None) -> Iterator[Row]:
        judges.append(judged)
        asked.extend(wanted)
        yield from (Row(trial, "torch float32", "65×65", FIGURES, 10.0, 1, 0.25) for trial in wanted[:-1])
        yield Row(wanted[-1], error="It could not be measured.")

    monkeypatch.setattr("posecore.ui.benchmark.page.measure_apart", pretend)
    app = open_app("benchmark")
    assert not app.exception
    app.multiselect(key="bench_sizes").set_value(["the model's own", 256]).run()
    app.toggle(key="bench_accuracy").set_value(True).run()
    assert any("4 rows" in caption.value for caption in app.caption)
    next(button for button in app.button if button.label == "Measure").click().run()
    from posecore.ui.benchmark.page import measurements

    (task,) = measurements()._known.values()
    assert task.wait(30)
    app.run()
    assert not app.exception
    assert [trial.settings.get("input_size") for trial in asked] == [None, 256, None, 256]
    assert judges == [Judged(pictures=40)]
    assert len(app.dataframe[0].value) == 4
    assert "Accuracy against time" in words(app)
    assert "It could not be measured" in words(app)
    app.multiselect(key="bench_models").set_value([]).run()
    assert next(button for button in app.button if button.label == "Measure").disabled


def test_the_front_is_what_none_beats_in_both() -> None:
    points = [(5.0, 0.3), (2.0, 0.2), (3.0, 0.2), (9.0, 0.5), (2.0, 0.1), (7.0, 0.3)]
    assert front(points) == [1, 0, 3]
    rows = [
        (str(index), Row(Trial("m"), milliseconds={"total": {"p50": x}}, ap=y)) for index, (x, y) in enumerate(points)
    ]
    line, kept, others = accuracy(rows).data
    assert list(line.x) == [2.0, 5.0, 9.0]
    assert list(kept.customdata) == ["0", "1", "3"]
    assert len(others.x) == 3


def test_accuracy_is_measured_with_the_settings_of_a_row(home: Path) -> None:
    """Drawn people, in another process; a part that has no pictures is an error of every row."""
    (row,) = measure_apart([Trial(MODEL, SMALL, 1)], 1, threading.Event(), Judged(pictures=2))
    assert not row.error
    assert row.ap is not None
    assert 0 <= row.ap <= 1
    (row,) = measure_apart([Trial(MODEL, SMALL, 1)], 1, threading.Event(), Judged("gone"))
    assert "gone" in row.error
