"""Exponential moving average of a network's weights: smoother and usually better than the last step's."""

from __future__ import annotations

import copy

import torch
from torch import nn


class AveragedNetwork(nn.Module):
    """A copy of ``network`` that follows it slowly.

    Args:
        network: What to follow; its structure must not change afterwards.
        decay: Part of the average that each step keeps. Early on less is kept, so that the first weights are forgotten.
    """

    steps: torch.Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take a step towards the state of ``network``, BatchNorm's statistics included."""
        self.steps += 1
        steps = int(self.steps)
        keep = min(self.decay, (1 + steps) / (10 + steps))
        mine, theirs = self.network.state_dict(), network.state_dict()
        averaged = [name for name, value in mine.items() if value.is_floating_point()]
        torch._foreach_lerp_([mine[n] for n in averaged], [theirs[n].detach() for n in averaged], 1 - keep)
        for name in mine.keys() - set(averaged):
            mine[name].copy_(theirs[name])
