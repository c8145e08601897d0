"""Reading Caffe's ``.caffemodel``: a ``NetParameter`` whose layers hold their weights as blobs.

Field numbers are those of Caffe's ``caffe.proto``, for the current layers and for those of before 2015 (``V1``).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import WeightsError
from posecore.families import ForeignWeights
from posecore.protobuf import MAX_ELEMENTS, Message

#: Field of ``NetParameter`` that holds layers → (field of a layer's name, field of its blobs).
_LAYERS = {100: (1, 7), 2: (4, 6)}
#: Blobs of a convolution, in Caffe's order.
_KINDS = ("weight", "bias")


def companions(path: Path) -> dict[str, int | None]:
    """A ``.caffemodel`` stands alone; the ``.prototxt`` beside it says nothing that is needed here."""
    return {}


def read_caffemodel(path: Path) -> ForeignWeights:
    """Blobs of every layer as ``layer.weight`` and ``layer.bias``, float32, kernels as (out, in, H, W).

    Raises:
        WeightsError: When the file cannot be read, is damaged, or holds no layers with weights.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    network = Message(memoryview(data), str(path))
    tensors: dict[str, NDArray[np.float32]] = {}
    for field, (name_field, blob_field) in _LAYERS.items():
        for layer in network.messages(field):
            name = layer.text(name_field)
            for kind, blob in zip(_KINDS, layer.messages(blob_field), strict=False):
                tensors[f"{name}.{kind}"] = _blob(blob, f"{path}: {kind} of layer {name!r}")
    if not tensors:
        raise WeightsError(f"{path} holds no layers with weights; is it a .caffemodel?")
    return ForeignWeights(tensors)


def _blob(message: Message, what: str) -> NDArray[np.float32]:
    """A ``BlobProto``; old ones have four sides in fields of their own."""
    shape = tuple(message.message(7).integers(1) if 7 in message else [message.integer(side) for side in (1, 2, 3, 4)])
    if any(side < 0 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise WeightsError(f"{what} has the shape {shape}; the file is damaged.")
    values = message.numbers(5, "<f4") if 5 in message else message.numbers(8, "<f8")
    if len(values) != math.prod(shape):
        raise WeightsError(f"{what} of shape {shape} has {len(values)} numbers; the file is damaged.")
    return values.astype(np.float32).reshape(shape)
