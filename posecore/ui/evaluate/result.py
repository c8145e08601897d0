"""One evaluation: its figures, curves, kinds of errors, and what they depend on."""

from __future__ import annotations

import json
from datetime import datetime

import streamlit as st

from posecore.evaluation.report import (
    GROUP_WORDS,
    KIND_WORDS,
    LENGTH_WORDS,
    empty_words,
    error_table,
    percentile_table,
    provenance_table,
    report_html,
    summary_facts,
)
from posecore.evaluation.summary import LENGTHS, Figure, Summary
from posecore.ui.evaluate.charts import (
    false_curve,
    gain_bars,
    group_bars,
    keypoint_bars,
    pck_curve,
    precision_curve,
)
from posecore.ui.evaluate.worst_cases import worst_cases
from posecore.ui.shared.plain import plain
from posecore.words import counted

_PLAIN = {"displayModeBar": False}
#: Rows of figures: name → words, and what it is.
_HEADLINE: tuple[dict[str, tuple[str, str]], ...] = (
    {
        "AP": ("AP", "Average precision by similarity (OKS) from 0.50 to 0.95, as COCO counts; 1 is best."),
        "AP_medium": ("AP medium", "People as large as a square of 32 to 96 pixels."),
        "AP_large": ("AP large", "People as large as a square of 96 pixels and more."),
        "OKS": ("OKS", "Mean similarity of people to their labels, 0 for those who were not found."),
    },
    {
        "AR": ("AR", "Average recall: part of the people that are found, averaged over the same similarities."),
        "AR_medium": ("AR medium", "People as large as a square of 32 to 96 pixels."),
        "AR_large": ("AR large", "People as large as a square of 96 pixels and more."),
        "PCK@0.2": ("PCK@0.2", "Limb joints closer to the label than 0.2 of the torso's length."),
    },
)
_METRIC = 158


def show(summary: Summary, name: str) -> None:
    """The whole evaluation; ``name`` is what files are called."""
    st.markdown(f":small[{plain(summary_facts(summary))}]")
    _headline(summary)
    _downloads(summary, name)
    for sentence in summary.remarks:
        st.caption(f":material/info: results {plain(sentence)}")
    if summary.problems:
        with st.expander(f"{counted(len(summary.problems), 'picture')} could not be used", icon=":material/warning:"):
            st.markdown("\n".join(f"- {plain(problem)}" for problem in summary.problems[:50]))
    st.subheader("Worst cases", anchor=False)
    st.caption("Labelled on the left, found on the right; the worst first.")
    worst_cases(summary)
    if summary.people:
        _where_joints_lie(summary)
        _what_goes_wrong(summary)
    st.subheader("What it depends on", anchor=False)
    _depends(summary)
    with st.expander("How it was measured", icon=":material/fact_check:"):
        st.dataframe(provenance_table(summary), hide_index=True, alt="Model, weights, settings and set")


def _headline(summary: Summary) -> None:
    for row in _HEADLINE:
        with st.container(horizontal=True, gap="small"):
            for key, (label, said) in row.items():
                _metric(label, summary.figures.get(key), said)
            if "AR" in row and summary.empty is not None:
                _metric(
                    "False in 100", summary.empty.per_100, f"People seen where nobody is. {empty_words(summary)}", 1
                )
    if not summary.people:
        st.info("Nobody is labelled in these pictures, so AP and AR have nothing to find.", icon=":material/info:")
    elif summary.figures["AP"].low is None:
        st.caption("From so few pictures nothing can be said about others: intervals need at least 6.")


def _metric(label: str, figure: Figure | None, said: str, digits: int = 3) -> None:
    if figure is None or figure.value is None:
        return
    known = figure.low is not None and figure.high is not None
    st.metric(
        label,
        f"{figure.value:.{digits}f}",
        f"{figure.low:.{digits}f} … {figure.high:.{digits}f}" if known else None,
        help=f"{said} Below: where it lies on other pictures of this kind with 95 % confidence." if known else said,
        border=True,
        delta_color="off",
        delta_arrow="off",
        width=_METRIC,
    )


