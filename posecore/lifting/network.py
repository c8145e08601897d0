"""The network that lifts: what each frame shows and what the frames around it show, as joints in space.

Blocks of a temporal convolution of three taps (at growing distances) and a layer per frame, with residual connections.
Before the first and after the last frame there is nothing, which is how a frame of the present (nothing after it), a
single picture and the middle of a clip are told by the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from posecore.errors import WeightsError
from posecore.lifting.features import CHANNELS, REACH
from posecore.skeleton import COCO_17

#: Distances in frames between the taps of the blocks; they add up to ``REACH``.
DILATIONS = (1, 2, 4, 6)
assert sum(DILATIONS) == REACH

_JOINTS = len(COCO_17)
_MIRROR = torch.from_numpy(COCO_17.flip_permutation.astype("int64"))
_HIPS = [COCO_17.index("left_hip"), COCO_17.index("right_hip")]


class Lifted(NamedTuple):
    """What the network says.

    Attributes:
        joints: ``(B, T, 17, 3)`` statures in the virtual camera's axes, relative to the middle of the hips.
        errors: ``(B, T, 17)`` statures: how far off it expects each joint to be.
    """

    joints: torch.Tensor
    errors: torch.Tensor


class Lifter(nn.Module):
    """Lifts keypoints of one person over time.

    Args:
        width: Channels inside.
    """

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Linear(CHANNELS, width)
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in DILATIONS)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 4 * _JOINTS)

    def forward(self, features: torch.Tensor) -> Lifted:
        """Lift ``(B, T, CHANNELS)`` features of consecutive frames."""
        hidden = self.stem(features)
        for block in self.blocks:
            hidden = block(hidden)
        outputs = self.head(self.norm(hidden)).unflatten(-1, (_JOINTS, 4))
        joints = outputs[..., :3]
        root = joints[..., _HIPS, :].mean(-2, keepdim=True)
        return Lifted(joints - root, F.softplus(outputs[..., 3] - 3))


@torch.inference_mode()
def lift_both_ways(network: Lifter, features: torch.Tensor) -> Lifted:
    """The mean of what the network says of ``(B, T, CHANNELS)`` features and of their mirror image."""
    points, there, size = torch.split(features, [2 * _JOINTS, _JOINTS, 1], -1)
    points = points.reshape(*points.shape[:-1], _JOINTS, 2)[..., _MIRROR, :] * points.new_tensor([-1.0, 1.0])
    mirrored = torch.cat([points.flatten(-2), there[..., _MIRROR], size], -1)
    joints, errors = network(torch.cat([features, mirrored]))
    own, other = joints.chunk(2)
    other = other[..., _MIRROR, :] * other.new_tensor([-1.0, 1.0, 1.0])
    own_errors, other_errors = errors.chunk(2)
    return Lifted((own + other) / 2, (own_errors + other_errors[..., _MIRROR]) / 2)


class _Block(nn.Module):
    """A temporal convolution and a layer per frame, added to what came in."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        # As a matrix: three frames beside each other. Faster on processors than a convolution over so few channels.
        self.mix = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        reach, length = self.dilation, hidden.shape[1]
        padded = F.pad(self.norm(hidden), (0, 0, reach, reach))
        taps = [padded[:, start : start + length] for start in (0, reach, 2 * reach)]
        out: torch.Tensor = hidden + self.out(F.relu(self.mix(torch.cat(taps, -1))))
        return out


def build_lifter(state: Mapping[str, torch.Tensor]) -> Lifter:
    """The network of these weights; raises ``WeightsError`` when they are not those of a lifter."""
    stem = state.get("stem.weight")
    if stem is None or stem.dim() != 2:
        raise WeightsError("These are not the weights of a network that lifts poses.")
    with torch.device("meta"):
        network = Lifter(len(stem))
    try:
        network.load_state_dict(dict(state), assign=True)
    except RuntimeError as error:
        raise WeightsError("These weights do not fit the network that lifts poses.") from error
    return network.eval().requires_grad_(False)
