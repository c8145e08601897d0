"""``posecore train``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="Configuration file (YAML or JSON).")],
    name: Annotated[str | None, typer.Option(help="Name of the run; the configuration's unless given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
) -> None:
    """Train or fine-tune a network."""
    # Imported here: Lightning takes seconds to load, and no other command needs it.
    from posecore.training.config import read_config
    from posecore.training.run import train as run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    # Lightning's own lines are about hardware that is not there and loggers that could be.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    checked = read_config(config)
    folder = run(checked, config.resolve().parent, name, resume)
    typer.echo(f"{folder}")
