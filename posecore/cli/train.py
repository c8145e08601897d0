"""``posecore train``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from posecore.extras import require


def train(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML or JSON).")],
    name: Annotated[str | None, typer.Option(help="Name of the run; the configuration's unless given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Train in the background, after the runs that wait already, and return.")
    ] = False,
) -> None:
    """Train or fine-tune a network. Ctrl-C pauses the run; “posecore runs” shows and controls all runs."""
    # Imported here: Lightning takes seconds to load, and no other command needs it.
    from posecore.training import jobs
    from posecore.training.config import read_config

    if queue and resume:
        raise typer.BadParameter("--queue starts a new run; use “posecore runs resume NAME” to go on with one.")
    checked = read_config(config)
    folder = config.resolve().parent
    if queue:
        run = jobs.submit(checked, name, config_folder=folder)
        started = run.name in jobs.dispatch()
        typer.echo(f"{run.name} {'has begun' if started else 'waits'}; posecore runs show {run.name}")
        return
    require("train")
    from posecore.training.launching import is_first_process
    from posecore.training.memory import keep_freed_memory
    from posecore.training.run import train as run_here

    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # Lightning's own lines are about hardware that is not there and loggers that could be.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    place = run_here(checked, folder, name, resume)
    if not is_first_process():
        # The one that leads may still be writing how the run ended.
        return
    typer.echo(f"{place}")
    if (status := jobs.view(place.name).state) != "finished":
        typer.echo(f"The run is {status}; posecore runs resume {place.name} goes on with it.", err=True)
        raise typer.Exit(130)
