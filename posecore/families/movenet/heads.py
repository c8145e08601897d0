"""Heads for another skeleton on a kept network: the channels of keypoints that both skeletons know are taken over."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from posecore.skeleton import Skeleton

#: Head → channels per keypoint; a vector's y and x follow each other.
_PER_KEYPOINT = {"heatmaps": 1, "regression": 2, "offsets": 2}


def adapt_heads(
    state: Mapping[str, torch.Tensor], skeleton: Skeleton, fresh: Mapping[str, torch.Tensor], wanted: Skeleton
) -> dict[str, torch.Tensor]:
    """State of a MoveNet for the skeleton ``wanted`` from one for ``skeleton``.

    Everything but the last convolutions of the keypoints' heads is that of ``state``. Their channels are those of the
    keypoint of the same name; others keep the values that they have in ``fresh``.
    """
    adapted = {name: state.get(name, value).clone() for name, value in fresh.items()}
    known = {name: index for index, name in enumerate(skeleton.keypoints)}
    for head, count in _PER_KEYPOINT.items():
        for kind in ("weight", "bias"):
            key = f"heads.{head}.output.conv.{kind}"
            adapted[key] = fresh[key].clone()
            for index, name in enumerate(wanted.keypoints):
                if (old := known.get(name)) is not None:
                    channels = slice(count * index, count * (index + 1))
                    adapted[key][channels] = state[key][count * old : count * (old + 1)]
    return adapted
