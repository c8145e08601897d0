"""PyTorch's own archive of an exported program, which runs without the code of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.export.formats.tracing import traced
from posecore.export.graph import ExportGraph
from posecore.export.plan import Checked
from posecore.storage import replacing

PROGRAM = (
    "import torch",
    'network = torch.export.load(folder / "model.pt2").module()\n'
    "outputs = {name: value.numpy() for name, value in network(torch.from_numpy(pixels)).items()}",
)


def write(graph: ExportGraph, pixels: torch.Tensor, path: Path, checked: Checked) -> None:
    """Write the archive."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.export.save(traced(graph, pixels, checked), file)


def open_model(path: Path, names: tuple[str, ...]) -> Any:
    """What runs the archive."""
    network = torch.export.load(path).module()

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        found = network(torch.from_numpy(pixels))
        return {name: found[name].numpy() for name in names}

    return run
