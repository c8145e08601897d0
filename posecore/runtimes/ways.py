"""Ways to compute a network, and which of them are worth trying on this machine."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from posecore.errors import SettingsError
from posecore.runtimes.engines import ENGINES
from posecore.settings import EXACT_NETWORK, RUNTIMES, NetworkSettings


@dataclass(frozen=True)
class Way:
    """A runtime and the number format that it computes in."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


#: What every other way is held against, and what is always there.
EXACT = Way(**EXACT_NETWORK)


@dataclass(frozen=True)
class Wish:
    """Runtime and precision that settings ask for; either may be ``auto``."""

    runtime: str
    precision: str

    @property
    def is_open(self) -> bool:
        """Whether something is left to choose."""
        return "auto" in (self.runtime, self.precision)


def wish_of(settings: NetworkSettings, device: torch.device) -> Wish:
    """What ``settings`` ask for, as far as it can be told without loading a runtime.

    ``POSECORE_RUNTIME`` names the runtime that ``auto`` stands for. ``torch`` there means float32 as well, so that
    results are the same on every machine.

    Raises:
        SettingsError: When that is not there, or does not go together.
    """
    runtime: str = settings.runtime
    precision: str = settings.precision
    if runtime == "auto":
        runtime = os.environ.get("POSECORE_RUNTIME") or "auto"
        if runtime not in RUNTIMES:
            raise SettingsError(f"POSECORE_RUNTIME is {runtime!r}; set it to one of {', '.join(RUNTIMES)}.")
        if runtime == "torch" and precision == "auto":
            precision = "float32"
    if runtime in ENGINES:
        ENGINES[runtime].check_installed()
        if device.type != "cpu":
            raise SettingsError(f"{runtime} computes on the processor here; choose device 'cpu', or runtime 'torch'.")
    if runtime == "torch" and precision == "float16" and device.type == "cpu":
        raise SettingsError("PyTorch does not compute in float16 on processors; choose bfloat16, float32 or 'auto'.")
    return Wish(runtime, precision)


def _engines_of(wish: Wish, device: torch.device) -> tuple[str, ...]:
    if wish.runtime != "auto":
        return (wish.runtime,) if wish.runtime in ENGINES else ()
    return tuple(name for name, engine in ENGINES.items() if device.type == "cpu" and engine.installed())


def ways(wish: Wish, device: torch.device) -> tuple[Way, ...]:
    """Ways that fulfil a wish, the one that is likely fastest first; PyTorch's last.

    Raises:
        SettingsError: When nothing here can do that.
    """
    found = [way for name in _engines_of(wish, device) for way in _ways_of(name, wish.precision)]
    if wish.runtime in ("auto", "torch"):
        found += _torch_ways(wish.precision, device)
    if not found:
        able = ", ".join(ENGINES[wish.runtime].precisions()) if wish.runtime in ENGINES else "float32"
        raise SettingsError(
            f"{wish.runtime} does not compute in {wish.precision} on this machine; choose {able} or 'auto'."
        )
    return tuple(found)


def meanwhile(wish: Wish, device: torch.device) -> Way:
    """What PyTorch does until a wish is fulfilled."""
    return next(iter(_torch_ways(wish.precision, device) if wish.precision != "auto" else ()), EXACT)


def _ways_of(name: str, precision: str) -> list[Way]:
    able = ENGINES[name].precisions()
    return [Way(name, one) for one in able if precision in ("auto", one)]


def _torch_ways(precision: str, device: torch.device) -> list[Way]:
    if precision == "auto":
        return [Way("torch", one) for one in (*_fast_in_torch(device), "float32")]
    if precision == "float16" and device.type == "cpu":
        return []
    return [Way("torch", precision)]


def _fast_in_torch(device: torch.device) -> tuple[str, ...]:
    """Half precisions in which the device has instructions of its own."""
    if device.type == "cuda":
        return ("float16",)
    if device.type == "cpu" and processor_flags() & {"avx512_bf16", "amx_bf16", "bf16"}:
        return ("bfloat16",)
    return ()


@cache
def processor_flags() -> frozenset[str]:
    """Instruction sets as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(named, "").split())


@cache
def processor_name() -> str:
    """The processor as its maker calls it, as far as the system says."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
