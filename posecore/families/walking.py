"""Published graphs (TensorFlow.js, TensorFlow Lite, frozen) walked along a network of ours, layer by layer.

Names play no part, because converters make them up (a TensorFlow Lite convolution may carry the names of layers that
merely share a constant with it). A walk starts at the picture and follows the tensors: at every step the layer that
our network has next must be among the convolutions that read the tensor reached so far.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from posecore.errors import WeightsError
from posecore.families.backbones import ConvUnit
from posecore.families.contract import ForeignWeights

Array = NDArray[np.float32]

#: Convolutions in TensorFlow and TensorFlow Lite → whether they are depthwise.
_CONVOLUTIONS = {
    "Conv2D": False, "_FusedConv2D": False, "CONV_2D": False,
    "DepthwiseConv2dNative": True, "FusedDepthwiseConv2dNative": True, "DEPTHWISE_CONV_2D": True,
}  # fmt: skip
#: Operations that pass their input on: unchanged, padded, or rearranged so that a plain convolution is a dilated one.
_PASSING = {
    "Identity", "QUANTIZE", "DEQUANTIZE",
    "Pad", "PadV2", "PAD", "PADV2",
    "SpaceToBatchND", "BatchToSpaceND", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND",
}  # fmt: skip
_ACTIVATIONS = {"Relu": "relu", "Relu6": "relu6", "RELU": "relu", "RELU6": "relu6"}
_SUMS = {"Add", "AddV2", "ADD"}
_NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}


@dataclass(frozen=True)
class Layer:
    """A convolution of a published graph with what belongs to it.

    Attributes:
        name: Its name in the file.
        source: Tensor that it reads.
        output: Tensor behind its bias and activation.
        weight: In PyTorch's layout (out, in, height, width), depthwise (channels, 1, height, width); what scales the
            output is part of it.
        bias: ``(out,)``.
        depthwise: One filter per channel.
        stride: On both axes.
        dilated: Whether it says of itself that it is.
        activation: ``relu``, ``relu6`` or None.
        weight_name: The tensor in the file that ``weight`` was read from.
        bias_name: Likewise; None when the file has none, or when more than one tensor makes up the bias.
    """

    name: str
    source: str
    output: str
    weight: Array
    bias: Array
    depthwise: bool
    stride: int
    dilated: bool
    activation: str | None
    weight_name: str
    bias_name: str | None

    def __str__(self) -> str:
        return f"{self.kind}, stride {self.stride}{', dilated' if self.dilated else ''}"

    @property
    def kind(self) -> str:
        """Its shape and activation in words."""
        return _kind(self.weight.shape, self.depthwise, self.activation)


def _kind(shape: Sequence[int], depthwise: bool, activation: str | None) -> str:
    outputs, inputs, height, width = shape
    channels = f"depthwise, {outputs} channels" if depthwise else f"{inputs} → {outputs} channels"
    return f"{height}×{width} {channels}, {activation or 'no activation'}"


class Graph:
    """A published graph: its convolutions, and who reads which tensor.

    Args:
        weights: Tensors and operations of a file.

    Raises:
        WeightsError: When there is no graph, or a convolution of it cannot be understood.
    """

    def __init__(self, weights: ForeignWeights) -> None:
        if not weights.nodes:
            raise WeightsError("The file holds weights but no graph; this network's layers are found by the graph.")
        self.tensors = weights.tensors
        self.nodes = weights.nodes
        self.passed: dict[str, str] = {}
        for node in weights.nodes:
            if node["op"] in _PASSING and node["inputs"]:
                self.passed[plain(node["name"])] = self.origin(node["inputs"][0])
        self.readers: dict[str, list[Mapping[str, Any]]] = {}
        for node in weights.nodes:
            for name in dict.fromkeys(self.origin(name) for name in node["inputs"]):
                self.readers.setdefault(name, []).append(node)
        self.layers: dict[str, list[Layer]] = {}
        for node in weights.nodes:
            if node["op"] in _CONVOLUTIONS:
                layer = self._layer(node)
                self.layers.setdefault(layer.source, []).append(layer)

    def origin(self, name: str) -> str:
        """The tensor that ``name`` is, or is passed on from."""
        return self.passed.get(plain(name), plain(name))

    def consumers(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Operations that compute something from a tensor, further than passing it on."""
        return (node for node in self.readers.get(name, ()) if node["op"] not in _PASSING)

    def distance(self, name: str, wanted: Collection[str]) -> int | None:
        """Operations between a tensor and the nearest one of a ``wanted`` kind behind it; None when there is none."""
        seen, frontier, steps = {name}, [name], 0
        while frontier:
            steps += 1
            nodes = [node for tensor in frontier for node in self.consumers(tensor)]
            if any(node["op"] in wanted for node in nodes):
                return steps
            # Second outputs of an operation have the name of the first and a rank.
            frontier = [tensor for tensor in {plain(node["name"]): None for node in nodes} if tensor not in seen]
            seen.update(frontier)
        return None

    def start(self) -> str:
        """The tensor that the first convolution reads: the picture, whatever was done to it before."""
        layers = (layer for present in self.layers.values() for layer in present)
        starts = [layer.source for layer in layers if not layer.depthwise and layer.weight.shape[1] == 3]
        if not starts:
            raise WeightsError("The file has no convolution of a picture's three channels; is it a pose network?")
        return starts[0]

    def _layer(self, node: Mapping[str, Any]) -> Layer:
        inputs, attributes = [self.origin(name) for name in node["inputs"]], node["attrs"]
        depthwise = _CONVOLUTIONS[node["op"]]
        if len(inputs) < 2 or inputs[1] not in self.tensors or self.tensors[inputs[1]].ndim != 4:
            raise WeightsError(f"Convolution {short(node['name'])!r} has no constant weights; the file cannot be used.")
        weight = _torch_layout(self.tensors[inputs[1]], depthwise, tflite=node["op"].isupper())
        fused = [op for op in attributes.get("fused_ops") or () if op in _ACTIVATIONS]
        activation = attributes.get("activation") or (_ACTIVATIONS[fused[0]] if fused else None)
        bias_name = inputs[2] if len(inputs) > 2 and inputs[2] in self.tensors else None
        scale = np.ones(len(weight), np.float32)
        bias = self._vector(bias_name, len(weight)) if bias_name is not None else np.zeros_like(scale)
        output = plain(node["name"])
        # Files that were not optimised have bias, normalisation and activation as operations of their own.
        while activation is None and (behind := self._only_consumer(output)) is not None:
            if behind["op"] in _ACTIVATIONS:
                activation = _ACTIVATIONS[behind["op"]]
            elif (change := self._affine(behind, output, len(weight))) is not None:
                times, plus, name = change
                bias_name = name if not bias.any() else None
                scale, bias = scale * times, bias * times + plus
            else:
                break
            output = plain(behind["name"])
        return Layer(
            name=str(node["name"]),
            source=inputs[0],
            output=output,
            weight=weight * scale[:, None, None, None],
            bias=bias,
            depthwise=depthwise,
            stride=_stride(node),
            dilated=set(attributes.get("dilations") or (1,)) != {1},
            activation=activation,
            weight_name=inputs[1],
            bias_name=bias_name,
        )

    def _affine(self, node: Mapping[str, Any], source: str, channels: int) -> tuple[Array, Array, str | None] | None:
        """What an operation multiplies a tensor's channels by, what it adds, and the tensor that holds that alone."""
        names = [self.origin(name) for name in node["inputs"]]
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        if node["op"] in _NORMS and names[0] == source and all(name in self.tensors for name in names[1:5]):
            gamma, beta, mean, variance = (self._vector(name, channels) for name in names[1:5])
            times = gamma / np.sqrt(variance + np.float32(node["attrs"].get("epsilon") or 1e-4))
            return times, beta - mean * times, None
        others = [name for name in names if name != source]
        if len(others) != 1 or others[0] not in self.tensors or self.tensors[others[0]].size not in (1, channels):
            return None
        values = self._vector(others[0], channels)
        if node["op"] in ("BiasAdd", *_SUMS):
            return ones, values, others[0]
        if node["op"] == "Sub" and names[0] == source:
            return ones, -values, None
        if node["op"] in ("Mul", "MUL"):
            return values, zeros, None
        return None

    def _vector(self, name: str, channels: int) -> Array:
        """A constant of one number a channel, or of one for all."""
        values = self.tensors[name].reshape(-1)
        if len(values) not in (1, channels):
            raise WeightsError(f"{short(name)!r} has {len(values)} numbers for {channels} channels.")
        return np.broadcast_to(values, (channels,)).astype(np.float32)

    def _only_consumer(self, name: str) -> Mapping[str, Any] | None:
        """The operation that uses a tensor, when there is exactly one."""
        found = list(self.consumers(name))
        return found[0] if len(found) == 1 else None


