"""Reading and rewriting TensorFlow Lite models without TensorFlow: a FlatBuffers reader and the part of the schema
that is needed.

A FlatBuffers file is tables that point at each other by offsets; a table begins with the distance to its *vtable*,
which says where each field lies or that it is absent (https://flatbuffers.dev/internals). Field numbers are those of
TensorFlow Lite's ``schema.fbs``, version 3. Every read is checked against the file's end, so that a damaged file is a
``WeightsError``. All numbers are little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import WeightsError
from posecore.families import ForeignWeights

#: File identifier, at byte 4.
IDENTIFIER = b"TFL3"

#: Types of tensors that are read, by their number in the schema.
_DTYPES: Mapping[int, str] = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"}

#: Names of operations by number; others are called ``OP_`` and their number.
_OPERATIONS: Mapping[int, str] = {
    0: "ADD", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 14: "LOGISTIC",
    17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 34: "PAD",
    36: "GATHER", 37: "BATCH_TO_SPACE_ND", 38: "SPACE_TO_BATCH_ND",
    41: "SUB", 42: "DIV", 43: "SQUEEZE", 45: "STRIDED_SLICE", 53: "CAST", 55: "MAXIMUM",
    56: "ARG_MAX", 57: "MINIMUM", 60: "PADV2",
    75: "SQRT", 83: "PACK", 88: "UNPACK", 90: "FLOOR_DIV", 107: "GATHER_ND",
    114: "QUANTIZE",
}  # fmt: skip
_CUSTOM = 32
#: The old field for an operation's number has one byte; from this number on the new one is meant.
_OLD_NUMBERS_END = 127
_MOST_AXES = 8
_PADDINGS = ("SAME", "VALID")
_ACTIVATIONS = (None, "relu", "relu_n1_to_1", "relu6", "tanh", "sign_bit")


class _DamageError(Exception):
    """An offset or number that cannot be right; becomes a ``WeightsError`` that names the file."""


def is_tflite(start: bytes) -> bool:
    """True when a file's first eight bytes are those of a TensorFlow Lite model."""
    return start[4:8] == IDENTIFIER


def companions(path: Path) -> dict[str, int | None]:
    """A TensorFlow Lite model is one file: nothing lies beside it."""
    return {}


def read(path: Path) -> ForeignWeights:
    """Read a model's constants and its graph.

    Quantised constants become float32 by ``(q - zero point) · scale``, per tensor or per channel; a ``DEQUANTIZE`` of a
    constant is carried out here, so that files with float16 weights look like those with float32.

    Returns:
        Tensors by name, in the file's layout: convolutions (out, height, width, in), depthwise ones
        (1, height, width, channels). Nodes in file order: ``name`` is that of the first output, further outputs are
        ``name:1`` and so on; ``attrs`` of convolutions hold ``strides`` (vertical, horizontal), ``padding`` and
        ``activation``.

    Raises:
        WeightsError: When the file cannot be read, is damaged or is not such a model.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not is_tflite(data[:8]):
        raise WeightsError(f"{path} is not a TensorFlow Lite model: it lacks the mark {IDENTIFIER.decode()!r}.")
    try:
        return _Model(_Table.root(data)).foreign()
    except (_DamageError, struct.error, OverflowError, MemoryError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is damaged: {error}; fetch the file again.") from error


def write(source: Path, tensors: Mapping[str, NDArray[np.float32]], target: Path) -> None:
    """Write a model as it is but for the values of some constants, each in the type that it is stored in.

    Args:
        source: The model.
        tensors: Name → new values.
        target: The file to write.

    Raises:
        WeightsError: When the model cannot be read, or holds constants as integers, whose scales the rest of the model
            depends on.
    """
    read(source)
    data = bytearray(source.read_bytes())
    for constant in _Model(_Table.root(bytes(data))).constants():
        if constant.name not in tensors:
            continue
        values = tensors[constant.name]
        if constant.stored.kind != "f":
            raise WeightsError(
                f"{source} keeps {constant.name!r} as {constant.stored.name}; weights can be written into files with "
                "float16 or float32 numbers only."
            )
        with np.errstate(over="ignore"):
            raw = values.astype(constant.stored)
        if not np.isfinite(raw).all() or raw.nbytes != constant.nbytes:
            raise WeightsError(f"The values of {constant.name!r} do not fit {source}.")
        data[constant.start : constant.start + constant.nbytes] = raw.tobytes()
    target.write_bytes(data)


# --- FlatBuffers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """A FlatBuffers table: the whole file, where the table lies, and where its fields' offsets are listed."""

    data: bytes
    position: int
    vtable: int
    vtable_size: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls.at(data, _number(data, "<I", 0))

    @classmethod
    def at(cls, data: bytes, position: int) -> _Table:
        vtable = position - _number(data, "<i", position)
        size = _number(data, "<H", vtable)
        if size < 4 or vtable + size > len(data):
            raise _DamageError(f"the table at byte {position} has no list of fields")
        return cls(data, position, vtable, size)

    def _field(self, number: int) -> int | None:
        """Where a field lies, or None when it is absent and has its default."""
        entry = 4 + 2 * number
        if entry + 2 > self.vtable_size:
            return None
        offset = _number(self.data, "<H", self.vtable + entry)
        return self.position + offset if offset else None

    def number(self, field: int, kind: str, default: float = 0) -> Any:
        """A scalar of struct format ``kind``."""
        place = self._field(field)
        return default if place is None else _number(self.data, f"<{kind}", place)

    def table(self, field: int) -> _Table | None:
        """A table that this one points to."""
        place = self._field(field)
        return None if place is None else _Table.at(self.data, place + _number(self.data, "<I", place))

    def tables(self, field: int) -> list[_Table]:
        """A vector of tables."""
        start, count = self._vector(field, 4)
        places = range(start, start + 4 * count, 4)
        return [_Table.at(self.data, place + _number(self.data, "<I", place)) for place in places]

    def values(self, field: int, kind: str) -> NDArray[Any]:
        """A vector of scalars of NumPy type ``kind``; empty when absent."""
        dtype = np.dtype(kind)
        start, count = self._vector(field, dtype.itemsize)
        return np.frombuffer(self.data, dtype, count, start)

    def bytes(self, field: int) -> tuple[int, int]:
        """Where a vector of bytes begins in the file, and how many there are."""
        return self._vector(field, 1)

    def text(self, field: int) -> str:
        return self.values(field, "u1").tobytes().decode(errors="replace")

    def _vector(self, field: int, item_size: int) -> tuple[int, int]:
        """(where the first item lies, how many there are)."""
        place = self._field(field)
        if place is None:
            return 0, 0
        vector = place + _number(self.data, "<I", place)
        count = _number(self.data, "<I", vector)
        if vector + 4 + count * item_size > len(self.data):
            raise _DamageError(f"the list at byte {vector} reaches beyond the end of the file")
        return vector + 4, count


