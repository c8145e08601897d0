"""A comparison as files to take away: one page that needs nothing else, and tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from html import escape

import pandas as pd

from posecore.evaluation.comparing import (
    LETTERS,
    Column,
    Compared,
    column_table,
    disagreement,
    joint_table,
    pair_table,
    picture_table,
)
from posecore.evaluation.report_page import html_page, html_picture, html_table
from posecore.results import keypoint_table, safe_table

#: Pictures that the report shows: those on which columns disagree most.
MOST_SHOWN = 24
_ABOUT = (
    "Nothing here says who is right: nobody has labelled these pictures. Agreement is OKS on average over everybody "
    "whom either of two columns has, 0 for those whom only one has. Distances are in pixels of the picture, over "
    "people whom both have. Full frames stand around people whom not every column has, dashed ones where a column "
    "lacks somebody."
)


def report_files(
    columns: Sequence[Column],
    titles: Sequence[str],
    compared: Sequence[Compared],
    sheet: Callable[[int], bytes],
) -> dict[str, bytes]:
    """Name → content of the report and its tables.

    Args:
        columns: What was compared.
        titles: Words for the model of each.
        compared: Every picture.
        sheet: The JPEG of a picture, by its place, as all columns see it; empty where it cannot be read.
    """
    tables = {
        "columns": column_table(compared, columns, titles),
        "pairs": pair_table(compared, columns),
        "joints": _joints(compared, columns),
        "pictures": picture_table(compared, columns),
        "keypoints": _keypoints(compared),
    }
    files = {f"{name}.csv": table.to_csv(index=False).encode() for name, table in tables.items()}
    return {"report.html": _page(tables, compared, sheet).encode(), **files}


def most_different(compared: Sequence[Compared]) -> list[int]:
    """Places of the pictures, those first on which two columns disagree most; those without an answer last."""
    scores = [disagreement(one) for one in compared]
    return sorted(range(len(compared)), key=lambda place: 1.0 if (score := scores[place]) is None else -score)


def _joints(compared: Sequence[Compared], columns: Sequence[Column]) -> pd.DataFrame:
    """The tables of joints of every two columns, below each other."""
    parts = []
    for first, second in itertools.combinations(range(len(columns)), 2):
        table = joint_table(compared, first, second)
        only = {f"only {LETTERS[first]}": "only the first", f"only {LETTERS[second]}": "only the second"}
        table = table.rename(columns=only)
        table.insert(0, "columns", f"{LETTERS[first]}–{LETTERS[second]}")
        parts.append(table)
    return safe_table(pd.concat(parts, ignore_index=True))


def _keypoints(compared: Sequence[Compared]) -> pd.DataFrame:
    """Every keypoint of every column."""
    parts = []
    for place, letter in enumerate(LETTERS):
        named = [(one.name, poses) for one in compared if (poses := one.results.get(place)) is not None]
        table = keypoint_table(named, "picture", first_person=1)
        if len(table.columns):
            table.insert(0, "column", letter)
            parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _page(tables: dict[str, pd.DataFrame], compared: Sequence[Compared], sheet: Callable[[int], bytes]) -> str:
    shown = most_different(compared)[:MOST_SHOWN]
    which = "" if len(compared) == len(shown) else f": the {len(shown)} on which columns disagree most"
    parts = [
        f"<p>{escape(_ABOUT)}</p>",
        f"<h2>Columns</h2>{html_table(tables['columns'])}<h2>Two by two</h2>{html_table(tables['pairs'])}",
        f"<h2>Joints</h2>{html_table(tables['joints'])}<h2>Pictures{which}</h2>",
        *(html_picture(compared[place].name, jpeg) for place in shown if (jpeg := sheet(place))),
        f"<h2>All pictures</h2>{html_table(tables['pictures'])}",
    ]
    return html_page("Comparison of pose models", parts)
