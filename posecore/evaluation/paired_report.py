"""Two evaluations beside each other as one page to take away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import pandas as pd

from posecore.evaluation.paired import Compared, Difference
from posecore.evaluation.report import difference_table, facts_of, provenance_rows
from posecore.evaluation.report_charts import Bar, bar_chart
from posecore.evaluation.report_page import html_page, html_table
from posecore.words import counted

_ABOUT = (
    "Differences are second minus first. Their intervals hold 95 % of the differences on other pictures of this kind, "
    "by bootstrap over pictures; grey bars, whose interval holds 0, may be chance."
)


def paired_html(found: Compared, names: tuple[str, str]) -> str:
    """The whole comparison as one page that needs nothing else.

    Args:
        found: The comparison.
        names: What the first and the second evaluation are called.
    """
    return html_page(f"{names[0]} → {names[1]}", _parts(found, names))


def _parts(found: Compared, names: tuple[str, str]) -> Iterator[str]:
    for place, name, about in zip(("First", "Second"), names, (found.before, found.after), strict=True):
        yield f"<p><b>{place}: {escape(name)}</b><br>{escape(facts_of(about))}</p>"
    yield f"<p>On {counted(found.pictures, 'picture')} that both have. {escape(_ABOUT)}</p>"
    if found.remarks:
        yield "<ul>" + "".join(f"<li>{escape(remark)}</li>" for remark in found.remarks) + "</ul>"
    yield f"<h2>Figures</h2>{_side(found.figures, 'Figure')}"
    if found.keypoints:
        yield f"<h2>Similarity of every keypoint (its term of OKS)</h2>{_side(found.keypoints, 'Keypoint')}"
    yield f"<h2>How they were measured</h2>{html_table(_measured_how(found))}"


def _side(rows: Sequence[Difference], noun: str) -> str:
    bars = [Bar(one.name.replace("_", " "), one.change, one.low, one.high, one.may_be_chance) for one in rows]
    chart = bar_chart("Second minus first", "difference", bars, limit=None) if bars else ""
    return f'<div class="side">{html_table(difference_table(tuple(rows), noun))}{chart}</div>'


def _measured_how(found: Compared) -> pd.DataFrame:
    """What one has to know to measure both again; settings that only one has are a dash for the other."""
    first, second = (provenance_rows(about) for about in (found.before, found.after))
    names = dict.fromkeys((*first, *second))
    rows = [(name, first.get(name, "–"), second.get(name, "–")) for name in names]
    return pd.DataFrame(rows, columns=["", "First", "Second"])
