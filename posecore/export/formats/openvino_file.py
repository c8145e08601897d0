"""OpenVINO's intermediate representation: ``model.xml`` and ``model.bin``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.export.formats.tracing import traced
from posecore.export.graph import PIXELS, ExportGraph
from posecore.export.plan import Checked
from posecore.runtimes.engines import openvino_model, openvino_module

PROGRAM = (
    "import openvino",
    'network = openvino.compile_model(folder / "model.xml", "CPU")\n'
    "outputs = {key.get_any_name(): value for key, value in network(pixels).items()}",
)


def write(graph: ExportGraph, pixels: torch.Tensor, path: Path, checked: Checked) -> None:
    """Write ``model.xml`` and, beside it, ``model.bin``."""
    openvino = openvino_module()
    converted = openvino_model(traced(graph, pixels, checked))
    converted.inputs[0].get_tensor().set_names({PIXELS})
    for name, output in zip(graph(pixels), converted.outputs, strict=True):
        output.get_tensor().set_names({name})
    openvino.save_model(converted, path, compress_to_fp16=checked.plan.precision == "float16")


def open_model(path: Path, names: tuple[str, ...]) -> Any:
    """What runs the file, in float32 whatever the processor would prefer."""
    openvino = openvino_module()
    compiled = openvino.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        found = compiled(pixels)
        return {name: found[name] for name in names}

    return run
