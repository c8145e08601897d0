"""Converting a graph in a process of its own: it takes seconds, much memory and Python's lock, and may be given up.

``python -m posecore.runtimes.converting FOLDER`` is that process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from posecore.errors import PosecoreError
from posecore.families import family_of
from posecore.families.backbones.int8 import Ranges, set_ranges
from posecore.parsing import parse_json
from posecore.runtimes.engines import ENGINES
from posecore.runtimes.graph import Graph
from posecore.settings import build_settings
from posecore.skeleton import Skeleton, data_of_skeleton, skeleton_of_data

_JOB, _STATE, _GRAPH = "job.json", "state.safetensors", "graph"
#: Seconds after which a conversion counts as stuck.
_PATIENCE = 900.0


class ConversionError(PosecoreError):
    """A graph could not be converted."""


@dataclass(frozen=True)
class Job:
    """What is converted.

    Attributes:
        engine: Name of the runtime.
        architecture, skeleton: Of the network.
        settings: All network settings.
        size: (height, width) of the input.
        hurry: Somebody waits for it; else it leaves the processor to others.
        ranges: Of convolutions in 8-bit integers.
    """

    engine: str
    architecture: str
    skeleton: Skeleton
    settings: dict[str, Any]
    size: tuple[int, int]
    hurry: bool = False
    ranges: Ranges = field(default_factory=dict)


def convert(job: Job, network: nn.Module, folder: Path, stop: threading.Event) -> Path:
    """Convert in another process.

    Args:
        job: What to convert.
        network: Its weights.
        folder: An empty folder to work in.
        stop: Set when nobody needs the graph any more.

    Returns:
        A folder inside of ``folder`` with the graph's files.

    Raises:
        ConversionError: When it fails or is stopped.
        OSError: When files cannot be written.
    """
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    # Serialised in memory first: Python's write says why it fails, safetensors' does not.
    (folder / _STATE).write_bytes(safetensors.torch.save(state))
    content = {**vars(job), "skeleton": data_of_skeleton(job.skeleton)}
    (folder / _JOB).write_text(json.dumps(content), "utf-8")
    command = [sys.executable, "-m", "posecore.runtimes.converting", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    # Its input stays open as long as this process lives, and says nothing; kept from `communicate`, which closes it.
    lifeline, process.stdin = process.stdin, None
    try:
        said = _wait(process, stop)
    finally:
        process.kill()
        process.wait()
        if lifeline is not None:
            lifeline.close()
    if process.returncode:
        reason = said.strip().rpartition("\n")[2]
        raise ConversionError(f"The network could not be converted for {job.engine} ({reason or 'it was ended'}).")
    (folder / _STATE).unlink()
    return folder / _GRAPH


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> str:
    """What the process said on its way, once it has ended or nobody waits any more."""
    waited = 0.0
    while not stop.is_set() and waited < _PATIENCE:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=0.2)[1].decode("utf-8", "replace")
        waited += 0.2
    process.kill()
    process.communicate()
    return "it was given up"


def _end_with_parent() -> None:
    """End this process when the one that wants the graph is gone, however that ended."""
    sys.stdin.buffer.read()
    os._exit(1)


def main(folder: Path) -> None:
    """Do the work of this process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    content = parse_json((folder / _JOB).read_bytes())
    if not content["hurry"]:
        with suppress(AttributeError, OSError):
            os.nice(10)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    family = family_of(content["architecture"])
    network = family.build(content["architecture"], skeleton_of_data(content["skeleton"])).eval()
    network.load_state_dict(safetensors.torch.load_file(folder / _STATE))
    network.requires_grad_(False)
    set_ranges(network, content["ranges"])
    settings = build_settings(family.network_settings(content["architecture"]), content["settings"])
    height, width = content["size"]
    (folder / _GRAPH).mkdir()
    graph = Graph(family, network, settings).eval()
    ENGINES[content["engine"]].convert(graph, torch.zeros(1, height, width, 3), folder / _GRAPH)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stderr.flush()
    # Without the libraries' farewell, in which some crash: everything is written.
    os._exit(0)
