"""A network with its settings as one plain module: pixels go in as cameras give them, named maps come out."""

from __future__ import annotations

import torch
from torch import nn

from posecore.families.contract import AnyFamily
from posecore.settings import NetworkSettings


class Graph(nn.Module):
    """What other runtimes take of a model: settings are constants of it, and nothing is decoded.

    It shares the network's weights. Every operation is one of tensors, so that ``torch.export`` can follow it.

    Args:
        family: The network's family.
        network: A fused network in evaluation mode.
        settings: Network settings: output stride, dilation, stages and the like become part of the graph.
    """

    def __init__(self, family: AnyFamily, network: nn.Module, settings: NetworkSettings) -> None:
        super().__init__()
        self._family = family
        self.network = network
        self._settings = settings

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            pixels: ``(B, H, W, 3)`` RGB 0 … 255, uint8 or floating-point, of a size that :meth:`Family.place` gives.

        Returns:
            The network's outputs by name, each ``(B, …)``, as :meth:`Family.run` gives and :meth:`Family.maps` takes
            them.
        """
        # A channels-last view of the pixels: nothing is moved.
        return self._family.run(self.network, pixels.permute(0, 3, 1, 2).float(), self._settings)
