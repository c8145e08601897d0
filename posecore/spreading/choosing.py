"""Which workers ``--cluster`` means."""

from __future__ import annotations

from collections.abc import Callable

from posecore.errors import SettingsError
from posecore.extras import installed, require
from posecore.spreading.workers import Item, Job, Processes, Result, Workers

CLUSTER_HELP = (
    "Spread the work: “processes” or “processes:4” of this machine, the address of a Ray cluster, or “auto”, a Ray of "
    "this machine where it is installed, else processes."
)


def check_cluster(text: str) -> None:
    """Refuse what :func:`open_workers` would, before any work is done."""
    kind, _, number = text.partition(":")
    if kind == "processes":
        if number and not (number.isdecimal() and int(number) > 0):
            raise SettingsError(f"--cluster {text}: give a number of processes from 1, such as processes:4.")
    elif text != "auto":
        require("cluster")


def open_workers(
    text: str,
    job: Job[Item, Result],
    most: int | None = None,
    device: str = "cpu",
    say: Callable[[str], object] = lambda _: None,
) -> Workers[Item, Result]:
    """Workers that will do ``job``.

    Args:
        text: ``auto``, ``processes``, ``processes:N`` or the address of a Ray.
        job: What they do.
        most: As many as there is work for, if that is known.
        device: What each needs; a graphics card is asked of a Ray for every worker when it begins with ``cuda``.
        say: Told, in a sentence, when ``auto`` means processes.

    Raises:
        SettingsError: When the text is none of these.
        MissingExtraError: When it is an address, and Ray is not installed.
    """
    check_cluster(text)
    kind, _, number = text.partition(":")
    if kind == "processes":
        return Processes(job, int(number) if number else None, most)
    if text == "auto" and not installed("cluster"):
        say("Ray is not installed, so that processes do the work; pip install 'posecore[cluster]' brings it.")
        return Processes(job, None, most)
    from posecore.spreading.ray_workers import RayWorkers

    return RayWorkers(job, None if text == "auto" else text, most, device)
