"""Evaluations that are kept: chosen, compared, renamed, removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from posecore.errors import PosecoreError
from posecore.evaluation.paired import Compared, compare
from posecore.evaluation.paired_report import paired_html
from posecore.evaluation.report import PROTOCOLS, difference_table
from posecore.evaluation.saved import SavedEvaluation, SavedEvaluations
from posecore.ui.evaluate.charts import difference_bars
from posecore.ui.evaluate.result import when
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.visitors import require
from posecore.words import counted

_PLAIN = {"displayModeBar": False}


def kept_list(on_show: Callable[[str], None]) -> None:
    """The table and what can be done to what is chosen in it.

    Args:
        on_show: Called, before the page runs again, with the name of the one that shall be shown.
    """
    everything = SavedEvaluations().all()
    for one in everything:
        if one.broken:
            st.warning(plain(one.broken), icon=":material/broken_image:")
    if not everything:
        st.caption("Nothing is kept yet. What you measure appears here, with all its figures.")
        return
    # Another key after something was removed or renamed: places in the table are others then.
    picked = st.dataframe(
        _table(everything),
        hide_index=True,
        selection_mode="multi-row",
        on_select="rerun",
        key=f"evaluate_kept_{session().uploader}_{len(everything)}",
        alt="Evaluations that are kept",
    )
    chosen = [everything[row] for row in picked.selection.rows if row < len(everything)]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Show",
            icon=":material/insights:",
            on_click=on_show,
            args=(chosen[0].name if chosen else "",),
            disabled=len(chosen) != 1 or bool(chosen[0].broken),
            key="evaluate_show",
        )
        if st.button("Compare", icon=":material/compare:", disabled=len(chosen) != 2, key="evaluate_compare"):
            st.session_state["evaluate_pair"] = tuple(one.name for one in reversed(chosen))
        _rename(chosen)
        _remove(chosen)
        st.caption("Choose one to show it, two to compare them." if not chosen else "")
    pair = st.session_state.get("evaluate_pair")
    if pair is not None:
        _compared(everything, pair)


def _table(everything: Sequence[SavedEvaluation]) -> pd.DataFrame:
    rows = []
    for one in everything:
        row: dict[str, object] = {"Name": one.name, "When": when(one.created)}
        if one.head is not None:
            about, figures = one.head.provenance, one.head.figures
            row |= {
                "Model": about.model,
                "Set": about.set_title,
                "Looked at": PROTOCOLS[about.protocol],
                "Pictures": one.head.pictures,
            }
            row |= {name: figures[name].value for name in ("AP", "AR", "PCK@0.2") if name in figures}
        rows.append(row)
    order = ["Name", "AP", "AR", "PCK@0.2", "Set", "Looked at", "Pictures", "When", "Model"]
    return pd.DataFrame(rows).reindex(columns=order).round(3)


def _rename(chosen: Sequence[SavedEvaluation]) -> None:
    with st.popover("Name", icon=":material/edit:", disabled=len(chosen) != 1):
        if len(chosen) != 1:
            return
        with st.form("evaluate_rename", border=False):
            new = st.text_input("Name", chosen[0].name, max_chars=96, key=f"evaluate_name_{chosen[0].name}")
            st.caption("One with a name of yours stays until you delete it; the others go when there are many.")
            if not st.form_submit_button("Save", type="primary"):
                return
        try:
            require("all", "Renaming evaluations")
            SavedEvaluations().rename(chosen[0].name, new.strip())
        except PosecoreError as error:
            show_error(error)
            return
        session().uploader += 1
        st.session_state.pop("evaluate_pair", None)
        st.rerun()


def _remove(chosen: Sequence[SavedEvaluation]) -> None:
    with st.popover("Delete", icon=":material/delete:", disabled=not chosen):
        st.markdown(f"Delete {counted(len(chosen), 'evaluation')}? This cannot be undone.")
        if not st.button("Delete", type="primary", key="evaluate_delete", disabled=not chosen):
            return
        try:
            require("all", "Deleting evaluations")
            for one in chosen:
                SavedEvaluations().remove(one.name)
        except PosecoreError as error:
            show_error(error)
            return
        session().uploader += 1
        st.session_state.pop("evaluate_pair", None)
        st.rerun()


def _compared(everything: Sequence[SavedEvaluation], pair: tuple[str, str]) -> None:
    named = {one.name: one for one in everything}
    if not all(name in named for name in pair):
        return
    first, second = (named[name] for name in pair)
    st.markdown(f"**{plain(first.name)}** → **{plain(second.name)}**")
    try:
        found = _compare(first.name, second.name, first.created, second.created)
    except PosecoreError as error:
        show_error(error, "Choose two others.")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button("Swap", icon=":material/swap_horiz:", key="evaluate_swap"):
            st.session_state["evaluate_pair"] = (pair[1], pair[0])
            st.rerun()
        st.download_button(
            "Differences (JSON)",
            lambda: json.dumps(found.to_dict(), indent=1, allow_nan=False).encode(),
            f"{first.name}-{second.name}.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            key="evaluate_differences",
        )
        st.download_button(
            "Report (HTML)",
            lambda: paired_html(found, (first.name, second.name)).encode(),
            f"{first.name}-{second.name}.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
            key="evaluate_difference_report",
        )
        st.caption(
            f"On {counted(found.pictures, 'picture')} that both have. Bars are second minus first; grey ones may be "
            "chance (95 % intervals by bootstrap over pictures)."
        )
    for remark in found.remarks:
        st.info(plain(remark), icon=":material/info:")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(difference_table(found.figures), hide_index=True, alt="Figures of both and their differences")
        st.plotly_chart(difference_bars(found.figures), key="evaluate_difference_bars", config=_PLAIN)
    with right:
        if found.keypoints:
            st.markdown("**Similarity of every keypoint**")
            st.plotly_chart(difference_bars(found.keypoints), key="evaluate_keypoint_differences", config=_PLAIN)


@st.cache_data(max_entries=20, show_spinner="Comparing …")
def _compare(first: str, second: str, first_made: float, second_made: float) -> Compared:
    kept = SavedEvaluations()
    return compare(kept.get(first).measured(), kept.get(second).measured())
