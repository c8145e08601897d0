"""From the published MoveNet files to our network, by walking their graph.

Names play no part, because converters make them up (a TensorFlow Lite convolution may carry the names of layers that
merely share a constant with it). The walk starts at the picture and follows the tensors: at every step the layer that
our network has next must be among the convolutions that read the tensor reached so far. The heads, which look alike,
are told apart by what happens to their outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from posecore.errors import WeightsError
from posecore.families.backbones import ConvUnit, InvertedResidual, SeparableBlock
from posecore.families.contract import ForeignWeights
from posecore.families.movenet.network import Head, MoveNet

#: Convolutions in TensorFlow.js and TensorFlow Lite → whether they are depthwise.
_CONVOLUTIONS = {
    "Conv2D": False, "_FusedConv2D": False, "CONV_2D": False,
    "DepthwiseConv2dNative": True, "FusedDepthwiseConv2dNative": True, "DEPTHWISE_CONV_2D": True,
}  # fmt: skip
#: Operations that pass their input on unchanged.
_PASSING = {"Identity", "QUANTIZE", "DEQUANTIZE"}
_ACTIVATIONS = {"Relu": "relu", "Relu6": "relu6", "RELU": "relu", "RELU6": "relu6"}
_SUMS = {"Add", "AddV2", "ADD"}
_ARGMAX = {"ArgMax", "ARG_MAX"}
_MAXIMUM = {"Maximum", "MAXIMUM"}


@dataclass(frozen=True)
class _Layer:
    """A convolution of a published graph with what belongs to it.

    Attributes:
        name: Its name in the file.
        source: Tensor that it reads.
        output: Tensor behind its bias and activation.
        weight: In PyTorch's layout (out, in, height, width), depthwise (channels, 1, height, width).
        bias: ``(out,)`` or None.
        depthwise: One filter per channel.
        stride: On both axes.
        activation: ``relu``, ``relu6`` or None.
    """

    name: str
    source: str
    output: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    depthwise: bool
    stride: int
    activation: str | None

    def __str__(self) -> str:
        return _description(self.weight.shape, self.depthwise, self.stride, self.activation)


def _description(shape: Sequence[int], depthwise: bool, stride: int, activation: str | None) -> str:
    outputs, inputs, height, width = shape
    channels = f"depthwise, {outputs} channels" if depthwise else f"{inputs} → {outputs} channels"
    return f"{height}×{width} {channels}, stride {stride}, {activation or 'no activation'}"


def convert_graph(weights: ForeignWeights, network: MoveNet) -> dict[str, torch.Tensor]:
    """State of the fused network from a published graph.

    Args:
        weights: Of a TensorFlow Lite file or a TensorFlow.js graph model.
        network: The fused network to be filled; its values are not looked at.

    Raises:
        WeightsError: Naming the layer that the file does not have, and what it has in its place.
    """
    return _Walk(_Graph(weights), network).state()


class _Graph:
    """A published graph: its convolutions, and who reads which tensor."""

    def __init__(self, weights: ForeignWeights) -> None:
        if not weights.nodes:
            raise WeightsError("The file holds weights but no graph; MoveNet's layers are found by the graph.")
        self.tensors = weights.tensors
        self.nodes = weights.nodes
        self.passed: dict[str, str] = {}
        for node in weights.nodes:
            if node["op"] in _PASSING and node["inputs"]:
                self.passed[_plain(node["name"])] = self.origin(node["inputs"][0])
        self.readers: dict[str, list[Mapping[str, Any]]] = {}
        for node in weights.nodes:
            for name in dict.fromkeys(self.origin(name) for name in node["inputs"]):
                self.readers.setdefault(name, []).append(node)
        self.layers: dict[str, list[_Layer]] = {}
        for node in weights.nodes:
            if node["op"] in _CONVOLUTIONS:
                layer = self._layer(node)
                self.layers.setdefault(layer.source, []).append(layer)

    def origin(self, name: str) -> str:
        """The tensor that ``name`` is, or is passed on from."""
        plain = _plain(name)
        return self.passed.get(plain, plain)

    def consumers(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Operations that compute something from a tensor, further than passing it on."""
        return (node for node in self.readers.get(name, ()) if node["op"] not in _PASSING)

    def distance(self, name: str, wanted: set[str]) -> int | None:
        """Operations between a tensor and the nearest one of a ``wanted`` kind behind it; None when there is none."""
        seen, frontier, steps = {name}, [name], 0
        while frontier:
            steps += 1
            nodes = [node for tensor in frontier for node in self.consumers(tensor)]
            if any(node["op"] in wanted for node in nodes):
                return steps
            # Second outputs of an operation have the name of the first and a rank.
            frontier = [tensor for tensor in {_plain(node["name"]): None for node in nodes} if tensor not in seen]
            seen.update(frontier)
        return None

    def _layer(self, node: Mapping[str, Any]) -> _Layer:
        inputs, attributes = [self.origin(name) for name in node["inputs"]], node["attrs"]
        depthwise = _CONVOLUTIONS[node["op"]]
        tflite = node["op"].isupper()
        if len(inputs) < 2 or inputs[1] not in self.tensors or self.tensors[inputs[1]].ndim != 4:
            raise WeightsError(f"Convolution {node['name']!r} has no constant weights; the file cannot be used.")
        bias = self.tensors.get(inputs[2]) if len(inputs) > 2 else None
        fused = [op for op in attributes.get("fused_ops") or () if op in _ACTIVATIONS]
        activation = attributes.get("activation") or (_ACTIVATIONS[fused[0]] if fused else None)
        output = _plain(node["name"])
        # Files that were not optimised have the bias and the activation as operations of their own.
        while (behind := self._only_consumer(output)) is not None:
            if behind["op"] == "BiasAdd" and bias is None:
                bias = self.tensors.get(self.origin(behind["inputs"][1]))
            elif behind["op"] in _ACTIVATIONS and activation is None:
                activation = _ACTIVATIONS[behind["op"]]
            else:
                break
            output = _plain(behind["name"])
        weight = _torch_layout(self.tensors[inputs[1]], depthwise, tflite)
        return _Layer(str(node["name"]), inputs[0], output, weight, bias, depthwise, _stride(node), activation)

    def _only_consumer(self, name: str) -> Mapping[str, Any] | None:
        """The operation that uses a tensor, when there is exactly one."""
        found = list(self.consumers(name))
        return found[0] if len(found) == 1 else None


