"""The formats of exported models: how each is written, run and loaded by a program that knows nothing of posecore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.errors import ExportError
from posecore.export.formats import litert_file, onnx_file, openvino_file, torch_file
from posecore.export.graph import ExportGraph
from posecore.export.plan import Checked
from posecore.extras import require

Outputs = dict[str, NDArray[np.float32]]
#: ``(1, …)`` float32 pixels to outputs by name.
Runner = Callable[[NDArray[np.float32]], Outputs]


@dataclass(frozen=True)
class Format:
    """A format of exported models.

    Attributes:
        title: Words for people.
        file: Name of the model's file.
        extra: What has to be installed to write it and to try it; None for nothing.
        dynamic: Whether the size of the input may be left open.
        write: Writes the module, given pixels of the right shape.
        open: Loads what was written, for outputs of these names.
        needs: Packages that the program beside the model needs, as pip knows them.
        program: Lines of that program: imports, and what makes ``outputs`` from ``pixels`` and ``folder``.
    """

    title: str
    file: str
    extra: str | None
    dynamic: bool
    write: Callable[[ExportGraph, torch.Tensor, Path, Checked], None]
    open: Callable[[Path, tuple[str, ...]], Runner]
    needs: tuple[str, ...]
    program: tuple[str, str]


FORMATS: Mapping[str, Format] = {
    "onnx": Format(
        "ONNX",
        "model.onnx",
        "onnx",
        True,
        onnx_file.write,
        onnx_file.open_model,
        ("onnxruntime",),
        onnx_file.PROGRAM,
    ),
    "openvino": Format(
        "OpenVINO",
        "model.xml",
        "openvino",
        # Its converter does not know the arithmetic of sizes.
        False,
        openvino_file.write,
        openvino_file.open_model,
        ("openvino",),
        openvino_file.PROGRAM,
    ),
    "litert": Format(
        "LiteRT (TensorFlow Lite)",
        "model.tflite",
        "litert",
        False,
        litert_file.write,
        litert_file.open_model,
        ("ai-edge-litert",),
        litert_file.PROGRAM,
    ),
    "torch": Format(
        "PyTorch (torch.export)",
        "model.pt2",
        None,
        True,
        torch_file.write,
        torch_file.open_model,
        ("torch",),
        torch_file.PROGRAM,
    ),
}

#: Formats that are a published graph with other weights → key of the zoo's ``FORMATS``, the file written, words.
PUBLISHED = {
    "tfjs-graph": (
        "tfjs_graph",
        "model.json",
        "a TensorFlow.js graph model, model.json with its other files beside it",
    ),
    "tflite": ("tflite", "model.tflite", "a TensorFlow Lite file with float16 or float32 weights"),
}

#: A page for the browser, which runs the model as ONNX.
WEB = "web"
#: All that can be asked for.
FORMAT_NAMES = (*FORMATS, *PUBLISHED, WEB)


def usable_format(name: str, dynamic: bool = False) -> Format:
    """The format of this name, when it can be written here.

    Raises:
        ExportError: When there is none, or it cannot leave the size open.
        MissingExtraError: When what it needs is not installed.
    """
    if name not in FORMATS:
        raise ExportError(f"There is no format {name!r}; there are {', '.join(FORMAT_NAMES)}.")
    found = FORMATS[name]
    if found.extra is not None:
        require(found.extra)
    if dynamic and not found.dynamic:
        raise ExportError(f"{found.title} takes inputs of one size only; name it in place of a dynamic one.")
    return found