def _number(data: bytes, kind: str, place: int) -> Any:
    if place < 0 or place + struct.calcsize(kind) > len(data):
        raise _DamageError(f"an offset leads to byte {place}, but the file has {len(data)}")
    return struct.unpack_from(kind, data, place)[0]


# --- TensorFlow Lite -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tensor:
    """A tensor of the graph: its name, unique in the graph, and its values when it is a constant."""

    name: str
    values: NDArray[np.float32] | None


@dataclass(frozen=True)
class _Constant:
    """Where a constant lies in the file, and as what."""

    name: str
    stored: np.dtype[Any]
    start: int
    nbytes: int


class _Model:
    """The first (and in all models that matter only) subgraph of a model."""

    def __init__(self, root: _Table) -> None:
        graphs = root.tables(2)
        if not graphs:
            raise _DamageError("it holds no graph")
        self.graph = graphs[0]
        self.buffers = root.tables(4)
        self.operations = [_operation_name(code) for code in root.tables(1)]
        tables = self.graph.tables(0)
        # A damaged file may name one buffer over and over; an honest one names each once.
        self.room = len(root.data)
        names = _unique(table.text(3) for table in tables)
        with np.errstate(over="ignore", invalid="ignore"):
            self.tensors = [_Tensor(name, self._values(table)) for name, table in zip(names, tables, strict=True)]

    def constants(self) -> Iterator[_Constant]:
        """The constants of types that are read."""
        for tensor, table in zip(self.tensors, self.graph.tables(0), strict=True):
            if tensor.values is not None:
                start, nbytes = self.buffers[table.number(2, "I")].bytes(0)
                yield _Constant(tensor.name, np.dtype(_DTYPES[table.number(1, "b")]), start, nbytes)

    def foreign(self) -> ForeignWeights:
        constants = {tensor.name: tensor.values for tensor in self.tensors if tensor.values is not None}
        nodes: list[dict[str, Any]] = []
        called: dict[int, str] = {}
        for operator in self.graph.tables(3):
            node, outputs = self._node(operator, called)
            if node["op"] == "DEQUANTIZE" and node["inputs"][0] in constants:
                constants[node["name"]] = constants[node["inputs"][0]]
                continue
            nodes.append(node)
            called |= {index: f"{node['name']}:{rank}" for rank, index in enumerate(outputs) if rank}
        return ForeignWeights(constants, tuple(nodes))

    def _node(self, operator: _Table, called: Mapping[int, str]) -> tuple[dict[str, Any], list[int]]:
        """One operation, and the indices of its outputs; ``called`` are second outputs of the ones before."""
        number = operator.number(0, "I")
        if number >= len(self.operations):
            raise _DamageError(f"an operation has number {number}, but {len(self.operations)} are declared")
        op = self.operations[number]
        # An absent optional input has index -1.
        inputs = [called.get(i, self._tensor(i).name) for i in operator.values(1, "<i4").tolist() if i != -1]
        outputs = [int(i) for i in operator.values(2, "<i4")]
        if not outputs or (op == "DEQUANTIZE" and not inputs):
            raise _DamageError(f"an operation {op} lacks inputs or outputs")
        for index in outputs:
            self._tensor(index)
        attributes = _attributes(op, operator.table(4))
        return {"name": self._tensor(outputs[0]).name, "op": op, "inputs": inputs, "attrs": attributes}, outputs

    def _tensor(self, index: int) -> _Tensor:
        if not 0 <= index < len(self.tensors):
            raise _DamageError(f"an operation uses tensor {index}, but there are {len(self.tensors)}")
        return self.tensors[index]

    def _values(self, table: _Table) -> NDArray[np.float32] | None:
        """A constant's values; None for tensors that are computed and for types that hold no numbers."""
        number, kind = table.number(2, "I"), table.number(1, "b")
        if number >= len(self.buffers):
            raise _DamageError(f"a tensor lies in buffer {number}, but there are {len(self.buffers)}")
        raw = self.buffers[number].values(0, "u1")
        if not len(raw) or kind not in _DTYPES:
            return None
        shape = tuple(int(side) for side in table.values(0, "<i4"))
        dtype = np.dtype(_DTYPES[kind])
        self.room -= len(raw)
        if self.room < 0 or len(shape) > _MOST_AXES:
            raise _DamageError("its tensors are larger than the file, or have too many axes")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
            raise _DamageError(f"tensor {table.text(3)!r} of shape {shape} has {len(raw)} bytes")
        values: NDArray[Any] = raw.view(dtype).reshape(shape)
        quantisation = table.table(4)
        if quantisation is not None and values.dtype.kind in "iu":
            values = _dequantised(values, quantisation)
        return np.ascontiguousarray(values, np.float32)


