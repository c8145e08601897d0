"""TensorFlow Lite files of one's own making, for tests."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from torch.nn import functional as F

from posecore.families.backbones import ConvUnit
from posecore.zoo import tflite


class Vector:
    """A FlatBuffers vector of scalars."""

    def __init__(self, kind: str, values: Any) -> None:
        self.data = np.asarray(values, kind)


def flatbuffer(root: list[Any], identifier: bytes = tflite.IDENTIFIER) -> bytes:
    """A FlatBuffers file of nested tables.

    A table is a list of its fields: None, a pair (struct format, number), bytes for text, a Vector, another table, or a
    tuple of tables. Parents are written before their children, so that all offsets point forward.
    """
    out = bytearray(struct.pack("<I4s", 0, identifier))
    pending: list[tuple[int, Any]] = [(0, root)]
    while pending:
        place, item = pending.pop(0)
        out.extend(bytes(-len(out) % 8))
        if isinstance(item, list):
            vtable = len(out)
            out.extend(bytes(4 + 2 * len(item)))
            out.extend(bytes(-len(out) % 8))
            start = len(out)
            out.extend(struct.pack("<i", start - vtable))
            for index, value in enumerate(item):
                if value is None:
                    continue
                out.extend(bytes(-len(out) % 8))
                struct.pack_into("<H", out, vtable + 4 + 2 * index, len(out) - start)
                if isinstance(value, tuple) and isinstance(value[0], str):
                    out.extend(struct.pack(f"<{value[0]}", value[1]))
                else:
                    pending.append((len(out), value))
                    out.extend(bytes(4))
            struct.pack_into("<HH", out, vtable, 4 + 2 * len(item), len(out) - start)
        else:
            start = len(out)
            values = np.frombuffer(item, "u1") if isinstance(item, bytes) else None
            count = len(item) if values is None and isinstance(item, tuple) else None
            if count is not None:
                out.extend(struct.pack("<I", count))
                for child in item:
                    pending.append((len(out), child))
                    out.extend(bytes(4))
            else:
                data = item.data if isinstance(item, Vector) else values
                assert data is not None
                out.extend(struct.pack("<I", len(data)) + data.tobytes())
        struct.pack_into("<I", out, place, start - place)
    return bytes(out)


class LiteFile:
    """Collects a TensorFlow Lite model with float16 weights, the way the published ones have them."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.tensors: list[Any] = []
        self.buffers: list[Any] = [[None]]
        self.operators: list[Any] = []

    def tensor(self, name: str, values: np.ndarray | None = None) -> int:
        number = 0
        if values is not None:
            number = len(self.buffers)
            self.buffers.append([Vector("u1", np.frombuffer(values.tobytes(), "u1"))])
        kind = {"<f2": 1, "<i4": 2}[values.dtype.str] if values is not None else 0
        shape = Vector("<i4", [] if values is None else values.shape)
        self.tensors.append([shape, ("b", kind), ("I", number), name.encode()])
        return len(self.tensors) - 1

    def operation(self, code: int, inputs: list[int], name: str, options: list[Any] | None = None) -> int:
        if code not in self.codes:
            self.codes.append(code)
        output = self.tensor(name)
        fields = [("I", self.codes.index(code)), Vector("<i4", inputs), Vector("<i4", [output]), ("B", 1), options]
        self.operators.append(fields)
        return output

    def constant(self, name: str, values: np.ndarray) -> int:
        return self.operation(6, [self.tensor(f"{name}/half", values.astype("<f2"))], name)

    def data(self) -> bytes:
        codes = tuple([("b", code), None, ("i", 1), ("i", code)] for code in self.codes)
        graph = [tuple(self.tensors), Vector("<i4", [0]), Vector("<i4", [0]), tuple(self.operators)]
        return flatbuffer([("I", 3), codes, (graph,), b"made up", tuple(self.buffers)])

    def conv(self, unit: Any, source: int, stride: int = 1, name: str = "c") -> int:
        """A convolution with the weights of a unit of ours; returns the tensor behind it."""
        inner = unit.conv if isinstance(unit, ConvUnit) else unit
        activations: dict[Any, int] = {None: 0, F.relu: 1, F.relu6: 3}
        activation = activations[unit.activation if isinstance(unit, ConvUnit) else None]
        weight, bias = (tensor.detach().numpy() for tensor in (inner.weight, inner.bias))
        depthwise = inner.groups > 1
        axes = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        inputs = [source, self.constant(f"{name}/w", weight.transpose(axes)), self.constant(f"{name}/b", bias)]
        options: list[Any] = [("b", 0), ("i", stride), ("i", stride)]
        options += [("i", 1), ("b", activation)] if depthwise else [("b", activation)]
        return self.operation(4 if depthwise else 3, inputs, name, options)
