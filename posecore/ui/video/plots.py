"""Charts over time: where a joint was, as found and as smoothed, and what was measured on people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from posecore.drawing.overlay import color_of
from posecore.lifting.measures import room_values
from posecore.lifting.room_poses import RoomPoses
from posecore.video import Measure, PoseSequence, Repetitions, Track
from posecore.video.motion import Alike

Array = NDArray[np.float64]

#: Points of a line that a browser gets at most; longer lines are thinned without losing their peaks.
MOST_POINTS = 4000
_AS_FOUND = "rgba(140, 150, 160, 0.85)"
#: Pixels of the first chart's title, above which the legend stands.
_LEGEND = 24
CHART = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}
_MARGINS = {"l": 8, "r": 8, "t": 24, "b": 8}


def span_of(sequence: PoseSequence) -> tuple[float, float]:
    """First and last second, never the same."""
    first, last = float(sequence.times[0]), float(sequence.times[-1])
    return first, max(last, first + 0.1)


def thin(times: Array, values: Array, most: int = MOST_POINTS) -> tuple[Array, Array]:
    """The same line with at most ``most`` points: of every stretch its lowest and its highest one.

    Args:
        times: ``(T,)`` seconds.
        values: ``(T,)``; NaN breaks the line and is kept where a whole stretch is missing.
        most: At least 2.
    """
    if len(times) <= most:
        return times, values
    stretches = max(most // 2, 1)
    edges = np.linspace(0, len(times), stretches + 1).astype(int)
    picked: list[int] = []
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[start:stop]
        if np.isnan(part).all():
            picked.append(start)
            continue
        picked += sorted({start + int(np.nanargmin(part)), start + int(np.nanargmax(part))})
    return times[picked], values[picked]


def joint_figure(
    before: Track, after: Track | None, joint: int, span: tuple[float, float], size: tuple[int, int]
) -> go.Figure:
    """x, y and score of one joint of one person, as found and as smoothed.

    Args:
        before, after: The person; without ``after`` nothing was smoothed.
        joint: Number of the keypoint.
        span: First and last second of the video.
        size: (width, height) of the pictures in pixels.
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.04, row_heights=[0.4, 0.4, 0.2])
    for name, track, line in (
        ("as found", before, {"color": _AS_FOUND, "width": 1.3}),
        ("smoothed", after, {"color": color_of(before.track_id), "width": 2}),
    ):
        if track is None:
            continue
        found = track.present[:, joint]
        rows = (
            (track.keypoints[:, joint, 0], "%{y:.1f} px"),
            (track.keypoints[:, joint, 1], "%{y:.1f} px"),
            (np.where(found, track.scores[:, joint], np.nan), "%{y:.2f}"),
        )
        for row, (values, text) in enumerate(rows, start=1):
            if row == 3 and track is after:
                continue
            _line(figure, row, track.times, values, name, line, f"{name}: {text}<extra></extra>", legend=row == 1)
    figure.update_yaxes(title_text="x (px)", row=1)
    # As in the picture, up is up.
    figure.update_yaxes(title_text="y (px)", autorange="reversed", row=2)
    figure.update_yaxes(title_text="score", range=[0, 1.05], row=3)
    return _finish(figure, span, 3, 420, legend=after is not None)


def measures_figure(
    tracks: Mapping[int, Track],
    measures: Sequence[tuple[Measure, str]],
    counted: tuple[int, str, Repetitions] | None,
    span: tuple[float, float],
) -> go.Figure:
    """What was measured, a row each, a line per person.

    Args:
        tracks: People by their number.
        measures: What to show, with words for each.
        counted: Person, measure and what was counted of it, to be marked.
        span: First and last second of the video.
    """
    figure = make_subplots(rows=len(measures), cols=1, shared_xaxes=True, vertical_spacing=0.14 / len(measures) + 0.02)
    for row, (measure, title) in enumerate(measures, start=1):
        for number, track in tracks.items():
            line = {"color": color_of(number), "width": 2}
            text = f"person {number}: %{{y:.1f}} {measure.unit}<extra></extra>"
            _line(figure, row, track.times, measure.values(track), f"person {number}", line, text, legend=row == 1)
        if counted is not None and counted[1] == measure.text and counted[0] in tracks:
            track = tracks[counted[0]]
            _mark_repetitions(figure, row, track.times, measure.values(track), counted[2])
        figure.update_yaxes(title_text=measure.unit, row=row)
        figure.add_annotation(
            text=title, xref="x domain", yref="y domain", x=0, y=1, yanchor="bottom", xanchor="left", showarrow=False,
            row=row, col=1,
        )  # fmt: skip
    return _finish(figure, span, len(measures), 70 + 130 * max(len(measures), 2), legend=len(tracks) > 1)


