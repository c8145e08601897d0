"""From the published PoseNet files to our network: by walking their graph, or by names where there is none.

The first release for TensorFlow.js has a file per variable and no graph; its names are the only thing to go by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.errors import WeightsError
from posecore.families.backbones import Bottleneck, MobileNetV1, SeparableBlock
from posecore.families.contract import ForeignWeights
from posecore.families.fitting import fitted
from posecore.families.posenet.network import PoseNet
from posecore.families.walking import Graph, Layer, Walk, plain

_POOLS = {"MaxPool", "MAX_POOL_2D"}
_HEAD_NAMES = {
    "heatmap_2": "heatmaps",
    "offset_2": "offsets",
    "displacement_fwd_2": "displacement_forward",
    "displacement_bwd_2": "displacement_backward",
}
_KIND = r"(?P<kind>weights|depthwise_weights|biases|Conv2D_bias|depthwise_bias|\w*[Bb]ias\w*)$"
_MOBILENET = re.compile(rf"Conv2d_(?P<layer>\d+)(?:_(?P<half>depthwise|pointwise))?/{_KIND}")
_RESNET = re.compile(rf"block(?P<block>\d)/unit_(?P<unit>\d)/bottleneck_v1/(?P<conv>conv[123]|shortcut)/{_KIND}")
_RESNET_STEM = re.compile(rf"resnet_v1_50/conv1/{_KIND}")
_HEAD = re.compile(rf"(?:^|/)(?P<head>{'|'.join(_HEAD_NAMES)})/{_KIND}")


def convert_weights(weights: ForeignWeights, network: PoseNet) -> dict[str, torch.Tensor]:
    """State of the fused network from published weights.

    Args:
        weights: Of a TensorFlow.js or TensorFlow Lite file or a frozen graph, at any output stride; or the variables of
            the first release.
        network: The fused network to be filled; may live on the meta device.

    Raises:
        WeightsError: Naming what the file does not have, and what it has in its place.
    """
    if not weights.nodes:
        return _from_names(weights.tensors, network)
    walk = _Walk(Graph(weights), network)
    walk.run()
    return walk.state(network)


# --- by walking the graph ---------------------------------------------------------------------------------------------


class _Walk(Walk):
    """Strides are not looked at: a file for another output stride has dilations in their place, and equal weights."""

    def __init__(self, graph: Graph, network: PoseNet) -> None:
        super().__init__(graph, network)
        self.network = network

    def run(self) -> None:
        """Find every layer."""
        backbone = self.network.backbone
        x = self.take(backbone.stem, self.graph.start(), None)
        if isinstance(backbone, MobileNetV1):
            for block in backbone.blocks:
                assert isinstance(block, SeparableBlock)
                x = self.take(block.pointwise, self.take(block.depthwise, x, None))
        else:
            x = self._pooled(x)[-1]
            for unit in backbone.units:
                assert isinstance(unit, Bottleneck)
                x = self._bottleneck(unit, x)
        self._heads(x)

    def _pooled(self, x: str) -> list[str]:
        """A tensor, and what a pooling makes of it where there is one."""
        pools = [node for node in self.graph.consumers(x) if node["op"] in _POOLS]
        return [x, *(self.graph.origin(plain(node["name"])) for node in pools)]

    def _bottleneck(self, unit: Bottleneck, x: str) -> str:
        y = self.take(unit.conv3, self.take(unit.conv2, self.take(unit.conv1, x), None))
        # Where a unit without a shortcut convolution has a stride, a pooling of one pixel drops the others.
        kept = self._pooled(x) if unit.shortcut is None else [self.take(unit.shortcut, x, None)]
        return self.sum(unit, kept[-1], y)

    def _heads(self, features: str) -> None:
        layers = [layer for layer in self.graph.layers.get(features, ()) if layer.weight.shape[2:] == (1, 1)]
        wanted = self._channels()
        found = _roles(layers, wanted)
        for name, channels in wanted.items():
            if name not in found:
                has = ", ".join(str(len(layer.weight)) for layer in layers) or "none"
                raise WeightsError(
                    f"The file has no head for layer 'heads.{name}' ({channels} channels); the channels of its heads "
                    f"are {has}. Is it the file of another architecture?"
                )
            self.layers[f"heads.{name}"] = found[name]

    def _channels(self) -> dict[str, int]:
        """Head → number of its channels."""
        heads = self.network.heads.items()
        return {name: head.out_channels for name, head in heads if isinstance(head, nn.Conv2d)}


def _roles(layers: Sequence[Layer], channels: Mapping[str, int]) -> dict[str, Layer]:
    """Head → its convolution, by the number of channels; the two displacements by :func:`_forward_first`."""
    found = {}
    for name in ("heatmaps", "offsets"):
        fitting = [layer for layer in layers if len(layer.weight) == channels[name]]
        if len(fitting) == 1:
            found[name] = fitting[0]
    hops = [layer for layer in layers if len(layer.weight) == channels["displacement_forward"]]
    if len(hops) == 2:
        found["displacement_forward"], found["displacement_backward"] = _forward_first(hops)
    return found


def _forward_first(hops: Sequence[Layer]) -> list[Layer]:
    """The two heads of displacements, forward ones first.

    They look alike and end alike. What they are called decides, if it says anything. Else their biases do: people are
    mostly upright, so hops away from the nose lead downwards on average, and the way back up.
    """
    names = [f"{layer.name} {layer.output} {layer.weight_name} {layer.bias_name or ''}".lower() for layer in hops]
    said = [("fwd" in name or "forward" in name) - ("bwd" in name or "backward" in name) for name in names]
    down = [float(layer.bias[: len(layer.bias) // 2].mean()) for layer in hops]
    order = said if said[0] != said[1] else down
    if order[0] == order[1]:
        raise WeightsError("Nothing in the file tells which of its two heads of displacements leads forward.")
    return list(hops) if order[0] > order[1] else list(reversed(hops))


# --- by name ----------------------------------------------------------------------------------------------------------


def our_name(name: str, units_before: Mapping[int, int]) -> str | None:
    """Our state name of a published tensor, or None for tensors that we do not use.

    Args:
        name: For example ``MobilenetV1/Conv2d_1_depthwise/depthwise_weights``; the graph files and the older
            per-variable files differ only in prefixes.
        units_before: ResNet block number → units in the blocks before it.
    """
    if found := _MOBILENET.search(name):
        layer = int(found["layer"])
        prefix = "backbone.stem.conv" if layer == 0 else f"backbone.blocks.{layer - 1}.{found['half']}.conv"
    elif found := _RESNET.search(name):
        unit = units_before[int(found["block"])] + int(found["unit"]) - 1
        prefix = f"backbone.units.{unit}.{found['conv']}.conv"
    elif found := _RESNET_STEM.search(name):
        prefix = "backbone.stem.conv"
    elif found := _HEAD.search(name):
        prefix = f"heads.{_HEAD_NAMES[found['head']]}"
    else:
        return None
    return f"{prefix}.{'weight' if found['kind'].endswith('weights') else 'bias'}"


def _from_names(tensors: Mapping[str, NDArray[np.float32]], network: nn.Module) -> dict[str, torch.Tensor]:
    """State of the fused network from published variables.

    TensorFlow keeps kernels as (H, W, in, out), depthwise ones as (H, W, channels, 1).

    Args:
        tensors: Published name → array.
        network: The network that is to be filled; may live on the meta device.

    Raises:
        WeightsError: Naming the tensors that are missing or have another shape.
    """
    units_before = {1: 0, 2: 3, 3: 7, 4: 13}
    state: dict[str, torch.Tensor] = {}
    for name, array in tensors.items():
        ours = our_name(name, units_before)
        if ours is None:
            continue
        if array.ndim == 4:
            axes = (2, 3, 0, 1) if "depthwise" in ours else (3, 2, 0, 1)
            array = array.transpose(axes)
        state[ours] = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return fitted(state, network)
