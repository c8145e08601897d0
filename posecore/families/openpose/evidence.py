"""Why OpenPose's decoder decided as it did, in source pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from posecore.families.openpose.codec import Decoded, OpenPoseDecodeSettings, OpenPoseMaps
from posecore.families.openpose.codec.assembly import Person
from posecore.families.openpose.codec.pairs import Pairs
from posecore.families.openpose.codec.peaks import Peaks, weaker_peaks
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, Trace
from posecore.fields import Fields

#: Partners that are told of per candidate and limb, the best ones; crowds have thousands of hopeless pairs.
PARTNERS = 5


def trace_of(decoded: Decoded, maps: OpenPoseMaps, fields: Fields, settings: OpenPoseDecodeSettings) -> Trace:
    """Evidence of a decoding that recorded every pair.

    A joint's path leads from its peak's cell to the refined position; ``found_from`` is the keypoint at the other end
    of the limb over which it joined its person.
    """
    xy = fields.to_source("heatmaps", decoded.peaks.xy)
    cells = fields.to_source("heatmaps", decoded.peaks.cells)
    shown = decoded.people[: len(decoded.scores)]
    poses = tuple(tuple(_joints(person, decoded.peaks, cells, xy)) for person in shown)
    weak = weaker_peaks(maps, settings)
    candidates = (
        *_candidates(decoded, xy, settings),
        *(
            Candidate(
                int(keypoint), (float(at[0]), float(at[1])), float(score), "its peak is too low", "peak_threshold"
            )
            for keypoint, at, score in zip(
                weak.keypoints, fields.to_source("heatmaps", weak.xy), weak.scores, strict=True
            )
        ),
    )
    return Trace(poses, candidates, tuple(_limbs(decoded, maps, xy, settings)))


def _joints(
    person: Person, peaks: Peaks, cells: NDArray[np.float64], xy: NDArray[np.float64]
) -> Iterator[JointEvidence]:
    for keypoint, peak in sorted(person.joints.items()):
        path = np.stack([cells[peak], xy[peak]])
        score = min(float(peaks.scores[peak]), 1.0)
        yield JointEvidence(keypoint, person.partners.get(keypoint), path, ("peak", "refined"), score)


def _candidates(decoded: Decoded, xy: NDArray[np.float64], settings: OpenPoseDecodeSettings) -> Iterator[Candidate]:
    """Every peak, and what became of it."""
    outcomes: dict[int, tuple[str, str | None]] = {}
    for index, person in enumerate(decoded.people):
        left_out = index - len(decoded.scores)
        for peak in person.joints.values():
            score = min(float(decoded.peaks.scores[peak]), 1.0)
            hidden = score < settings.keypoint_threshold
            taken = ("its joint scores too low", "keypoint_threshold") if hidden else ("taken", None)
            outcomes[peak] = taken if left_out < 0 else decoded.left_out[left_out]
    peaks = decoded.peaks
    for index in range(len(peaks.scores)):
        outcome: tuple[str, str | None] = outcomes.get(index, ("no limb joins it to another joint", "limb_threshold"))
        if peaks.rivals[index] >= 0:
            outcome = ("it lies too near a higher peak", "nms_radius")
        x, y = xy[index]
        yield Candidate(
            int(peaks.keypoints[index]), (float(x), float(y)), min(float(peaks.scores[index]), 1.0), *outcome
        )


def _limbs(
    decoded: Decoded, maps: OpenPoseMaps, xy: NDArray[np.float64], settings: OpenPoseDecodeSettings
) -> Iterator[LimbEvidence]:
    """The best pairs of every candidate, by limb."""
    pairs = decoded.pairs
    chosen = set(decoded.chosen.tolist())
    for index in _worth_telling(pairs, chosen):
        outcome, setting = _outcome(index, decoded, chosen, settings)
        start, end = xy[pairs.starts[index]], xy[pairs.ends[index]]
        yield LimbEvidence(
            maps.limbs[pairs.limbs[index]],
            (float(start[0]), float(start[1])),
            (float(end[0]), float(end[1])),
            pairs.samples[index].astype(np.float64),
            float(pairs.scores[index]),
            outcome == "chosen",
            outcome,
            setting,
        )


def _worth_telling(pairs: Pairs, chosen: set[int]) -> list[int]:
    """Chosen pairs and the ``PARTNERS`` best of either end, by limb and falling score."""
    order = np.lexsort((-pairs.scores, pairs.limbs))
    told: dict[tuple[int, int, int], int] = {}
    found = []
    for index in order.tolist():
        ends = [
            (int(pairs.limbs[index]), side, int(peaks[index])) for side, peaks in enumerate((pairs.starts, pairs.ends))
        ]
        if index in chosen or min(told.get(end, 0) for end in ends) < PARTNERS:
            found.append(index)
            for end in ends:
                told[end] = told.get(end, 0) + 1
    return found


def _outcome(
    index: int, decoded: Decoded, chosen: set[int], settings: OpenPoseDecodeSettings
) -> tuple[str, str | None]:
    """What became of a pair, and the setting that decided."""
    pairs = decoded.pairs
    if index in decoded.unused:
        return decoded.unused[index], None
    if index in chosen:
        return "chosen", None
    if pairs.accepted[index]:
        return "a better partner was there", "matching"
    if pairs.scores[index] <= 0:
        return "the fields do not lead from one to the other", None
    share = (pairs.samples[index] > settings.limb_threshold).mean()
    return f"only {share:.0%} of the way follows the fields", "limb_share"