def _stride(node: Mapping[str, Any]) -> int:
    """A convolution's stride; refuses what no MoveNet has."""
    strides = tuple(node["attrs"].get("strides") or ())
    # TensorFlow gives one for each of (batch, vertical, horizontal, channels).
    sides = strides[1:3] if len(strides) == 4 else strides
    if len(sides) != 2 or len(set(sides)) != 1 or set(node["attrs"].get("dilations") or (1,)) != {1}:
        raise WeightsError(f"Convolution {_short(node['name'])!r} has strides {strides} or dilations no MoveNet has.")
    return int(sides[0])


def _plain(name: str) -> str:
    """A tensor's name without TensorFlow's marks: control inputs' ``^`` and the rank of an output."""
    name = name.removeprefix("^")
    head, _, rank = name.rpartition(":")
    return head if head and rank.isdigit() else name


def _torch_layout(weight: NDArray[np.float32], depthwise: bool, tflite: bool) -> NDArray[np.float32]:
    """Kernels of TensorFlow (H, W, in, out) and Lite (out, H, W, in), depthwise (H, W, C, 1) and (1, H, W, C)."""
    axes = {(False, False): (3, 2, 0, 1), (True, False): (2, 3, 0, 1), (False, True): (0, 3, 1, 2)}
    return weight.transpose(axes.get((depthwise, tflite), (3, 0, 1, 2)))


