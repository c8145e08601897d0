"""The command line: ``posecore …``. One module per group of commands; the work is done by the package.

A command's module is loaded when it is called: most need PyTorch, which takes seconds, and ``--help`` needs none of it.
"""

from __future__ import annotations

import sqlite3
import sys
from importlib import import_module
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from posecore.cli.console import errors
from posecore.errors import PosecoreError
from posecore.storage import sentence, trouble

#: Name → module, its command or group of commands, and the first sentence of its help, as it stands there.
COMMANDS = {
    "models": (
        "models",
        "models",
        "List every model: name, family, origin, size, licence, and whether it is on this machine.",
    ),
    "weights": ("models", "weights", "Fetch, add, check, export and remove the weights of models."),
    "image": ("images", "image", "Find the people in pictures and write what was found."),
    "video": ("video", "video", "Find, follow and measure the people in a video, and draw them into a clip."),
    "lift": ("lifting", "lift_command", "Lift saved poses into three dimensions, without running a model again."),
    "motion": (
        "motion",
        "motion",
        "Hold a movement against a reference: which joint angles differ, by how much, and when.",
    ),
    "webcam": ("webcam", "webcam", "Show poses in a camera's picture, live, on a page in the browser."),
    "benchmark": (
        "benchmark",
        "benchmark",
        "Time preprocessing, network, decoding and drawing, each apart, for models and settings side by side.",
    ),
    "compare": (
        "compare",
        "compare",
        "Put two to four models or settings side by side: who is found by which, how far joints are apart.",
    ),
    "evaluate": (
        "evaluate",
        "evaluate",
        "Measure a model on labelled pictures: OKS AP and AR, PCK@0.2, every keypoint, and the kinds of errors.",
    ),
    "evaluations": ("evaluations", "app", "List, show, compare, export, rename and remove evaluations."),
    "tune": (
        "tune",
        "tune",
        "Find the settings that suit labelled pictures best, and what they are worth on pictures kept apart.",
    ),
    "calibrate": (
        "calibrate",
        "calibrate",
        "Learn from labelled pictures how often a model is right at which score, for --calibrated of other commands.",
    ),
    "classify": ("classify", "app", "Tell what people do: teach a classifier of poses, and use it."),
    "ros": ("ros", "ros", "Tell ROS who is where: live or from a video, through rosbridge or into a bag."),
    "export": ("export", "export", "Write a model for another runtime, with a program that runs it and its parity."),
    "quantise": (
        "quantise",
        "quantise",
        "Make a model compute in 8-bit integers; say what that costs and brings, and keep it if that is wanted.",
    ),
    "train": ("train", "train", "Train or fine-tune a network."),
    "runs": ("runs", "app", "List, pause, resume, rename and remove training runs."),
    "config": ("configs", "app", "Check training configurations, and convert other trainers' ones."),
    "data": ("data", "app", "Labelled pictures: inspect, convert, split, crop, synthesize, fetch."),
    "app": ("models", "open_app", "Open the app in the browser."),
    "about": ("about", "about", "Say what is installed, what is missing and how to get it, and what this machine has."),
}


class _Commands(TyperGroup):
    """Knows names and helps of all commands, and loads the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else command, rest


def load_command(name: str) -> Any:
    """A command with all its options, or a group of commands."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"posecore.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    single = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    single.command(name)(found)
    return typer.main.get_command(single)


app = typer.Typer(
    name="posecore",
    cls=_Commands,
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


def _named() -> None:
    """Stands for a command until it is called."""


for _name, (_, _, _help) in COMMANDS.items():
    app.command(_name, help=_help)(_named)


def main() -> None:
    """Entry point: mistakes a user can mend become one sentence and exit code 1 (2 for wrong usage)."""
    try:
        app()
    except PosecoreError as error:
        _fail(str(error))
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        sys.stderr.close()
        sys.exit(1)
    except (OSError, sqlite3.Error) as error:
        if trouble(error) is None:
            raise
        _fail(sentence(error, getattr(error, "filename", None) or Path.cwd()))
    except KeyboardInterrupt:
        errors.print("posecore: stopped.")
        sys.exit(130)


def _fail(reason: str) -> None:
    errors.print(f"[red]posecore:[/red] {escape(reason)}", highlight=False, soft_wrap=True)
    sys.exit(1)
