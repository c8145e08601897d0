"""What commands say that spread their work: the option for it, who works, and what could not be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from posecore.cli.console import errors
from posecore.cli.settings import listed
from posecore.cli.skipped import LISTED
from posecore.spreading.choosing import CLUSTER_HELP, open_workers
from posecore.spreading.workers import Item, Job, Result, Workers
from posecore.words import counted

Cluster = Annotated[str | None, typer.Option("--cluster", help=CLUSTER_HELP, metavar="auto|ADDRESS|processes[:N]")]


#: Format that is written with --cluster alone, and always.
PARQUET = "parquet"


def chosen_formats(save: str | None, known: Sequence[str], usual: str, spread: bool) -> list[str]:
    """What ``--save`` asks for: ``usual`` unless said, or Parquet where work is spread.

    Raises:
        BadParameter: For what is not known, and for Parquet where no work is spread.
    """
    formats = listed((save if save is not None else PARQUET if spread else usual).lower())
    every = (*known, PARQUET)
    if unknown := set(formats) - set(every):
        raise typer.BadParameter(f"unknown format {', '.join(sorted(unknown))}; choose from {', '.join(every)}.")
    if PARQUET in formats and not spread:
        raise typer.BadParameter(f"{PARQUET} is written with --cluster: add --cluster processes.")
    return formats


def _say(text: str) -> None:
    """A sentence about the run."""
    errors.print(escape(text), highlight=False, soft_wrap=True)


def workers_of(
    cluster: str, job: Job[Item, Result], most: int | None, device: str, *networks: Mapping[str, Any]
) -> Workers[Item, Result]:
    """The workers that ``--cluster`` names, of whom is said who they are and with which runtime they compute.

    Args:
        cluster, job, most, device: As :func:`posecore.spreading.choosing.open_workers` takes them.
        *networks: Settings of the job's network, each time; nothing in them is left to the machine.
    """
    workers = open_workers(cluster, job, most, device, _say)
    ways = dict.fromkeys(f"{network['runtime']} in {network['precision']}" for network in networks)
    _say(f"{workers.words}, each computing with {' and '.join(ways)}.")
    return workers


def report_failure(source: str, error: str) -> None:
    """Say why a file is left out."""
    errors.print(f"[red]{escape(source)}:[/red] {escape(error)}", soft_wrap=True, highlight=False)


def tell_outcome(before: int, total: int, failures: Sequence[tuple[str, str]], list_of_them: Path) -> None:
    """Say what had been done before, and what could not be done, as far as that can be read."""
    if before:
        _say(f"{counted(before, 'file')} of {total:,} had been done before.")
    for source, error in failures[:LISTED]:
        report_failure(source, error)
    if failures:
        more = f"{len(failures) - LISTED:,} more; " if len(failures) > LISTED else ""
        _say(f"{more}{list_of_them} lists what could not be done; the same command tries that again.")
