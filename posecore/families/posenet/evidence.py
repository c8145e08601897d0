"""Why PoseNet's decoder decided as it did, in source pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from posecore.families.posenet.codec import Decoded, PoseNetDecodeSettings, PoseNetMaps
from posecore.families.trace import Candidate, JointEvidence, Trace
from posecore.fields import Fields


def trace_of(
    decoded: Decoded, order: NDArray[np.intp], maps: PoseNetMaps, fields: Fields, settings: PoseNetDecodeSettings
) -> Trace:
    """Evidence of a decoding in source pixels, for the poses in ``order``."""
    peaks = decoded.peaks
    to_source = fields.transform.to_source
    people = []
    for pose in order:
        paths = None if decoded.paths is None else decoded.paths[pose]
        root = int(peaks.keypoints[decoded.roots[pose]]) if paths is not None else None
        came_from = _parents(maps, root)
        joints = []
        for keypoint, (xy, score) in enumerate(zip(decoded.xy[pose], decoded.keypoint_scores[pose], strict=True)):
            if paths is None or keypoint == root:
                path = xy[None]
                steps: tuple[str, ...] = ("peak",)
            else:
                path = paths[keypoint]
                steps = ("start", "displaced", *("refined",) * (len(path) - 2))
            joints.append(JointEvidence(keypoint, came_from.get(keypoint), to_source(path), steps, float(score)))
        people.append(tuple(joints))
    rank = {int(pose): place for place, pose in enumerate(order)}
    candidates = []
    for index, (keypoint, xy, score) in enumerate(zip(peaks.keypoints, to_source(peaks.xy), peaks.scores, strict=True)):
        pose = int(decoded.taken_by[index])
        outcome, setting = _outcome(index, pose, decoded, rank, settings)
        candidates.append(Candidate(int(keypoint), (float(xy[0]), float(xy[1])), float(score), outcome, setting))
    return Trace(tuple(people), tuple(candidates))


def _outcome(
    index: int, pose: int, decoded: Decoded, rank: Mapping[int, int], settings: PoseNetDecodeSettings
) -> tuple[str, str | None]:
    """What became of a peak, and the setting that decided."""
    if settings.mode == "single":
        return ("taken", None) if len(decoded.scores) else ("the person scores too low", "pose_threshold")
    if pose >= 0 and decoded.roots[pose] == index:
        return "taken", None
    if pose >= 0:
        return f"belongs to person {rank[pose] + 1}", "nms_radius"
    if len(decoded.scores) >= settings.max_poses:
        return "enough people were found", "max_poses"
    return "its person scores too low", "pose_threshold"


def _parents(maps: PoseNetMaps, root: int | None) -> dict[int, int]:
    """Keypoint → the keypoint it is reached from when walking from ``root``."""
    if root is None:
        return {}
    parents: dict[int, int] = {}
    reached, frontier = {root}, [root]
    while frontier:
        here = frontier.pop()
        for a, b in maps.tree:
            there = b if a == here else a if b == here else None
            if there is not None and there not in reached:
                reached.add(there)
                parents[there] = here
                frontier.append(there)
    return parents
