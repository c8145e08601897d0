"""Several runs in one chart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from posecore.runs import Registry, Run
from posecore.ui.shared.runs.run_curves import run_comparison

#: Figure → words; what is not here is shown under its own name.
_WORDS = {
    "validation/oks": "Similarity on validation pictures (OKS)",
    "validation/pck": "Correct joints on validation pictures (PCK)",
    "validation/loss": "Loss on validation pictures",
    "train/loss": "Loss on training pictures",
}
#: Runs that are compared unless others are chosen.
_FIRST = 3


def compare_runs(runs: Sequence[Run], chosen: Run) -> None:
    """Choose runs and a figure, and see it over epochs or minutes."""
    names = [run.name for run in runs]
    others = [name for name in names if name != chosen.name][: _FIRST - 1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.multiselect("Runs", names, default=[chosen.name, *others], key="compared", max_selections=8)
        epochs = {name: Registry().epochs(name) for name in picked}
        known = {figure for entries in epochs.values() for _, figures in entries for figure in figures}
        choices = [name for name in _WORDS if name in known] + sorted(
            name for name in known if "/" in name and name not in _WORDS
        )
        if choices:
            figure = st.selectbox("Figure", choices, format_func=lambda name: _WORDS.get(name, name), key="figure")
            over = st.segmented_control("Over", ["epochs", "minutes"], default="epochs", required=True, key="over")
    if not picked:
        st.caption("Choose the runs to compare.")
        return
    if not choices:
        st.caption("None of these runs has finished an epoch yet.")
        return
    st.plotly_chart(
        run_comparison(epochs, figure, over=over, title=_WORDS.get(figure, figure)),
        key="comparison_chart",
        config={"displayModeBar": False},
        alt=f"{_WORDS.get(figure, figure)} of {len(picked)} runs over {over}",
    )
    by_name = {run.name: run for run in runs}
    st.dataframe(
        pd.DataFrame([_row(by_name[name], entries, figure) for name, entries in epochs.items()]),
        hide_index=True,
        alt="The compared runs and what set them up",
    )


def _row(run: Run, epochs: Sequence[tuple[int, dict[str, float]]], figure: str) -> dict[str, object]:
    values = [figures[figure] for _, figures in epochs if figure in figures]
    best = (min if "loss" in figure else max)(values) if values else None
    optimizer, training = run.config.get("optimizer", {}), run.config.get("training", {})
    return {
        "Run": run.name,
        "Best": best,
        "Start": run.config.get("model", {}).get("start", ""),
        "Epochs": max((epoch for epoch, _ in epochs), default=0),
        "Minutes": round(epochs[-1][1].get("minutes", 0.0), 1) if epochs else None,
        "Learning rate": optimizer.get("learning_rate"),
        "Batch": training.get("batch_size"),
        "Note": run.note,
    }