def plain(name: str) -> str:
    """A tensor's name without TensorFlow's marks: control inputs' ``^`` and the rank of an output."""
    name = name.removeprefix("^")
    head, _, rank = name.rpartition(":")
    return head if head and rank.isdigit() else name


def short(name: str) -> str:
    """The end of the first of the names that a converter has joined."""
    return name.partition(";")[0][-60:]


def _stride(node: Mapping[str, Any]) -> int:
    """A convolution's stride; refuses what no pose network has."""
    strides = tuple(node["attrs"].get("strides") or ())
    # TensorFlow gives one for each of (batch, vertical, horizontal, channels).
    sides = strides[1:3] if len(strides) == 4 else strides
    if len(sides) != 2 or len(set(sides)) != 1:
        raise WeightsError(f"Convolution {short(node['name'])!r} has strides {strides}; pose networks have equal ones.")
    return int(sides[0])


def _torch_layout(weight: Array, depthwise: bool, tflite: bool) -> Array:
    """Kernels of TensorFlow (H, W, in, out) and Lite (out, H, W, in), depthwise (H, W, C, 1) and (1, H, W, C)."""
    axes = {(False, False): (3, 2, 0, 1), (True, False): (2, 3, 0, 1), (False, True): (0, 3, 1, 2)}
    return weight.transpose(axes.get((depthwise, tflite), (3, 0, 1, 2)))


