"""Users' own boxes around people: the option that names them, and what is said about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posecore.cli.skipped import LISTED, report_skipped, say
from posecore.data.box_files import PlacedBoxes
from posecore.words import counted

BoxesFile = Annotated[
    Path | None,
    typer.Option(
        "--person-boxes",
        help="Boxes around people, each looked at closely by a model for one person: COCO annotations or detection "
        "results, or rows of picture, x, y, w, h and perhaps score (CSV, Parquet).",
    ),
]


def report_boxes(boxes: PlacedBoxes) -> None:
    """Say which boxes were left out, and which pictures have none."""
    report_skipped(boxes.problems[:LISTED], boxes.remarks)
    if len(boxes.problems) > LISTED:
        say("skipped", f"{len(boxes.problems) - LISTED} more.")


def report_outside(picture: Path, count: int) -> None:
    """Say how many boxes of a picture lie outside it."""
    if count:
        say("skipped", f"{picture}: {counted(count, 'box lies', 'boxes lie')} outside the picture.")
