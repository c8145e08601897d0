"""From published OpenPose files to our state: frozen graphs by walking them, body models by their layers' names.

A graph is read backwards from its output. Every stage's branches lead to a concatenation of the stage before and the
features; the features lead to the picture. So no name in the file matters, and what a graph leaves open (is BatchNorm
folded, kept, or computed from the picture itself?) is seen where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.errors import WeightsError
from posecore.families.backbones import ConvUnit, ImageNorm
from posecore.families.contract import ForeignWeights
from posecore.families.fitting import fitted
from posecore.families.openpose.network import OpenPose, Stage

Array = NDArray[np.float32]

_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_PASSING = ("Relu", "Relu6", "Identity", "ResizeBilinear", "MaxPool", "PlaceholderWithDefault")
_AFFINE = ("BiasAdd", "Add", "AddV2", "Sub", "Mul", "RealDiv")
#: Layers of the Caffe body model and of its copies, as (pattern, our prefix); ``{}`` is a number counted from 0.
_VGG_LAYERS = (
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1", "conv4_2",
)  # fmt: skip
_STAGE_LAYER = re.compile(r"^(?:conv5_(?P<first>\d)_CPM|Mconv(?P<later>\d)_stage(?P<stage>\d))_L(?P<branch>[12])$")
_BRANCHES = {"1": "fields", "2": "heatmaps"}


def convert_weights(weights: ForeignWeights, network: OpenPose) -> dict[str, torch.Tensor]:
    """State of the fused ``network`` (which may live on the meta device) from published weights.

    Raises:
        WeightsError: Naming what is missing, of another shape or not understood.
    """
    state = _from_graph(weights, network) if weights.nodes else _from_names(weights.tensors)
    # What a file need not say: normalisation of the input, and normalisations that are not there.
    for name, buffer in (("scale", torch.tensor(1 / 256)), ("mean", torch.full((3, 1, 1), 0.5))):
        state.setdefault(name, buffer)
    return fitted(state, network)


def knows_names(names: Collection[str]) -> bool:
    """True for tensor names of the Caffe body model, or of PyTorch copies of it."""
    return any(_our_name(name) == "features.vgg.convs.0.conv.weight" for name in names)


# --- by name -----------------------------------------------------------------------------------------------------


def _from_names(tensors: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    """Layers named as in the Caffe body model; kernels are (out, in, H, W) there already."""
    state = {}
    for name, array in tensors.items():
        ours = _our_name(name)
        if ours is not None:
            # Caffe's old blobs are always four-dimensional, biases included.
            values = array.reshape(-1) if ours.endswith("bias") else array
            state[ours] = torch.from_numpy(np.array(values, np.float32))
    return state


def _our_name(name: str) -> str | None:
    """Our state name of, for example, ``model2_1.Mconv3_stage2_L1.weight``; None for what is not used."""
    layer, _, kind = name.rpartition(".")
    layer = layer.rpartition(".")[2]
    if kind not in ("weight", "bias"):
        return None
    if layer in _VGG_LAYERS:
        prefix = f"features.vgg.convs.{_VGG_LAYERS.index(layer)}"
    elif layer in ("conv4_3_CPM", "conv4_4_CPM"):
        prefix = f"features.extra.{int(layer[6]) - 3}"
    elif found := _STAGE_LAYER.match(layer):
        stage = int(found["stage"] or 1) - 1
        prefix = f"stages.{stage}.{_BRANCHES[found['branch']]}.{int(found['first'] or found['later']) - 1}"
    else:
        return None
    return f"{prefix}.conv.{kind}"


# --- by walking the graph ----------------------------------------------------------------------------------------


@dataclass
class _Unit:
    """One convolution of the graph, and what is done to its output.

    Attributes:
        name: Its name, for messages.
        kernel: ``(H, W, in, out)``, or ``(H, W, channels, 1)`` when depthwise.
        depthwise: One filter per channel.
        bias: Added to the output.
        norm: gamma, beta, mean, variance; None without BatchNorm.
        epsilon: BatchNorm's.
        by_image: BatchNorm uses the picture's own statistics.
    """

    name: str
    kernel: Array
    depthwise: bool
    bias: Array | None = None
    norm: tuple[Array, Array, Array, Array] | None = None
    epsilon: float = 0.0
    by_image: bool = False


@dataclass
class _Behind:
    """What was met between a convolution and the place the walk came from."""

    bias: Array | None = None
    norm: Mapping[str, Any] | None = None


@dataclass
class _Graph:
    """A frozen graph, walked from its output to its input."""

    weights: ForeignWeights
    nodes: dict[str, Mapping[str, Any]] = field(init=False)
    _depths: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = {node["name"]: node for node in self.weights.nodes}

    def node(self, name: str) -> Mapping[str, Any]:
        """The operation that makes the tensor ``name`` (an output number behind a colon is dropped)."""
        plain = name.partition(":")[0]
        if plain not in self.nodes:
            raise WeightsError(f"The graph names an operation {plain!r} that it does not have; the file is damaged.")
        return self.nodes[plain]

    def inputs(self, node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Operations whose values ``node`` reads, constants left out."""
        found = [self.node(name) for name in node["inputs"] if not name.startswith("^")]
        return [one for one in found if self.constant(one) is None and one["op"] not in ("StridedSlice", "Const")]

    def constant(self, node: Mapping[str, Any]) -> Array | None:
        """Value of a constant, looking through identities; None for anything else."""
        while node["op"] == "Identity":
            node = self.node(node["inputs"][0])
        return self.weights.tensors.get(node["name"]) if node["op"] == "Const" else None

    def constants(self, node: Mapping[str, Any]) -> list[Array]:
        """Values of the constants that ``node`` reads."""
        values = (self.constant(self.node(name)) for name in node["inputs"] if not name.startswith("^"))
        return [value for value in values if value is not None]

    def output(self) -> Mapping[str, Any]:
        """The concatenation of heatmaps and part affinity fields that nothing reads."""
        read = {name.partition(":")[0] for node in self.nodes.values() for name in node["inputs"]}
        ends = [node for name, node in self.nodes.items() if node["op"] == "ConcatV2" and name not in read]
        if len(ends) != 1 or len(self.inputs(ends[0])) != 2:
            raise WeightsError("The graph does not end in one concatenation of heatmaps and part affinity fields.")
        return ends[0]

    def depth(self, node: Mapping[str, Any]) -> int:
        """Most operations between the picture and ``node``."""
        stack = [node]
        while stack:
            top = stack[-1]
            waiting = [one for one in self.inputs(top) if one["name"] not in self._depths]
            if waiting and len(stack) <= len(self.nodes):
                stack.extend(waiting)
                continue
            if waiting:
                raise WeightsError("The graph runs in a circle; the file is damaged.")
            depths = [self._depths[one["name"]] for one in self.inputs(top)]
            self._depths[stack.pop()["name"]] = 1 + max(depths, default=0)
        return self._depths[node["name"]]

    def chain(self, node: Mapping[str, Any], stop: Collection[str]) -> tuple[list[_Unit], Mapping[str, Any]]:
        """Convolutions between ``node`` and an operation named in ``stop``, a concatenation or the picture.

        Where paths part (a shortcut around a block) the longer one is followed.

        Returns:
            The convolutions in the order they run, and the operation at which the walk ended.
        """
        units: list[_Unit] = []
        behind = _Behind()
        while node["name"] not in stop and node["op"] not in ("ConcatV2", "Placeholder"):
            sources = self.inputs(node)
            if not sources:
                raise WeightsError(f"The graph has an operation {node['name']!r} ({node['op']}) without input.")
            if node["op"] in _CONVOLUTIONS:
                units.append(self._unit(node, behind))
                behind = _Behind()
            elif not (node["op"] in _AFFINE and not self.constants(node)):
                self._note(node, behind, units)
            node = max(sources, key=self.depth)
        if behind.norm is not None:
            raise WeightsError(f"The graph normalises {node['name']!r} before any convolution.")
        return units[::-1], node

    def _note(self, node: Mapping[str, Any], behind: _Behind, units: list[_Unit]) -> None:
        """Remember what ``node`` does to the output of the convolution that the walk will meet next."""
        if node["op"] in _NORMS:
            behind.norm = node
        elif node["op"] in ("BiasAdd", "Add", "AddV2"):
            behind.bias = self.constants(node)[0]
        elif node["op"] not in _PASSING and node["op"] not in _AFFINE:
            raise WeightsError(f"The graph has an operation {node['op']} ({node['name']!r}) that is not understood.")

    def _unit(self, node: Mapping[str, Any], behind: _Behind) -> _Unit:
        kernels = [value for value in self.constants(node) if value.ndim == 4]
        if len(kernels) != 1:
            raise WeightsError(f"Convolution {node['name']!r} has {len(kernels)} kernels in the file instead of one.")
        unit = _Unit(node["name"], kernels[0], node["op"] != "Conv2D", behind.bias)
        if behind.norm is not None:
            attributes = behind.norm["attrs"]
            values = self.constants(behind.norm)
            if len(values) != 4:
                raise WeightsError(f"Normalisation {behind.norm['name']!r} has {len(values)} of its 4 constants.")
            unit.norm = (values[0], values[1], values[2], values[3])
            unit.epsilon = float(attributes.get("epsilon", 1e-4))
            # TensorFlow's default where the attribute is left out.
            unit.by_image = bool(attributes.get("is_training", True))
        return unit

    def input_scaling(self, first: str) -> tuple[float, float]:
        """(scale, mean) of the affine operations between the picture and convolution ``first``: x · scale − mean."""
        node = max(self.inputs(self.node(first)), key=self.depth)
        factor, shift = 1.0, 0.0
        while node["op"] != "Placeholder":
            values = self.constants(node)
            if node["op"] in ("Sub", "Add", "AddV2", "Mul", "RealDiv") and values and values[0].size == 1:
                value = float(values[0].reshape(-1)[0])
                # The walk goes backwards: what is met later happens earlier, under the factor collected so far.
                if node["op"] == "Mul":
                    factor *= value
                elif node["op"] == "RealDiv":
                    factor /= value
                else:
                    shift += factor * (-value if node["op"] == "Sub" else value)
            elif node["op"] not in _PASSING:
                raise WeightsError(f"The graph prepares its input by {node['op']}, which is not understood.")
            node = max(self.inputs(node), key=self.depth)
        return factor, -shift


