"""Boxes around people: the options that name them, what is said about them, and how well a model finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from posecore.cli.console import counting_progress, output
from posecore.cli.skipped import LISTED, report_skipped, say
from posecore.data.annotations import PoseDataset
from posecore.data.box_files import PlacedBoxes
from posecore.errors import SettingsError
from posecore.evaluation.boxes import BoxEvaluation, evaluate_boxes
from posecore.model import PoseModel
from posecore.storage import write_json, writing
from posecore.words import counted

BoxesFile = Annotated[
    Path | None,
    typer.Option(
        "--person-boxes",
        help="Boxes around people, each looked at closely by a model for one person: COCO annotations or detection "
        "results, or rows of picture, x, y, w, h and perhaps score (CSV, Parquet).",
    ),
]
ClassNames = Annotated[
    str,
    typer.Option(
        "--class-names",
        help="Read boxes of these classes alone, separated by commas, such as “person”, from COCO JSON with or without "
        "keypoints: what models that find boxes learn from.",
    ),
]

#: Figures in a row.
_SHOWN = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR100")


def report_boxes(boxes: PlacedBoxes) -> None:
    """Say which boxes were left out, and which pictures have none."""
    report_skipped(boxes.problems[:LISTED], boxes.remarks)
    if len(boxes.problems) > LISTED:
        say("skipped", f"{len(boxes.problems) - LISTED} more.")


def report_outside(picture: Path, count: int) -> None:
    """Say how many boxes of a picture lie outside it."""
    if count:
        say("skipped", f"{picture}: {counted(count, 'box lies', 'boxes lie')} outside the picture.")


def measure_boxes(
    model: PoseModel,
    dataset: PoseDataset,
    settings: Mapping[str, Any],
    limit: int | None,
    json_file: Path | None,
    unused: Mapping[str, object],
) -> None:
    """Measure how well a model finds boxes, and show and write the figures.

    Args:
        model: A model that finds boxes.
        dataset: Labelled pictures.
        settings: Its settings.
        limit: Only the first so many pictures.
        json_file: Where figures are written, or None.
        unused: Options that mean nothing for boxes, refused where they were used.
    """
    for option, value in unused.items():
        if value is not None:
            raise SettingsError(f"{option} is for models that find joints; {model.name} finds boxes: leave it out.")
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=min(limit or len(dataset), len(dataset)))
        found = evaluate_boxes(model, dataset, settings, limit=limit, advance=lambda: progress.advance(task))
    for problem in (*dataset.problems, *found.problems):
        say("skipped", str(problem))
    if json_file is not None:
        with writing(json_file):
            write_json(json_file, found.to_dict())
    output.print(_table(found))


def _table(found: BoxEvaluation) -> Table:
    """The main figures in a row."""
    table = Table(title=f"{found.model} · {found.dataset} · boxes", title_justify="left")
    for name in ("People", *_SHOWN, "Seconds"):
        table.add_column(name.replace("_", " "), justify="right")
    values = (found.figures[name] for name in _SHOWN)
    shown = ("–" if value is None else f"{value:.3f}" for value in values)
    table.add_row(str(found.people), *shown, f"{found.seconds:.1f}")
    return table
