"""LiteRT, formerly TensorFlow Lite: for phones and small boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.export.graph import PIXELS, ExportGraph
from posecore.export.plan import Checked
from posecore.storage import replacing

PROGRAM = (
    "from ai_edge_litert.interpreter import Interpreter",
    'run = Interpreter(str(folder / "model.tflite")).get_signature_runner()\noutputs = run(pixels=pixels)',
)


def write(graph: ExportGraph, pixels: torch.Tensor, path: Path, checked: Checked) -> None:
    """Write one file whose signature names input and outputs."""
    import litert_torch

    with torch.no_grad():
        converted = litert_torch.convert(graph, sample_kwargs={PIXELS: pixels})
    with replacing(path) as temporary:
        converted.export(str(temporary))


def open_model(path: Path, names: tuple[str, ...]) -> Any:
    """What runs the file."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(path)).get_signature_runner()

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        found = runner(**{PIXELS: pixels})
        return {name: found[name] for name in names}

    return run
