"""All training runs in a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from posecore.runs import Registry, Run, best_epoch
from posecore.ui.shared.runs.run_list import choose
from posecore.ui.shared.runs.run_words import duration, state_word


def runs_table(runs: Sequence[Run]) -> None:
    """Every run; a click on a line chooses it."""
    table = pd.DataFrame([_row(run) for run in runs])

    def clicked() -> None:
        lines = st.session_state.runs_table.selection.rows
        if lines:
            choose(runs[lines[0]].name)

    st.dataframe(
        table,
        hide_index=True,
        key="runs_table",
        on_select=clicked,
        selection_mode="single-row",
        height=min(33 * len(runs) + 38, 520),
        column_config={
            "Begun": st.column_config.DatetimeColumn("Begun", format="YYYY-MM-DD HH:mm"),
            "Done": st.column_config.ProgressColumn("Done", min_value=0, max_value=1, format="percent", width="small"),
            "OKS before": st.column_config.NumberColumn("OKS before", format="%.3f", width="small"),
            "OKS best": st.column_config.NumberColumn("OKS best", format="%.3f", width="small"),
        },
        alt="All training runs",
    )
    st.caption(
        "Select a row to open the run. OKS: mean similarity on its validation pictures, measured during training; "
        "the best may be the model before."
    )


def _row(run: Run) -> dict[str, object]:
    epochs = Registry().epochs(run.name)
    best = best_epoch(epochs)
    model = run.config.get("model", {})
    return {
        "Run": run.name,
        "State": state_word(run.state),
        "Done": round(run.progress, 2),
        "OKS before": dict(epochs).get(0, {}).get("validation/oks"),
        "OKS best": None if best is None else best[1],
        "Model": model.get("architecture", ""),
        "Start": model.get("start", ""),
        "Time": duration(run.seconds) if run.seconds else "",
        "Begun": datetime.fromtimestamp(run.created),
        "Note": run.note,
    }
