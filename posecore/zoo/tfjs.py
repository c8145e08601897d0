"""Reading and writing TensorFlow.js weights: graph models, and the older layout with one file per variable.

A *graph model* is a JSON file with the graph and a manifest of tensors, whose bytes follow one another in "shards"
beside it. In the older layout ``manifest.json`` maps each variable to a file with its float32 values. Formats as the
published files and tfjs-core's ``io`` types have them; all numbers are little-endian.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from posecore.errors import WeightsError
from posecore.families import ForeignWeights
from posecore.parsing import parse_json

_STORED = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "bool": "u1"}
_QUANTISED = {"uint8": "u1", "uint16": "<u2", "float16": "<f2"}

Shape = tuple[Annotated[int, Field(ge=0)], ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Quantisation(_Part):
    dtype: Literal["uint8", "uint16", "float16"]
    scale: float = 1.0
    min: float = 0.0


class _Tensor(_Part):
    """One tensor of a graph model's manifest."""

    name: str
    shape: Shape
    dtype: Literal["float32", "int32", "uint8", "bool"]
    quantization: _Quantisation | None = None

    @property
    def stored(self) -> np.dtype[Any]:
        """Type of the numbers in the file."""
        return np.dtype(_QUANTISED[self.quantization.dtype] if self.quantization else _STORED[self.dtype])

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.stored.itemsize

    def values(self, data: memoryview) -> NDArray[np.float32]:
        """Float32 values from the tensor's bytes."""
        raw = np.frombuffer(data, self.stored)
        if self.quantization is not None and self.quantization.dtype != "float16":
            # In float32 the product would lose up to half a quantisation step of the 16-bit files.
            raw = raw.astype(np.float64) * self.quantization.scale + self.quantization.min
            if self.dtype != "float32":
                raw = np.rint(raw)
        return raw.astype(np.float32).reshape(self.shape)

    def encoded(self, values: NDArray[np.float32]) -> tuple[bytes, _Quantisation | None]:
        """Other values in the type of this tensor, and how to read them; raises ``WeightsError`` where it cannot."""
        if values.shape != self.shape:
            raise WeightsError(f"Tensor {self.name!r} has shape {self.shape}, not {values.shape}.")
        if self.quantization is None or self.quantization.dtype == "float16":
            with np.errstate(over="ignore"):
                stored = values.astype(self.stored)
            if not np.isfinite(stored).all():
                raise WeightsError(f"Tensor {self.name!r} holds numbers too large for {self.stored}.")
            return stored.tobytes(), self.quantization
        low, high = float(values.min()), float(values.max())
        scale = (high - low) / float(np.iinfo(self.stored).max) or 1.0
        numbers = np.rint((values.astype(np.float64) - low) / scale).astype(self.stored)
        return numbers.tobytes(), _Quantisation(dtype=self.quantization.dtype, scale=scale, min=low)


class _Group(_Part):
    """Tensors whose bytes follow one another in the files ``paths``."""

    paths: tuple[str, ...]
    weights: tuple[_Tensor, ...]

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.weights)


class _GraphFile(_Part):
    topology: dict[str, Any] = Field(default_factory=dict, alias="modelTopology")
    groups: tuple[_Group, ...] = Field(alias="weightsManifest")


class _Variable(_Part):
    filename: str
    shape: Shape

    @property
    def nbytes(self) -> int:
        return 4 * math.prod(self.shape)


_GRAPH = TypeAdapter(_GraphFile)
_VARIABLES = TypeAdapter(dict[str, _Variable])
Parsed = TypeVar("Parsed")


def graph_companions(path: Path) -> dict[str, int | None]:
    """File names that a graph model's JSON file needs beside it → size in bytes, None where only a sum is known."""
    groups = _parse(_GRAPH, path).groups
    return {name: group.nbytes if len(group.paths) == 1 else None for group in groups for name in group.paths}


def read_graph(path: Path) -> ForeignWeights:
    """Read a graph model: its JSON file, and the shards beside it.

    Raises:
        WeightsError: Naming the file that is missing, malformed or of another size than its tensors need.
    """
    model = _parse(_GRAPH, path)
    tensors: dict[str, NDArray[np.float32]] = {}
    for group in model.groups:
        data = memoryview(b"".join(_read(beside(path, name)) for name in group.paths))
        if len(data) != group.nbytes:
            raise WeightsError(
                f"{', '.join(group.paths)} beside {path} {'hold' if len(group.paths) > 1 else 'holds'} {len(data)} "
                f"bytes, but the tensors named there need {group.nbytes}; fetch the files again."
            )
        start = 0
        for tensor in group.weights:
            tensors[tensor.name] = tensor.values(data[start : start + tensor.nbytes])
            start += tensor.nbytes
    return ForeignWeights(tensors, tuple(_nodes(model.topology, path)))


