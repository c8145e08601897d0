"""What a set holds in numbers, what in it cannot be used, and how it is split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from posecore.data.annotations import Label, PoseDataset, Problem
from posecore.data.counts import label_counts
from posecore.data.library import StoredSet
from posecore.data.verify import verify_pictures
from posecore.errors import PosecoreError
from posecore.results import safe_table
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require
from posecore.words import counted

_COLORS = {
    Label.VISIBLE: ("visible", "#0E7C86"),
    Label.HIDDEN: ("hidden", "#7CC4BF"),
    Label.ABSENT: ("not in the picture", "#9AA7B2"),
    Label.UNLABELLED: ("not labelled", "#E0A458"),
}


@dataclass
class _Checked:
    """What opening every picture of a set found.

    Attributes:
        about: Name and size of the set; None before any was checked.
        problems: Its pictures that are not whole.
    """

    about: tuple[str, int] | None = None
    problems: list[Problem] = field(default_factory=list)


def show_labels(stored: StoredSet) -> None:
    """The tab: keypoints by label, and problems."""
    dataset = stored.dataset()
    left, right = st.columns([6, 5], gap="medium")
    with left:
        if dataset.people:
            st.plotly_chart(label_chart(dataset), key="dataset_chart", config={"displayModeBar": False})
            st.caption(
                "How often each keypoint is labelled. *Not labelled* teaches nothing; *not in the picture* teaches "
                "that there is nothing to see."
            )
        else:
            st.info("Nobody is labelled yet. Label some people on the Label page.", icon=":material/draw:")
    with right:
        _problems(stored, dataset)


def label_chart(dataset: PoseDataset) -> go.Figure:
    """Bars of how often each keypoint has each label."""
    counts = label_counts(dataset)
    names = [words(name) for name in dataset.skeleton.keypoints]
    figure = go.Figure(
        [
            go.Bar(y=names, x=counts[:, label], name=title, orientation="h", marker_color=color)
            for label, (title, color) in _COLORS.items()
            if counts[:, label].any()
        ]
    )
    figure.update_layout(
        barmode="stack",
        height=max(260, 24 * len(names) + 90),
        margin={"l": 0, "r": 10, "t": 30, "b": 30},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        xaxis_title="people",
        yaxis={"autorange": "reversed", "tickmode": "linear"},
    )
    return figure


def _problems(stored: StoredSet, dataset: PoseDataset) -> None:
    stamp = (stored.name, len(dataset))
    kept = state_of(_Checked)
    checked = kept.problems if kept.about == stamp else []
    problems = [*stored.problems, *checked]
    if problems:
        st.markdown(f"**{counted(len(problems), 'problem')}**: what could not be used, and why")
        table = problem_table(problems)
        st.dataframe(table, hide_index=True, height=min(38 + 35 * len(table), 330), alt="Problems")
        st.download_button(
            "Download the list (CSV)",
            lambda: safe_table(table).to_csv(index=False).encode(),
            f"{stored.name}-problems.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
            key="dataset_problems_csv",
        )
    else:
        st.markdown(":green[:material/check:] Everything in the set can be used.")
    for remark in stored.remarks:
        st.caption(f":material/info: Read all the same: {plain(remark)}")
    if kept.about == stamp and not checked:
        st.caption("Every picture was opened; all are whole.")
    if st.button(
        "Open every picture",
        icon=":material/fact_check:",
        key="dataset_check",
        help="Finds pictures that are cut off or damaged. Takes about a second for fifty photographs.",
    ):
        kept.about, kept.problems = stamp, _verify(dataset)
        st.rerun()


def _verify(dataset: PoseDataset) -> list[Problem]:
    bar = st.progress(0.0, text="Opening pictures …")
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done % 10 == 0:
            bar.progress(done / len(dataset), text=f"Opening pictures … {done} of {len(dataset)}")

    found = verify_pictures(dataset, advance)
    bar.empty()
    return found


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Problems as rows of file, place and reason."""
    rows = [(problem.file.name, problem.place, problem.reason) for problem in problems]
    return pd.DataFrame(rows, columns=["File", "Where", "Why"])


#: Pixels that the columns of the split's table need.
_SPLIT_WIDTHS = {"Part": 45, "Pictures": 65, "People": 60, "Keypoints": 75, "Use": 145}


def show_split(stored: StoredSet) -> None:
    """The tab: which pictures are trained on and which measure what was learnt."""
    dataset, parts = stored.dataset(), stored.parts()
    left, right = st.columns([6, 5], gap="medium")
    with left:
        _parts(stored, dataset, parts)
    with right:
        _split_form(stored, bool(parts))


def _parts(stored: StoredSet, dataset: PoseDataset, parts: dict[str, int]) -> None:
    if not parts:
        st.markdown(
            "**The set is not split.** Training then keeps a few people back by itself to measure on. A split of "
            "your own keeps whole pictures apart, and stays the same from run to run."
        )
        return
    meaning = {"train": "learnt from", "val": "measured every epoch", "test": "measured at the end"}
    rows = []
    for name in ("train", "val", "test"):
        images = [image for image in dataset if image.split == name]
        people = sum(not person.crowd for image in images for person in image.people)
        labelled = sum(int(np.count_nonzero(p.labelled)) for image in images for p in image.people if not p.crowd)
        if images:
            rows.append((name, len(images), len(images) / len(dataset), people, labelled, meaning[name]))
    st.dataframe(
        pd.DataFrame(rows, columns=["Part", "Pictures", "Share", "People", "Keypoints", "Use"]),
        hide_index=True,
        column_config={
            **{name: st.column_config.Column(width=width) for name, width in _SPLIT_WIDTHS.items()},
            "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1, width=85),
        },
        alt="Parts of the set",
    )
    sources = stored.sources()
    if not sources.train:
        st.warning(
            "No labelled person is in **train**, so nothing can be learnt. Split again.", icon=":material/warning:"
        )
    elif "val" in parts and not sources.validation:
        st.warning(
            "No labelled person is in **val**; training keeps some people of train back instead.",
            icon=":material/warning:",
        )


def _split_form(stored: StoredSet, has_split: bool) -> None:
    with st.form("dataset_split", border=True):
        st.markdown("**Split by share**")
        left, right = st.columns(2, gap="small")
        val = left.number_input("Validation %", 0, 60, 20, 5, key="dataset_val")
        test = right.number_input("Test %", 0, 30, 0, 5, key="dataset_test")
        seed = st.number_input(
            "Seed", 0, 1_000_000, 0, key="dataset_seed", help="The same seed gives the same parts again."
        )
        st.caption(
            "Whole pictures are distributed at random, labelled and unlabelled ones apart. Near-duplicates, such as "
            "frames of one video, may land on both sides and make results look better than they are."
        )
        label = "Split again" if has_split else "Split"
        pressed = st.form_submit_button(label, type="primary", icon=":material/call_split:")
    if has_split:
        st.caption("The present split stays until you split again.")
    if not pressed:
        return
    try:
        require("all", "Changing sets")
        stored.set_split(val / 100, int(seed), test / 100)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()