def _from_graph(weights: ForeignWeights, network: OpenPose) -> dict[str, torch.Tensor]:
    graph = _Graph(weights)
    fields_width = 2 * network.limbs
    branches = graph.inputs(graph.output())
    stages: list[tuple[list[_Unit], list[_Unit]]] = []
    # Features: what the last stage reads beside the maps, the last input of its concatenation.
    _, joined = graph.chain(branches[0], ())
    features = graph.inputs(joined)[-1] if joined["op"] == "ConcatV2" else joined
    while True:
        walked = [graph.chain(branch, {features["name"]}) for branch in branches]
        stages.append(_sorted_branches([units for units, _ in walked], fields_width))
        start = walked[0][1]
        if start["name"] == features["name"]:
            break
        if start["op"] != "ConcatV2" or len(stages) > len(network.stages):
            raise WeightsError("The graph has other stages than this architecture; is it the file of another one?")
        branches = graph.inputs(start)[:2]
    found = dict(_pairs(network, _backbone(graph, features), stages[::-1]))
    scale, mean = graph.input_scaling(_backbone(graph, features)[0].name)
    found["scale"] = torch.tensor(scale)
    found["mean"] = torch.full((3, 1, 1), mean)
    return found


def _backbone(graph: _Graph, features: Mapping[str, Any]) -> list[_Unit]:
    """Convolutions of the features: of the deepest level where several lie side by side."""
    deepest = max(graph.inputs(features), key=graph.depth) if features["op"] == "ConcatV2" else features
    units, end = graph.chain(deepest, ())
    if end["op"] != "Placeholder":
        raise WeightsError("The graph's features do not start at a picture.")
    return units


