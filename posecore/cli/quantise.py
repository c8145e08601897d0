"""The command that makes a model compute in 8-bit integers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from posecore.cli.console import errors, output
from posecore.cli.images import find_pictures
from posecore.cli.loading import WeightsFile, open_model
from posecore.data.detect import open_dataset
from posecore.errors import SettingsError
from posecore.quantising import Worth, keep
from posecore.quantising import quantise as make
from posecore.zoo import licence_of


def quantise(
    model: Annotated[str, typer.Argument(help="Name of the model, as listed by “posecore models”.")],
    pictures: Annotated[
        list[str] | None, typer.Option(help="Pictures like those it will see: files or folders, as often as you like.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Labelled pictures in their place: the change of AP is told as well.")
    ] = None,
    weights: WeightsFile = None,
    to: Annotated[Path | None, typer.Option(help="Write it to this .safetensors file instead of the list.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Keep it without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Make a model compute in 8-bit integers; say what that costs and brings, and keep it if that is wanted."""
    if (pictures is None) == (annotations is None):
        raise SettingsError(
            "8-bit integers need pictures like those the network will see: name some with --pictures, or labelled ones "
            "with --annotations."
        )
    files = find_pictures(pictures, recursive=True) if pictures else []
    dataset = None if annotations is None else open_dataset(annotations)
    loaded = open_model(model, "cpu", weights)
    rounded, worth = make(loaded, files, dataset, lambda step: errors.print(f"{step} …", highlight=False))
    if as_json:
        typer.echo(json.dumps(worth.to_dict(), indent=2))
    else:
        output.print(_table(worth))
    if not (yes or to is not None or (sys.stdin.isatty() and typer.confirm("Keep it?"))):
        errors.print("Not kept; --yes keeps it without asking.", highlight=False)
        return
    name = keep(rounded, worth, licence_of(model, weights), to)
    errors.print(f"{to or name}: kept", soft_wrap=True, highlight=False)


def _table(worth: Worth) -> Table:
    table = Table("", "before", "8 bits", box=None, pad_edge=False)
    table.add_row(
        "Network, ms",
        f"{worth.milliseconds_before:.1f}",
        f"{worth.milliseconds_after:.1f} ({worth.gain:.1f} × as fast)",
    )
    if worth.ap_before is not None and worth.ap_after is not None:
        table.add_row(f"AP, {worth.protocol}", f"{worth.ap_before:.3f}", f"{worth.ap_after:.3f}")
    table.add_row("People found", str(worth.people_before), str(worth.people_found))
    table.add_row("Joints where they were", "", f"{100 * worth.joints_near:.1f} %")
    return table
