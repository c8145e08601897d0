"""Heads for another skeleton on a kept backbone: channels with a meaning that both skeletons know are taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from posecore.families.posenet.codec import tree_of
from posecore.skeleton import Edge, Skeleton

#: Per channel of a new head: (head, channel) of the old network, or None for a fresh one.
Origins = list[tuple[str, int] | None]


def adapt_heads(
    state: Mapping[str, torch.Tensor], skeleton: Skeleton, fresh: Mapping[str, torch.Tensor], wanted: Skeleton
) -> dict[str, torch.Tensor]:
    """State of a PoseNet for the skeleton ``wanted`` from one for ``skeleton``.

    Backbone tensors are those of ``state``. Head channels are those of the keypoint, or of the edge between keypoints,
    of the same name; others keep the values that they have in ``fresh``.
    """
    adapted = {name: state.get(name, value).clone() for name, value in fresh.items()}
    for head, origins in _origins(skeleton, wanted).items():
        for kind in ("weight", "bias"):
            key = f"heads.{head}.{kind}"
            adapted[key] = fresh[key].clone()
            for channel, origin in enumerate(origins):
                if origin is not None:
                    adapted[key][channel] = state[f"heads.{origin[0]}.{kind}"][origin[1]]
    return adapted


def _origins(old: Skeleton, new: Skeleton) -> dict[str, Origins]:
    """Where each channel of every new head comes from."""
    known = {name: index for index, name in enumerate(old.keypoints)}
    points = [known.get(name) for name in new.keypoints]
    heatmaps: Origins = [None if index is None else ("heatmaps", index) for index in points]
    offsets: Origins = [None if index is None else ("offsets", index) for index in points]
    forward = _named(tree_of(new), new)
    old_vectors = {pair: ("displacement_forward", index) for index, pair in enumerate(_named(tree_of(old), old))}
    # An edge that the old tree walks the other way round has its vector in the other head.
    for index, (parent, child) in enumerate(_named(tree_of(old), old)):
        old_vectors[(child, parent)] = ("displacement_backward", index)
    forwards: Origins = [old_vectors.get(pair) for pair in forward]
    backwards: Origins = [old_vectors.get((child, parent)) for parent, child in forward]
    edges = len(tree_of(old))
    return {
        "heatmaps": heatmaps,
        "offsets": _both_axes(offsets, len(old)),
        "displacement_forward": _both_axes(forwards, edges),
        "displacement_backward": _both_axes(backwards, edges),
    }


def _named(tree: Sequence[Edge], skeleton: Skeleton) -> list[tuple[str, str]]:
    return [(skeleton.keypoints[parent], skeleton.keypoints[child]) for parent, child in tree]


def _both_axes(origins: Origins, count: int) -> Origins:
    """Origins of a vector head's channels, all y then all x; ``count`` vectors in the old head."""
    return origins + [None if origin is None else (origin[0], origin[1] + count) for origin in origins]