def write_graph(source: Path, tensors: Mapping[str, NDArray[np.float32]], folder: Path) -> None:
    """Write a graph model as it is but for the values of some tensors, under the same names, into ``folder``.

    Every tensor keeps the type that it is stored in. The JSON file stays as it is, byte for byte, unless it says how
    quantised tensors are to be read.

    Args:
        source: The JSON file of a graph model, its shards beside it.
        tensors: Name → new values.
        folder: Another folder than the one of ``source``; it must exist.

    Raises:
        WeightsError: When a file is missing or malformed, or values do not fit the type they are stored in.
    """
    model = _parse(_GRAPH, source)
    document = parse_json(_read(source))
    for group, described in zip(model.groups, document["weightsManifest"], strict=True):
        shards = [_read(beside(source, name)) for name in group.paths]
        data = bytearray(b"".join(shards))
        start = 0
        for tensor, entry in zip(group.weights, described["weights"], strict=True):
            if tensor.name in tensors:
                data[start : start + tensor.nbytes], quantisation = tensor.encoded(tensors[tensor.name])
                if quantisation != tensor.quantization and quantisation is not None:
                    entry["quantization"] |= {"scale": quantisation.scale, "min": quantisation.min}
            start += tensor.nbytes
        start = 0
        for name, shard in zip(group.paths, shards, strict=True):
            beside(folder / source.name, name).write_bytes(data[start : start + len(shard)])
            start += len(shard)
    same = document == parse_json(_read(source))
    text = _read(source) if same else json.dumps(document, separators=(",", ":")).encode()
    (folder / "model.json").write_bytes(text)


def variable_companions(path: Path) -> dict[str, int | None]:
    """File names that the manifest of the per-variable layout needs beside it → size in bytes."""
    return {variable.filename: variable.nbytes for variable in _parse(_VARIABLES, path).values()}


def read_variables(path: Path) -> ForeignWeights:
    """Read the per-variable layout: ``manifest.json``, and one file of float32 values per variable beside it.

    Raises:
        WeightsError: Naming the file that is missing, malformed or of another size than its shape needs.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, variable in _parse(_VARIABLES, path).items():
        file = beside(path, variable.filename)
        data = _read(file)
        if len(data) != variable.nbytes:
            raise WeightsError(
                f"{file} holds {len(data)} bytes, but {name!r} of shape {variable.shape} needs {variable.nbytes}; "
                "fetch the file again."
            )
        tensors[name] = np.frombuffer(data, "<f4").astype(np.float32).reshape(variable.shape)
    return ForeignWeights(tensors)


def beside(path: Path, name: str) -> Path:
    """The file ``name`` beside ``path``; raises ``WeightsError`` for a name that leads out of the folder."""
    relative = PurePosixPath(name)
    if not name or relative.is_absolute() or ".." in relative.parts or "\\" in name or ":" in name:
        raise WeightsError(f"{path} names a file {name!r} that does not lie beside it; this is not a file to trust.")
    return path.parent / relative


def _parse(kind: TypeAdapter[Parsed], path: Path) -> Parsed:
    """Contents of a JSON file, checked."""
    try:
        return kind.validate_json(_read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(step) for step in problem["loc"])
        raise WeightsError(
            f"{path} is not a TensorFlow.js weights file: {problem['msg']}{f' at {place}' if place else ''}."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error


def _nodes(topology: Mapping[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """The graph's operations in file order: name, op, inputs, attrs (decoded)."""
    for node in topology.get("node", ()):
        try:
            attributes = {key: _decoded(value) for key, value in node.get("attr", {}).items()}
            texts = [node["name"], node["op"], *node.get("input", ())]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("names must be texts")
            yield {"name": texts[0], "op": texts[1], "inputs": texts[2:], "attrs": attributes}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsError(f"{path} has an operation that cannot be understood: {node!r:.200}.") from error


def _decoded(attribute: Mapping[str, Any]) -> Any:
    """A plain value from TensorFlow's attribute message: numbers arrive as text, text as base64."""
    if not attribute:
        return None
    kind, value = next(iter(attribute.items()))
    if kind == "list":
        return [_decoded({kind: one}) for kind, values in value.items() for one in values]
    if kind == "i":
        return int(value)
    if kind == "f":
        return float(value)
    if kind == "s":
        return _text(value)
    if kind == "shape":
        return [int(dimension.get("size", 0)) for dimension in value.get("dim", ())]
    return value


def _text(encoded: str) -> str | bytes:
    """Base64 to text, or to bytes where they are not text; what is not base64 stays as it is."""
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return encoded
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
