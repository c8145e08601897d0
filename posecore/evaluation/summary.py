"""All that is shown of an evaluation, as plain values that can be kept, sent and drawn without model or pictures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from posecore.errors import DataError
from posecore.evaluation.chance import ANYTHING, Interval, value_intervals
from posecore.evaluation.distances import FRACTIONS, Distances, Length, distances
from posecore.evaluation.error_kinds import KINDS, ErrorKinds, error_kinds
from posecore.evaluation.evaluate import Evaluation
from posecore.evaluation.groups import Group, false_people, groups_of
from posecore.evaluation.matching import AREAS, OKS_THRESHOLDS, precision_at_recalls
from posecore.evaluation.predictions import Protocol
from posecore.evaluation.progress import Tell, between, unheard
from posecore.evaluation.values import Values, values_of
from posecore.evaluation.worst import WorstCase, worst

#: Raised when the layout, or what figures mean, changes.
SCHEMA = 1
LENGTHS: tuple[Length, ...] = get_args(Length)
#: Fraction of a length at which keypoints are told apart.
FRACTION = 0.2
#: Name in a summary → name among drawn figures, see :mod:`posecore.evaluation.chance`.
DRAWN = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "AP_medium": "ap_medium",
    "AP_large": "ap_large",
    "AR": "ar",
    "AR50": "ar50",
    "AR75": "ar75",
    "AR_medium": "ar_medium",
    "AR_large": "ar_large",
    "PCK@0.2": "pck",
    "OKS": "oks",
}


@dataclass(frozen=True)
class Figure:
    """A figure and where it lies on other pictures of this kind with 95 % confidence; None where it cannot be told."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Provenance:
    """What was measured, with what, on what.

    Attributes:
        model: Name of the model, or of the file of results.
        weights: Hash of its weights; empty for a file of results.
        results: True for a file of results.
        settings: All network and decode settings.
        set_name, set_title: Of the set; the name says which part of it.
        set_mark: Hash of the pictures' names and labels.
        protocol: ``crops`` or ``full``.
        skeleton, labels: Of the labels: its name, and all keypoints.
        keypoints: Those of them that count.
        posecore: Version that measured.
        created: Seconds since 1970.
        seconds: Time for reading, network and decoding.
    """

    model: str
    weights: str
    results: bool
    settings: Mapping[str, Any]
    set_name: str
    set_title: str
    set_mark: str
    protocol: Protocol
    skeleton: str
    labels: tuple[str, ...]
    keypoints: tuple[str, ...]
    posecore: str
    created: float
    seconds: float


@dataclass(frozen=True)
class KeypointSummary:
    """One keypoint.

    Attributes:
        name: Its name.
        count: How often it is labelled.
        similarity: Mean of its term of OKS, 0 for people who were not found.
        pck: Length → part nearer than :data:`FRACTION` of it; None where nobody has such a length.
        kinds: Kind of error → how many of those of matched people are of it.
    """

    name: str
    count: int
    similarity: Figure
    pck: Mapping[Length, float | None]
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class Reach:
    """Distances measured by one length of the person, over all keypoints that count.

    Attributes:
        fractions, pck: The curve.
        percentiles: (part in a hundred, pixels, part of the length) of the keypoints that were found.
        not_found: Part of the labelled keypoints without a position.
        people, left_out: People measured, and those whose length is not labelled.
    """

    fractions: tuple[float, ...]
    pck: tuple[float | None, ...]
    percentiles: tuple[tuple[int, float, float], ...]
    not_found: float | None
    people: int
    left_out: int


@dataclass(frozen=True)
class Errors:
    """Kinds of errors, see :mod:`posecore.evaluation.error_kinds`.

    Attributes:
        shares: Kind → part of the judged keypoints.
        gains: What is mended → AP gained by it alone.
        stacked: Kind → AP when it and those before it are mended.
        false_poses, missed_people: Poses about nobody; people no pose is about.
        disorder: Part of the pairs of poses whose scores stand in the wrong order.
    """

    shares: Mapping[str, float]
    gains: Mapping[str, float]
    stacked: Mapping[str, float]
    false_poses: int
    missed_people: int
    disorder: float | None


