"""``posecore config``: training configurations, and what can be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import errors, output
from posecore.cli.settings import check_belongs
from posecore.errors import SettingsError
from posecore.families import FAMILIES
from posecore.storage import write_text, writing
from posecore.training.config import LIFTERS, read_config
from posecore.training.foreign import convert_movenet_config
from posecore.training.parts import check_run

app = typer.Typer(help="Check training configurations, and convert other trainers' ones.", no_args_is_help=True)


@app.command("convert")
def convert(
    file: Annotated[Path, typer.Argument(help="Configuration of movenet.pytorch: JSON, or Python with a table cfg.")],
    save: Annotated[Path | None, typer.Option("--output", "-o", help="YAML file to write; else it is printed.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if there is one.")] = False,
) -> None:
    """Turn a configuration of a public MoveNet trainer into one for posecore train.

    What became of every key is said on standard error, and in the file's first lines where it matters.
    """
    if save is None:
        check_belongs(["overwrite"] * overwrite, "--output")
    conversion = convert_movenet_config(file)
    text = conversion.to_yaml(file.name)
    if save is None:
        typer.echo(text)
    elif save.exists() and not overwrite:
        raise SettingsError(f"{save} is there already; give another name, or --overwrite.")
    else:
        with writing(save, SettingsError):
            write_text(save, text)
    table = Table("Theirs", "Ours", "", "Why", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns[:2]:
        # Keys and values are there to be read, and searched for: never cut off.
        column.overflow = "fold"
    for finding in conversion.findings:
        ours = "\n".join(f"{key}: {value}" for key, value in finding.ours.items())
        table.add_row(*(escape(cell) for cell in ("\n".join(finding.keys), ours, finding.kind, finding.words)))
    errors.print(table)


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="Configuration file (YAML or JSON).")]) -> None:
    """Say whether posecore train would take a configuration; what is wrong is named. Data is not looked at."""
    config = read_config(file)
    check_run(config)
    output.print(f"{file}: fine. {config.name} trains {config.model.architecture} on {config.skeleton.name}.")


@app.command("architectures")
def architectures() -> None:
    """List every network that can be trained, also those that nobody has published weights for."""
    table = Table("Architecture", "Family", "Title", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for family in FAMILIES.values():
        for architecture in family.architectures.values():
            table.add_row(architecture.name, family.title, architecture.title)
    for name, title in LIFTERS.items():
        table.add_row(name, "Lifting", title)
    output.print(table)
