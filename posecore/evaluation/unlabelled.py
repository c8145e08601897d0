"""What speaks for settings where nothing is labelled: another model's opinion, and the frames before and after.

Who is the same person in two results is told as in :mod:`posecore.evaluation.agreement`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from posecore.evaluation.agreement import agreement
from posecore.poses import Poses


@dataclass(frozen=True)
class Agreed:
    """How far two results agree over pictures.

    Attributes:
        pictures: How many pictures.
        score: Agreement (OKS, 0 … 1) on average over pictures; None without any.
        both: People whom both have.
        only_first, only_second: People whom only one has.
    """

    pictures: int
    score: float | None
    both: int
    only_first: int
    only_second: int


def agreed(results: Iterable[tuple[Poses, Poses]]) -> Agreed:
    """How far two results agree, given as pairs, one for each picture."""
    found = [agreement(first, second) for first, second in results]
    return Agreed(
        len(found),
        float(np.mean([one.score for one in found])) if found else None,
        sum(len(one.pairs) for one in found),
        sum(len(one.only_first) for one in found),
        sum(len(one.only_second) for one in found),
    )


@dataclass(frozen=True)
class Flicker:
    """What comes and goes from frame to frame; who really comes into view or leaves is part of it.

    Attributes:
        steps: From one frame to the next.
        people: Of the people in either of two neighbouring frames, the part that is in one only; None without anybody.
        joints: Of the joints of people in both, the part that is there in one only; None without any.
    """

    steps: int
    people: float | None
    joints: float | None


def flicker(frames: Sequence[Poses]) -> Flicker:
    """What comes and goes in a clip, given as the people of frames in their order."""
    steps = [agreement(before, after) for before, after in pairwise(frames)]
    alone = sum(len(one.only_first) + len(one.only_second) for one in steps)
    everybody = sum(one.people for one in steps)
    one_sided = sum(int(np.count_nonzero(one.one_sided)) for one in steps)
    joints = one_sided + sum(int(np.isfinite(one.distances).sum()) for one in steps)
    return Flicker(len(steps), alone / everybody if everybody else None, one_sided / joints if joints else None)
