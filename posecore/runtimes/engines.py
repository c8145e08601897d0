"""Runtimes that a graph is converted for: how it is converted, and how what came out is loaded."""

from __future__ import annotations

import logging
import queue
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.extras import installed, require
from posecore.runtimes.graph import Graph

Pixels = NDArray[np.float32]
#: ``(1, H, W, 3)`` pixels to the outputs in the graph's order, each ``(1, …)``. Safe to call from several threads.
Compiled = Callable[[Pixels], Sequence[NDArray[np.float32]]]


class Engine(ABC):
    """A runtime beside PyTorch. Graphs are converted for one input size and one picture at a time.

    Attributes:
        name: As settings name it.
        extra: The extra that brings it.
    """

    name: ClassVar[str]
    extra: ClassVar[str]

    def installed(self) -> bool:
        """Whether it can be used here."""
        return installed(self.extra)

    def check_installed(self) -> None:
        """Raise ``MissingExtraError`` when it cannot be used here."""
        require(self.extra)

    def version(self) -> str:
        """Its version; what was converted for another one is not used."""
        return version(self.name)

    @abstractmethod
    def precisions(self) -> tuple[str, ...]:
        """Precisions that it computes in on this machine, the fastest first."""

    @abstractmethod
    def convert(self, graph: Graph, pixels: torch.Tensor, folder: Path) -> None:
        """Write ``graph`` for inputs like ``pixels`` ``(1, H, W, 3)`` into an empty folder."""

    @abstractmethod
    def load(self, folder: Path, precision: str, threads: int) -> Compiled:
        """Make what :meth:`convert` wrote ready to run."""


class OpenVino(Engine):
    """Intel's OpenVINO, on the processor."""

    name = "openvino"
    extra = "openvino"
    _types: ClassVar[dict[str, str]] = {"bfloat16": "bf16", "float16": "f16", "float32": "f32"}
    _file = "graph.xml"

    def precisions(self) -> tuple[str, ...]:
        return _openvino_precisions()

    def convert(self, graph: Graph, pixels: torch.Tensor, folder: Path) -> None:
        openvino = openvino_module()
        program = torch.export.export(graph, (pixels,))
        openvino.save_model(openvino_model(program), folder / self._file, compress_to_fp16=False)

    def load(self, folder: Path, precision: str, threads: int) -> Compiled:
        options = {
            "INFERENCE_PRECISION_HINT": self._types[precision],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = _openvino_core().compile_model(str(folder / self._file), "CPU", options)
        # One request serves one thread at a time.
        idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def run(pixels: Pixels) -> list[NDArray[np.float32]]:
            try:
                request = idle.get_nowait()
            except queue.Empty:
                request = compiled.create_infer_request()
            found = request.infer([pixels], share_inputs=True, share_outputs=True)
            answers = [np.array(found[index], np.float32) for index in range(len(compiled.outputs))]
            idle.put(request)
            return answers

        return run


def openvino_model(program: Any) -> Any:
    """OpenVINO's model of a program that ``torch.export`` made."""
    root = logging.getLogger()
    before = root.level, list(root.handlers), list(root.filters)
    try:
        return openvino_module().convert_model(program)
    finally:
        # A conversion that fails leaves the process without warnings.
        root.setLevel(before[0])
        root.handlers[:], root.filters[:] = before[1], before[2]


def openvino_module() -> Any:
    """The module ``openvino``, which reports to nobody: it takes its own stub where its telemetry is not there."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@cache
def _openvino_core() -> Any:
    core = openvino_module().Core()
    # Files are small, and may be removed while they are in use.
    core.set_property({"ENABLE_MMAP": False})
    return core


@cache
def _openvino_precisions() -> tuple[str, ...]:
    able = _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    half = [precision for name, precision in (("BF16", "bfloat16"), ("FP16", "float16")) if name in able]
    return (*half, "float32")


class OnnxRuntime(Engine):
    """Microsoft's ONNX Runtime, on the processor. Its files decide about the precision, and ours are float32."""

    name = "onnxruntime"
    extra = "onnx"
    _file = "graph.onnx"

    def precisions(self) -> tuple[str, ...]:
        return ("float32",)

    def convert(self, graph: Graph, pixels: torch.Tensor, folder: Path) -> None:
        program = torch.onnx.export(graph, (pixels,), dynamo=True, verbose=False)
        assert program is not None
        program.save(folder / self._file)

    def load(self, folder: Path, precision: str, threads: int) -> Compiled:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that wait turning would take the cores from decoding and drawing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(folder / self._file, options, ["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda pixels: session.run(None, {name: pixels})


#: By name, the one to try first first.
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (OpenVino(), OnnxRuntime())}
