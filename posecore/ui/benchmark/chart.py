"""Measured stages as bars, and accuracy against time."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from posecore.benchmark import STAGES, Row, front

_COLORS = ("#9aa5b1", "#2f6fed", "#1f9d78", "#d98c1f")
_BAR = 34


def bars(rows: Sequence[tuple[str, Row]]) -> go.Figure:
    """One bar per named row, the fastest on top: medians of the stages behind each other, in milliseconds."""
    order = sorted(rows, key=lambda named: -named[1].milliseconds["total"]["p50"])
    figure = go.Figure()
    for stage, color in zip(STAGES, _COLORS, strict=True):
        figure.add_bar(
            name=stage,
            y=[name for name, _ in order],
            x=[row.milliseconds[stage]["p50"] for _, row in order],
            orientation="h",
            marker_color=color,
            hovertemplate=f"{stage}: %{{x:.2f}} ms<extra></extra>",
        )
    figure.update_layout(
        barmode="stack",
        height=110 + _BAR * len(order),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "milliseconds for a picture"}},
        yaxis={"automargin": True},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )
    return figure


def accuracy(rows: Sequence[tuple[str, Row]]) -> go.Figure:
    """Accuracy of every named row against the time of a picture, with the front marked: what none beats in both."""
    points = [(row.milliseconds["total"]["p50"], row.ap or 0.0) for _, row in rows]
    best = front(points)
    figure = go.Figure()
    figure.add_scatter(
        name="front",
        x=[points[index][0] for index in best],
        y=[points[index][1] for index in best],
        mode="lines",
        line={"color": _COLORS[2], "shape": "hv", "dash": "dot"},
        hoverinfo="skip",
    )
    for kept, name, color in ((True, "none is both faster and better", _COLORS[2]), (False, "others", _COLORS[0])):
        chosen = [index for index in range(len(rows)) if (index in best) is kept]
        figure.add_scatter(
            name=name,
            x=[points[index][0] for index in chosen],
            y=[points[index][1] for index in chosen],
            customdata=[rows[index][0] for index in chosen],
            mode="markers",
            marker={"color": color, "size": 11 if kept else 8},
            hovertemplate="%{customdata}<br>%{x:.1f} ms, AP %{y:.3f}<extra></extra>",
        )
    figure.update_layout(
        height=340,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "milliseconds for a picture"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "AP, people cut out"}, "automargin": True},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    )
    return figure
