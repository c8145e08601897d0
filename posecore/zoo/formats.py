"""The foreign formats that posecore reads, each as a pair: which files belong together, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from posecore.errors import WeightsError
from posecore.families import ForeignWeights
from posecore.parsing import MalformedError, parse_json
from posecore.zoo import caffe, frozen_graph, tfjs, tflite, torch_files


@dataclass(frozen=True)
class Format:
    """A format of published weights, entered by one file.

    Attributes:
        companions: From the first file: names of the others, which lie beside it → size in bytes where it is known.
        read: From the first file: all tensors, and the graph where there is one.
    """

    companions: Callable[[Path], Mapping[str, int | None]]
    read: Callable[[Path], ForeignWeights]


FORMATS: Mapping[str, Format] = {
    "tfjs_graph": Format(tfjs.graph_companions, tfjs.read_graph),
    "tfjs_variables": Format(tfjs.variable_companions, tfjs.read_variables),
    "tflite": Format(tflite.companions, tflite.read),
    "frozen_graph": Format(frozen_graph.companions, frozen_graph.read_frozen_graph),
    "caffe": Format(caffe.companions, caffe.read_caffemodel),
    "torch": Format(torch_files.companions, torch_files.read),
}
#: Formats that their files' endings tell.
_BY_ENDING = {".pb": "frozen_graph", ".caffemodel": "caffe"}


def format_of(path: Path) -> str | None:
    """Key of ``FORMATS`` for a file that enters one of them, judged by its name and contents; None for no known one.

    Raises:
        WeightsError: When a file named as JSON is not.
    """
    if path.suffix.lower() in _BY_ENDING:
        return _BY_ENDING[path.suffix.lower()]
    if path.suffix.lower() != ".json":
        # TensorFlow Hub's files have no ending: the mark inside tells.
        return "tflite" if path.suffix.lower() == ".tflite" or tflite.is_tflite(_start(path)) else None
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MalformedError as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}.") from error
    return "tfjs_graph" if isinstance(content, dict) and "weightsManifest" in content else "tfjs_variables"


def _start(path: Path) -> bytes:
    """A file's first eight bytes; raises ``WeightsError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
