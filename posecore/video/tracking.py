"""Following people from frame to frame, also while they are hidden for a moment; for every skeleton.

Each known person has a shape (where each keypoint was last) and a motion (a Kalman filter on the body's velocity).
For a new frame every shape is moved on by its motion, and people found there are given to known ones so that the sum
of similarities is largest. The less sure a prediction is, the further from it a person may be found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from posecore.poses import Poses
from posecore.settings import Settings
from posecore.skeleton import Skeleton
from posecore.video.sequence import UNTRACKED

#: Standard deviation of a body's acceleration, in its own sizes per second²: people start and stop within a second.
_ACCELERATION = 2.0
#: Standard deviation of a found body's place, in its own sizes: keypoints jitter by a few pixels per hundred.
_NOISE = 0.02
#: Standard deviation of the velocity of a person just found, in sizes per second: a brisk walk.
_FIRST_SPEED = 1.0
#: Tolerances of keypoints are widened by this much against OKS, which judges a still picture, not a moving limb.
_LOOSE = 2.0
#: Fewest keypoints that two poses must share to be compared joint by joint.
_FEW = 3


class TrackingSettings(Settings):
    """How people are followed."""

    track: bool = Field(
        default=True, title="Follow people", description="Give every person a number that stays over the frames."
    )
    association: Literal["oks", "iou"] = Field(
        default="oks",
        title="Compare by",
        description="How a person found is compared with those known: joint by joint (oks) or box by box (iou).",
        json_schema_extra={"when": {"track": True}, "words": {"oks": "OKS", "iou": "IoU"}},
    )
    min_similarity: float = Field(
        default=0.2,
        ge=0,
        le=1,
        title="Lowest similarity",
        description="Less similar than this is another person.",
        json_schema_extra={"step": 0.01, "when": {"track": True}},
    )
    predict: bool = Field(
        default=True,
        title="Predict motion",
        description="Expect people where their motion takes them, rather than where they were last.",
        json_schema_extra={"when": {"track": True}},
    )
    max_age: float = Field(
        default=1.0,
        ge=0,
        le=60,
        title="Remember for",
        description="Seconds that somebody may be out of sight and still keep their number.",
        json_schema_extra={"step": 0.1, "when": {"track": True}},
    )
    min_hits: int = Field(
        default=2,
        ge=1,
        le=100,
        title="Fewest frames",
        description="People found in fewer frames on end than this are left out.",
        json_schema_extra={"when": {"track": True}},
    )


@dataclass
class _Known:
    """A person being followed.

    Attributes:
        number: Their identity; below -1 while not confirmed.
        keypoints: ``(K, 2)`` where each keypoint is, as far as known.
        seen: Time they were last found.
        hits: Frames in which they were found.
        velocity: ``(2,)`` pixels per second.
        covariance: ``(2, 2)`` of place and velocity along one axis, in their own sizes.
        size: Pixels.
    """

    number: int
    keypoints: NDArray[np.float64]
    seen: float
    hits: int
    velocity: NDArray[np.float64]
    covariance: NDArray[np.float64]
    size: float


class Tracker:
    """Gives people identities, frame after frame.

    Identities count from 1 in the order in which people are confirmed, that is found in ``min_hits`` frames on end.
    Until then they have provisional, negative ones; :attr:`names` tells what these have become.

    Args:
        skeleton: Of the poses to come.
        settings: How to follow.

    Attributes:
        names: Provisional identity → final one, of everybody confirmed so far.
    """

    def __init__(self, skeleton: Skeleton, settings: TrackingSettings | None = None) -> None:
        self.skeleton = skeleton
        self.settings = settings or TrackingSettings()
        self.names: dict[int, int] = {}
        self._people: list[_Known] = []
        self._provisional = UNTRACKED
        self._previous = -math.inf
        self._tolerance = _LOOSE * 2 * np.asarray(skeleton.sigmas, np.float64)

    def update(self, poses: Poses, time: float) -> Poses:
        """The same people, in the same order, with ``track_ids``; negative for those not confirmed yet.

        Args:
            poses: People of the next frame.
            time: Its time in seconds, later than the frame before.
        """
        found = poses.keypoints.astype(np.float64)
        usable = np.flatnonzero(poses.present.any(1))
        self._forget(time)
        predicted = [self._predict(person, time) for person in self._people]
        pairs = self._assign(predicted, found[usable])
        ids = np.zeros(len(poses), np.int64)
        for row, column in pairs:
            index = int(usable[column])
            self._people[row] = self._corrected(self._people[row], predicted[row], found[index], time)
            ids[index] = self._people[row].number
        missed = set(range(len(predicted))) - {row for row, _ in pairs}
        # Somebody who vanishes before being confirmed was most likely nobody.
        gone = {row for row in missed if self._people[row].number < 0}
        self._people = [person for row, person in enumerate(self._people) if row not in gone]
        # Newcomers are numbered by score and place, not by the order in which they happen to be listed.
        strangers = [index for index in range(len(poses)) if ids[index] == 0]
        boxes = np.nan_to_num(poses.boxes())
        for index in sorted(strangers, key=lambda i: (-float(poses.scores[i]), *map(float, boxes[i]))):
            ids[index] = self._welcome(found[index], time)
        return replace(poses, track_ids=ids)

    def confirmed(self, poses: Poses) -> Poses:
        """Those of the followed ``poses`` who are confirmed by now, under their final identities."""
        provisional = [] if poses.track_ids is None else poses.track_ids.tolist()
        ids = np.array([self.names.get(number, number) for number in provisional], np.int64)
        return replace(poses, track_ids=ids).select(ids > 0)

    def _forget(self, time: float) -> None:
        """Give up those who have been out of sight for too long."""
        limit = self.settings.max_age + 1e-9
        # The frame right after the last sighting is never too late, however slow the video.
        self._people = [p for p in self._people if time - p.seen <= limit or p.seen >= self._previous]
        self._previous = time

    def _predict(self, person: _Known, time: float) -> _Known:
        """The person as expected at ``time``."""
        step = time - person.seen
        move = np.array([[1.0, step], [0.0, 1.0]])
        shake = _ACCELERATION**2 * np.array([[step**4 / 4, step**3 / 2], [step**3 / 2, step**2]])
        keypoints = person.keypoints + person.velocity * step if self.settings.predict else person.keypoints
        return replace(person, keypoints=keypoints, covariance=move @ person.covariance @ move.T + shake)

    def _corrected(self, person: _Known, expected: _Known, found: NDArray[np.float64], time: float) -> _Known:
        """The person after having been found."""
        step = time - person.seen
        moved = expected.keypoints if self.settings.predict else person.keypoints + person.velocity * step
        surprise = np.nan_to_num(_middle(found - moved))
        gain = expected.covariance[:, 0] / (expected.covariance[0, 0] + _NOISE**2)
        covariance = expected.covariance - np.outer(gain, expected.covariance[0])
        # Joints hidden now go along with the rest of the body.
        keypoints = np.where(np.isfinite(found), found, moved + surprise)
        size = 0.8 * person.size + 0.2 * _size(found)
        hits = person.hits + 1
        number = self._confirmed(person.number) if hits >= self.settings.min_hits else person.number
        velocity = person.velocity + gain[1] * surprise
        return _Known(number, keypoints, time, hits, velocity, covariance, size)

    def _confirmed(self, number: int) -> int:
        """The final identity of somebody found often enough."""
        if number > 0:
            return number
        self.names[number] = len(self.names) + 1
        return self.names[number]

    def _welcome(self, found: NDArray[np.float64], time: float) -> int:
        """Begin to follow somebody new."""
        self._provisional -= 1
        number = self._provisional if self.settings.min_hits > 1 else self._confirmed(self._provisional)
        if np.isfinite(found).all(-1).any():
            covariance = np.diag([_NOISE**2, _FIRST_SPEED**2])
            self._people.append(_Known(number, found, time, 1, np.zeros(2), covariance, _size(found)))
        return number

    def _assign(self, known: list[_Known], found: NDArray[np.float64]) -> list[tuple[int, int]]:
        """Pairs (known, found) whose sum of similarities is largest."""
        if not known or not len(found):
            return []
        compare = self._joint_similarity if self.settings.association == "oks" else _box_similarity
        similarity = np.stack([compare(person, found) for person in known])
        # Somebody seen just now has a better claim to a pose than somebody who may by now be anywhere.
        doubt = np.array([person.covariance[0, 0] for person in known])
        weight = similarity * (1 / (1 + doubt / 0.1**2))[:, None]
        allowed = similarity >= max(self.settings.min_similarity, 1e-9)
        rows, columns = linear_sum_assignment(np.where(allowed, weight, -1.0), maximize=True)
        return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if allowed[r, c]]

    def _joint_similarity(self, person: _Known, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(P,)`` mean likeness of the keypoints that both have, 0 … 1."""
        squared = ((found - person.keypoints) ** 2).sum(-1)
        common = np.isfinite(squared)
        sizes = np.array([_size(one) for one in found])
        scale = np.maximum(sizes, person.size)[:, None] ** 2
        # As in OKS, scaled by about the area of a person; the doubt about their place is added as a variance.
        variance = 2 * scale * (self._tolerance**2 / 2 + person.covariance[0, 0])
        likeness = np.where(common, np.exp(-np.nan_to_num(squared) / variance), 0.0)
        count = common.sum(1)
        mean = likeness.sum(1) / np.maximum(count, 1)
        return np.where(count >= _FEW, mean, _box_similarity(person, found))


