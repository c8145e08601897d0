"""Charts of what settings do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from posecore.evaluation.tuning import Figures, Shown
from posecore.evaluation.unlabelled import Agreed, Flicker
from posecore.settings import Control

#: Colours that can be told apart on white and on the dark theme, also by people who do not see red and green.
_COLORS = {"Precision": "#5B8FD9", "Recall": "#E08A2E", "F1": "#1A948A", "AP": "#7B6FD0"}
_NOW = "#8A97A6"
#: Figures that charts show, by their names on the page.
FIGURES = {"F1": "f1", "AP": "AP", "Precision": "precision", "Recall": "recall"}
_BINS = 40
#: Steps of a scale.
_PARTS = 5


def value_of(figures: Figures, name: str) -> float | None:
    """A figure by its name on the page."""
    value: float | None = getattr(figures, FIGURES[name])
    return value


def setting_curves(control: Control, values: Sequence[Any], figures: Sequence[Figures], now: Any) -> go.Figure:
    """Precision, recall, F1 and AP at every value of a setting; a line where it is now."""
    chart = go.Figure()
    texts = [f"{one.poses:,} shown · {one.false_per_100:.0f} false per 100 pictures" for one in figures]
    for name, color in _COLORS.items():
        chart.add_scatter(
            x=_places(control, values),
            y=[value_of(one, name) for one in figures],
            name=name,
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 5},
            text=texts,
            hovertemplate=f"{control.label} %{{x}}: {name} %{{y:.3f}}<br>%{{text}}<extra></extra>",
        )
    chart.update_yaxes(range=[0, 1.02])
    return _laid_out(chart, control, now, 330)


def shown_curves(control: Control, values: Sequence[Any], shown: Sequence[Shown], now: Any) -> go.Figure:
    """People and joints that every value of a setting keeps, per picture; a line where it is now."""
    pictures = max(shown[0].pictures, 1) if shown else 1
    lines = (
        _Line("People per picture", "#1A948A", [one.people / pictures for one in shown]),
        _Line("Joints per person", "#E08A2E", [one.joints / one.people if one.people else None for one in shown], True),
    )
    texts = [f"{one.people:,} people, {one.joints:,} joints, nobody in {one.empty} pictures" for one in shown]
    return _with_two_scales(control, values, now, lines, texts, ("people per picture", "joints per person"))


def agreement_curves(control: Control, values: Sequence[Any], found: Sequence[Agreed], now: Any) -> go.Figure:
    """How far two models agree at every value of the first one's setting, and whom only one has, per picture."""
    lines = (
        _Line("Agreement", "#1A948A", [one.score for one in found]),
        _Line("Only this model", "#E08A2E", [one.only_first / max(one.pictures, 1) for one in found], True),
        _Line("Only the second", "#7B6FD0", [one.only_second / max(one.pictures, 1) for one in found], True),
    )
    texts = [f"{one.both:,} people of both, {one.only_first:,} and {one.only_second:,} of one" for one in found]
    titles = ("agreement (OKS)", "people of one only, per picture")
    return _with_two_scales(control, values, now, lines, texts, titles, most=1.0)


def flicker_curves(control: Control, values: Sequence[Any], found: Sequence[Flicker], now: Any) -> go.Figure:
    """Which part of people and joints comes and goes from frame to frame, at every value of a setting."""
    chart = go.Figure()
    for name, color, parts in (
        ("People", "#1A948A", [one.people for one in found]),
        ("Joints", "#E08A2E", [one.joints for one in found]),
    ):
        chart.add_scatter(
            x=_places(control, values),
            y=parts,
            name=name,
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 5},
            hovertemplate=f"{control.label} %{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    chart.update_yaxes(title_text="in one of two frames only", tickformat=".0%", rangemode="tozero")
    return _laid_out(chart, control, now, 330)


