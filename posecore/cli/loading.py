"""Loading a model for a command: the options that name it, and a bar while it is fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from posecore.cli.console import download_bar
from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.zoo import default_model, load_model
from posecore.zoo.own_files import stated_architecture

ModelName = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Model name, or the path of weights; the best one on this machine if none."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
WeightsFile = Annotated[
    Path | None, typer.Option("--weights", help="A weights file of your own, or an exported folder.")
]


def _path_named(name: str) -> Path | None:
    """The file of weights, or the exported folder, that stands in place of a model's name; None for a name."""
    path = Path(name).expanduser()
    if os.sep not in name and not path.is_file():
        return None
    if not path.exists():
        raise PosecoreError(f"There is no {name}; give a model's name, a file of weights or an exported folder.")
    if stated_architecture(path) is None:
        raise PosecoreError(
            f"{name} does not say which network it is for; name that with --model, and give the file with --weights "
            "where the command has it, or add it once with 'posecore weights add'."
        )
    return path


def open_model(name: str | None, device: str, weights: Path | None = None) -> PoseModel:
    """Load a model by name, else what the weights say they are for, else the best one here; a bar shows downloads.

    In place of a name there may be the path of weights that say what they are for.
    """
    if name is not None and weights is None and (path := _path_named(name)) is not None:
        name, weights = None, path
    if name is None and weights is not None and stated_architecture(weights) is not None:
        name = ""
    if name is None:
        found = default_model()
        if found is None:
            raise PosecoreError(
                "No model is on this machine yet; name one with --model and it will be fetched "
                "('posecore models' lists them)."
            )
        name = found.name
    with download_bar(name) as bar:
        return load_model(name, weights=weights, device=device, progress=bar)
