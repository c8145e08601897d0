"""``posecore runs …``: training runs, whoever started them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import counting_progress, errors, output
from posecore.errors import PosecoreError
from posecore.runs import Registry, Run
from posecore.training import jobs

app = typer.Typer(help="List, pause, resume, rename and remove training runs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a run, as “posecore runs list” shows it.")]
Names = Annotated[list[str], typer.Argument(help="Names of runs, as “posecore runs list” shows them.")]


@app.command("list")
def list_runs(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List all runs, newest first."""
    runs = Registry().all()
    if as_json:
        typer.echo(json.dumps([_plain(run) for run in runs], indent=2))
        return
    table = Table("Name", "State", "Done", "Created", "Note", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    for run in runs:
        created = datetime.fromtimestamp(run.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(escape(run.name), run.state, f"{run.progress:.0%}", created, escape(run.note))
    output.print(table)


def _plain(run: Run) -> dict[str, Any]:
    return {**asdict(run), "folder": str(run.folder), "state": run.state}


@app.command("show")
def show(
    name: Name,
    log: Annotated[int, typer.Option(min=0, help="Lines of the log to show.")] = 10,
    compare: Annotated[
        bool, typer.Option("--compare", help="Measure it beside the model it started from, on its validation pictures.")
    ] = False,
) -> None:
    """Show how a run goes: state, curve, the end of its log."""
    found = jobs.view(name, log)
    rest = "" if found.eta_seconds is None else f", about {found.eta_seconds / 60:.0f} minutes left"
    output.print(f"[bold]{escape(name)}[/bold]: {found.state}, {found.progress:.0%} done{rest}")
    if found.message:
        output.print(escape(found.message), soft_wrap=True)
    table = Table("Epoch", "Loss", "Validation loss", "Similarity", "PCK@0.2", box=None, padding=(0, 2, 0, 0))
    for number, figures in found.epochs:
        keys = ("train/loss", "validation/loss", "validation/oks", "validation/pck")
        values = (f"{figures[key]:.3f}" if key in figures else "–" for key in keys)
        table.add_row("before" if number == 0 else str(number), *values)
    if found.epochs:
        output.print(table)
    for line in found.log_tail:
        output.print(escape(line), highlight=False, soft_wrap=True)
    if compare:
        _compare(found.run)


def _compare(run: Run) -> None:
    from posecore.training.comparison import SUMMARY, compare

    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=None)
        result = compare(run, lambda done, total: progress.update(task, completed=done, total=total))
    table = Table("", "Before", "After", "Change, 95 %", box=None, padding=(0, 2, 0, 0))
    rows: list[tuple[str, float | None, float | None, str]] = [
        (words, getattr(result.before, name, None), getattr(result.after, name), str(result.intervals.get(name, "")))
        for name, words in SUMMARY.items()
    ]
    for keypoint, after in result.after.per_keypoint.items():
        before = None if result.before is None else result.before.per_keypoint.get(keypoint)
        rows.append((keypoint, before, after, ""))
    for title, before, after, interval in rows:
        table.add_row(title, *("–" if value is None else f"{value:.3f}" for value in (before, after)), interval)
    output.print(table)
    for sentence in result.sentences:
        output.print(escape(sentence), soft_wrap=True)


@app.command("pause")
def pause(names: Names) -> None:
    """Stop runs where they are, to go on later with “posecore runs resume”."""
    _each(names, jobs.pause, "asked to pause")


@app.command("cancel")
def cancel(names: Names) -> None:
    """Stop runs for good; the best weights so far stay."""
    _each(names, jobs.cancel, "cancelled")


@app.command("resume")
def resume(names: Names) -> None:
    """Put runs that stopped before their end back in the queue, and start what may start."""
    _each(names, jobs.resume, "goes on")
    jobs.dispatch()


@app.command("delete")
def delete(names: Names, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Remove runs with all their files, their models among them."""
    if not yes:
        typer.confirm(f"Remove {', '.join(names)} with all files?", abort=True)
    _each(names, jobs.delete, "removed")


@app.command("rename")
def rename(name: Name, new: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a run, and so its model, another name."""
    jobs.rename(name, new)
    output.print(f"{escape(name)} is now {escape(new)}; its model is run:{escape(new)}.")


@app.command("note")
def note(name: Name, text: Annotated[str, typer.Argument(help="Words about the run.")]) -> None:
    """Keep words about a run."""
    jobs.set_note(name, text)


@app.command("dispatch")
def dispatch(
    limit: Annotated[int, typer.Option(min=1, help="How many runs may be at work at once.")] = 1,
) -> None:
    """Start waiting runs, oldest first."""
    started = jobs.dispatch(limit)
    output.print(f"started: {', '.join(map(escape, started))}" if started else "Nothing to start.")


def _each(names: list[str], do: Callable[[str], None], done: str) -> None:
    """Do something with every run; what went wrong with some does not keep the others from it."""
    failed = False
    for name in names:
        try:
            do(name)
            output.print(f"{escape(name)}: {done}")
        except PosecoreError as error:
            failed = True
            errors.print(f"[red]posecore:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
