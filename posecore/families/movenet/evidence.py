"""Why MoveNet's decoder put every joint where it is, and what became of the peaks that it did not take."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.families.movenet.codec import Decoded, MoveNetDecodeSettings, MoveNetMaps, find_centres, find_peaks
from posecore.families.trace import Candidate, JointEvidence, Trace
from posecore.fields import Fields

#: The path of a joint: its person's centre, where that points, the cell chosen near there, and the exact position.
STEPS = ("centre", "regressed", "peak", "refined")
#: Peaks lower than this are noise and not worth a candidate.
_LEAST_PEAK = 0.05
#: Cells from where a centre points to a peak that is meant by it.
_NEAR = 3.0

Cell = tuple[int, int, int]


def trace_of(
    decoded: Decoded,
    order: NDArray[np.intp],
    maps: MoveNetMaps,
    fields: Fields,
    settings: MoveNetDecodeSettings,
    several: bool,
) -> Trace:
    """Evidence of a decoding in source pixels.

    Args:
        decoded: Everybody that was decoded.
        order: Index into ``decoded`` of every person that was returned.
        maps: What was decoded.
        fields: Where ``maps`` come from.
        settings: How it was decoded.
        several: Whether everybody was looked for.
    """
    people = []
    for person in order:
        joints = []
        for keypoint, score in enumerate(decoded.keypoint_scores[person]):
            cells = [decoded.centres[person], *(stage[person, keypoint] for stage in _stages(decoded))]
            path = fields.to_source("heatmaps", np.stack(cells))
            joints.append(JointEvidence(keypoint, None, path, STEPS, float(score)))
        people.append(tuple(joints))
    return Trace(tuple(people), _candidates(decoded, order, maps, fields, settings, several))


def _stages(decoded: Decoded) -> tuple[NDArray[Any], ...]:
    return decoded.regressed, decoded.peaks, decoded.xy


def _candidates(
    decoded: Decoded,
    order: NDArray[np.intp],
    maps: MoveNetMaps,
    fields: Fields,
    settings: MoveNetDecodeSettings,
    several: bool,
) -> tuple[Candidate, ...]:
    """Peaks of the heatmaps, highest first, and the cells that were chosen without being one."""
    dropped = np.setdiff1d(np.arange(len(decoded.scores)), order)
    taken, lost = _chosen(decoded, order), _chosen(decoded, dropped)
    late = _late_points(maps, settings) if several else np.zeros((0, len(maps.heatmaps), 2))
    floor = max(settings.keypoint_threshold, _LEAST_PEAK)
    candidates = []
    for keypoint, column, row in dict.fromkeys((*taken, *lost, *find_peaks(maps.heatmaps, floor))):
        outcome: tuple[str, str | None]
        if (keypoint, column, row) in taken:
            outcome = "taken", None
        elif (keypoint, column, row) in lost:
            outcome = "its person scores too low", "pose_threshold"
        elif (np.hypot(*(late[:, keypoint] - (column, row)).T) < _NEAR).any():
            outcome = "enough people were found", "max_poses"
        else:
            outcome = "no centre points here", "search_spread" if several else "distance_offset"
        x, y = fields.to_source("heatmaps", np.array([column, row]))
        height = float(maps.heatmaps[keypoint, row, column])
        candidates.append(Candidate(keypoint, (float(x), float(y)), height, *outcome))
    return tuple(sorted(candidates, key=lambda candidate: -candidate.score))


def _chosen(decoded: Decoded, people: NDArray[np.intp]) -> dict[Cell, None]:
    """(keypoint, column, row) of every cell chosen for ``people``."""
    keypoints = range(decoded.peaks.shape[1])
    return {(k, int(decoded.peaks[p, k, 0]), int(decoded.peaks[p, k, 1])): None for p in people for k in keypoints}


def _late_points(maps: MoveNetMaps, settings: MoveNetDecodeSettings) -> NDArray[np.float64]:
    """``(N, K, 2)`` where the centres point that came after ``max_poses`` others."""
    cells = find_centres(maps, settings).cells[settings.max_poses :]
    steps = maps.regression[:, :, cells[:, 1], cells[:, 0]].transpose(2, 0, 1)
    return cells[:, None].astype(np.float64) + steps
