"""An evaluation as one page to take away, and its main figures as tables."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape

import pandas as pd
from PIL import Image

from posecore.evaluation.error_kinds import KINDS
from posecore.evaluation.matching import RECALLS
from posecore.evaluation.paired import Difference
from posecore.evaluation.report_charts import Bar, Curve, bar_chart, line_chart
from posecore.evaluation.report_page import html_page, html_picture, html_table
from posecore.evaluation.summary import FRACTION, Figure, Provenance, Reach, Summary
from posecore.evaluation.worst import WorstCase, worst_tile
from posecore.words import counted

#: Protocol, length and reason for parting people → words.
PROTOCOLS = {"crops": "person by person", "full": "whole pictures"}
LENGTH_WORDS = {
    "torso": "torso (right hip to left shoulder)",
    "head": "head (its top or the nose to the neck or between the shoulders)",
    "box": "box (its longer side)",
}
GROUP_WORDS = {
    "size": "Size (side of a square as large)",
    "keypoints": "Labelled keypoints",
    "crowding": "Overlap with others",
}
KIND_WORDS = {
    "good": "good",
    "jitter": "jitter: roughly there",
    "inversion": "inversion: left and right exchanged",
    "swap": "swap: another person's joint",
    "miss": "miss: nowhere near",
    "score": "order: people ranked by their OKS",
    "background": "false: poses about nobody taken away",
    "not found": "not found: missed people added",
}
_WORST_SHOWN, _SIDE = 24, 170


def text_of(value: float | None) -> str:
    """A figure of 0 … 1, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def interval_text(figure: Figure) -> str:
    """Where a figure lies with 95 % confidence, or a dash."""
    return "–" if figure.low is None or figure.high is None else f"{figure.low:.3f} … {figure.high:.3f}"


def figure_table(summary: Summary) -> pd.DataFrame:
    """The main figures."""
    known = {name: one for name, one in summary.figures.items() if one.value is not None}
    return pd.DataFrame(
        [(name, text_of(one.value), interval_text(one)) for name, one in known.items()],
        columns=["Figure", "Value", "95 % confidence"],
    )


def error_table(summary: Summary) -> pd.DataFrame:
    """Kinds of errors: how many keypoints are of each, and the AP that mending it would gain."""
    errors = summary.errors
    rows = [
        (
            KIND_WORDS[kind],
            str(sum(one.kinds[kind] for one in summary.keypoints)),
            f"{errors.shares[kind]:.1%}",
            "" if kind == "good" or kind not in errors.gains else f"{errors.gains[kind]:+.3f}",
        )
        for kind in KINDS
    ]
    counts = {"score": "", "background": str(errors.false_poses), "not found": str(errors.missed_people)}
    rows += [
        (KIND_WORDS[name], count, "", f"{errors.gains[name]:+.3f}" if name in errors.gains else "")
        for name, count in counts.items()
    ]
    return pd.DataFrame(rows, columns=["Kind", "How many", "Share", "AP gained"])


def percentile_table(reach: Reach) -> pd.DataFrame:
    """Distances that so many in a hundred of the found keypoints stay within."""
    rows = [(f"{part} %", f"{pixels:.1f}", f"{share:.3f}") for part, pixels, share in reach.percentiles]
    return pd.DataFrame(rows, columns=["Of the joints", "Pixels", "Part of the length"])


def difference_table(rows: tuple[Difference, ...], name: str = "Figure") -> pd.DataFrame:
    """Figures before and after, their difference and its interval."""
    return pd.DataFrame(
        [
            (
                one.name,
                text_of(one.before),
                text_of(one.after),
                f"{one.change:+.3f}",
                "cannot be told" if one.low is None or one.high is None else f"{one.low:+.3f} … {one.high:+.3f}",
                "may be chance" if one.may_be_chance else ("better" if one.change > 0 else "worse"),
            )
            for one in rows
        ],
        columns=[name, "First", "Second", "Difference", "95 % confidence", ""],
    )


