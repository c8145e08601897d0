"""The command line: ``posecore …``. One module per group of commands; the work is done by the package."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer
from rich.markup import escape

from posecore.cli import benchmark, configs, data, evaluate, images, models, runs, train, video, webcam
from posecore.cli.console import errors
from posecore.errors import PosecoreError

app = typer.Typer(
    name="posecore",
    help="Find people in pictures and videos with PoseNet, MoveNet and OpenPose; train them; manage models and data.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"posecore {installed_version('posecore')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


app.command("models")(models.models)
app.add_typer(models.weights, name="weights")
app.command("image")(images.image)
app.command("video")(video.video)
app.command("webcam")(webcam.webcam)
app.command("benchmark")(benchmark.benchmark)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.add_typer(runs.app, name="runs")
app.add_typer(configs.app, name="config")
app.add_typer(data.app, name="data")
app.command("app")(models.open_app)


def main() -> None:
    """Entry point: mistakes a user can mend become one sentence and exit code 1 (2 for wrong usage)."""
    try:
        app()
    except PosecoreError as error:
        errors.print(f"[red]posecore:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("posecore: stopped.")
        sys.exit(130)