def score_histogram(scores: NDArray[np.float32], threshold: float, noun: str) -> go.Figure:
    """How often which score occurs, and where the threshold cuts; those below it are grey."""
    counts, edges = np.histogram(scores, bins=_BINS, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    chart = go.Figure()
    chart.add_bar(
        x=middles,
        y=counts,
        width=1 / _BINS,
        marker={"color": ["#1A948A" if middle >= threshold else _NOW for middle in middles]},
        hovertemplate=f"score %{{x:.2f}}: %{{y}} {noun}<extra></extra>",
    )
    chart.add_vline(x=threshold, line={"color": _NOW, "width": 1.5, "dash": "dot"})
    kept = int((scores >= threshold).sum())
    chart.update_layout(
        height=230,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        title={"text": f"Scores of {noun}: {kept:,} of {len(scores):,} kept", "font": {"size": 13}, "x": 0},
        bargap=0.05,
        showlegend=False,
    )
    chart.update_xaxes(range=[0, 1], title_text="score", automargin=True)
    chart.update_yaxes(automargin=True)
    return chart


def heat_map(
    controls: tuple[Control, Control],
    values: tuple[Sequence[Any], Sequence[Any]],
    figures: Sequence[Sequence[Figures]],
    name: str,
    now: tuple[Any, Any],
) -> go.Figure:
    """A figure for every pair of values of two settings: the first upwards, the second to the right."""
    down, right = controls
    table = [[value_of(one, name) for one in row] for row in figures]
    chart = go.Figure()
    chart.add_heatmap(
        x=_texts(right, values[1]),
        y=_texts(down, values[0]),
        z=table,
        colorscale="Viridis",
        colorbar={"title": {"text": name}, "thickness": 12},
        hovertemplate=f"{down.label} %{{y}}, {right.label} %{{x}}: {name} %{{z:.3f}}<extra></extra>",
    )
    marks = [(now, "circle-open", "now"), *((best, "star", "best") for best in _best(values, table))]
    for (first, second), symbol, words in marks:
        if first in values[0] and second in values[1]:
            chart.add_scatter(
                x=_texts(right, [second]),
                y=_texts(down, [first]),
                mode="markers",
                marker={"symbol": symbol, "size": 14, "color": "#FFFFFF", "line": {"color": "#13212B", "width": 1.5}},
                hovertemplate=f"{words}: {down.label} %{{y}}, {right.label} %{{x}}<extra></extra>",
                showlegend=False,
            )
    chart.update_layout(height=420, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    chart.update_xaxes(title_text=right.label, type="category", automargin=True)
    chart.update_yaxes(title_text=down.label, type="category", automargin=True)
    return chart


def _best(
    values: tuple[Sequence[Any], Sequence[Any]], table: Sequence[Sequence[float | None]]
) -> list[tuple[Any, Any]]:
    """The pair with the highest figure; nothing where there are none."""
    known = [
        (value, row, column) for row, line in enumerate(table) for column, value in enumerate(line) if value is not None
    ]
    if not known:
        return []
    _, row, column = max(known)
    return [(values[0][row], values[1][column])]


def _places(control: Control, values: Sequence[Any]) -> list[Any]:
    return list(values) if control.kind in ("int", "float") else _texts(control, values)


def _texts(control: Control, values: Sequence[Any]) -> list[str]:
    if control.kind in ("int", "float"):
        return [f"{value:.4g}" for value in values]
    return [control.text(value) for value in values]


class _Line(NamedTuple):
    """A curve: its name, its colour, a number for every value, and whether the scale on the right is its own."""

    name: str
    color: str
    numbers: Sequence[float | None]
    right: bool = False


def _with_two_scales(
    control: Control,
    values: Sequence[Any],
    now: Any,
    lines: Sequence[_Line],
    texts: Sequence[str],
    titles: tuple[str, str],
    most: float | None = None,
) -> go.Figure:
    """Curves along a setting; ``texts`` are told at every value, ``most`` is the end of the scale on the left."""
    chart = go.Figure()
    for line in lines:
        chart.add_scatter(
            x=_places(control, values),
            y=line.numbers,
            name=line.name,
            mode="lines+markers",
            yaxis="y2" if line.right else "y",
            line={"color": line.color, "width": 2},
            marker={"size": 5},
            text=texts,
            hovertemplate=f"{control.label} %{{x}}: %{{y:.2f}}<br>%{{text}}<extra>{line.name}</extra>",
        )
    ends = [_numbers(one for one in lines if one.right is side) for side in (False, True)]
    left, right = (_scale(title, end) for title, end in zip(titles, (most or ends[0], ends[1]), strict=True))
    chart.update_layout(yaxis=left, yaxis2={**right, "overlaying": "y", "side": "right", "showgrid": False})
    return _laid_out(chart, control, now, 330)


def _numbers(lines: Iterable[_Line]) -> float:
    """The largest number of some curves; 0 without any."""
    return max((number for line in lines for number in line.numbers if number is not None), default=0.0)


def _scale(title: str, end: float) -> dict[str, Any]:
    """An axis from 0 with :data:`_PARTS` round steps, so that the ticks of two such axes lie beside each other."""
    step = round_step(end / _PARTS)
    return {
        "title": {"text": title},
        "range": [0, 1.02 * _PARTS * step],
        "tick0": 0,
        "dtick": step,
        "tickmode": "linear",
    }


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5 and 5, times a power of ten, that is no smaller; 1 for nothing."""
    if least <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= least * (1 - 1e-9)))


def _laid_out(chart: go.Figure, control: Control, now: Any, height: int) -> go.Figure:
    if control.kind in ("int", "float"):
        chart.add_vline(
            x=now, line={"color": _NOW, "width": 1.5, "dash": "dot"}, annotation={"text": "now", "showarrow": False}
        )
    chart.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        uirevision=control.name,
    )
    chart.update_xaxes(title_text=control.label, automargin=True)
    chart.update_yaxes(automargin=True)
    return chart
