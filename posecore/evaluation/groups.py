"""What figures depend on: how large people are, how much of them is seen, how close others are; empty pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import overlap
from posecore.data.annotations import AnnotatedImage, Person
from posecore.evaluation.chance import CONFIDENCE, Interval, mean_interval
from posecore.evaluation.evaluate import Case, Evaluation, cases
from posecore.evaluation.oks import MATCH

#: Sides in pixels of the square as large as a person, at which sizes are parted; the first two are COCO's.
SIDES = (32, 96, 192)
#: Parts of the keypoints that count, at which people are parted by how many of theirs are labelled.
_SEEN = (0.3, 0.6, 0.9)
#: Overlaps of boxes (intersection over union) at which people are parted by their nearest neighbour.
_OVERLAPS = (0.1, 0.3)


@dataclass(frozen=True)
class Group:
    """People who have something in common.

    Attributes:
        name: What that is, in words.
        people: How many they are.
        oks: Their mean similarity, 0 for those who were not found; None without anybody.
        oks_interval: Where it lies on other pictures with 95 % confidence.
        found: Part of them that has an OKS of at least 0.5.
    """

    name: str
    people: int
    oks: float | None
    oks_interval: Interval
    found: float | None


@dataclass(frozen=True)
class FalsePeople:
    """People found in pictures that nobody is in.

    Attributes:
        pictures: How many such pictures there are.
        per_100: Found in a hundred of them.
        interval: Where that lies on other such pictures with 95 % confidence.
        by_score: (score, how many of at least this score are found in a hundred pictures).
    """

    pictures: int
    per_100: float
    interval: Interval
    by_score: tuple[tuple[float, float], ...]


def groups_of(evaluation: Evaluation) -> dict[str, tuple[Group, ...]]:
    """People by size, by keypoints that are labelled, and by how much of them others cover."""
    everybody = cases(evaluation)
    count = int(evaluation.common.sum())
    steps = sorted({max(int(part * count), 1) for part in _SEEN} - {count})
    return {
        "size": _parted(everybody, lambda case: _person(case).area, [side**2 for side in SIDES], _size_names()),
        "keypoints": _parted(
            everybody, lambda case: _labelled(case, evaluation), [step + 1 for step in steps], _step_names(steps, count)
        ),
        "crowding": _parted(everybody, _overlap, [1e-9, *_OVERLAPS], _overlap_names()),
    }


def _parted(
    everybody: Sequence[Case], value: Callable[[Case], float], edges: Sequence[float], names: Sequence[str]
) -> tuple[Group, ...]:
    """Groups between the edges; a value on an edge belongs to what is above."""
    place = np.digitize([value(case) for case in everybody], edges) if everybody else np.zeros(0, int)
    oks = np.array([case.oks for case in everybody], np.float64)
    owners = np.array([case.picture.image.image_id for case in everybody], np.intp)
    return tuple(_group(name, oks[place == index], owners[place == index]) for index, name in enumerate(names))


def _group(name: str, oks: NDArray[np.float64], owners: NDArray[np.intp]) -> Group:
    if not len(oks):
        return Group(name, 0, None, mean_interval(oks, owners), None)
    return Group(name, len(oks), float(oks.mean()), mean_interval(oks, owners), float((oks >= MATCH).mean()))


def _person(case: Case) -> Person:
    return case.picture.image.people[case.person]


def _labelled(case: Case, evaluation: Evaluation) -> int:
    return int((_person(case).labelled & evaluation.common).sum())


def _overlap(case: Case) -> float:
    """Largest overlap of the person's box with anybody else's in the picture, crowds included."""
    others = [one.box for index, one in enumerate(case.picture.image.people) if index != case.person]
    return max((overlap(_person(case).box, other) for other in others), default=0.0)


def _size_names() -> list[str]:
    between = [f"{low} to {high} px" for low, high in pairwise(SIDES)]
    return [f"under {SIDES[0]} px", *between, f"over {SIDES[-1]} px"]


def _step_names(steps: Sequence[int], count: int) -> list[str]:
    starts, ends = [1, *(step + 1 for step in steps)], [*steps, count]
    return [str(low) if low == high else f"{low} to {high}" for low, high in zip(starts, ends, strict=True)]


def _overlap_names() -> list[str]:
    low, high = (f"{100 * edge:.0f}" for edge in _OVERLAPS)
    return ["none", f"up to {low} %", f"{low} to {high} %", f"over {high} %"]


def is_empty(image: AnnotatedImage) -> bool:
    """True for a picture known to have nobody on it: no person, no crowd, no region that was left out."""
    return not image.people and not image.ignore


def false_people(evaluation: Evaluation) -> FalsePeople | None:
    """Poses in pictures without anybody; None where there are no such pictures or only people were looked at."""
    if evaluation.protocol != "full":
        return None
    empty = [item for item in evaluation.predictions if is_empty(item.image)]
    if not empty:
        return None
    counts = np.array([len(item.poses) for item in empty], np.float64)
    around = mean_interval(counts, np.arange(len(empty)))
    if not counts.any():
        # Draws of nothing say nothing: the largest mean of a Poisson law that gives none in 2.5 of 100 cases.
        around = Interval(0.0, -float(np.log((1 - CONFIDENCE) / 2)) / len(empty))
    scores = np.concatenate([item.poses.scores.astype(np.float64) for item in empty])
    thresholds = np.unique(np.round(np.quantile(scores, np.linspace(0, 1, 21)), 4)) if len(scores) else np.zeros(0)
    by_score = tuple((float(one), 100 * float((scores >= one).sum()) / len(empty)) for one in thresholds)
    return FalsePeople(len(empty), 100 * float(counts.mean()), Interval(100 * around.low, 100 * around.high), by_score)
