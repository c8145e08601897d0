"""The module that is exported: pixels in, named maps or decoded poses out, and a description of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.export.halves import with_half_weights
from posecore.export.plan import Checked
from posecore.fields import FieldMap
from posecore.model import PoseModel

#: Name of the input, and of the output of a graph that decodes.
PIXELS, POSES = "pixels", "poses"

#: Axes of maps and of maps of vectors, as :meth:`Family.run` gives them, to channels last.
_LAST = {4: (0, 2, 3, 1), 5: (0, 3, 4, 1, 2)}
_FIRST = {4: (0, 3, 1, 2), 5: (0, 3, 4, 1, 2)}


class ExportGraph(nn.Module):
    """A network with its settings, and its decoder where that is wanted.

    Args:
        model: The model; its weights are shared unless they are stored as halves.
        checked: What is wanted.
    """

    def __init__(self, model: PoseModel, checked: Checked) -> None:
        super().__init__()
        half = checked.plan.precision == "float16"
        self.network = with_half_weights(model.network) if half else model.network
        self.decoder = None if checked.decoder is None else checked.decoder.module
        self._family = model.family
        self._settings = checked.network
        self._channels_last = checked.plan.layout == "nhwc"

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the network.

        Args:
            pixels: ``(1, H, W, 3)``, or ``(1, 3, H, W)`` in a graph with channels first: float32 RGB 0 … 255.

        Returns:
            ``poses`` as :class:`posecore.families.contract.GraphDecoder` gives them, or the network's maps by name,
            what is learnt as logits as probabilities: ``(1, H, W, C)`` and for vectors ``(1, H, W, C, 2)`` (x, y); with
            channels first ``(1, C, H, W)`` and ``(1, C, 2, H, W)``.
        """
        pictures = pixels.permute(0, 3, 1, 2) if self._channels_last else pixels
        outputs = self._family.run(self.network, pictures, self._settings)
        if self.decoder is not None:
            return {POSES: self.decoder(outputs)}
        logits = self._family.logits
        maps = {name: torch.sigmoid(maps) if name in logits else maps for name, maps in outputs.items()}
        if not self._channels_last:
            return maps
        return {name: values.permute(_LAST[values.dim()]) for name, values in maps.items()}


def channels_first(outputs: Mapping[str, NDArray[np.float32]], checked: Checked) -> dict[str, NDArray[np.float32]]:
    """Maps that an exported graph gave, in the order of axes of :meth:`Family.run`."""
    if checked.plan.layout == "nchw":
        return dict(outputs)
    return {name: values.transpose(_FIRST[values.ndim]) for name, values in outputs.items()}


@dataclass(frozen=True)
class Output:
    """One output of an exported graph, for people and programs.

    Attributes:
        name: Its name in the graph.
        shape: Of one picture of the size of the examples.
        axes: What each axis is.
        units: Of the values.
        meaning: A sentence.
        channels: What each channel is.
        stride, origin: Input pixels between two cells of a map, and where the middle of the first one lies.
    """

    name: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    units: str
    meaning: str
    channels: tuple[str, ...] = ()
    stride: float | None = None
    origin: float | None = None


def describe(model: PoseModel, checked: Checked, outputs: Mapping[str, NDArray[np.float32]]) -> tuple[Output, ...]:
    """Descriptions of what a graph answers.

    Args:
        model: The model.
        checked: How it was exported.
        outputs: An answer of the graph.
    """
    if checked.decoder is not None:
        return (_poses(model, outputs[POSES].shape, checked.decoder.people),)
    first = {name: values[0] for name, values in channels_first(outputs, checked).items()}
    maps = {one.name: one for one in model.family.maps(first, checked.network, model.skeleton)}
    return tuple(_map(name, outputs[name].shape, maps[name], first[name], checked) for name in outputs if name in maps)


def _poses(model: PoseModel, shape: tuple[int, ...], people: int | None) -> Output:
    where = "y and x are parts of the input's height and width: 0 is its upper or left edge, 1 its lower or right one"
    names = model.skeleton.keypoints
    if people is None:
        return Output(
            POSES,
            shape,
            ("picture", "person", "keypoint", "y, x, score"),
            "parts of the input's sides",
            f"The keypoints of one person; {where}.",
            names,
        )
    columns = tuple(f"{name} {part}" for name in names for part in ("y", "x", "score"))
    return Output(
        POSES,
        shape,
        ("picture", "person", "column"),
        "parts of the input's sides",
        f"The keypoints of {people} people, their boxes and scores; places that nobody fills have low scores; {where}.",
        (*columns, "box top", "box left", "box bottom", "box right", "person score"),
    )


def _map(name: str, shape: tuple[int, ...], field: FieldMap, values: NDArray[Any], checked: Checked) -> Output:
    # OpenPose's last heatmap is that of the background, which its field maps keep apart.
    channels = field.channels if len(values) == len(field.channels) else (*field.channels, "background")
    channel, parts = ("channel", "x, y") if field.is_vector else ("channel", "")
    middle: tuple[str, ...] = ("row", "column")
    middle = (*middle, channel, parts) if checked.plan.layout == "nhwc" else (channel, parts, *middle)
    meaning = f"{field.kind.value.capitalize()} on a grid of cells."
    axes = ("picture", *(axis for axis in middle if axis))
    return Output(name, shape, axes, field.units, meaning, channels, field.stride, field.origin)
