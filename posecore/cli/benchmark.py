"""The command that times models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from posecore.benchmark import STAGES, Row, machine_facts, measure, table_of, trials
from posecore.cli.console import output
from posecore.cli.images import find_pictures
from posecore.cli.loading import Device, WeightsFile, open_model
from posecore.cli.settings import each_value, settings_options
from posecore.errors import SettingsError
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.storage import write_json, write_text, writing


@settings_options
def benchmark(
    pictures: Annotated[list[str] | None, typer.Argument(help="Pictures to use; a rendered scene if none.")] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="Model name, as often as you like; the best one on this machine if none."),
    ] = None,
    weights: WeightsFile = None,
    each: Annotated[
        list[str] | None,
        typer.Option(help="Measure each of these values of a setting: --each runtime=torch,openvino."),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs per picture, after untimed ones.")] = 20,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of the processor, as often as you like.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Pictures at a time, as often as you like; 1 if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the table to this file too.")] = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Time preprocessing, network, decoding and drawing, each apart, for models and settings side by side."""
    if weights is not None and len(models or []) > 1:
        raise SettingsError("--weights are of one model: name one --model with them.")
    shots = [read_image(path) for path in find_pictures(pictures, recursive=False)] if pictures else []
    opened: dict[str, PoseModel] = {}

    def load(name: str) -> PoseModel:
        if name not in opened:
            opened[name] = open_model(name or None, device, weights)
        return opened[name]

    wanted = trials(models or [load("").name], each_value(each or []), settings, threads or (), batch or (1,))
    opened = {model.name: model for model in opened.values()}
    rows = []
    for row in measure(wanted, shots, runs, load):
        rows.append(row)
        _show(row)
    if json_file:
        sizes = [f"{shot.shape[1]}×{shot.shape[0]}" for shot in shots]
        report = {"machine": machine_facts(), "pictures": sizes, "runs": runs, "rows": [asdict(row) for row in rows]}
        with writing(json_file):
            write_json(json_file, report, readable=True)
    if csv_file:
        with writing(csv_file):
            write_text(csv_file, table_of(rows).to_csv(index=False))
    if all(row.error for row in rows):
        raise typer.Exit(1)


def _show(row: Row) -> None:
    trial = row.trial
    told = ", ".join(f"{name}={value}" for name, value in trial.settings.items())
    threads = f"{trial.threads} thread{'s' if trial.threads > 1 else ''}"
    parts = (trial.model, told, threads, f"{trial.batch} at a time" if trial.batch > 1 else "")
    output.print(", ".join(filter(None, parts)), highlight=False)
    if row.error:
        output.print(f"  [red]{row.error}[/red]", highlight=False)
        return
    output.print(f"  {row.computed}, input {row.size}, {row.people} people", highlight=False)
    table = Table("Milliseconds", "5 %", "median", "95 %", box=None, pad_edge=False)
    for stage in (*STAGES, "total"):
        table.add_row(stage, *(f"{value:.2f}" for value in row.milliseconds[stage].values()))
    output.print(table)