def _sorted_branches(branches: list[list[_Unit]], fields_width: int) -> tuple[list[_Unit], list[_Unit]]:
    """(part affinity, heatmaps) of a stage, told apart by the number of channels."""
    if len(branches) != 2 or not all(branches):
        raise WeightsError("The graph has a stage without two branches; is it the file of another architecture?")
    first, second = branches
    return (first, second) if first[-1].kernel.shape[3] == fields_width else (second, first)


def _pairs(
    network: OpenPose, backbone: list[_Unit], stages: list[tuple[list[_Unit], list[_Unit]]]
) -> Iterator[tuple[str, torch.Tensor]]:
    """(our name, tensor) of every convolution."""
    if len(stages) != len(network.stages):
        raise WeightsError(f"The graph has {len(stages)} stages, the network {len(network.stages)}.")
    yield from _assigned("features", network.features, backbone)
    for index, (stage, (fields, heatmaps)) in enumerate(zip(network.stages, stages, strict=True)):
        assert isinstance(stage, Stage)
        yield from _assigned(f"stages.{index}.fields", stage.fields, fields)
        yield from _assigned(f"stages.{index}.heatmaps", stage.heatmaps, heatmaps)


def _assigned(prefix: str, module: torch.nn.Module, units: list[_Unit]) -> Iterator[tuple[str, torch.Tensor]]:
    ours = [(name, part) for name, part in module.named_modules() if isinstance(part, ConvUnit)]
    if len(ours) != len(units):
        raise WeightsError(
            f"The graph has {len(units)} convolutions where the network's {prefix} has {len(ours)}; is it the file of "
            "another architecture?"
        )
    for (name, part), unit in zip(ours, units, strict=True):
        for key, value in _tensors(part, unit).items():
            yield f"{prefix}.{name}.{key}", torch.from_numpy(np.array(value, np.float32))


