"""``posecore about``: what is installed and what this machine has, for people and for reports of errors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from posecore.benchmark import machine_facts
from posecore.cli.console import output
from posecore.home import home
from posecore.installation import libraries, missing_extras, variables
from posecore.zoo import list_models, list_trouble


def about(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False) -> None:
    """Say what is installed, what is missing and how to get it, and what this machine has."""
    models = list_models()
    facts: dict[str, Any] = {
        "posecore": version("posecore"),
        **machine_facts(),
        "folder": _folder(home()),
        "models": f"{sum(info.available for info in models)} of {len(models)} on this machine",
        **variables(),
    }
    if trouble := list_trouble():
        facts["trouble"] = trouble
    if as_json:
        packages = {one.name: one.version for one in libraries()}
        typer.echo(json.dumps({**facts, "libraries": packages, "missing": sorted(missing_extras())}, indent=2))
        return
    output.print(_table([(name, str(value)) for name, value in facts.items()]))
    output.print(_table([(one.name, one.version, one.licence, one.purpose) for one in libraries()], "Libraries"))
    missing = [(f"pip install 'posecore[{extra}]'", what) for extra, what in missing_extras().items()]
    if missing:
        output.print(_table(missing, "Not installed"))


def _table(rows: Sequence[tuple[str, ...]], title: str = "") -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _folder(place: Path) -> str:
    """A folder in which things are kept, and what is wrong with it."""
    there = next((one for one in (place, *place.parents) if one.exists()), place)
    if not os.access(there, os.W_OK):
        return f"{place} (may not be written to)"
    return f"{place} ({shutil.disk_usage(there).free / 1e9:.0f} GB free)"
