"""Measured stages as bars."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from posecore.benchmark import STAGES, Row

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
