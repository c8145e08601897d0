"""The network that a run starts from: random, or another model's weights with heads that fit the skeleton."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posecore.errors import SettingsError
from posecore.families.backbones import ConvUnit
from posecore.model import PoseModel
from posecore.training.config import RunConfig
from posecore.zoo import load_model

#: Epsilon of inserted BatchNorms.
_EPSILON = 1e-3


def starting_network(config: RunConfig) -> nn.Module:
    """The network in the form in which a run with this (placed) configuration trains it.

    A random start has BatchNorm. A start from other weights trains their fused convolutions as they are, or gets
    BatchNorm that at first changes nothing (:func:`insert_norm`; call :func:`settle_norm` before training).

    Raises:
        SettingsError: When the start does not fit the architecture.
    """
    model = config.model
    if model.start == "random":
        if model.copies:
            raise SettingsError("A random start has nothing worth copying; leave model.copies out.")
        if model.norm not in ("auto", "batch"):
            raise SettingsError("A random start needs BatchNorm; set model.norm to batch or auto.")
        return config.family.build(model.architecture, config.skeleton, fused=False)
    if model.norm == "batch":
        raise SettingsError("Published and saved weights have BatchNorm folded in; set model.norm to none or identity.")
    source = starting_model(config)
    network = config.family.build(model.architecture, config.skeleton, fused=True)
    fresh = network.state_dict()
    adapted = config.family.adapt(source.network.state_dict(), source.skeleton, fresh, config.skeleton)
    network.load_state_dict(_with_copies(adapted, model.copies))
    if model.norm == "identity":
        insert_norm(network)
    return network


def _with_copies(state: Mapping[str, torch.Tensor], copies: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """A state in which the parts that ``copies`` names are copies of others."""
    copied = dict(state)
    for target, source in copies.items():
        taken = {target + name.removeprefix(source): value for name, value in state.items() if name.startswith(source)}
        for name, value in taken.items():
            if name not in state or state[name].shape != value.shape:
                raise SettingsError(f"model.copies: {target!r} is not made as {source!r} is; name two equal parts.")
        if not taken:
            raise SettingsError(
                f"model.copies: the network has no part {source!r}; give the start of parameters' names."
            )
        copied |= taken
    return copied


def starting_model(config: RunConfig, device: str = "cpu") -> PoseModel:
    """The model whose weights are taken: a name of the catalogue, a run, or a file."""
    file = Path(config.model.start)
    if file.is_file():
        source = load_model(config.model.architecture, weights=file, device=device)
    else:
        source = load_model(config.model.start, device=device)
    if source.architecture != config.model.architecture:
        raise SettingsError(
            f"{config.model.start} is a {source.architecture}, but the run trains a {config.model.architecture}; "
            "choose the same architecture for both."
        )
    return source


def insert_norm(network: nn.Module) -> nn.Module:
    """Give every fused convolution a BatchNorm that takes over its bias and otherwise changes nothing, in place.

    With statistics of mean 0 and variance 1 that holds in evaluation mode. In training mode the batch's own statistics
    count: :func:`settle_norm` sets factors such that nothing changes there either.
    """
    for module in network.modules():
        if isinstance(module, ConvUnit) and module.norm is None and module.conv.bias is not None:
            norm = nn.BatchNorm2d(module.conv.out_channels, eps=_EPSILON, momentum=0.03)
            with torch.no_grad():
                norm.bias.copy_(module.conv.bias)
                # So that variance + epsilon is exactly 1.
                norm.running_var = torch.full_like(norm.running_var, 1 - _EPSILON)  # type: ignore[arg-type]
            module.norm = norm.to(module.conv.weight.device).train(module.training)
            module.conv.bias = None
    return network


@torch.no_grad()
def settle_norm(
    network: nn.Module, batches: Iterable[torch.Tensor], run: Callable[[nn.Module, torch.Tensor], Any]
) -> None:
    """Set inserted BatchNorms' statistics to those of real pictures, and their factors so that nothing changes.

    Args:
        network: From :func:`insert_norm`, in any mode; left in evaluation mode.
        batches: ``(B, 3, H, W)`` RGB 0 … 255; their statistics are averaged.
        run: Called with (network, pixels).
    """
    network.eval()
    statistics = {module: _Statistics() for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
    hooks = [norm.register_forward_pre_hook(entry.gather) for norm, entry in statistics.items()]
    try:
        for pixels in batches:
            run(network, pixels)
    finally:
        for hook in hooks:
            hook.remove()
    for norm, entry in statistics.items():
        if entry.count:
            norm.running_mean, norm.running_var = entry.mean.to(norm.bias), entry.variance.to(norm.bias)
            norm.bias.add_(entry.mean.to(norm.bias))
            norm.weight.copy_((entry.variance + norm.eps).sqrt())


class _Statistics:
    """Mean and variance per channel of everything that went into a module."""

    def __init__(self) -> None:
        # Double precision: a channel's mean may be far larger than its spread.
        self.total = self.squares = torch.zeros((), dtype=torch.float64)
        self.count = 0

    def gather(self, module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Forward pre-hook."""
        values = inputs[0].double()
        self.total = self.total.to(values.device) + values.sum((0, 2, 3))
        self.squares = self.squares.to(values.device) + values.square().sum((0, 2, 3))
        self.count += values.numel() // values.shape[1]

    @property
    def mean(self) -> torch.Tensor:
        return self.total / self.count

    @property
    def variance(self) -> torch.Tensor:
        return (self.squares / self.count - self.mean.square()).clamp_min(0)
