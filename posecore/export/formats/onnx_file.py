"""ONNX files, run by ONNX Runtime and many others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.export.formats.tracing import traced
from posecore.export.graph import PIXELS, ExportGraph
from posecore.export.plan import Checked
from posecore.storage import replacing

PROGRAM = (
    "import onnxruntime",
    'session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])\n'
    'outputs = dict(zip([one.name for one in session.get_outputs()], session.run(None, {"pixels": pixels})))',
)


def write(graph: ExportGraph, pixels: torch.Tensor, path: Path, checked: Checked) -> None:
    """Write one file with everything in it."""
    names = list(graph(pixels))
    program = torch.onnx.export(
        traced(graph, pixels, checked),
        (),
        input_names=[PIXELS],
        output_names=names,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    with replacing(path) as temporary:
        program.save(temporary, external_data=False)


def open_model(path: Path, names: tuple[str, ...]) -> Any:
    """What runs the file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(pixels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(list(names), {PIXELS: pixels}), strict=True))

    return run
