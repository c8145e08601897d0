"""All pictures of a visitor at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from posecore.errors import PosecoreError
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.open_picture import Source


def show_overview(sources: Sequence[Source], analyse: Callable[[Source], Analysis]) -> None:
    """Analyse every picture and list what was found."""
    bar = st.progress(0.0)
    rows = []
    for number, source in enumerate(sources, start=1):
        rows.append(_row(source, analyse))
        bar.progress(number / len(sources), text=f"{number} of {len(sources)} pictures")
    bar.empty()
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=min(38 * len(rows) + 40, 470),
        column_config={
            "Picture": st.column_config.TextColumn("Picture", width="small"),
            "People": st.column_config.NumberColumn("People", width="small"),
            "Best score": st.column_config.ProgressColumn(
                "Best score", min_value=0, max_value=1, format="%.2f", width="small"
            ),
            "Problem": st.column_config.TextColumn("Problem", width="medium"),
        },
        alt="All pictures and how many people were found in each",
    )
    st.caption("All at the current settings. *Save* offers everything as one ZIP file.")


def _row(source: Source, analyse: Callable[[Source], Analysis]) -> dict[str, object]:
    row: dict[str, object] = {"Picture": source.name, "People": None, "Best score": None, "Size": "", "Problem": ""}
    try:
        analysis = analyse(source)
    except PosecoreError as error:
        return row | {"Problem": str(error)}
    width, height = analysis.opened.size
    scores = analysis.poses.scores
    best = float(scores.max()) if len(scores) else None
    return row | {"Size": f"{width} × {height}", "People": len(scores), "Best score": best}