@dataclass(frozen=True)
class EmptyPictures:
    """People found in pictures without anybody, see :class:`posecore.evaluation.groups.FalsePeople`."""

    pictures: int
    per_100: Figure
    by_score: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class GroupSummary:
    """People who have something in common, see :class:`posecore.evaluation.groups.Group`."""

    name: str
    people: int
    oks: Figure
    found: float | None


@dataclass(frozen=True)
class Summary:
    """One evaluation.

    Attributes:
        schema: :data:`SCHEMA`.
        provenance: What was measured.
        pictures, people, poses: How many there are.
        figures: AP, AP50, AP75, AP_medium, AP_large, the same of AR, PCK@0.2 (*crops*) and OKS, the mean similarity.
        keypoints: Those that count.
        reach: Length → distances.
        precision: OKS threshold → precision at 101 recalls from 0 to 1; ``mean`` for that over all ten. Empty when
            there is nobody to find.
        errors: Kinds of errors.
        empty: Pictures without anybody; None when there are none, or only people were looked at.
        groups: ``size``, ``keypoints`` (how many are labelled) and ``crowding`` → people parted by that.
        worst: The worst people, and the most certain poses about nobody.
        problems: Pictures that could not be used.
        remarks: What was odd about results from a file.
    """

    schema: int
    provenance: Provenance
    pictures: int
    people: int
    poses: int
    figures: Mapping[str, Figure]
    keypoints: tuple[KeypointSummary, ...]
    reach: Mapping[Length, Reach]
    precision: Mapping[str, tuple[float, ...]]
    errors: Errors
    empty: EmptyPictures | None
    groups: Mapping[str, tuple[GroupSummary, ...]]
    worst: tuple[WorstCase, ...] = field(default=())
    problems: tuple[str, ...] = field(default=())
    remarks: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Summary:
        """Read what :meth:`to_dict` gave; raises ``DataError`` for anything else."""
        try:
            return _ADAPTER.validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise DataError(f"{place}: {first['msg'].lower()}") from None


_ADAPTER = TypeAdapter(Summary)


@dataclass(frozen=True, eq=False)
class Measured:
    """An evaluation as it is kept: what is shown of it, and the arrays that comparisons draw from."""

    summary: Summary
    values: Values


def summarise(
    evaluation: Evaluation,
    kinds: ErrorKinds | None = None,
    *,
    weights: str = "",
    set_name: str = "",
    set_title: str = "",
    results: bool = False,
    tell: Tell = unheard,
) -> Measured:
    """Everything about an evaluation.

    Args:
        evaluation: The evaluation.
        kinds: Its errors, where they have been sorted already.
        weights: Hash of the model's weights.
        set_name, set_title: What the set is called by commands and for people; the evaluation's own name unless given.
        results: Whether a file of results was measured.
        tell: Told how far it is.
    """
    values = values_of(evaluation, tuple(AREAS), between(tell, 0.0, 0.3))
    drawn = value_intervals(values, tell=between(tell, 0.3, 0.42))
    reach = {by: distances(evaluation, by) for by in LENGTHS}
    kinds = kinds or error_kinds(evaluation, between(tell, 0.42, 0.95))
    named = tuple(name for name, counts in zip(evaluation.skeleton.keypoints, evaluation.common, strict=True) if counts)
    provenance = Provenance(
        evaluation.model,
        weights,
        results,
        dict(evaluation.settings),
        set_name or evaluation.dataset,
        set_title or evaluation.dataset,
        hashlib.blake2b(np.sort(values.keys).tobytes(), digest_size=16).hexdigest(),
        evaluation.protocol,
        evaluation.skeleton.name,
        evaluation.skeleton.keypoints,
        named,
        version("posecore"),
        time.time(),
        evaluation.seconds,
    )
    summary = Summary(
        SCHEMA,
        provenance,
        len(evaluation.predictions),
        evaluation.people,
        sum(len(item.poses) for item in evaluation.predictions),
        _figures(evaluation, values, drawn),
        _keypoints(evaluation, kinds, drawn, reach),
        {by: _reach(found) for by, found in reach.items()},
        _precision(values),
        _errors(kinds),
        _empty(evaluation),
        {name: tuple(map(_group, groups)) for name, groups in groups_of(evaluation).items()},
        worst(evaluation, kinds.judged),
        tuple(str(problem) for problem in evaluation.problems),
        tuple(str(remark) for remark in evaluation.remarks),
    )
    return Measured(summary, values)


