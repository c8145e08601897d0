"""One run in several processes: which of them this is, and how many there are.

Lightning starts further processes of one machine itself (``training.devices``). On several machines, or where processes
that die are to be started anew, `torchrun <https://docs.pytorch.org/docs/stable/elastic/run.html>`_ starts all of them
and says in the environment how many there are.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from posecore.storage import write_text
from posecore.training.config import AnyConfig, LifterConfig, RunConfig

_TORCHRUN = "TORCHELASTIC_RUN_ID"
_SIGNATURE = "torchrun.txt"

_Config = TypeVar("_Config", RunConfig, LifterConfig, AnyConfig)


def is_first_process() -> bool:
    """False in all processes of a run but the one that leads it."""
    if (rank := os.environ.get("RANK")) is not None:
        return rank == "0"
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def was_restarted() -> bool:
    """True when torchrun started all processes anew because one of them had died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def sign(folder: Path) -> None:
    """Note in a run's folder which torchrun began the run; nothing without torchrun."""
    if _TORCHRUN in os.environ:
        write_text(folder / _SIGNATURE, _launcher())


def began(folder: Path) -> bool:
    """True when the torchrun that restarted this process began the run, so that the run is not somebody else's."""
    try:
        return was_restarted() and (folder / _SIGNATURE).read_text("utf-8") == _launcher()
    except OSError:
        return False


def _launcher() -> str:
    # torchrun stays the parent of the processes that it starts anew.
    return f"{os.environ.get(_TORCHRUN)} {os.getppid()}"


def as_launched(config: _Config) -> _Config:
    """The configuration with as many processes and machines as torchrun started; as it is without torchrun."""
    if _TORCHRUN not in os.environ:
        return config
    here, all_together = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    counts = {"devices": here, "nodes": max(all_together // here, 1)}
    return config.model_copy(update={"training": config.training.model_copy(update=counts)})


def meet_again(config: AnyConfig) -> None:
    """Join the other processes when torchrun started all of them anew; otherwise Lightning does so.

    torchrun keeps what the processes told each other before, the addresses of those that died among it, and hands it
    to the new ones; so these tell each other under another name.
    """
    if not was_restarted():
        return
    on_gpu = config.training.device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        atexit.register(torch.distributed.destroy_process_group)
    store, rank, world = next(rendezvous("env://"))
    attempt = PrefixStore(f"attempt-{os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo", store=attempt, rank=rank, world_size=world)
