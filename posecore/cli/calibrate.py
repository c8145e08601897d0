"""The command that learns what a model's scores are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from posecore.calibration import Calibration, keep_calibration
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import open_model
from posecore.cli.settings import settings_options
from posecore.data.annotations import PoseDataset
from posecore.data.detect import open_dataset
from posecore.evaluation import Evaluation
from posecore.evaluation.calibration import FEWEST_PICTURES, Check, crossed_check, with_nothing_hidden
from posecore.evaluation.calibration import calibrate as fitted
from posecore.evaluation.confidence import joint_samples, person_samples
from posecore.model import PoseModel
from posecore.storage import write_json, writing


@settings_options
def calibrate(
    model: Annotated[str, typer.Option(help="Name of the model, as listed by “posecore models”, or run:NAME.")],
    annotations: Annotated[Path, typer.Option(help="COCO keypoint JSON, or a folder or zip of labelled pictures.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the calibration; else where this model looks for it.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=2 * FEWEST_PICTURES, help="Most pictures, taken from all over the set.")
    ] = 300,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Learn from labelled pictures how often a model is right at which score, for --calibrated of other commands.

    Use pictures that the model was not trained on where there are some. The figures are of pictures that were not
    learnt from: each half is judged by what the other half says. What is kept is learnt from both.
    """
    dataset = open_dataset(annotations, images=images)
    loaded = open_model(model, device)
    evaluation = _seen(loaded, dataset, limit, settings)
    # First what needs more: who lacks pictures is told once how many are needed.
    checks = {
        "joints": crossed_check(joint_samples(evaluation)),
        "people": crossed_check(person_samples(evaluation)),
    }
    found = fitted(evaluation, loaded.weights_id, loaded.skeleton)
    output.print(_table(found, checks))
    file = keep_calibration(found, to)
    output.print(f"Kept in {file}", markup=False, soft_wrap=True, highlight=False)
    if json_file is not None:
        with writing(json_file):
            write_json(json_file, {"model": loaded.name, **{name: one.to_dict() for name, one in checks.items()}})


def _seen(model: PoseModel, dataset: PoseDataset, limit: int, settings: dict[str, Any]) -> Evaluation:
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=min(limit, len(dataset)))
        evaluation = with_nothing_hidden(model, dataset, limit, settings, lambda: progress.advance(task))
    for problem in evaluation.problems:
        errors.print(f"skipped: {problem}", markup=False, soft_wrap=True, highlight=False)
    return evaluation


def _table(found: Calibration, checks: dict[str, Check]) -> Table:
    table = Table(title=f"{found.model} · {found.fitted_on}", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for title in ("Scores", "ECE", "Brier", "95 %", "Right at .45–.55"):
        table.add_column(title, justify="right")
    for name, one in checks.items():
        low, high = one.after.brier_interval.low, one.after.brier_interval.high
        table.add_row(
            name,
            str(sum(part.count for part in one.after.bins)),
            f"{one.before.ece:.3f} → {one.after.ece:.3f}",
            f"{one.before.brier:.3f} → {one.after.brier:.3f}",
            f"{low:.3f} … {high:.3f}",
            "–" if one.band is None else f"{one.band:.2f} of {one.in_band}",
        )
    return table
