"""The lifting network's weights: a safetensors file, and which one is used."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from posecore.errors import WeightsError
from posecore.lifting.network import Lifter, build_lifter
from posecore.shipped import shipped
from posecore.storage import replacing, writing
from posecore.zoo.weights import load_plain_state, weights_id

#: Says in a file that it holds a lifting network.
FORMAT = "posecore.lifter"

#: Environment variable: a file to use in place of the shipped one.
VARIABLE = "POSECORE_LIFTER"


@dataclass(frozen=True, eq=False)
class LoadedLifter:
    """A lifting network, what it is called and the hash of its weights."""

    network: Lifter
    name: str
    sha256: str


def save_lifter(path: Path, network: nn.Module, *, name: str, **metadata: Any) -> str:
    """Write a network's weights as float16 and return their hash; what is not text in ``metadata`` becomes JSON."""
    stored = {key: value.detach().cpu().half().contiguous() for key, value in network.state_dict().items()}
    sha256 = weights_id({key: value.float() for key, value in stored.items()})
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    header = {"format": FORMAT, "name": name, "sha256": sha256, **texts}
    with writing(path, WeightsError), replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(stored, header))
    return sha256


def lifter_file() -> Path:
    """The file whose network lifts poses; it need not be there."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else shipped("weights") / "lifting" / "lifter-temporal.safetensors"


def load_lifter(path: Path | None = None) -> LoadedLifter:
    """The network of a file, the usual one's unless given.

    Raises:
        WeightsError: When it is not there, damaged or of another kind.
    """
    file = path or lifter_file()
    if not file.is_file():
        raise WeightsError(f"There is no {file}; train a network that lifts poses, or set {VARIABLE} to its file.")
    return _loaded(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _loaded(file: str, changed: int) -> LoadedLifter:
    state = load_plain_state(file)
    try:
        with safetensors.safe_open(file, "pt") as opened:
            header = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{file} cannot be read.") from error
    if header.get("format") != FORMAT:
        raise WeightsError(f"{file} holds no network that lifts poses.")
    sha256 = weights_id(state)
    if header.get("sha256") != sha256 or not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise WeightsError(f"{file} is damaged: its weights do not have the checksum that was recorded with them.")
    return LoadedLifter(build_lifter(state), header.get("name", Path(file).stem), sha256)
