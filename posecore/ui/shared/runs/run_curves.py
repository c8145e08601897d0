"""Charts of training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

#: (epoch, figures), as the registry keeps them: from 1, and 0 for the network before training.
Epochs = Sequence[tuple[int, Mapping[str, float]]]
#: (step, loss, learning rate) between epochs.
Steps = Sequence[tuple[int, float, float]]

#: Colours that can be told apart on white and on the dark theme, also by people who do not see red and green.
TRAINING, VALIDATION, SECOND = "#8A97A6", "#1A948A", "#E08A2E"
SERIES = (VALIDATION, SECOND, "#7B6FD0", "#D0587E", "#5B8FD9", "#8DA63F", "#A87B5B", "#8A97A6")


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: Words for the legend.
        points: (epoch, value), epochs from 1 and parts of them between.
        color: CSS colour.
        before: Its value before training, drawn as a dashed line, if known.
    """

    name: str
    points: Sequence[tuple[float, float]]
    color: str
    before: float | None = None


def line_of(name: str, figure: str, color: str, epochs: Epochs) -> Line:
    """The curve of one figure, with its value before training where that was measured."""
    values = {epoch: figures[figure] for epoch, figures in epochs if figure in figures}
    return Line(name, sorted(values.items()), color, values.get(0))


def over_epochs(steps: Steps, epochs: Epochs, progress: float, planned: int) -> list[tuple[float, float, float]]:
    """(epoch, loss, learning rate): steps as parts of epochs.

    Args:
        steps: What was recorded.
        epochs: Epochs so far, whose ``steps`` say how many steps one has.
        progress: Part of the run that is done, for the time before the first epoch's end.
        planned: Epochs there will be.
    """
    counted = [(epoch, figures["steps"]) for epoch, figures in epochs if epoch and figures.get("steps")]
    if counted:
        each = counted[-1][1] / counted[-1][0]
    elif steps and progress > 0:
        each = steps[-1][0] / (progress * planned)
    else:
        return []
    return [(step / each, loss, rate) for step, loss, rate in steps]


def curves(lines: Sequence[Line], planned: int, *, title: str, height: int = 205, log_scale: bool = False) -> go.Figure:
    """Values over epochs.

    Args:
        lines: What to draw; empty ones are left out.
        planned: Epochs there will be at most; the axis has its length from the start, so that nothing jumps.
        title: What the values are.
        height: Pixels.
        log_scale: For values that span powers of ten.
    """
    figure = go.Figure()
    for line in lines:
        if not line.points and line.before is None:
            continue
        x, y = zip(*line.points, strict=True) if line.points else ((), ())
        figure.add_scatter(
            x=x,
            y=y,
            name=line.name,
            # One point is no line: without a marker nothing would be seen of it.
            mode="lines+markers" if len(line.points) < 40 else "lines",
            line={"color": line.color, "width": 2},
            marker={"size": 5},
            hovertemplate="epoch %{x:.3~g}: %{y:.4g}<extra>" + line.name + "</extra>",
        )
        if line.before is not None:
            _reference(figure, line, planned)
    if any(line.before is not None for line in lines):
        # One entry for all reference lines: a legend with twice as many entries does not fit beside the title.
        dotted = {"color": TRAINING, "width": 1.5, "dash": "dot"}
        figure.add_scatter(x=[None], y=[None], name="before training", mode="lines", line=dotted)
    figure.update_xaxes(title_text="epoch", range=[-0.02 * planned, 1.02 * planned], hoverformat=".3~g")
    if log_scale:
        figure.update_yaxes(type="log")
    return _laid_out(figure, title, height)


def _reference(figure: go.Figure, line: Line, planned: int) -> None:
    """What it was before training, over the whole width."""
    figure.add_scatter(
        x=[0, planned],
        y=[line.before] * 2,
        mode="lines",
        line={"color": line.color, "width": 1.5, "dash": "dot"},
        showlegend=False,
        hovertemplate="%{y:.4g}<extra>" + f"{line.name} before training" + "</extra>",
    )


def run_comparison(runs: Mapping[str, Epochs], figure_name: str, *, over: str, title: str) -> go.Figure:
    """One figure of several runs.

    Args:
        runs: Name → its epochs.
        figure_name: Figure in the registry.
        over: ``epochs`` or ``minutes`` of training.
        title: What the values are.
    """
    figure = go.Figure()
    for number, (name, epochs) in enumerate(runs.items()):
        points = [
            (values.get("minutes", 0.0) if over == "minutes" else epoch, values[figure_name])
            for epoch, values in epochs
            if figure_name in values
        ]
        x, y = zip(*points, strict=True) if points else ((), ())
        figure.add_scatter(
            x=x,
            y=y,
            name=name,
            mode="lines+markers" if len(points) < 60 else "lines",
            line={"color": SERIES[number % len(SERIES)], "width": 2},
            marker={"size": 5},
            hovertemplate=f"%{{x:.4g}} {over}: %{{y:.4g}}<extra>{name}</extra>",
        )
    figure.update_xaxes(title_text="minutes of training" if over == "minutes" else "epoch", rangemode="tozero")
    return _laid_out(figure, title, 360)


def keypoint_bars(
    names: Sequence[str], before: Sequence[float | None] | None, after: Sequence[float | None]
) -> go.Figure:
    """A pair of bars per keypoint: mean similarity before (if there is such) and after training, 0 … 1."""
    figure = go.Figure()
    labels = [name.replace("_", " ") for name in names]
    for name, values, color in (("before", before, TRAINING), ("after", after, VALIDATION)):
        if values is None:
            continue
        figure.add_bar(
            x=labels,
            y=list(values),
            name=name,
            marker={"color": color},
            hovertemplate="%{x}: %{y:.3f}<extra>" + name + "</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3, bargroupgap=0.05)
    figure.update_xaxes(tickangle=-45)
    figure.update_yaxes(range=[0, 1])
    return _laid_out(figure, "Similarity per keypoint (OKS)", 300)


def _laid_out(figure: go.Figure, title: str, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        title={"text": title, "font": {"size": 13}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest",
        # Zoom and hidden lines stay when new points come.
        uirevision="stay",
    )
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(automargin=True)
    return figure