def _operation_name(code: _Table) -> str:
    old, new = code.number(0, "b"), code.number(3, "i")
    number = new if old >= _OLD_NUMBERS_END else max(old, new)
    if number == _CUSTOM:
        return code.text(1)
    return _OPERATIONS.get(number, f"OP_{number}")


def _attributes(op: str, options: _Table | None) -> dict[str, Any]:
    """Options of the operations whose options matter for weights."""
    if options is None or op not in ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD"):
        return {}
    if op == "ADD":
        return {"activation": _choice(_ACTIVATIONS, options.number(0, "b"))}
    # A depthwise convolution has its depth multiplier before its activation.
    activation = 3 if op == "CONV_2D" else 4
    return {
        "padding": _choice(_PADDINGS, options.number(0, "b")),
        "strides": (options.number(2, "i"), options.number(1, "i")),
        "activation": _choice(_ACTIVATIONS, options.number(activation, "b")),
        "dilations": (options.number(activation + 2, "i", 1), options.number(activation + 1, "i", 1)),
    }


def _choice(names: tuple[str | None, ...], number: int) -> str | None:
    if not 0 <= number < len(names):
        raise _DamageError(f"an option has value {number}, which means nothing")
    return names[number]


def _dequantised(values: NDArray[Any], quantisation: _Table) -> NDArray[np.float64]:
    """``(q - zero point) · scale``; scales and zero points are single or per slice of one axis."""
    scale = quantisation.values(2, "<f4").astype(np.float64)
    if not len(scale):
        return values.astype(np.float64)
    zero = quantisation.values(3, "<i8").astype(np.float64) if len(quantisation.values(3, "<i8")) else np.zeros(1)
    axis = quantisation.number(6, "i")
    if len(scale) > 1 or len(zero) > 1:
        if not 0 <= axis < values.ndim or {len(scale), len(zero)} - {1, values.shape[axis]}:
            raise _DamageError(f"a tensor of shape {values.shape} has {len(scale)} scales along axis {axis}")
        shape = [-1 if index == axis else 1 for index in range(values.ndim)]
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (values.astype(np.float64) - zero) * scale


def _unique(names: Iterator[str]) -> list[str]:
    """Names of tensors, numbered where the file gives several the same one."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result