def _downloads(summary: Summary, name: str) -> None:
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Report (HTML)",
            lambda: report_html(summary).encode(),
            f"{name}.html",
            "text/html",
            icon=":material/article:",
            on_click="ignore",
            key="evaluate_html",
        )
        st.download_button(
            "All figures (JSON)",
            lambda: json.dumps(summary.to_dict(), indent=1, allow_nan=False).encode(),
            f"{name}.json",
            "application/json",
            icon=":material/download:",
            on_click="ignore",
            key="evaluate_json",
        )


@st.fragment
def _where_joints_lie(summary: Summary) -> None:
    st.subheader("Where joints lie", anchor=False)
    by = st.segmented_control(
        "Distance by",
        LENGTHS,
        default=LENGTHS[0],
        required=True,
        key="evaluate_length",
        help="Distances are told as a part of this length of the person; figures by different lengths do not compare.",
    )
    reach = summary.reach[by]
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**PCK by {LENGTH_WORDS[by]}**")
        if reach.people:
            st.plotly_chart(pck_curve(summary.reach, by), key="evaluate_pck", config=_PLAIN)
        else:
            st.caption("Nobody has this length labelled; choose another one.")
    with right:
        st.markdown("**Precision and recall**")
        st.plotly_chart(precision_curve(summary.precision), key="evaluate_precision", config=_PLAIN)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _keypoints(summary, by)
    with right:
        st.markdown("**Distance of the joints that were found**")
        st.dataframe(percentile_table(reach), hide_index=True, alt="Distances that parts of the joints stay within")
        notes = [f"{reach.not_found:.1%} of the labelled joints have no position"] if reach.not_found else []
        if reach.left_out:
            notes.append(f"{counted(reach.left_out, 'person', 'people')} without this length left out")
        st.caption(" · ".join(notes))


def _keypoints(summary: Summary, by: str) -> None:
    shown = st.segmented_control(
        "Keypoints",
        ("Similarity", f"PCK by {by}"),
        default="Similarity",
        required=True,
        key=f"evaluate_keypoints_{by}",
        label_visibility="collapsed",
    )
    length = next(one for one in LENGTHS if one == by)
    st.plotly_chart(
        keypoint_bars(summary.keypoints, None if shown == "Similarity" else length),
        key="evaluate_keypoint_bars",
        config=_PLAIN,
    )


def _what_goes_wrong(summary: Summary) -> None:
    st.subheader("What goes wrong", anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        st.dataframe(error_table(summary), hide_index=True, alt="Kinds of errors, and what mending each would gain")
        disorder = summary.errors.disorder
        if disorder is not None:
            st.caption(f"Of two poses the better one has the lower score in {disorder:.0%} of the cases.")
    with right:
        gains = [(KIND_WORDS[kind].partition(":")[0], gain) for kind, gain in summary.errors.gains.items()]
        if gains:
            st.markdown("**AP that mending a kind alone would gain**")
            st.plotly_chart(gain_bars(gains), key="evaluate_gains", config=_PLAIN)
    st.caption(
        "Kinds after Ronchi and Perona (2017): poses are matched to people from an OKS of 0.1; a joint is good from a "
        "similarity of 0.85, jitter from 0.5. Gains place joints by OKS's own formula, with 2σ."
    )


def _depends(summary: Summary) -> None:
    if summary.people:
        for column, (name, groups) in zip(st.columns(3, gap="medium"), summary.groups.items(), strict=True):
            with column:
                st.markdown(f"**{GROUP_WORDS[name]}**")
                st.plotly_chart(group_bars(groups), key=f"evaluate_group_{name}", config=_PLAIN)
        st.caption(
            "Overlap is that of the person's box with the nearest other one (intersection over union). Lines are 95 % "
            "intervals; groups in fewer than 6 pictures have none."
        )
    st.markdown(f"**Pictures without anybody** · {empty_words(summary)}")
    if summary.empty is not None and len(summary.empty.by_score) > 1:
        st.plotly_chart(false_curve(summary.empty), key="evaluate_false", config=_PLAIN)


def when(created: float) -> str:
    """When an evaluation was made."""
    return datetime.fromtimestamp(created).strftime("%d %b %Y, %H:%M")
