"""Commands about models and their weights, and the one that opens the app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import download_bar, errors, output
from posecore.cli.loading import open_model
from posecore.errors import PosecoreError
from posecore.shipped import shipped
from posecore.zoo import (
    add_model,
    fetch_model,
    list_models,
    list_trouble,
    read_header,
    remove_model,
    resolve_name,
    save_weights,
    verify_model,
)
from posecore.zoo.advice import Need, People, advise
from posecore.zoo.guide import guide

weights = typer.Typer(help="Fetch, add, check, export and remove the weights of models.", no_args_is_help=True)
Names = Annotated[list[str], typer.Argument(help="Model names, as listed by “posecore models”.")]


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
    people: Annotated[
        People | None, typer.Option(help="Say which models suit pictures of one person, or of several.")
    ] = None,
    need: Annotated[
        Need | None,
        typer.Option(help="What they have to be: exact, live (fast, for a camera) or inside (to look into)."),
    ] = None,
) -> None:
    """List every model: name, family, origin, size, licence, and whether it is on this machine."""
    if people is not None or need is not None:
        _advise(people or "several", need or "exact", as_json)
        return
    infos = list_models()
    if trouble := list_trouble():
        errors.print(f"[yellow]problem:[/yellow] {escape(trouble)}", soft_wrap=True, highlight=False)
    if as_json:
        typer.echo(json.dumps([asdict(info) for info in infos], indent=2, default=str))
        return
    table = Table("Name", "Family", "Origin", "Size", "Here", "Licence", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for info in infos:
        size = decimal(info.size_bytes) if info.size_bytes else "?"
        here = "[green]yes[/green]" if info.available else "no"
        table.add_row(info.name, info.family, info.origin, size, here, info.licence.split(",")[0])
    output.print(table)


def _advise(people: People, need: Need, as_json: bool) -> None:
    """Models that suit, the best first."""
    found = advise(people, need)
    if as_json:
        rows = [{"name": one.info.name, "AP": one.ap, "here": one.info.available, "why": one.why} for one in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("Name", "AP", "Here", "What for", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap = True
    for one in found:
        here = "[green]yes[/green]" if one.info.available else "no"
        table.add_row(one.info.name, f"{one.ap:.3f}", here, escape(one.why.partition(". ")[2]))
    output.print(table)
    of = "every person cut out" if people == "one" else "whole pictures"
    output.print(f"AP: {guide().command}, of {of}. {guide().sets}", soft_wrap=True, highlight=False)


@weights.command("fetch")
def fetch(
    names: Names,
    agree: Annotated[
        bool, typer.Option("--agree", help="Agree to the terms of weights that may not be used for everything.")
    ] = False,
) -> None:
    """Download and convert weights, so that they are there when there is no network."""
    for name in names:
        terms = resolve_name(name).terms
        agreed = agree or (bool(terms) and sys.stdin.isatty() and typer.confirm(f"{terms}\nDo you agree?"))
        with download_bar(name) as bar:
            path = fetch_model(name, bar, agreed)
        output.print(f"{name}: {path}", soft_wrap=True)


@weights.command("verify")
def verify(names: Names) -> None:
    """Check that weights on this machine are what they were when they came; exit code 1 if any is not."""
    failed = False
    for name in names:
        try:
            verify_model(name)
            output.print(f"{name}: [green]intact[/green]")
        except PosecoreError as error:
            failed = True
            errors.print(f"[red]{escape(name)}:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)
    if failed:
        raise typer.Exit(1)


@weights.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="A weights file, or a folder that “posecore export” wrote.")],
    architecture: Annotated[
        str | None, typer.Option(help="What the weights are for, where the file does not say.")
    ] = None,
    name: Annotated[str, typer.Option(help="What follows the architecture in the model's name; the file's own.")] = "",
) -> None:
    """Add weights of your own to the models of this machine, under a name that every command and page knows."""
    output.print(f"{add_model(path, architecture, name).name}: added", soft_wrap=True)


@weights.command("remove")
def remove(names: Names) -> None:
    """Delete weights that were fetched or added."""
    for name in names:
        output.print(f"{name}: {decimal(remove_model(name))} freed")


@weights.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Model name, for example run:NAME.")],
    file: Annotated[Path, typer.Argument(help="File to write, ending in .safetensors; its stem is the model's name.")],
    half: Annotated[bool, typer.Option("--half", help="Store 16-bit numbers: half the size.")] = False,
    title: Annotated[str, typer.Option(help="Words for people.")] = "",
    description: Annotated[str, typer.Option(help="A sentence about it.")] = "",
    licence: Annotated[str, typer.Option(help="Its licence.")] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Default of a setting in place of the model's, such as input_size=289 or pose_threshold=0.4; may be "
            "repeated.",
        ),
    ] = None,
) -> None:
    """Write a model's weights to a file of their own.

    Of the configuration of the run that they come from only the loss goes along, which fine-tuning goes on with; names
    of folders and pictures stay here.
    """
    if file.suffix != ".safetensors":
        raise PosecoreError(f"{file} must end in .safetensors.")
    model = open_model(name, "cpu")
    given = dict(pair.partition("=")[::2] for pair in settings or ())
    source = resolve_name(name).path
    trained = read_header(source).extra.get("config") if source is not None else None
    extra = {} if trained is None else {"config": {"loss": json.loads(trained).get("loss", {})}}
    sha256 = save_weights(
        file,
        model.network,
        name=file.stem,
        architecture=model.architecture,
        skeleton=model.skeleton,
        dtype=torch.float16 if half else torch.float32,
        title=title or file.stem,
        description=description,
        licence=licence,
        **model.own_settings(**given),
        **extra,
    )
    output.print(f"{file}: {decimal(file.stat().st_size)}, weights {sha256[:16]}", soft_wrap=True)


def open_app(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8501,
    headless: Annotated[bool, typer.Option(help="Do not open a browser window.")] = False,
) -> None:
    """Open the app in the browser."""
    entry = shipped("app.py")
    options = ["--server.port", str(port), "--server.headless", str(headless).lower()]
    command = [sys.executable, "-m", "streamlit", "run", str(entry), *options]
    if os.name == "posix":
        # In place of this process, so that whoever ends it ends the app.
        os.chdir(entry.parent)
        os.execv(command[0], command)
    raise typer.Exit(subprocess.call(command, cwd=entry.parent))
