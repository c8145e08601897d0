"""Convolutions in 8-bit integers: what goes into each is rounded to 256 steps, its weights to 255 steps a filter.

In PyTorch the rounding is played through in float32 (fake quantisation). Runtimes that are made for it compute with
integers. The weights stay as they are; the ranges are all there is to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from posecore.families.backbones.layers import ConvUnit

#: Name of a convolution in its network → least and largest value that goes into it.
Ranges = Mapping[str, tuple[float, float]]

_LARGEST = 127


@dataclass
class Rounding:
    """How one convolution is rounded.

    Attributes:
        low, high: Range of what goes into it.
        scales: ``(outputs,)`` step of each filter's weights.
        zeros: As many zeros.
    """

    low: float
    high: float
    scales: torch.Tensor
    zeros: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        # Zero has to be a step of its own: pictures are padded with it.
        self.low, self.high = min(self.low, 0.0), max(self.high, 0.0, self.low + 1e-6)
        self.step = (self.high - self.low) / 255
        self.zero = round(-self.low / self.step)
        self.zeros = torch.zeros_like(self.scales, dtype=torch.int32)

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        """What goes in, rounded."""
        return torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, 0, 255)

    def weights(self, weights: torch.Tensor) -> torch.Tensor:
        """The weights, rounded."""
        scales, zeros = self.scales.to(weights.device), self.zeros.to(weights.device)
        return torch.fake_quantize_per_channel_affine(weights, scales, zeros, 0, -_LARGEST, _LARGEST)


def convolutions(network: nn.Module) -> dict[str, ConvUnit]:
    """The convolutions that can be rounded, by name."""
    return {name: unit for name, unit in network.named_modules() if isinstance(unit, ConvUnit)}


def set_ranges(network: nn.Module, ranges: Ranges) -> None:
    """Let the convolutions that ``ranges`` name be computed in 8-bit integers, the others as before.

    Raises:
        KeyError: For a name that the network does not have.
    """
    units = convolutions(network)
    for unit in units.values():
        unit.rounding = None
    for name, (low, high) in ranges.items():
        filters = units[name].conv.weight.detach().abs().amax((1, 2, 3))
        units[name].rounding = Rounding(low, high, filters.clamp(min=1e-9) / _LARGEST)


def ranges_of(network: nn.Module) -> dict[str, tuple[float, float]]:
    """The ranges of a network's convolutions; empty for one that computes with floating-point numbers."""
    units = convolutions(network)
    return {name: (unit.rounding.low, unit.rounding.high) for name, unit in units.items() if unit.rounding is not None}


def find_ranges(network: nn.Module, run: Callable[[], int]) -> dict[str, tuple[float, float]]:
    """Ranges of what goes into every convolution.

    Args:
        network: Computes with floating-point numbers.
        run: Runs the network on pictures, one at a time, and returns how many.

    Returns:
        The least and the largest value of each, as means over the pictures: single outliers do not make steps coarse.
    """
    sums: dict[str, list[float]] = {}

    def look(name: str) -> Callable[..., None]:
        def note(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            low, high = sums.setdefault(name, [0.0, 0.0])
            sums[name] = [low + float(inputs[0].min()), high + float(inputs[0].max())]

        return note

    hooks = [unit.register_forward_pre_hook(look(name)) for name, unit in convolutions(network).items()]
    try:
        count = run()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (low / count, high / count) for name, (low, high) in sums.items()}


def mend_biases(network: nn.Module, exact: nn.Module, run: Callable[[nn.Module], object]) -> None:
    """Shift the biases of rounded convolutions so that every channel's mean is what it is without rounding.

    Args:
        network: With ranges; changed.
        exact: The same network without.
        run: Runs a network on some pictures together.
    """
    means: dict[str, torch.Tensor] = {}

    def note(name: str, values: torch.Tensor) -> torch.Tensor:
        means[name] = values.mean((0, 2, 3))
        return values

    def shift(name: str, values: torch.Tensor) -> torch.Tensor:
        bias = convolutions(network)[name].conv.bias
        if bias is None:
            return values
        change = means[name] - values.mean((0, 2, 3))
        bias.data += change
        # What follows sees the mended values already.
        return values + change[:, None, None]

    _run_looking(exact, ranges_of(network), note, run)
    _run_looking(network, ranges_of(network), shift, run)


def _run_looking(
    network: nn.Module,
    names: Ranges,
    see: Callable[[str, torch.Tensor], torch.Tensor],
    run: Callable[[nn.Module], object],
) -> None:
    """Run a network; ``see`` is given what the named convolutions answer before activation, and says what goes on."""
    units = convolutions(network)
    before = {name: units[name].activation for name in names}

    def seen(name: str, then: Callable[[torch.Tensor], torch.Tensor] | None) -> Callable[[torch.Tensor], torch.Tensor]:
        def pass_on(values: torch.Tensor) -> torch.Tensor:
            values = see(name, values)
            return values if then is None else then(values)

        return pass_on

    try:
        for name, activation in before.items():
            units[name].activation = seen(name, activation)
        run(network)
    finally:
        for name, activation in before.items():
            units[name].activation = activation
