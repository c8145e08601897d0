"""The same network for another skeleton: channels with a meaning that both skeletons know are taken over.

Every stage reads the maps of the stage before, so that channels change at the end of each branch and at the beginning
of the next stage's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from posecore.families.openpose.codec import limbs_of
from posecore.skeleton import Skeleton

#: Per new channel: the old channel that has its meaning, or None.
Origins = list[int | None]

_BRANCH = re.compile(r"stages\.(?P<stage>\d+)\.(?P<branch>fields|heatmaps)\.(?P<layer>\d+)\.(?P<rest>.*)")


def adapt_channels(
    state: Mapping[str, torch.Tensor], skeleton: Skeleton, fresh: Mapping[str, torch.Tensor], wanted: Skeleton
) -> dict[str, torch.Tensor]:
    """State of a fused network for the skeleton ``wanted`` from one for ``skeleton``; unknown channels as in ``fresh``.

    A limb that runs the other way round in the other skeleton counts as unknown.
    """
    maps = {"fields": _limb_origins(skeleton, wanted), "heatmaps": _keypoint_origins(skeleton, wanted)}
    old_maps = 2 * len(limbs_of(skeleton)) + len(skeleton) + 1
    last: dict[str, int] = {}
    for name in fresh:
        if found := _BRANCH.match(name):
            last[found["stage"]] = max(last.get(found["stage"], 0), int(found["layer"]))
    adapted: dict[str, torch.Tensor] = {}
    for name, value in fresh.items():
        old, found = state[name], _BRANCH.match(name)
        adapted[name] = old.clone()
        if found is None:
            continue
        depthwise = found["rest"].startswith("depthwise")
        if found["layer"] == "0" and found["stage"] != "0" and value.ndim == 4:
            # A depthwise convolution's channels are those of its input.
            axis = 0 if depthwise else 1
            features = [old_maps + index for index in range(old.shape[axis] - old_maps)]
            adapted[name] = _taken(old, value, [*_seen(maps, skeleton), *features], axis)
        elif int(found["layer"]) == last[found["stage"]] and not depthwise:
            adapted[name] = _taken(old, value, maps[found["branch"]], 0)
    return adapted


def _taken(old: torch.Tensor, fresh: torch.Tensor, origins: Origins, axis: int) -> torch.Tensor:
    """``fresh`` with the channels along ``axis`` that have an origin in ``old`` replaced by it."""
    new = fresh.clone()
    for channel, origin in enumerate(origins):
        if origin is not None:
            new.select(axis, channel).copy_(old.select(axis, origin))
    return new


def _keypoint_origins(old: Skeleton, new: Skeleton) -> Origins:
    """Heatmap channels by keypoint name, the background last."""
    known = {name: index for index, name in enumerate(old.keypoints)}
    return [*(known.get(name) for name in new.keypoints), len(old)]


def _limb_origins(old: Skeleton, new: Skeleton) -> Origins:
    """Part affinity channels, x and y of each limb, by the names of its ends."""
    known = {(old.keypoints[a], old.keypoints[b]): index for index, (a, b) in enumerate(limbs_of(old))}
    origins: Origins = []
    for a, b in limbs_of(new):
        index = known.get((new.keypoints[a], new.keypoints[b]))
        origins += [None, None] if index is None else [2 * index, 2 * index + 1]
    return origins


def _seen(maps: Mapping[str, Origins], old: Skeleton) -> Origins:
    """Channels of part affinity and heatmaps as a stage reads them, side by side."""
    shift = 2 * len(limbs_of(old))
    return [*maps["fields"], *(None if index is None else shift + index for index in maps["heatmaps"])]
