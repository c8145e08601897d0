"""Two evaluations beside each other: differences on the same pictures, and whether they are more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from posecore.errors import DataError
from posecore.evaluation.chance import ANYTHING, Interval, figures_on, paired_differences
from posecore.evaluation.summary import DRAWN, Measured, Provenance
from posecore.evaluation.values import Values
from posecore.words import counted


@dataclass(frozen=True)
class Difference:
    """A figure of two evaluations on the pictures that both have.

    Attributes:
        name: Of the figure or keypoint.
        before, after: Its values.
        low, high: Where ``after`` minus ``before`` lies on other pictures with 95 % confidence; None when it cannot be
            told.
    """

    name: str
    before: float
    after: float
    low: float | None
    high: float | None

    @property
    def change(self) -> float:
        """``after`` minus ``before``."""
        return self.after - self.before

    @property
    def may_be_chance(self) -> bool:
        """True unless the interval leaves 0 out."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


@dataclass(frozen=True)
class Compared:
    """Two evaluations.

    Attributes:
        before, after: What was measured.
        pictures: How many they share, with the same labels.
        figures: AP, AR, at 0.5 and 0.75, by size, PCK@0.2 and OKS, where both have them.
        keypoints: Mean similarity of every keypoint that counts in both.
        remarks: What to know about the comparison, as sentences.
    """

    before: Provenance
    after: Provenance
    pictures: int
    figures: tuple[Difference, ...]
    keypoints: tuple[Difference, ...]
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def compare(before: Measured, after: Measured) -> Compared:
    """``after`` beside ``before``.

    Raises:
        DataError: When they were measured in different ways or have no picture with the same labels in common.
    """
    first, second = before.summary.provenance, after.summary.provenance
    if first.protocol != second.protocol:
        raise DataError(
            "One of these evaluations looked at whole pictures and the other at people cut out of them, so their "
            "figures do not compare; measure both with one protocol."
        )
    values = _by_key(before.values), _by_key(after.values)
    shared = np.intersect1d(values[0].pictures, values[1].pictures)
    if not len(shared):
        raise DataError(
            f"{first.set_title} and {second.set_title}, which these evaluations were measured on, have no picture with "
            "the same labels in common; measure both on one set."
        )
    figures = figures_on(values[0], shared), figures_on(values[1], shared)
    around = paired_differences(*values)
    names = [*DRAWN.items()]
    places = [(name, f"similarity_{first.labels.index(name)}") for name in first.keypoints if name in second.keypoints]
    return Compared(
        first,
        second,
        len(shared),
        _differences(names, figures, around),
        _differences(places, figures, around) if first.labels == second.labels else (),
        tuple(_remarks(before, after, len(shared))),
    )


def _by_key(values: Values) -> Values:
    """Pictures told apart by what is in them, so that they are found again in another set or part."""
    return replace(values, pictures=values.keys)


def _differences(
    names: list[tuple[str, str]],
    figures: tuple[Mapping[str, float], Mapping[str, float]],
    around: Mapping[str, Interval],
) -> tuple[Difference, ...]:
    found = []
    for name, drawn in names:
        if drawn in figures[0] and drawn in figures[1]:
            interval = around.get(drawn, ANYTHING)
            ends = (None, None) if interval == ANYTHING else (interval.low, interval.high)
            found.append(Difference(name, figures[0][drawn], figures[1][drawn], *ends))
    return tuple(found)


def _remarks(before: Measured, after: Measured, shared: int) -> list[str]:
    first, second = before.summary, after.summary
    remarks = [*_other_settings(first.provenance, second.provenance)]
    if shared < max(first.pictures, second.pictures):
        remarks.append(
            f"Compared on the {counted(shared, 'picture')} that both have with the same labels, of {first.pictures:,} "
            f"and {second.pictures:,}."
        )
    if first.provenance.keypoints != second.provenance.keypoints:
        remarks.append(
            f"Figures of the first are over {counted(len(first.provenance.keypoints), 'keypoint')}, those of the "
            f"second over {len(second.provenance.keypoints)}, so differences of AP, AR and OKS say less."
        )
    return remarks


def _other_settings(first: Provenance, second: Provenance) -> list[str]:
    """What was set otherwise for the same model, in a sentence."""
    if first.model != second.model:
        return []
    names = [name for name in first.settings if name in second.settings]
    other = [
        f"{name} {first.settings[name]} → {second.settings[name]}"
        for name in names
        if first.settings[name] != second.settings[name]
    ]
    weights = ["weights"] if first.weights != second.weights else []
    return [f"The same model with other {', '.join([*weights, *other])}."] if weights or other else []
