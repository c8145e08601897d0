"""Charts of a report as SVG that takes its colours of text and lines from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Stands for the page's colour of text until the SVG is written.
_INK = "#010203"
_FAINT = "#8A97A6"
COLORS = ("#1A948A", "#E08A2E", "#7B6FD0", "#D0587E")


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """One bar; its ends of confidence where they are known; ``faint`` for one that may be chance."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    faint: bool = False


def line_chart(title: str, x: str, y: str, curves: Sequence[Curve]) -> str:
    """Curves over an axis from 0; values from 0 to 1."""
    figure, axes = _axes(title, (5.2, 3.2))
    for curve, color in zip(curves, COLORS, strict=False):
        axes.plot(curve.x, curve.y, color=color, linewidth=2, label=curve.name)
    axes.set(xlabel=x, ylabel=y, ylim=(0, 1.02))
    axes.set_xlim(left=0)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9)
    return _svg(figure)


def bar_chart(title: str, x: str, bars: Sequence[Bar], limit: float | None = 1.0) -> str:
    """Lying bars, the first on top, with intervals; ``limit`` is the end of the axis, if it has a fixed one."""
    figure, axes = _axes(title, (5.2, 1.1 + 0.26 * len(bars)))
    places = range(len(bars), 0, -1)
    axes.barh(
        list(places),
        [bar.value for bar in bars],
        color=[_FAINT if bar.faint else COLORS[0] for bar in bars],
        height=0.7,
    )
    for place, bar in zip(places, bars, strict=True):
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [place, place], color=_INK, linewidth=1.2)
    axes.set_yticks(list(places), [bar.name for bar in bars])
    axes.set_xlabel(x)
    axes.grid(visible=False, axis="y")
    if limit is not None:
        axes.set_xlim(0, limit)
    return _svg(figure)


def _axes(title: str, size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.patch.set_visible(False)
    axes.grid(color=_INK, alpha=0.15)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
    return figure, axes


def _svg(figure: Figure) -> str:
    memory = io.StringIO()
    # Text as text, and the same file for the same figures.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "posecore", "font.family": "sans-serif"}):
        figure.savefig(memory, format="svg", transparent=True, metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", memory.getvalue(), flags=re.DOTALL)
    return text[text.index("<svg") :].replace(_INK, "currentColor")