def _figure(value: float | None, around: Interval | None) -> Figure:
    if value is None or around is None or around == ANYTHING:
        return Figure(value)
    return Figure(value, around.low, around.high)


def _figures(evaluation: Evaluation, values: Values, drawn: Mapping[str, Interval]) -> dict[str, Figure]:
    oks = float(values.oks.mean()) if len(values.oks) else None
    plain = {**evaluation.precision, "PCK@0.2": evaluation.pck, "OKS": oks}
    return {name: _figure(value, drawn.get(DRAWN.get(name, ""))) for name, value in plain.items()}


def _keypoints(
    evaluation: Evaluation, kinds: ErrorKinds, drawn: Mapping[str, Interval], reach: Mapping[Length, Distances]
) -> tuple[KeypointSummary, ...]:
    near = {by: _near(found) for by, found in reach.items()}
    return tuple(
        KeypointSummary(
            name,
            evaluation.per_keypoint[name].count,
            _figure(evaluation.per_keypoint[name].similarity, drawn.get(f"similarity_{index}")),
            {by: parts[index] for by, parts in near.items()},
            {kind: int(kinds.counts[row, index]) for row, kind in enumerate(KINDS)},
        )
        for index, name in enumerate(evaluation.skeleton.keypoints)
        if evaluation.common[index]
    )


def _near(found: Distances) -> list[float | None]:
    """Of every keypoint of the labels the part nearer than :data:`FRACTION` of the length."""
    columns = found.relative.T
    known = [column[~np.isnan(column)] for column in columns]
    return [float((column < FRACTION).mean()) if len(column) else None for column in known]


def _reach(found: Distances) -> Reach:
    percentiles = [(one, *pair) for one, pair in found.percentiles().items() if pair is not None]
    return Reach(
        FRACTIONS,
        tuple(found.curve().values()),
        tuple(percentiles),
        found.not_found,
        len(found.relative),
        found.left_out,
    )


def _precision(values: Values) -> dict[str, tuple[float, ...]]:
    total = int(values.wanted[0].sum())
    if not total:
        return {}
    order = np.argsort(-values.scores, kind="mergesort")
    right, wrong = (flags[0][:, order].astype(np.float64) for flags in (values.right, values.wrong))
    curves, _ = precision_at_recalls(right, wrong, np.full(len(right), float(total)))
    named = {f"{threshold:.2f}": row for threshold, row in zip(OKS_THRESHOLDS, curves, strict=True)}
    named["mean"] = curves.mean(0)
    return {name: tuple(np.round(row, 5).tolist()) for name, row in named.items()}


def _errors(kinds: ErrorKinds) -> Errors:
    return Errors(
        dict(kinds.shares.items()),
        dict(kinds.gains),
        dict(kinds.stacked),
        kinds.false_poses,
        kinds.missed_people,
        kinds.disorder,
    )


def _empty(evaluation: Evaluation) -> EmptyPictures | None:
    found = false_people(evaluation)
    return (
        None if found is None else EmptyPictures(found.pictures, _figure(found.per_100, found.interval), found.by_score)
    )


def _group(group: Group) -> GroupSummary:
    return GroupSummary(group.name, group.people, _figure(group.oks, group.oks_interval), group.found)