class Walk:
    """Fills a network of ours while going along a graph.

    Args:
        graph: The published graph.
        network: The fused network to be filled; its values are not looked at.

    Attributes:
        layers: Our layer's name → the convolution that it was filled from.
    """

    def __init__(self, graph: Graph, network: torch.nn.Module) -> None:
        self.graph = graph
        self.names = {module: name for name, module in network.named_modules()}
        self.layers: dict[str, Layer] = {}

    def state(self, network: torch.nn.Module) -> dict[str, torch.Tensor]:
        """The network's whole state from the layers that were walked."""
        state: dict[str, torch.Tensor] = {}
        for name, layer in self.layers.items():
            state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(layer.weight, np.float32))
            state[f"{name}.bias"] = torch.from_numpy(np.array(layer.bias, np.float32))
        return {name: state[name] for name in network.state_dict()}

    def take(self, unit: torch.nn.Module, source: str, stride: int | None = 1) -> str:
        """Fill ``unit`` from the convolution of tensor ``source`` that fits it; returns the tensor behind it.

        Args:
            unit: A unit of the network.
            source: Tensor that it reads.
            stride: The stride that it must have, undilated; None where strides may have become dilations.

        Raises:
            WeightsError: Naming the layer that the file does not have, and what it has in its place.
        """
        assert isinstance(unit, ConvUnit)
        present = self.graph.layers.get(source, [])
        fitting = [layer for layer in present if _fits(unit, layer, stride)]
        if len(fitting) != 1:
            if len(present) == 1:
                self.check(unit, present[0], stride)
            has = "; ".join(str(layer) for layer in present) or "no convolution"
            raise WeightsError(
                f"Layer {self.names[unit]!r} needs {_wanted(unit, stride)}, but there the file has {has}. Is it the "
                "file of another architecture?"
            )
        self.keep(unit, fitting[0])
        return fitting[0].output

    def check(self, unit: ConvUnit, layer: Layer, stride: int | None) -> None:
        """Raise ``WeightsError`` unless a layer is what ``unit`` needs."""
        if not _fits(unit, layer, stride):
            raise WeightsError(
                f"Layer {self.names[unit]!r} needs {_wanted(unit, stride)}, but {short(layer.name)!r} in the file is "
                f"{layer}. Is it the file of another architecture?"
            )

    def keep(self, unit: ConvUnit, layer: Layer) -> None:
        """Fill ``unit`` from a layer."""
        self.layers[f"{self.names[unit]}.conv"] = layer

    def sum(self, where: torch.nn.Module, a: str, b: str) -> str:
        """The tensor that is the sum of two, behind its activation."""
        for node in self.graph.consumers(b):
            if node["op"] in _SUMS and {self.graph.origin(name) for name in node["inputs"]} == {a, b}:
                output = plain(node["name"])
                behind = [one for one in self.graph.consumers(output) if one["op"] in _ACTIVATIONS]
                return plain(behind[0]["name"]) if behind else output
        raise WeightsError(
            f"Layer {self.names[where]!r} adds two tensors, but the file does not add {short(a)!r} and {short(b)!r}."
        )


def _fits(unit: ConvUnit, layer: Layer, stride: int | None) -> bool:
    in_step = stride is None or (layer.stride == stride and not layer.dilated)
    return in_step and layer.kind == _unit_kind(unit)


def _wanted(unit: ConvUnit, stride: int | None) -> str:
    return _unit_kind(unit) if stride is None else f"{_unit_kind(unit)}, stride {stride}"


def _unit_kind(unit: ConvUnit) -> str:
    """What a fused unit of ours looks like in a file."""
    names: dict[Any, str] = {F.relu: "relu", F.relu6: "relu6", F.hardswish: "hard swish"}
    activation = names[unit.activation] if unit.activation else None
    return _kind(unit.conv.weight.shape, unit.conv.groups > 1, activation)
