"""From the published PoseNet files' tensor names to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.families.fitting import fitted

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


def convert_tensors(tensors: Mapping[str, NDArray[np.float32]], network: nn.Module) -> dict[str, torch.Tensor]:
    """State of the fused network from published tensors.

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
