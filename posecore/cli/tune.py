"""The command that finds settings for one's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from posecore.cli.console import counting_progress, errors, output
from posecore.cli.evaluate import figure_text
from posecore.cli.loading import ModelName, WeightsFile, open_model
from posecore.cli.settings import settings_options
from posecore.data.detect import open_dataset
from posecore.errors import DataError
from posecore.evaluation.field_sets import keep_fields
from posecore.evaluation.predictions import protocol_settings
from posecore.evaluation.tuning import Bench, Figures, Goal, Tuned, tunable
from posecore.evaluation.tuning import tune as search
from posecore.storage import write_json, writing

#: What is searched over unless said: thresholds are what differs from pictures to pictures.
_USUAL = ("pose_threshold", "keypoint_threshold")


@settings_options
def tune(
    model: ModelName = None,
    *,
    annotations: Annotated[Path, typer.Option(help="COCO keypoint JSON, or a folder or zip of labelled pictures.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
    ] = None,
    goal: Annotated[
        Literal["AP", "F1", "precision", "false-people"],
        typer.Option(
            help="AP; F1 of precision and recall; precision: most people found with a precision of at least --bound; "
            "false-people: most people found with at most --bound false ones per 100 pictures."
        ),
    ] = "F1",
    bound: Annotated[float, typer.Option(help="For the goals precision and false-people.")] = 0.9,
    search_over: Annotated[
        str, typer.Option("--search", help="Decode settings to search over, separated by commas; or all.")
    ] = ",".join(_USUAL),
    trials: Annotated[int, typer.Option(min=2, max=100_000, help="Most settings that are tried.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Which half of the pictures chooses, and where the search begins.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the settings here, for --settings of other commands.")
    ] = None,
    weights: WeightsFile = None,
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first so many pictures.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    settings: dict[str, Any],
) -> None:
    """Find the decode settings that suit labelled pictures best, and what they are worth on pictures kept apart."""
    dataset = open_dataset(annotations, images=images)
    loaded = open_model(model, device, weights)
    network, decode = protocol_settings(loaded, "full")
    # Of the protocol only what finds several people; thresholds begin where people use them.
    own_network, own_decode = loaded.split_settings(settings)
    start = loaded.decode_settings(
        **{**({"mode": decode["mode"]} if "mode" in decode else {}), **own_decode}
    ).model_dump()
    names = [one.name for one in tunable(loaded)] if search_over == "all" else _names(search_over)
    pictures = dataset.images[:limit]
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(pictures))
        kept = keep_fields(loaded, pictures, "full", {**network, **own_network}, advance=lambda: progress.advance(task))
        for problem in kept.problems:
            errors.print(f"skipped: {problem}", markup=False, soft_wrap=True, highlight=False)
        if not len(kept):
            raise DataError(f"No picture of {dataset.name} can be used.")
        task = progress.add_task("Settings", total=trials)
        wanted = Goal("false people" if goal == "false-people" else goal, bound)
        tuned = search(
            Bench(loaded, kept, dataset.skeleton, start), wanted, names, trials, seed, lambda: progress.advance(task)
        )
    output.print(_table(tuned))
    output.print(tuned.verdict)
    if json_file is not None:
        with writing(json_file):
            json_file.parent.mkdir(parents=True, exist_ok=True)
            write_json(json_file, {"model": loaded.name, "settings": {**own_network, **start, **tuned.settings}})


def _names(text: str) -> list[str]:
    return [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]


def _table(tuned: Tuned) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("Pictures", "AP", "Precision", "Recall", "F1", "False per 100"):
        table.add_column(title, justify="right")
    rows = (("chosen on", tuned.chosen), ("kept apart", tuned.confirmed), ("… before", tuned.before))
    for name, figures in rows:
        table.add_row(name, *_cells(figures))
    return table


def _cells(figures: Figures) -> list[str]:
    shown = (figures.AP, figures.precision, figures.recall, figures.f1)
    return [str(figures.pictures), *map(figure_text, shown), f"{figures.false_per_100:.1f}"]