def _tensors(ours: ConvUnit, unit: _Unit) -> dict[str, Any]:
    """State of one :class:`ConvUnit`: BatchNorm folded, or kept where it depends on the picture."""
    kernel = unit.kernel.transpose((2, 3, 0, 1) if unit.depthwise else (3, 2, 0, 1)).astype(np.float64)
    bias = np.zeros(len(kernel)) if unit.bias is None else unit.bias.reshape(-1).astype(np.float64)
    by_image = {"norm.weight": np.ones(len(kernel)), "norm.bias": np.zeros(len(kernel)), "norm.active": 0.0}
    if unit.norm is not None and unit.by_image:
        if not isinstance(ours.norm, ImageNorm):
            raise WeightsError(
                f"The graph normalises {unit.name!r} by the picture's own statistics, which this architecture does not."
            )
        by_image |= {"norm.weight": unit.norm[0], "norm.bias": unit.norm[1], "norm.active": 1.0}
    elif unit.norm is not None:
        gamma, beta, mean, variance = (value.astype(np.float64) for value in unit.norm)
        scale = gamma / np.sqrt(variance + unit.epsilon)
        kernel = kernel * scale[:, None, None, None]
        bias = beta + (bias - mean) * scale
    tensors: dict[str, Any] = {"conv.weight": kernel}
    if ours.conv.bias is not None:
        tensors["conv.bias"] = bias
    elif unit.norm is not None or bias.any():
        raise WeightsError(f"Convolution {unit.name!r} has a bias in the graph, but none in this architecture.")
    return tensors | (by_image if isinstance(ours.norm, ImageNorm) else {})