class _Walk:
    """Walks a graph along our network, collecting the state."""

    def __init__(self, graph: _Graph, network: MoveNet) -> None:
        self.graph = graph
        self.network = network
        self.names = {module: name for name, module in network.named_modules()}
        self.collected: dict[str, torch.Tensor] = {}

    def state(self) -> dict[str, torch.Tensor]:
        """The network's whole state."""
        levels = self._backbone()
        features = self._pyramid(levels)
        self._heads(features)
        return {name: self.collected[name] for name in self.network.state_dict()}

    def _backbone(self) -> list[str]:
        """Tensors at strides 4, 8, 16 and 32."""
        backbone = self.network.backbone
        layers = (layer for present in self.graph.layers.values() for layer in present)
        starts = [layer.source for layer in layers if not layer.depthwise and layer.weight.shape[1] == 3]
        if not starts:
            raise WeightsError("The file has no convolution of a picture's three channels; is it a MoveNet file?")
        x = self._take(backbone.stem, starts[0], backbone.strides[0])
        levels = []
        for index, (block, stride) in enumerate(zip(backbone.blocks, backbone.strides[1:], strict=True)):
            assert isinstance(block, InvertedResidual)
            y = x if block.expand is None else self._take(block.expand, x)
            y = self._take(block.project, self._take(block.depthwise, y, stride))
            x = self._sum(block, x, y) if block.residual else y
            if index in self.network.taps:
                levels.append(x)
        assert backbone.last is not None
        return [*levels, self._take(backbone.last, x)]

    def _pyramid(self, levels: Sequence[str]) -> str:
        """The tensor that all heads read."""
        pyramid = self.network.pyramid
        lateral = [self._take(unit, level) for unit, level in zip(pyramid.lateral, levels, strict=True)]
        x = lateral[3]
        for index in (2, 1, 0):
            doubled = [node for node in self.graph.consumers(x) if node["op"] in ("ResizeBilinear", "RESIZE_BILINEAR")]
            if len(doubled) != 1:
                raise WeightsError(f"Level {index + 1} of the pyramid is not doubled in the file as it is in MoveNet.")
            smooth = pyramid.smooth[index]
            x = self._take_separable(smooth, self._sum(smooth, _plain(doubled[0]["name"]), lateral[index]))
        return x

    def _heads(self, features: str) -> None:
        chains = list(self._chains(features))
        roles = self._roles([chain[2] for chain in chains])
        for name, head in self.network.heads.items():
            assert isinstance(head, Head)
            if name not in roles:
                channels = head.output.conv.out_channels
                raise WeightsError(f"The file has no head for layer 'heads.{name}' ({channels} channels).")
            units = (head.hidden.depthwise, head.hidden.pointwise, head.output)
            for unit, layer in zip(units, chains[roles[name]], strict=True):
                self._check(unit, layer, 1)
                self._keep(unit, layer)
        if len(chains) != len(self.network.heads):
            raise WeightsError(f"The file has {len(chains)} heads, but the network has {len(self.network.heads)}.")

    def _chains(self, features: str) -> Iterator[tuple[_Layer, _Layer, _Layer]]:
        """Depthwise, pointwise and last convolution of every head, in file order."""
        for first in self.graph.layers.get(features, ()):
            second = self.graph.layers.get(first.output, [])
            third = self.graph.layers.get(second[0].output, []) if len(second) == 1 else []
            if first.depthwise and len(third) == 1:
                yield first, second[0], third[0]

    def _roles(self, outputs: Sequence[_Layer]) -> dict[str, int]:
        """Head → index of its chain.

        The regression decides where a joint is looked for: it leads to an arg max. The offsets are looked up at the
        cell found: they lead to none. A box's size is first of all cut off at 0; its offset is not.
        """
        keypoints = self.network.keypoints
        roles: dict[str, int] = {}
        boxes = []
        for index, layer in enumerate(outputs):
            channels = layer.weight.shape[0]
            if channels == 1:
                roles["centre"] = index
            elif channels == keypoints:
                roles["heatmaps"] = index
            elif channels == 2 * keypoints:
                searched = self.graph.distance(layer.output, _ARGMAX) is not None
                roles["regression" if searched else "offsets"] = index
            elif channels == 2:
                away = self.graph.distance(layer.output, _MAXIMUM)
                boxes.append((math.inf if away is None else away, index))
        if len(boxes) == 2:
            roles["box_size"], roles["box_offset"] = (index for _, index in sorted(boxes))
        return roles

    def _take_separable(self, block: torch.nn.Module, source: str) -> str:
        assert isinstance(block, SeparableBlock)
        return self._take(block.pointwise, self._take(block.depthwise, source))

    def _take(self, unit: torch.nn.Module, source: str, stride: int = 1) -> str:
        """Fill ``unit`` from the convolution of tensor ``source`` that fits it; returns the tensor behind it."""
        assert isinstance(unit, ConvUnit)
        present = self.graph.layers.get(source, [])
        fitting = [layer for layer in present if self._fits(unit, layer, stride)]
        if len(fitting) != 1:
            if len(present) == 1:
                self._check(unit, present[0], stride)
            has = "; ".join(str(layer) for layer in present) or "no convolution"
            raise WeightsError(
                f"Layer {self.names[unit]!r} needs {_wanted(unit, stride)}, but there the file has {has}. Is it the "
                "file of another architecture?"
            )
        self._keep(unit, fitting[0])
        return fitting[0].output

    def _fits(self, unit: ConvUnit, layer: _Layer, stride: int) -> bool:
        return str(layer) == _wanted(unit, stride)

    def _check(self, unit: ConvUnit, layer: _Layer, stride: int) -> None:
        if not self._fits(unit, layer, stride):
            raise WeightsError(
                f"Layer {self.names[unit]!r} needs {_wanted(unit, stride)}, but {_short(layer.name)!r} in the file is "
                f"{layer}. Is it the file of another architecture?"
            )

    def _sum(self, where: torch.nn.Module, a: str, b: str) -> str:
        """The tensor that is the sum of two."""
        for node in self.graph.consumers(b):
            if node["op"] in _SUMS and {self.graph.origin(name) for name in node["inputs"]} == {a, b}:
                return _plain(node["name"])
        raise WeightsError(
            f"Layer {self.names[where]!r} adds two tensors, but the file does not add {_short(a)!r} and {_short(b)!r}."
        )

    def _keep(self, unit: ConvUnit, layer: _Layer) -> None:
        name = f"{self.names[unit]}.conv"
        bias = np.zeros(len(layer.weight), np.float32) if layer.bias is None else layer.bias
        if bias.shape != (len(layer.weight),):
            raise WeightsError(f"Layer {self.names[unit]!r}: the bias of {layer.name!r} has shape {bias.shape}.")
        self.collected[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(layer.weight, np.float32))
        self.collected[f"{name}.bias"] = torch.from_numpy(np.array(bias, np.float32))


def _short(name: str) -> str:
    """The end of the first of the names that a converter has joined."""
    return name.partition(";")[0][-60:]


def _wanted(unit: ConvUnit, stride: int) -> str:
    """What a fused unit of ours looks like in a file."""
    names: dict[Any, str] = {F.relu: "relu", F.relu6: "relu6", F.hardswish: "hard swish"}
    activation = names[unit.activation] if unit.activation else None
    return _description(unit.conv.weight.shape, unit.conv.groups > 1, stride, activation)