def _box_similarity(person: _Known, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(P,)`` intersection over union with the person's box, which is widened by the doubt about its place."""
    margin = np.sqrt(person.covariance[0, 0]) * person.size
    low, high = _box(person.keypoints)
    result = np.zeros(len(found))
    for index, one in enumerate(found):
        other_low, other_high = _box(one)
        # Boxes grow together, so that equal ones stay equal.
        overlap = np.minimum(high, other_high) - np.maximum(low, other_low) + 2 * margin
        sides, other_sides = high - low + 2 * margin, other_high - other_low + 2 * margin
        shared = float(np.prod(np.maximum(overlap, 0)))
        union = float(np.prod(sides) + np.prod(other_sides)) - shared
        result[index] = shared / union if union > 0 else 0.0
    return result


def _box(keypoints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest (x, y) of the keypoints that are there; at least one must be."""
    return np.nanmin(keypoints, 0), np.nanmax(keypoints, 0)


def _size(keypoints: NDArray[np.float64]) -> float:
    """Size of a body in pixels: two thirds of its longer side, about the root of its area; at least 1."""
    low, high = _box(keypoints)
    return max(float((high - low).max()) * 2 / 3, 1.0)


def _middle(shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(2,)`` median of the shifts of all keypoints, which a swinging arm does not change; NaN without any."""
    there = shifts[np.isfinite(shifts).all(-1)]
    return np.median(there, 0) if len(there) else np.full(2, np.nan)
