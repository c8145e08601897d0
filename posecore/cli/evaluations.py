"""``posecore evaluations …``: evaluations that were kept, by the command or by the app."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import errors, output
from posecore.cli.evaluate import figure_text, write_page
from posecore.errors import SettingsError
from posecore.evaluation.paired import compare as compare_measured
from posecore.evaluation.paired_report import paired_html
from posecore.evaluation.report import (
    PROTOCOLS,
    difference_table,
    error_table,
    figure_table,
    report_html,
    summary_facts,
)
from posecore.evaluation.saved import SavedEvaluation, SavedEvaluations
from posecore.storage import write_json, writing

app = typer.Typer(help="List, show, compare, export, rename and remove evaluations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of an evaluation, as “posecore evaluations list” shows it.")]


@app.command("list")
def list_evaluations(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List all evaluations, newest first."""
    kept = SavedEvaluations().all()
    if as_json:
        typer.echo(json.dumps([_plain(one) for one in kept], indent=2))
        return
    if not kept:
        output.print("No evaluation is kept yet; “posecore evaluate” makes one, and so does the app.")
        return
    table = Table(
        "Name", "Model", "Set", "Looked at", "Pictures", "AP", "AR", "PCK@0.2", "When", box=None, pad_edge=False
    )
    table.columns[0].no_wrap = True
    for one in kept:
        if one.head is None:
            errors.print(f"[yellow]problem:[/yellow] {escape(one.broken)}", soft_wrap=True, highlight=False)
            continue
        about, figures = one.head.provenance, one.head.figures
        when = datetime.fromtimestamp(about.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        shown = (figure_text(figures[name].value) if name in figures else "–" for name in ("AP", "AR", "PCK@0.2"))
        looked = PROTOCOLS[about.protocol]
        table.add_row(one.name, about.model, about.set_title, looked, str(one.head.pictures), *shown, when)
    output.print(table)


def _plain(one: SavedEvaluation) -> dict[str, Any]:
    if one.head is None:
        return {"name": one.name, "folder": str(one.folder), "broken": one.broken}
    about = one.head.provenance
    figures = {name: figure.value for name, figure in one.head.figures.items()}
    return {
        "name": one.name,
        "folder": str(one.folder),
        "named": one.head.named,
        "model": about.model,
        "set": about.set_name,
        "protocol": about.protocol,
        "pictures": one.head.pictures,
        "people": one.head.people,
        "created": about.created,
        "figures": figures,
    }


@app.command("show")
def show(name: Name) -> None:
    """Show the main figures of an evaluation, with intervals, and its kinds of errors."""
    found = SavedEvaluations().get(name).summary()
    output.print(escape(summary_facts(found)), soft_wrap=True, highlight=False)
    output.print(_table(figure_table(found)))
    output.print(_table(error_table(found)))


@app.command("compare")
def compare(
    first: Name,
    second: Name,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the differences here.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report here: one page that needs nothing else.")] = None,
) -> None:
    """Compare two evaluations on the pictures that both have: differences, and whether they are more than chance."""
    kept = SavedEvaluations()
    found = compare_measured(kept.get(first).measured(), kept.get(second).measured())
    for remark in found.remarks:
        errors.print(f"[yellow]note:[/yellow] {escape(remark)}", soft_wrap=True, highlight=False)
    if json_file is not None:
        with writing(json_file):
            write_json(json_file, found.to_dict())
    if html is not None:
        write_page(paired_html(found, (first, second)), html)
    output.print(_table(difference_table(found.figures)))
    output.print(_table(difference_table(found.keypoints, "Keypoint")))


@app.command("export")
def export(
    name: Name,
    html: Annotated[Path | None, typer.Option(help="Write a report here: one page that needs nothing else.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all that is known here.")] = None,
) -> None:
    """Write an evaluation as a page to be sent or as JSON."""
    if html is None and json_file is None:
        raise SettingsError("Say what to write: --html FILE, --json FILE, or both.")
    found = SavedEvaluations().get(name).summary()
    if html is not None:
        write_page(report_html(found), html)
    if json_file is not None:
        with writing(json_file):
            write_json(json_file, found.to_dict())


@app.command("rename")
def rename(name: Name, new: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give an evaluation a name of your choice, under which it stays until it is removed."""
    SavedEvaluations().rename(name, new)


@app.command("remove")
def remove(names: Annotated[list[str], typer.Argument(help="Names of evaluations.")]) -> None:
    """Delete evaluations."""
    for name in names:
        SavedEvaluations().remove(name)
        output.print(f"{name} was deleted.", highlight=False)


def _table(frame: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(frame.columns):
        table.add_column(str(column), justify="right" if place else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(str(cell)) for cell in row))
    return table
