"""Weights stored in 16 bits, whatever the format."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import parametrize


class _Widened(nn.Module):
    """Keeps a weight as float16 and gives it as float32."""

    def forward(self, stored: torch.Tensor) -> torch.Tensor:
        return stored.float()


def with_half_weights(network: nn.Module) -> nn.Module:
    """A copy of a network whose convolutions keep their weights as float16 and compute as before.

    The widening becomes an operation of the graph, which runtimes carry out once, when they load it.
    """
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            module.weight = nn.Parameter(module.weight.half())
            parametrize.register_parametrization(module, "weight", _Widened(), unsafe=True)
    return network.requires_grad_(False)
