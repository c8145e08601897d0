"""Charts of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from posecore.evaluation.distances import Length
from posecore.evaluation.matching import RECALLS
from posecore.evaluation.paired import Difference
from posecore.evaluation.summary import EmptyPictures, Figure, GroupSummary, KeypointSummary, Reach
from posecore.ui.shared.runs.run_curves import SERIES, TRAINING

_PRECISION = {"mean": "mean of OKS 0.50 to 0.95", "0.50": "OKS 0.50", "0.75": "OKS 0.75"}
_BAR = 24


def pck_curve(reach: Mapping[Length, Reach], chosen: Length) -> go.Figure:
    """Part of the joints within a part of the length; the other lengths thin beside it."""
    figure = go.Figure()
    for number, (by, one) in enumerate(reach.items()):
        if not one.people:
            continue
        figure.add_scatter(
            x=[0, *one.fractions],
            y=[0, *one.pck],
            name=by,
            mode="lines+markers" if by == chosen else "lines",
            line={"color": SERIES[number], "width": 3 if by == chosen else 1.2},
            opacity=1 if by == chosen else 0.55,
            hovertemplate=f"within %{{x:.2f}} of the {by}: %{{y:.3f}}<extra></extra>",
        )
    figure.update_xaxes(title_text="distance, part of the length", range=[0, 0.51])
    figure.update_yaxes(title_text="part of the joints", range=[0, 1.02])
    return _laid_out(figure, 300)


def precision_curve(precision: Mapping[str, Sequence[float]]) -> go.Figure:
    """Precision over recall."""
    figure = go.Figure()
    for number, (key, words) in enumerate(_PRECISION.items()):
        if key in precision:
            figure.add_scatter(
                x=RECALLS,
                y=precision[key],
                name=words,
                mode="lines",
                line={"color": SERIES[number], "width": 3 if key == "mean" else 1.8},
                hovertemplate=f"recall %{{x:.2f}}: precision %{{y:.3f}}<extra>{words}</extra>",
            )
    figure.update_xaxes(title_text="recall", range=[0, 1.01])
    figure.update_yaxes(title_text="precision", range=[0, 1.02])
    return _laid_out(figure, 300)


def keypoint_bars(keypoints: Sequence[KeypointSummary], by: Length | None) -> go.Figure:
    """A bar for every keypoint: its similarity with intervals, or PCK by a length."""
    names = [one.name.replace("_", " ") for one in keypoints]
    counts = [one.count for one in keypoints]
    figures = [one.similarity if by is None else Figure(one.pck.get(by)) for one in keypoints]
    figure = go.Figure(
        go.Bar(
            x=names,
            y=[one.value for one in figures],
            error_y=_ends(figures),
            marker={"color": SERIES[0]},
            customdata=counts,
            hovertemplate="%{x}: %{y:.3f}, labelled %{customdata} times<extra></extra>",
        )
    )
    figure.update_xaxes(tickangle=-45)
    figure.update_yaxes(range=[0, 1.02], title_text="similarity" if by is None else f"PCK at 0.2 of the {by}")
    return _laid_out(figure, 320)


def _ends(figures: Sequence[Figure]) -> dict[str, object]:
    """Error bars from values to the ends of their intervals."""

    def reach(one: Figure, end: float | None) -> float | None:
        return None if end is None or one.value is None else abs(end - one.value)

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(one, one.high) for one in figures],
        "arrayminus": [reach(one, one.low) for one in figures],
        "color": "rgba(128, 128, 128, 0.9)",
        "thickness": 1.3,
        "width": 3,
    }


def gain_bars(gains: Sequence[tuple[str, float]]) -> go.Figure:
    """AP that mending each kind of error alone would gain, the largest on top."""
    order = sorted(gains, key=lambda item: item[1])
    figure = go.Figure(
        go.Bar(
            y=[name for name, _ in order],
            x=[max(gain, 0.0) for _, gain in order],
            orientation="h",
            marker={"color": SERIES[1]},
            customdata=[gain for _, gain in order],
            hovertemplate="%{y}: AP %{customdata:+.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="AP gained", rangemode="tozero")
    return _laid_out(figure, 80 + _BAR * len(order))


def group_bars(groups: Sequence[GroupSummary]) -> go.Figure:
    """Mean OKS of groups of people, those without anybody left out."""
    known = [one for one in groups if one.people]
    figure = go.Figure(
        go.Bar(
            x=[f"{one.name}<br>{one.people} people" for one in known],
            y=[one.oks.value for one in known],
            error_y=_ends([one.oks for one in known]),
            marker={"color": SERIES[2]},
            width=0.6,
            customdata=[one.found for one in known],
            hovertemplate="%{x}: OKS %{y:.3f}, %{customdata:.0%} found<extra></extra>",
        )
    )
    figure.update_yaxes(range=[0, 1.02], title_text="mean OKS")
    return _laid_out(figure, 250)


def false_curve(empty: EmptyPictures) -> go.Figure:
    """False people in a hundred empty pictures over the score from which people are shown."""
    figure = go.Figure(
        go.Scatter(
            x=[score for score, _ in empty.by_score],
            y=[count for _, count in empty.by_score],
            mode="lines+markers",
            line={"color": SERIES[3], "width": 2, "shape": "hv"},
            hovertemplate="from a score of %{x:.3f}: %{y:.1f}<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="shown from a score of")
    figure.update_yaxes(title_text="false people in 100", rangemode="tozero")
    return _laid_out(figure, 220)


def difference_bars(rows: Sequence[Difference]) -> go.Figure:
    """Differences with intervals; grey where they may be chance."""
    order = [*rows][::-1]
    figures = [Figure(one.change, one.low, one.high) for one in order]
    ends = _ends(figures)
    figure = go.Figure(
        go.Bar(
            y=[one.name.replace("_", " ") for one in order],
            x=[one.change for one in order],
            error_x=ends,
            orientation="h",
            marker={"color": [_difference_color(one) for one in order]},
            hovertemplate="%{y}: %{x:+.3f}<extra></extra>",
        )
    )
    figure.add_vline(0, line={"color": "rgba(128, 128, 128, 0.7)", "width": 1})
    figure.update_xaxes(title_text="second minus first")
    return _laid_out(figure, 80 + _BAR * len(order))


def _difference_color(one: Difference) -> str:
    if one.may_be_chance:
        return TRAINING
    return SERIES[0] if one.change > 0 else SERIES[3]


def _laid_out(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.0, "yanchor": "bottom"},
        hovermode="closest",
        uirevision="stay",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
