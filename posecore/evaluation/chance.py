"""How far figures and differences between models may be chance: a bootstrap over pictures.

Pictures are drawn again and again with replacement, and figures are measured on every draw. For a difference, both
models are measured on the same draws: where the middle 95 % of the differences hold 0, other pictures might as well
have said the opposite (Efron and Tibshirani, An Introduction to the Bootstrap, 1993). Intervals are widened for few
pictures as Hesterberg proposes (What Teachers Should Know About the Bootstrap, 2015: expanded percentile interval).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from posecore.evaluation.evaluate import Evaluation
from posecore.evaluation.matching import OKS_THRESHOLDS, Matches, precision_curve
from posecore.evaluation.progress import Tell, between, unheard
from posecore.evaluation.values import Values, values_of

#: Part of differences that an interval holds.
CONFIDENCE = 0.95
#: Pictures below which even a change for the better on every one of them could be luck (1 in 2⁵ is more than 5 %, on
#: both sides).
FEWEST_PICTURES = 6
#: Similarities at which AP and AR are drawn by themselves as well: AP50, AP75.
_SINGLE = (0.5, 0.75)
_DRAWS = 1000
#: The same for figures that are measured anew on every draw.
_FIGURE_DRAWS = 300
#: Poses of all draws together above which there are fewer draws, and of those that are worked on at a time.
_MOST_DRAWN, _AT_A_TIME = 4_000_000, 1_000_000


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
    return _headline(paired_differences(values_of(before), values_of(after), seed))


def paired_differences(before: Values, after: Values, seed: int = 0) -> dict[str, Interval]:
    """:func:`difference_intervals` of arrays, over the pictures that both have and the sizes that both tell apart.

    Figures of one size are called ``ap_medium`` and so on, the mean similarity of keypoint k ``similarity_k``.
    """
    shared = np.intersect1d(before.pictures, after.pictures)
    count = _draw_count(max(len(before.scores), len(after.scores)))
    figures = [_draws(values, shared, seed, count) for values in (before, after)]
    found = {}
    for name in figures[0].keys() & figures[1].keys():
        differences = figures[1][name] - figures[0][name]
        found[name] = _interval(differences[np.isfinite(differences)], len(shared))
    return found


def intervals(evaluation: Evaluation, seed: int = 0) -> dict[str, Interval]:
    """Where the figures of one evaluation lie on other pictures of this kind: ``ap``, ``ar``, ``pck`` and ``oks``.

    A figure that there is not is left out; with too few pictures an interval has no ends.
    """
    return _headline(value_intervals(values_of(evaluation), seed))


def value_intervals(values: Values, seed: int = 0, tell: Tell = unheard) -> dict[str, Interval]:
    """:func:`intervals` of arrays, with figures by size and by keypoint as in :func:`paired_differences`."""
    draws = _draws(values, np.unique(values.pictures), seed, _draw_count(len(values.scores)), tell)
    return {name: _interval(drawn[np.isfinite(drawn)], len(values.pictures)) for name, drawn in draws.items()}


def figures_on(values: Values, pictures: NDArray[np.int64]) -> dict[str, float]:
    """The figures themselves on some of the pictures, under the same names."""
    draws = _measured(values, np.unique(pictures), np.ones((1, len(np.unique(pictures)))))
    return {name: float(drawn[0]) for name, drawn in draws.items() if np.isfinite(drawn[0])}


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


def _headline(found: dict[str, Interval]) -> dict[str, Interval]:
    return {name: found[name] for name in ("ap", "ar", "pck", "oks") if name in found}


def _times(pictures: int, seed: int, draws: int = _DRAWS) -> NDArray[np.float64]:
    """``(draws, pictures)`` how often each picture is in each draw."""
    if not pictures:
        return np.zeros((draws, 0))
    chances = np.full(pictures, 1 / pictures)
    return np.random.default_rng(seed).multinomial(pictures, chances, draws).astype(np.float64)


def _draw_count(poses: int) -> int:
    """Fewer draws where there are very many poses: their intervals are narrow, and each draw takes its time."""
    return int(np.clip(_MOST_DRAWN / max(poses, 1), _FIGURE_DRAWS, _DRAWS))


def _interval(differences: NDArray[np.float64], pictures: int) -> Interval:
    if pictures < FEWEST_PICTURES or not len(differences):
        return ANYTHING
    reach = np.sqrt(pictures / (pictures - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, pictures - 1)
    tail = float(stats.norm.cdf(-reach))
    low, high = np.quantile(differences, (tail, 1 - tail))
    return Interval(float(low), float(high))


def _draws(
    values: Values, pictures: NDArray[np.int64], seed: int, count: int, tell: Tell = unheard
) -> dict[str, NDArray[np.float64]]:
    """``(count,)`` of every figure; the same seed, pictures and count give the same draws for any model."""
    return _measured(values, pictures, _times(len(pictures), seed, count), tell)


def _measured(
    values: Values, pictures: NDArray[np.int64], times: NDArray[np.float64], tell: Tell = unheard
) -> dict[str, NDArray[np.float64]]:
    """``(draws,)`` of every figure; ``times`` is ``(draws, pictures)``, ``pictures`` sorted."""
    place = np.searchsorted(pictures, values.pictures)
    known = np.isin(values.pictures, pictures)
    place = np.where(known, place, -1)
    found: dict[str, NDArray[np.float64]] = {}
    for index, size in enumerate(values.sizes):
        end = "" if size == "all" else f"_{size}"
        told = between(tell, index / len(values.sizes), (index + 1) / len(values.sizes))
        for name, drawn in _precision(values, index, place, times, told).items():
            found[f"{name}{end}"] = drawn
    owners = place[values.owners]
    ones = np.ones(len(values.oks))
    parts = {"oks": (values.oks, ones), "pck": (values.joints[:, 0], values.joints[:, 1])}
    for keypoint, column in enumerate(values.similarity.T):
        parts[f"similarity_{keypoint}"] = (np.nan_to_num(column), np.isfinite(column).astype(np.float64))
    for name, (top, bottom) in parts.items():
        sums, counts = (_by_picture(one, owners, len(pictures)) for one in (top, bottom))
        if counts.any():
            with np.errstate(invalid="ignore", divide="ignore"):
                found[name] = (times @ sums) / (times @ counts)
    return found


def _by_picture(weights: NDArray[np.float64], owners: NDArray[np.intp], pictures: int) -> NDArray[np.float64]:
    """``(pictures,)`` sums; those of owner -1 are left out."""
    there = owners >= 0
    return np.asarray(np.bincount(owners[there], weights[there], pictures), np.float64)


def _precision(
    values: Values, size: int, place: NDArray[np.intp], times: NDArray[np.float64], tell: Tell
) -> dict[str, NDArray[np.float64]]:
    """AP and AR of every draw, over all similarities and at those of :data:`_SINGLE`, as pycocotools accumulates them.

    ``times`` is ``(draws, pictures)``.
    """
    people = _by_picture(values.wanted[size].astype(np.float64), place, times.shape[1])
    if not people.any():
        return {}
    counted = (place[values.pose_owners] >= 0) & (values.right[size] | values.wrong[size]).any(0)
    order = np.flatnonzero(counted)
    order = order[np.argsort(-values.scores[order], kind="mergesort")]
    owner = place[values.pose_owners[order]]
    total = times @ people
    ap, ar = (np.zeros((len(OKS_THRESHOLDS), len(times))) for _ in range(2))
    step = max(_AT_A_TIME // max(len(order), 1), 1)
    for start in range(0, len(times), step):
        part = slice(start, start + step)
        weight = times[part][:, owner]
        curves = [
            precision_curve(weight * yes, weight * no, total[part])
            for yes, no in zip(values.right[size][:, order], values.wrong[size][:, order], strict=True)
        ]
        ap[:, part], ar[:, part] = [one for one, _ in curves], [one for _, one in curves]
        tell(min(part.stop / len(times), 1.0))
    found: dict[str, NDArray[np.float64]] = {}
    for name, drawn in (("ap", ap), ("ar", ar)):
        drawn[:, total == 0] = np.nan
        at = {f"{name}{100 * threshold:.0f}": drawn[OKS_THRESHOLDS.tolist().index(threshold)] for threshold in _SINGLE}
        found |= {name: drawn.mean(0), **at}
    return found
