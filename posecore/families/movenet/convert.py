"""From the published MoveNet files to our network, by walking their graph.

The heads, which look alike, are told apart by what happens to their outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from posecore.errors import WeightsError
from posecore.families.backbones import InvertedResidual, SeparableBlock
from posecore.families.contract import ForeignWeights
from posecore.families.movenet.network import Head, MoveNet
from posecore.families.walking import Graph, Layer, Walk, plain

_ARGMAX = {"ArgMax", "ARG_MAX"}
_MAXIMUM = {"Maximum", "MAXIMUM"}
_DOUBLING = {"ResizeBilinear", "RESIZE_BILINEAR"}


def convert_graph(weights: ForeignWeights, network: MoveNet) -> dict[str, torch.Tensor]:
    """State of the fused network from a published graph.

    Args:
        weights: Of a TensorFlow Lite file or a TensorFlow.js graph model.
        network: The fused network to be filled; its values are not looked at.

    Raises:
        WeightsError: Naming the layer that the file does not have, and what it has in its place.
    """
    walk = _Walk(Graph(weights), network)
    walk.run()
    return walk.state(network)


class _Walk(Walk):
    def __init__(self, graph: Graph, network: MoveNet) -> None:
        super().__init__(graph, network)
        self.network = network

    def run(self) -> None:
        """Find every layer."""
        self._heads(self._pyramid(self._backbone()))

    def _backbone(self) -> list[str]:
        """Tensors at strides 4, 8, 16 and 32."""
        backbone = self.network.backbone
        x = self.take(backbone.stem, self.graph.start(), backbone.strides[0])
        levels = []
        for index, (block, stride) in enumerate(zip(backbone.blocks, backbone.strides[1:], strict=True)):
            assert isinstance(block, InvertedResidual)
            y = x if block.expand is None else self.take(block.expand, x)
            y = self.take(block.project, self.take(block.depthwise, y, stride))
            x = self.sum(block, x, y) if block.residual else y
            if index in self.network.taps:
                levels.append(x)
        assert backbone.last is not None
        return [*levels, self.take(backbone.last, x)]

    def _pyramid(self, levels: Sequence[str]) -> str:
        """The tensor that all heads read."""
        pyramid = self.network.pyramid
        lateral = [self.take(unit, level) for unit, level in zip(pyramid.lateral, levels, strict=True)]
        x = lateral[3]
        for index in (2, 1, 0):
            doubled = [node for node in self.graph.consumers(x) if node["op"] in _DOUBLING]
            if len(doubled) != 1:
                raise WeightsError(f"Level {index + 1} of the pyramid is not doubled in the file as it is in MoveNet.")
            smooth = pyramid.smooth[index]
            x = self._take_separable(smooth, self.sum(smooth, plain(doubled[0]["name"]), lateral[index]))
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
                self.check(unit, layer, 1)
                self.keep(unit, layer)
        if len(chains) != len(self.network.heads):
            raise WeightsError(f"The file has {len(chains)} heads, but the network has {len(self.network.heads)}.")

    def _chains(self, features: str) -> Iterator[tuple[Layer, Layer, Layer]]:
        """Depthwise, pointwise and last convolution of every head, in file order."""
        for first in self.graph.layers.get(features, ()):
            second = self.graph.layers.get(first.output, [])
            third = self.graph.layers.get(second[0].output, []) if len(second) == 1 else []
            if first.depthwise and len(third) == 1:
                yield first, second[0], third[0]

    def _roles(self, outputs: Sequence[Layer]) -> dict[str, int]:
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
        return self.take(block.pointwise, self.take(block.depthwise, source))
