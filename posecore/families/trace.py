"""The evidence behind a decoding: what was found, how, and which setting decided."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import Edge


@dataclass(frozen=True)
class JointEvidence:
    """Why one joint is where it is.

    Attributes:
        keypoint: Index of the joint.
        found_from: Keypoint that led here, or None for a joint found as a peak.
        path: ``(S, 2)`` source-picture pixels (x, y): where the search started, then every step to the final position.
        steps: A word per point of ``path``, for example ``start``, ``displaced``, ``refined``.
        score: Score of the joint.
    """

    keypoint: int
    found_from: int | None
    path: NDArray[np.float64]
    steps: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Candidate:
    """A peak that could have started or joined a person, and what became of it.

    Attributes:
        keypoint: Index of the keypoint.
        position: Source-picture pixels (x, y).
        score: Height of the peak.
        outcome: ``taken``, or the reason why not.
        setting: Name of the decode setting that decided, or None.
    """

    keypoint: int
    position: tuple[float, float]
    score: float
    outcome: str
    setting: str | None = None


@dataclass(frozen=True)
class LimbEvidence:
    """How well two candidates go together as the ends of a limb, and what became of the pair.

    Attributes:
        edge: Keypoints (from, to).
        start, end: Source-picture pixels (x, y) of the two candidates.
        samples: ``(S,)`` what the fields say at S points evenly spaced from ``start`` to ``end``; 1 agrees fully.
        score: What the samples come to.
        accepted: True when the pair was chosen.
        outcome: ``chosen``, or the reason why not.
        setting: Name of the decode setting that decided, or None.
    """

    edge: Edge
    start: tuple[float, float]
    end: tuple[float, float]
    samples: NDArray[np.float64]
    score: float
    accepted: bool
    outcome: str
    setting: str | None = None


@dataclass(frozen=True)
class PersonEvidence:
    """Somebody whom a first model found and a second one looked at closely, and what became of them.

    Attributes:
        region: What was looked at, (x0, y0, x1, y1) in source pixels.
        found_score: Score of the person by the first model; 1 where the region was given.
        score: By the second.
        outcome: ``taken``, or the reason why not.
        setting: Name of the decode setting that decided, or None.
        pose: Index of the person among the poses, or None when they are not.
    """

    region: tuple[float, float, float, float] | None
    found_score: float
    score: float
    outcome: str
    setting: str | None = None
    pose: int | None = None


@dataclass(frozen=True)
class Trace:
    """The evidence behind a decoding.

    Attributes:
        poses: One tuple of joints per pose, in the order of the poses.
        candidates: All candidates, and what became of them.
        limbs: Pairs of candidates that were compared, for decoders that do; the best first within an edge.
        people: Everybody who was looked at closely, for models of two stages, in the order in which they were found.
    """

    poses: tuple[tuple[JointEvidence, ...], ...] = ()
    candidates: tuple[Candidate, ...] = field(default=())
    limbs: tuple[LimbEvidence, ...] = field(default=())
    people: tuple[PersonEvidence, ...] = field(default=())
