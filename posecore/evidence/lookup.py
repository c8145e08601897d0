"""Pieces of evidence by person, keypoint or place."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, Trace

#: Pixels of the picture within which two positions are the same peak.
SAME_PLACE = 1.0
Place = tuple[float, float]


def joint_of(trace: Trace, person: int | None, keypoint: int) -> JointEvidence | None:
    """The evidence of one joint of one person."""
    if person is None or person >= len(trace.poses):
        return None
    return next((joint for joint in trace.poses[person] if joint.keypoint == keypoint), None)


def nearest_joint(trace: Trace, spot: Place, reach: float) -> tuple[int, int] | None:
    """Person and keypoint of the joint nearest to a place, within ``reach`` pixels."""
    found = [
        (math.dist(joint.path[-1], spot), person, joint.keypoint)
        for person, joints in enumerate(trace.poses)
        for joint in joints
        if np.isfinite(joint.path[-1]).all()
    ]
    distance, person, keypoint = min(found, default=(math.inf, 0, 0))
    return (person, keypoint) if distance <= reach else None


def nearest_candidate(candidates: Iterable[Candidate], spot: Place, reach: float) -> Candidate | None:
    """The candidate nearest to a place, within ``reach`` pixels."""
    near = [(math.dist(candidate.position, spot), index, candidate) for index, candidate in enumerate(candidates)]
    distance, _, candidate = min(near, default=(math.inf, 0, None))
    return candidate if distance <= reach else None


def candidates_of(trace: Trace, keypoint: int) -> list[Candidate]:
    """All peaks of a joint's map, the highest first."""
    return sorted((c for c in trace.candidates if c.keypoint == keypoint), key=lambda c: -c.score)


def limbs_of(trace: Trace, keypoint: int, place: Place) -> list[LimbEvidence]:
    """The pairs that the candidate at ``place`` was compared in, the best first."""
    found = [limb for limb in trace.limbs if any(math.dist(end, place) <= SAME_PLACE for end in _ends(limb, keypoint))]
    return sorted(found, key=lambda limb: (not limb.accepted, -limb.score))


def _ends(limb: LimbEvidence, keypoint: int) -> list[Place]:
    """The ends of a limb that are this keypoint."""
    both = zip(limb.edge, (limb.start, limb.end), strict=True)
    return [position for end, position in both if end == keypoint]


def other_end(limb: LimbEvidence, keypoint: int) -> tuple[int, Place]:
    return (limb.edge[1], limb.end) if limb.edge[0] == keypoint else (limb.edge[0], limb.start)


def is_taken(trace: Trace, candidate: Candidate) -> bool:
    """Whether a decoding takes the peak that ``candidate`` is."""
    return any(
        other.outcome == "taken"
        and other.keypoint == candidate.keypoint
        and math.dist(other.position, candidate.position) <= SAME_PLACE
        for other in trace.candidates
    )


def is_chosen(trace: Trace, limb: LimbEvidence) -> bool:
    """Whether a decoding chooses the pair that ``limb`` is."""
    return any(
        other.accepted
        and other.edge == limb.edge
        and math.dist(other.start, limb.start) <= SAME_PLACE
        and math.dist(other.end, limb.end) <= SAME_PLACE
        for other in trace.limbs
    )
