"""Reading TensorFlow's frozen graphs (``.pb``): a ``GraphDef`` whose variables have become constants.

Field numbers are those of TensorFlow's ``graph.proto``, ``node_def.proto``, ``attr_value.proto`` and ``tensor.proto``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import WeightsError
from posecore.families import ForeignWeights
from posecore.protobuf import MAX_ELEMENTS, Message

#: TensorFlow's ``DataType`` → (NumPy type, field of ``TensorProto`` that holds values one by one).
_TYPES = {1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 4: ("u1", 7), 9: ("<i8", 10), 10: ("?", 11), 19: ("<f2", 13)}
_FLOATS = {1: "<f4", 2: "<f8"}


def companions(path: Path) -> dict[str, int | None]:
    """A frozen graph stands alone."""
    return {}


def read_frozen_graph(path: Path) -> ForeignWeights:
    """Constants and operations of a frozen graph.

    Returns:
        ``tensors``: every numeric constant as float32, by node name; ``nodes``: all operations in file order, with
        ``attrs`` as plain values.

    Raises:
        WeightsError: When the file cannot be read, is damaged, or holds no graph.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    graph = Message(memoryview(data), str(path))
    tensors: dict[str, NDArray[np.float32]] = {}
    nodes: list[dict[str, Any]] = []
    for node in graph.messages(1):
        name, op = node.text(1), node.text(2)
        if not name or not op:
            raise WeightsError(f"{path} is not a frozen TensorFlow graph: an operation has no name or kind.")
        raw = {entry.text(1): entry.message(2) for entry in node.messages(5)}
        if op == "Const" and "value" in raw:
            value = _tensor(raw["value"].message(8), f"{path}: constant {name!r}")
            if value is not None:
                tensors[name] = value
        attributes = {key: _attribute(value) for key, value in raw.items() if key != "value"}
        nodes.append({"name": name, "op": op, "inputs": node.texts(3), "attrs": attributes})
    if not nodes:
        raise WeightsError(f"{path} holds no TensorFlow graph; a SavedModel has to be frozen first.")
    return ForeignWeights(tensors, tuple(nodes))


def _tensor(message: Message, what: str) -> NDArray[np.float32] | None:
    """A ``TensorProto`` as float32; None for types that are no numbers (text)."""
    kind = message.integer(1)
    if kind not in _TYPES:
        return None
    dtype, field = _TYPES[kind]
    shape = _shape(message.message(2), what)
    count = math.prod(shape)
    if count > MAX_ELEMENTS:
        raise WeightsError(f"{what} claims {count} numbers; the file is damaged.")
    content = message.spans(4)
    if content and len(content[-1]):
        if len(content[-1]) != count * np.dtype(dtype).itemsize:
            raise WeightsError(f"{what} of shape {shape} has {len(content[-1])} bytes; the file is damaged.")
        values = np.frombuffer(content[-1], dtype)
    else:
        values = _listed(message, kind, field)
        # A shorter list means that its last value fills the rest; an empty one, zeros.
        if len(values) > count:
            raise WeightsError(f"{what} of shape {shape} lists {len(values)} numbers; the file is damaged.")
        fill = values[-1] if len(values) else 0
        values = np.concatenate([values, np.full(count - len(values), fill, values.dtype)])
    return values.astype(np.float32).reshape(shape)


def _listed(message: Message, kind: int, field: int) -> NDArray[Any]:
    """Values of a ``TensorProto`` that are listed one by one."""
    if kind in _FLOATS:
        return message.numbers(field, _FLOATS[kind])
    integers = message.integers(field)
    if kind == 19:
        # Half-precision numbers are listed as the integers with the same bits.
        return np.array([value & 0xFFFF for value in integers], np.uint16).view(np.float16)
    return np.array(integers, np.int64)


def _shape(message: Message, what: str) -> tuple[int, ...]:
    shape = tuple(dimension.integer(1) for dimension in message.messages(2))
    if any(side < 0 for side in shape):
        raise WeightsError(f"{what} has the shape {shape}; the file is damaged.")
    return shape


def _attribute(message: Message) -> Any:
    """A plain value from an ``AttrValue``; None for kinds that conversion never looks at."""
    if 1 in message:
        items = message.message(1)
        return [*items.integers(3), *(float(value) for value in items.numbers(4, "<f4")), *map(_text, items.spans(2))]
    if 2 in message:
        return _text(message.spans(2)[-1])
    if 3 in message:
        return message.integer(3)
    if 4 in message:
        return message.floating(4)
    if 5 in message:
        return bool(message.integer(5))
    if 7 in message:
        return [dimension.integer(1) for dimension in message.message(7).messages(2)]
    return None


def _text(span: memoryview) -> str | bytes:
    data = bytes(span)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
