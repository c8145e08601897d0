"""How far figures and differences between models may be chance: a bootstrap over pictures.

Pictures are drawn again and again with replacement, and figures are measured on every draw. For a difference, both
models are measured on the same draws: where the middle 95 % of the differences hold 0, other pictures might as well
have said the opposite (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). Intervals are widened for few
pictures as Hesterberg proposes (What Teachers Should Know About the Bootstrap, 2015: expanded percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from posecore.evaluation.evaluate import Evaluation, cases
from posecore.evaluation.matching import Matches, PictureMatcher, precision_curve
from posecore.evaluation.pck import all_correct_joints, limb_joints

#: Part of differences that an interval holds.
CONFIDENCE = 0.95
#: Pictures below which even a change for the better on every one of them could be luck (1 in 2⁵ is more than 5 %, on
#: both sides).
FEWEST_PICTURES = 6
_DRAWS = 1000
#: The same for figures that are measured anew on every draw.
_FIGURE_DRAWS = 300


@dataclass(frozen=True)
class Interval:
    """Where a figure or difference lies with 95 % confidence; from minus to plus infinity when nothing can be said."""

    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """True when the difference may be chance."""
        return self.low <= 0 <= self.high

    def __str__(self) -> str:
        return f"{self.low:+.3f} … {self.high:+.3f}" if np.isfinite(self.low) else "cannot be told"


#: Nothing can be said.
ANYTHING = Interval(-np.inf, np.inf)


def difference_intervals(before: Evaluation, after: Evaluation, seed: int = 0) -> dict[str, Interval]:
    """Intervals of ``after`` minus ``before`` for ``ap``, ``ar``, ``pck`` and ``oks`` (mean similarity of people).

    Args:
        before, after: *crops* evaluations over the same pictures and keypoints.
        seed: Of the drawing of pictures.

    Returns:
        A figure that neither has is left out.
    """
    ids = sorted(_ids(before) & _ids(after))
    figures = [_draws(evaluation, ids, seed) for evaluation in (before, after)]
    found = {}
    for name in figures[0].keys() & figures[1].keys():
        differences = figures[1][name] - figures[0][name]
        found[name] = _interval(differences[np.isfinite(differences)], len(ids))
    return found


def intervals(evaluation: Evaluation, seed: int = 0) -> dict[str, Interval]:
    """Where the figures of one evaluation lie on other pictures of this kind: ``ap``, ``ar``, ``pck`` and ``oks``.

    A figure that there is not is left out; with too few pictures an interval has no ends.
    """
    ids = sorted(_ids(evaluation))
    draws = _draws(evaluation, ids, seed)
    return {name: _interval(values[np.isfinite(values)], len(ids)) for name, values in draws.items()}


def mean_interval(values: NDArray[np.float64], owners: NDArray[np.intp], seed: int = 0) -> Interval:
    """Interval of a mean over people, drawn by picture.

    Args:
        values: ``(N,)`` what is averaged; no NaN.
        owners: ``(N,)`` which picture each belongs to: any numbers.
        seed: Of the drawing of pictures.
    """
    names, place = np.unique(owners, return_inverse=True)
    count = len(names)
    if not count:
        return ANYTHING
    times = _times(count, seed)
    sums, members = (np.bincount(place, weight, count) for weight in (values, np.ones(len(values))))
    return _interval((times @ sums) / (times @ members), count)


def paired_interval(
    before: Sequence[Matches], after: Sequence[Matches], figure: Callable[[Sequence[Matches]], float], seed: int = 0
) -> Interval:
    """Interval of the difference of any figure between two ways of finding people on the same pictures."""
    generator = np.random.default_rng(seed)
    count = len(before)
    draws = [generator.integers(0, count, count) for _ in range(_FIGURE_DRAWS)] if count else []
    differences = [figure([after[one] for one in draw]) - figure([before[one] for one in draw]) for draw in draws]
    return _interval(np.array(differences, np.float64), count)


def _times(pictures: int, seed: int) -> NDArray[np.float64]:
    """``(draws, pictures)`` how often each picture is in each draw."""
    chances = np.full(pictures, 1 / max(pictures, 1))
    return np.random.default_rng(seed).multinomial(pictures, chances, _DRAWS).astype(np.float64)


def _ids(evaluation: Evaluation) -> set[int]:
    return {item.image.image_id for item in evaluation.predictions}


def _interval(differences: NDArray[np.float64], pictures: int) -> Interval:
    if pictures < FEWEST_PICTURES or not len(differences):
        return ANYTHING
    reach = np.sqrt(pictures / (pictures - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, pictures - 1)
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(differences, (tail, 1 - tail))
    return Interval(float(low), float(high))


def _draws(evaluation: Evaluation, ids: list[int], seed: int) -> dict[str, NDArray[np.float64]]:
    """``(draws,)`` of every figure; the same seed and pictures give the same draws for any model."""
    times = _times(len(ids), seed)
    place = {image_id: index for index, image_id in enumerate(ids)}
    found = _precision(evaluation, place, times)
    parts = {"oks": _similarities(evaluation, place)}
    if evaluation.protocol == "crops":
        # Of whole pictures PCK is not defined.
        parts["pck"] = _joints(evaluation, place)
    for name, sums in parts.items():
        if sums[:, 1].any():
            with np.errstate(invalid="ignore", divide="ignore"):
                found[name] = (times @ sums[:, 0]) / (times @ sums[:, 1])
    return found


def _joints(evaluation: Evaluation, place: Mapping[int, int]) -> NDArray[np.float64]:
    """``(pictures, 2)``: correct limb joints, and how many were measured."""
    sums = np.zeros((len(place), 2))
    limbs = limb_joints(evaluation.skeleton)
    for item in evaluation.predictions:
        if item.image.image_id in place:
            rows = all_correct_joints([item], evaluation.skeleton, evaluation.common)[:, limbs]
            sums[place[item.image.image_id]] = np.nansum(rows), np.isfinite(rows).sum()
    return sums


def _similarities(evaluation: Evaluation, place: Mapping[int, int]) -> NDArray[np.float64]:
    """``(pictures, 2)``: sum of similarities, and people."""
    sums = np.zeros((len(place), 2))
    for case in cases(evaluation):
        if case.picture.image.image_id in place:
            sums[place[case.picture.image.image_id]] += case.oks, 1
    return sums


def _precision(
    evaluation: Evaluation, place: Mapping[int, int], times: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """AP and AR of every draw, as pycocotools accumulates them; ``times`` is ``(draws, pictures)``."""
    chosen = [
        PictureMatcher(item.image, item.poses, evaluation.common, evaluation.skeleton.sigmas).match()
        for item in evaluation.predictions
        if item.image.image_id in place
    ]
    people = np.zeros(len(place))
    for match in chosen:
        people[place[match.picture]] = match.people
    total = times @ people
    if not people.any():
        return {}
    scores = np.concatenate([match.scores for match in chosen])
    order = np.argsort(-scores, kind="mergesort")
    owner = np.concatenate([np.full(len(match.scores), place[match.picture]) for match in chosen])[order]
    right = np.concatenate([match.right for match in chosen], 1)[:, order]
    wrong = np.concatenate([match.wrong for match in chosen], 1)[:, order]
    weight = times[:, owner]
    curves = [precision_curve(weight * yes, weight * no, total) for yes, no in zip(right, wrong, strict=True)]
    ap, ar = np.mean([ap for ap, _ in curves], 0), np.mean([ar for _, ar in curves], 0)
    return {"ap": np.where(total > 0, ap, np.nan), "ar": np.where(total > 0, ar, np.nan)}
