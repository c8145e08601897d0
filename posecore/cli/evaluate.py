"""The command that measures a model on labelled pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import open_model
from posecore.cli.settings import settings_options
from posecore.data.detect import open_dataset
from posecore.evaluation import Evaluation, ranked, worst_cases
from posecore.evaluation import evaluate as run_evaluation
from posecore.evaluation.sheets import contact_sheet


@settings_options
def evaluate(
    model: Annotated[str, typer.Option(help="Name of the model, as listed by “posecore models”.")],
    annotations: Annotated[Path, typer.Option(help="COCO keypoint JSON, or a folder or zip of labelled pictures.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
    ] = None,
    protocol: Annotated[
        Literal["crops", "full"],
        typer.Option(help="crops: every labelled person on their own; full: whole pictures, everybody found."),
    ] = "crops",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of the worst and the best cases here (PNG or JPEG).")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Measure a model on labelled pictures: OKS AP and AR, PCK@0.2, and every keypoint."""
    dataset = open_dataset(annotations, images=images)
    loaded = open_model(model, device)
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=min(limit or len(dataset), len(dataset)))
        evaluation = run_evaluation(
            loaded, dataset, protocol, settings, limit=limit, advance=lambda: progress.advance(task)
        )
    for problem in (*dataset.problems, *evaluation.problems):
        errors.print(f"[yellow]skipped:[/yellow] {escape(str(problem))}", soft_wrap=True, highlight=False)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(evaluation.to_dict(), indent=2) + "\n", "utf-8")
    if sheet is not None:
        save_sheet(evaluation, sheet)
    output.print(summary(evaluation))
    output.print(keypoint_table(evaluation))


def save_sheet(evaluation: Evaluation, path: Path) -> None:
    """The twelve worst and the twelve best cases as one picture."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = [*worst_cases(evaluation, 12), *ranked(evaluation)[::-1][:12]]
    Image.fromarray(contact_sheet(chosen)).save(path)


def summary(evaluation: Evaluation) -> Table:
    """The main figures in a row."""
    table = Table(title=f"{evaluation.model} · {evaluation.dataset} · {evaluation.protocol}", title_justify="left")
    figures = {**evaluation.precision, "PCK@0.2": evaluation.pck}
    shown = [name for name in ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "PCK@0.2") if name in figures]
    for name in ("People", *shown, "Seconds"):
        table.add_column(name.replace("_medium", " M").replace("_large", " L"), justify="right")
    values = (_figure(figures[name]) for name in shown)
    table.add_row(str(evaluation.people), *values, f"{evaluation.seconds:.1f}")
    return table


def keypoint_table(evaluation: Evaluation) -> Table:
    """A row per keypoint."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Keypoint")
    for title in ("Labelled", "Similarity", "PCK@0.2"):
        table.add_column(title, justify="right")
    for name, one in evaluation.per_keypoint.items():
        table.add_row(name, str(one.count), _figure(one.similarity), _figure(one.pck))
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
