"""Fields to poses: all steps, and the score of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posecore.families.openpose.codec.assembly import Person, assemble
from posecore.families.openpose.codec.maps import Array, Index, OpenPoseMaps
from posecore.families.openpose.codec.matching import match
from posecore.families.openpose.codec.pairs import Pairs, judge_pairs
from posecore.families.openpose.codec.peaks import Peaks, find_peaks
from posecore.families.openpose.codec.settings import OpenPoseDecodeSettings


@dataclass(frozen=True)
class Decoded:
    """Poses in cells, best first, and what is needed to explain them.

    Attributes:
        xy: ``(P, K, 2)`` (x, y); NaN where there is no joint.
        keypoint_scores: ``(P, K)``; 0 where there is none.
        scores: ``(P,)``.
        people: The P people, best first, then those that were left out.
        left_out: Reason and setting for each of the latter.
        peaks: All candidates.
        pairs: All pairs that were judged.
        chosen: Pairs that were matched.
        unused: Pair → why it was matched but not used.
    """

    xy: Array
    keypoint_scores: Array
    scores: Array
    people: tuple[Person, ...]
    left_out: tuple[tuple[str, str], ...]
    peaks: Peaks
    pairs: Pairs
    chosen: Index
    unused: dict[int, str]


def person_score(person: Person, heights: Array, keypoints: int) -> float:
    """Sum of a person's joint and limb scores, over twice the number of keypoints: 0 … 1.

    The published score is their mean over the joints that were found. That ranks a sure fragment above a whole person,
    and has the lower average precision for it.
    """
    total = sum(float(heights[peak]) for peak in person.joints.values()) + person.limbs
    return min(max(total / (2 * keypoints), 0.0), 1.0)


def decode(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings, record: bool = False) -> Decoded:
    """Everybody in the picture; ``record`` keeps pairs that were rejected, for the trace. The poses are the same."""
    peaks = find_peaks(maps, settings)
    pairs = judge_pairs(maps, peaks, settings, every=record)
    chosen = match(pairs, len(maps.limbs), settings)
    people, unused = assemble(maps.limbs, pairs, chosen)
    keypoints = len(maps.heatmaps)
    fewest = min(settings.min_keypoints, keypoints)
    if fewest == 1:
        people += _lonely(people, peaks)
    scores = [person_score(person, peaks.scores, keypoints) for person in people]
    order = sorted(range(len(people)), key=lambda index: -scores[index])
    kept: list[int] = []
    dropped: list[tuple[int, tuple[str, str]]] = []
    for index in order:
        if len(people[index].joints) < fewest:
            dropped.append((index, ("its person has too few joints", "min_keypoints")))
        elif scores[index] < settings.pose_threshold:
            dropped.append((index, ("its person scores too low", "pose_threshold")))
        elif len(kept) == settings.max_poses:
            dropped.append((index, ("enough people were found", "max_poses")))
        else:
            kept.append(index)
    xy = np.full((len(kept), keypoints, 2), np.nan)
    heights = np.zeros((len(kept), keypoints))
    for row, index in enumerate(kept):
        which, at = (list(part) for part in zip(*people[index].joints.items(), strict=True))
        xy[row, which], heights[row, which] = peaks.xy[at], peaks.scores[at]
    return Decoded(
        xy,
        np.minimum(heights, 1.0),
        np.array([scores[index] for index in kept]),
        tuple(people[index] for index in (*kept, *(index for index, _ in dropped))),
        tuple(reason for _, reason in dropped),
        peaks,
        pairs,
        chosen,
        unused,
    )


def _lonely(people: Sequence[Person], peaks: Peaks) -> list[Person]:
    """A person of one joint for every kept peak that nobody has."""
    taken = {peak for person in people for peak in person.joints.values()}
    return [Person({int(peaks.keypoints[i]): i}, {}, 0.0) for i in peaks.kept.tolist() if i not in taken]
