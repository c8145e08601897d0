"""A module as the graph of tensor operations that converters take."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from posecore.export.graph import PIXELS, ExportGraph
from posecore.export.plan import MAX_SIDE, Checked


def sides_of_input(checked: Checked) -> dict[str, Any] | None:
    """``dynamic_shapes`` of torch's exporters: None for inputs of one size."""
    if not checked.plan.dynamic:
        return None
    first, step = checked.sides
    rest = first % step
    height, width = (Dim(name, min=2, max=MAX_SIDE // step) for name in ("rows", "columns"))
    row = 1 if checked.plan.layout == "nhwc" else 2
    return {PIXELS: {row: step * height + rest, row + 1: step * width + rest}}


def traced(graph: ExportGraph, pixels: torch.Tensor, checked: Checked) -> ExportedProgram:
    """The module as a program of tensor operations."""
    with torch.no_grad():
        return torch.export.export(graph, (pixels,), dynamic_shapes=sides_of_input(checked))
