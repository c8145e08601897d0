"""Benchmark: models, runtimes and settings side by side on the machine that serves this page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, get_args

import pandas as pd
import streamlit as st

from posecore.benchmark import Judged, Row, Trial, machine_facts, measure_apart, table_of, trials
from posecore.errors import PosecoreError
from posecore.runtimes.engines import ENGINES
from posecore.settings import NetworkSettings
from posecore.ui.benchmark.chart import accuracy, bars
from posecore.ui.shared.address import Parameter
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.model_picker import choose_model
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.sets.labelled_set import SAMPLE, pick_labelled_set
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.numbers import number
from posecore.ui.shared.widgets.watching import watch
from posecore.zoo import ModelInfo, list_models

#: Session state: the plan that this visitor measured last.
_PLAN = "benchmark_plan"
#: Rows that one plan may have.
MOST_ROWS = 60
#: Sizes to choose from beside each model's own, in pixels of the longer side of the input.
_SIZES = (192, 256, 320, 384, 448, 512)
_OWN = "the model's own"

Measuring = Tasks[list[Row], list[Row]]


def measurements() -> Measuring:
    """Plans that are being measured, one after the other: two at once would measure each other."""
    return tasks("benchmark")


def main() -> None:
    """The page."""
    facts = machine_facts()
    st.markdown(
        "How long this machine takes for a picture of people, each stage apart. It is measured in a process of its "
        "own; whatever else the machine does meanwhile makes every row slower."
    )
    st.caption(" · ".join(f"{plain(name).capitalize()}: {plain(value)}" for name, value in facts.items()))
    with st.container(border=True):
        wanted, runs = plan()
        judged = judging()
        task = measurements().get(st.session_state.get(_PLAN))
        _start_button(wanted, runs, judged, task)
    if task is None:
        return
    if task.active:
        watch(task, lambda: progress(task))
        return
    if task.error:
        st.error(task.error, icon=":material/error:")
    rows = task.result or task.report or []
    if rows:
        results(rows)


def plan() -> tuple[list[Trial], int]:
    """The controls; what they ask for and how often each is timed."""
    here = {info.name: info for info in list_models() if info.available}
    runtimes = ["auto", "torch", *(name for name, engine in ENGINES.items() if engine.installed())]
    models = st.multiselect(
        "Models", list(here), default=list(here)[:1], format_func=lambda name: _title(here[name]), key="bench_models"
    )
    left, middle, right = st.columns(3, gap="medium")
    with left:
        chosen = st.multiselect("Runtimes", runtimes, default=["auto", "torch"], key="bench_runtimes")
        precisions = st.multiselect("Precisions", _choices("precision"), default=["auto"], key="bench_precisions")
    with middle:
        sizes = st.multiselect("Input sizes", [_OWN, *_SIZES], default=[_OWN], key="bench_sizes")
        cores = os.cpu_count() or 1
        threads = st.multiselect(
            "Threads", sorted({1, 2, 4, 8, cores} & set(range(1, cores + 1))), default=[min(2, cores)],
            key="bench_threads",
        )  # fmt: skip
    with right:
        batches = st.multiselect("Pictures at a time", [1, 2, 4, 8, 16], default=[1], key="bench_batches")
        runs = number("Timed runs", 5, 100, 20, step=5, key="bench_runs")
    each: dict[str, Sequence[Any]] = {"runtime": chosen, "precision": precisions, "input_size": sizes}
    return [_without_own_size(one) for one in trials(models, each, threads=threads, batches=batches)], runs


def judging() -> Judged | None:
    """The controls for accuracy; None where it is not measured."""
    if not st.toggle(
        "Accuracy as well", key="bench_accuracy", help="AP on labelled people, each cut out, with every row's settings."
    ):
        return None
    chosen = pick_labelled_set()
    if chosen is None:
        return None
    count = st.slider("Pictures to judge by", 10, 300, 40, step=10, key="bench_judged", width=360)
    name, _, part = ("" if chosen.name == SAMPLE else chosen.name).partition("/")
    return Judged(name, part or None, count)


def _choices(setting: str) -> list[str]:
    return list(get_args(NetworkSettings.model_fields[setting].annotation))


def _title(info: ModelInfo) -> str:
    return info.title if info.tag == "posecore" else f"{info.title} ({info.tag})"


def _without_own_size(trial: Trial) -> Trial:
    settings = {name: value for name, value in trial.settings.items() if value != _OWN}
    return Trial(trial.model, settings, trial.threads, trial.batch)


def _start_button(
    wanted: Sequence[Trial], runs: int, judged: Judged | None, task: Task[list[Row], list[Row]] | None
) -> None:
    count = len(wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(
            "Measure",
            type="primary",
            icon=":material/speed:",
            disabled=not 0 < count <= MOST_ROWS or (task is not None and task.active),
        )
        if count > MOST_ROWS:
            st.markdown(f":orange[{count} rows; choose fewer, {MOST_ROWS} at most.]")
        else:
            st.caption(f"{count} rows" if count else "Choose at least one of everything.")
    if not pressed:
        return
    key = (tuple((one.model, repr(one.settings), one.threads, one.batch) for one in wanted), runs, judged)
    try:
        require("use", "Measuring")
        measurements().start(key, lambda task: _measure(task, wanted, runs, judged), again=True, ends_with_session=True)
    except PosecoreError as error:
        show_error(error)
        return
    st.session_state[_PLAN] = key
    st.rerun()


def _measure(task: Task[list[Row], list[Row]], wanted: Sequence[Trial], runs: int, judged: Judged | None) -> list[Row]:
    rows: list[Row] = []
    for row in measure_apart(wanted, runs, task.stop, judged):
        rows.append(row)
        task.tell([*rows])
    return rows


def progress(task: Task[list[Row], list[Row]]) -> None:
    """How far a plan is, and what there is of it."""
    key: Any = task.key
    done, count = len(task.report or ()), len(key[0])
    before = measurements().waiting_before(task) if task.state == "waiting" else 0
    said = f"{done} of {count} rows" if task.state == "working" else f"Waiting for {before + 1} other measurements"
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(done / count, text=said)
    right.button("Cancel", on_click=task.cancel, icon=":material/close:", key="bench_cancel")
    if task.report:
        st.dataframe(shown_table(task.report), hide_index=True)


def results(rows: Sequence[Row]) -> None:
    """Table, bars, the file, and a way to use a row."""
    table = table_of(rows)
    picked = st.dataframe(
        shown_table(rows), hide_index=True, selection_mode="single-row", on_select="rerun", key="bench_table"
    )
    for row in rows:
        if row.error:
            st.warning(f"{plain(_words(row.trial))}: {plain(row.error)}", icon=":material/info:")
    chosen = next(iter(picked.selection.rows), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Table (CSV)", table.to_csv(index=False), "benchmark.csv", "text/csv", icon=":material/download:"
        )
        usable = chosen is not None and chosen < len(rows) and not rows[chosen].error
        if st.button("Use this", icon=":material/play_arrow:", disabled=not usable) and chosen is not None:
            use(rows[chosen].trial)
        if not usable:
            st.caption("Choose a row of the table to use its model and settings.")
    good = [(_words(row.trial), row) for row in rows if not row.error]
    rated = [(words, row) for words, row in good if row.ap is not None]
    if rated:
        st.markdown("**Accuracy against time**")
        st.plotly_chart(accuracy(rated), key="bench_accuracy_chart")
    st.plotly_chart(bars(good), key="bench_bars")


def shown_table(rows: Sequence[Row]) -> pd.DataFrame:
    """What of the table is worth its room on the page; milliseconds with one digit."""
    table = table_of(rows).drop(columns=["total p5", "error"])
    digits = {name: 3 if name == "AP" else 1 for name in table}
    return table.round(digits).rename(columns={"total p50": "total", "total p95": "95 %"})


def _words(trial: Trial) -> str:
    settings = [str(value) for value in trial.settings.values()]
    batch = [f"{trial.batch} at a time"] if trial.batch > 1 else []
    return " · ".join([trial.model, *settings, f"{trial.threads} threads", *batch])


def use(trial: Trial) -> None:
    """Go to Explore with a row's model and settings."""
    choose_model(trial.model)
    session().address_read = True
    for name, value in trial.settings.items():
        st.session_state[name] = value
    told = {name: str(value) for name, value in trial.settings.items() if value != "auto"}
    open_page("explore", {Parameter.MODEL: trial.model, **told})
