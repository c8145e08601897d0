"""Strides that become dilations, so that the same weights run at every output stride."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posecore.families.backbones.layers import Pair


@dataclass(frozen=True)
class Atrous:
    """Turns strides into dilations once the wanted output stride is reached.

    Attributes:
        output_stride: Product of strides at which striding stops.
        square: True dilates both axes; False only the vertical one, as TensorFlow.js reads the published graphs whose
            dilations are stored as (2, 2, 1, 1) in a channels-last layout.
    """

    output_stride: int
    square: bool = True

    def plan(self, strides: Sequence[int], start: int = 1) -> tuple[tuple[int, Pair], ...]:
        """(stride, dilation) actually used by each layer with nominal ``strides``; ``start`` is the stride so far."""
        current, rate = start, 1
        steps: list[tuple[int, Pair]] = []
        for stride in strides:
            pair = (rate, rate if self.square else 1)
            if current >= self.output_stride:
                steps.append((1, pair))
                rate *= stride
            else:
                steps.append((stride, pair))
                current *= stride
        return tuple(steps)