def facts_of(about: Provenance, *counts: str) -> str:
    """What was measured, in a line; ``counts`` says of how much."""
    day = datetime.fromtimestamp(about.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return " · ".join(
        [
            about.model,
            about.set_title,
            PROTOCOLS[about.protocol],
            *counts,
            counted(len(about.keypoints), "keypoint"),
            day,
        ]
    )


def summary_facts(summary: Summary) -> str:
    """What was measured and on how much, in a line."""
    counts = counted(summary.pictures, "picture"), counted(summary.people, "person", "people")
    return facts_of(summary.provenance, *counts)


def report_html(summary: Summary) -> str:
    """The whole evaluation as one page; pictures that are still where they were are inside."""
    return html_page(f"{summary.provenance.model} on {summary.provenance.set_title}", _parts(summary))


def _parts(summary: Summary) -> Iterator[str]:
    yield f"<p>{escape(summary_facts(summary))}</p>"
    yield html_table(figure_table(summary))
    yield "<p>Intervals by bootstrap over pictures: other pictures of this kind.</p><h2>Where joints lie</h2>"
    yield f'<div class="side">{"".join(_charts(summary))}</div>'
    yield f'<h3>Distance of the joints that were found</h3><div class="side">{"".join(_distances(summary))}</div>'
    yield f"<h2>Kinds of errors</h2>{html_table(error_table(summary))}<h2>What it depends on</h2>"
    yield f'<div class="side">{"".join(_group_charts(summary))}</div>'
    yield f"<h2>Pictures without anybody</h2><p>{escape(empty_words(summary))}</p>"
    yield f'<h2>Worst cases</h2><div class="side">{"".join(map(_worst, summary.worst[:_WORST_SHOWN]))}</div>'
    yield "<h2>How it was measured</h2>" + html_table(provenance_table(summary))
    notes = [*summary.problems, *summary.remarks]
    if notes:
        yield "<h2>Remarks</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _distances(summary: Summary) -> Iterator[str]:
    for by, reach in summary.reach.items():
        if reach.percentiles:
            left_out = f", {counted(reach.left_out, 'person', 'people')} without it left out" if reach.left_out else ""
            table = html_table(percentile_table(reach))
            yield f"<figure>{table}<figcaption>by {escape(LENGTH_WORDS[by])}{left_out}</figcaption></figure>"


def _charts(summary: Summary) -> Iterator[str]:
    curves = [
        Curve(by, (0.0, *reach.fractions), (0.0, *(value or 0.0 for value in reach.pck)))
        for by, reach in summary.reach.items()
        if reach.people
    ]
    if curves:
        yield line_chart("PCK: joints nearer than a part of a length", "part of the length", "joints", curves)
    chosen = {"mean": "mean of 0.50 to 0.95", "0.50": "OKS 0.50", "0.75": "OKS 0.75"}
    found = [
        Curve(words, RECALLS.tolist(), summary.precision[key])
        for key, words in chosen.items()
        if key in summary.precision
    ]
    if found:
        yield line_chart("Precision and recall", "recall", "precision", found)
    bars = [
        Bar(one.name.replace("_", " "), one.similarity.value, one.similarity.low, one.similarity.high)
        for one in summary.keypoints
        if one.similarity.value is not None
    ]
    if bars:
        yield bar_chart("Similarity of every keypoint (its term of OKS)", "similarity", bars)


def _group_charts(summary: Summary) -> Iterator[str]:
    for name, groups in summary.groups.items():
        bars = [
            Bar(f"{one.name} ({one.people})", one.oks.value, one.oks.low, one.oks.high)
            for one in groups
            if one.oks.value is not None
        ]
        if bars:
            yield bar_chart(GROUP_WORDS[name], "mean OKS", bars)


def empty_words(summary: Summary) -> str:
    """How many people are seen where nobody is, in a sentence."""
    if summary.empty is None:
        if summary.provenance.protocol != "full":
            return "Not measured: only people were looked at, not whole pictures."
        return "Not measured: somebody is on every picture of the set."
    one = summary.empty.per_100
    around = "" if one.low is None else f" (95 % confidence {one.low:.0f} to {one.high:.0f})"
    return (
        f"{one.value:.0f} false people in 100 pictures{around}, measured on "
        f"{counted(summary.empty.pictures, 'picture')} without anybody."
    )


def provenance_table(summary: Summary) -> pd.DataFrame:
    """Everything that one has to know to measure it again."""
    return pd.DataFrame(provenance_rows(summary.provenance).items(), columns=["", "Value"])


def provenance_rows(about: Provenance) -> dict[str, str]:
    """The same by name."""
    rows: Mapping[str, object] = {
        "model": about.model,
        "weights": about.weights or "–",
        "set": f"{about.set_title} ({about.set_name})",
        "labels": about.set_mark,
        "protocol": PROTOCOLS[about.protocol],
        "keypoints": ", ".join(about.keypoints),
        "PCK by keypoint at": FRACTION,
        "posecore": about.posecore,
        **about.settings,
    }
    return {name: str(value) for name, value in rows.items()}


def case_words(case: WorstCase) -> str:
    """What is wrong in a case, in a few words."""
    if case.what == "nobody":
        return f"nobody there · score {case.score:.2f}"
    if case.what == "not found":
        return "not found"
    counts = [f"{case.kinds[kind]} {kind}" for kind in KINDS if kind != "good" and case.kinds.get(kind)]
    return " · ".join([f"OKS {case.oks:.2f}", *(counts[-2:] if counts else [])])


def case_jpeg(case: WorstCase, side: int = _SIDE) -> bytes:
    """A case as two squares beside each other: what is labelled, what was found."""
    memory = io.BytesIO()
    Image.fromarray(worst_tile(case, side)).save(memory, "JPEG", quality=82)
    return memory.getvalue()


def _worst(case: WorstCase) -> str:
    return html_picture(f"#{case.image_id} · {case_words(case)}", case_jpeg(case))