def room_figure(
    people: Sequence[RoomPoses],
    tracks: Mapping[int, Track],
    measure: Measure,
    pictured: Measure,
    span: tuple[float, float],
) -> go.Figure:
    """A measure of people in the room, a line per person; angles also as they look in the picture, dotted.

    Args:
        people: People in the room.
        tracks: The same people in the picture, by their number.
        measure: What to show, in metres.
        pictured: The same for people in the picture.
        span: First and last second of the video.
    """
    figure = make_subplots(rows=1, cols=1)
    for person in people:
        number = person.track_id or 0
        text = f"person {number}: %{{y:.2f}} {measure.unit}<extra></extra>"
        line = {"color": color_of(number), "width": 2}
        _line(figure, 1, person.times, room_values(measure, person), f"person {number}", line, text, legend=True)
        if measure.kind == "angle" and number in tracks:
            track = tracks[number]
            text = f"person {number}, in the picture: %{{y:.1f}} {measure.unit}<extra></extra>"
            line = {"color": color_of(number), "width": 1.5, "dash": "dot"}
            _line(figure, 1, track.times, pictured.values(track), f"picture {number}", line, text, legend=False)
    figure.update_yaxes(title_text=measure.unit, row=1)
    return _finish(figure, span, 1, 230, legend=len(people) > 1)


def motion_figure(found: Alike, at: int, span: tuple[float, float]) -> go.Figure:
    """An angle of somebody, and of the reference where it does the same.

    Args:
        found: The reference's movement and, second, theirs.
        at: Number of the measure.
        span: First and last second of their video.
    """
    figure = make_subplots(rows=1, cols=1)
    lines = (
        ("reference", 0, {"color": _AS_FOUND, "width": 2, "dash": "dot"}),
        ("here", 1, {"color": color_of(1), "width": 2}),
    )
    for name, side, line in lines:
        text = f"{name}: %{{y:.0f}}°<extra></extra>"
        _line(figure, 1, found.times[:, 1], found.values[:, side, at], name, line, text, legend=True)
    figure.update_yaxes(title_text=found.measures[at].unit, row=1)
    return _finish(figure, span, 1, 230, legend=True)


def _mark_repetitions(figure: go.Figure, row: int, times: Array, values: Array, found: Repetitions) -> None:
    """A numbered dot at the far end of each repetition, and the values that it had to pass."""
    known = np.isfinite(values)
    heights = np.interp(found.turns, times[known], values[known]) if known.any() else np.zeros(0)
    figure.add_trace(
        go.Scatter(
            x=found.turns,
            y=heights,
            mode="markers+text",
            text=[str(number + 1) for number in range(found.count)],
            textposition="top center" if found.far > found.rest else "bottom center",
            marker={"size": 9, "color": "#E4572E", "line": {"color": "white", "width": 1.5}},
            hovertemplate="repetition %{text}: %{y:.1f}<extra></extra>",
            showlegend=False,
            cliponaxis=False,
        ),
        row=row,
        col=1,
    )
    for value in (found.rest, found.far):
        if np.isfinite(value):
            figure.add_hline(value, line={"color": "#E4572E", "width": 1, "dash": "dot"}, row=row, col=1)


def _line(
    figure: go.Figure,
    row: int,
    times: Array,
    values: Array,
    name: str,
    line: Mapping[str, object],
    hover: str,
    *,
    legend: bool,
) -> None:
    x, y = thin(times, values)
    figure.add_trace(
        go.Scatter(
            x=np.round(x, 4), y=np.round(y, 3), name=name, line=dict(line), mode="lines", hovertemplate=hover,
            legendgroup=name, showlegend=legend,
        ),
        row=row,
        col=1,
    )  # fmt: skip


def _finish(figure: go.Figure, span: tuple[float, float], rows: int, height: int, *, legend: bool) -> go.Figure:
    figure.update_xaxes(range=list(span), showspikes=False)
    figure.update_xaxes(title_text="seconds", row=rows)
    margins = _MARGINS | {"t": _MARGINS["t"] + (_LEGEND if legend else 0)}
    plotted = height - margins["t"] - margins["b"]
    figure.update_layout(
        height=height,
        margin=margins,
        hovermode="x unified",
        showlegend=legend,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1 + _LEGEND / plotted, "xanchor": "right", "x": 1.0},
        # A new choice of joint keeps the part of the time that was zoomed to.
        uirevision="time",
    )
    return figure
