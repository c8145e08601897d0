"""Making calibrations: what scores are worth, learnt from labelled pictures (:mod:`posecore.calibration`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from posecore.calibration import Calibration, ScoreMap, log_odds
from posecore.data.annotations import PoseDataset, spread
from posecore.errors import DataError
from posecore.evaluation.confidence import Reliability, Samples, joint_samples, person_samples, reliability
from posecore.evaluation.evaluate import Evaluation, measure
from posecore.evaluation.field_sets import keep_fields
from posecore.evaluation.predictions import collect
from posecore.model import PoseModel
from posecore.settings import CHANCES, EXACT_NETWORK
from posecore.skeleton import Skeleton

#: Weight of the penalty on a joint's own intercept: a joint with few samples is judged like the others.
_RIDGE = 1.0
#: Samples and pictures below which a curve says more about chance than about the model.
FEWEST_SAMPLES, FEWEST_PICTURES = 100, 10
#: Samples that a step of the curve stands for, at least.
_STEP = 20
#: Most steps of the curve.
_STEPS = 30
#: Chances about .5, of which half should be right.
_BAND = (0.45, 0.55)


def fit(samples: Samples) -> ScoreMap:
    """A map fitted to samples.

    Raises:
        DataError: For fewer samples than say something, or when all were right or all wrong.
    """
    if _too_few(samples):
        raise DataError(
            f"{_amount(samples)} are too few to calibrate with; at least {FEWEST_SAMPLES} from {FEWEST_PICTURES} are "
            "needed. Use a set with more labelled people."
        )
    if samples.right.all() or not samples.right.any():
        verdict = "right" if samples.right.all() else "wrong"
        raise DataError(f"All scores are of things that were {verdict}, so that there is nothing to tell apart.")
    odds = log_odds(samples.scores)
    sizes = np.log(samples.sizes)
    start = np.zeros(3 + len(samples.names))
    start[0] = 1.0
    bounds = [(0.0, None), (None, None), *[(None, None)] * (1 + len(samples.names))]
    result = minimize(_loss, start, (odds, sizes, samples.joints, samples.right), jac=True, bounds=bounds)
    slope, size_slope, common, *own = result.x
    intercepts = common + np.array(own)
    outcome = slope * odds + size_slope * sizes + intercepts[samples.joints]
    return ScoreMap(slope, size_slope, intercepts, *_curve(outcome, samples.right))


def _too_few(samples: Samples) -> bool:
    return len(samples) < FEWEST_SAMPLES or len(np.unique(samples.owners)) < FEWEST_PICTURES


def _amount(samples: Samples) -> str:
    return f"{len(samples)} scores from {len(np.unique(samples.owners))} pictures"


def _loss(
    x: NDArray[np.float64],
    odds: NDArray[np.float64],
    sizes: NDArray[np.float64],
    joints: NDArray[np.intp],
    right: NDArray[np.bool_],
) -> tuple[float, NDArray[np.float64]]:
    """Negative log-likelihood with a penalty on the joints' own intercepts, and its gradient."""
    outcome = x[0] * odds + x[1] * sizes + x[2] + x[3:][joints]
    signed = np.where(right, outcome, -outcome)
    loss = np.logaddexp(0.0, -signed).sum() + 0.5 * _RIDGE * (x[3:] ** 2).sum()
    slope = expit(outcome) - right
    own = np.bincount(joints, slope, len(x) - 3) + _RIDGE * x[3:]
    return float(loss), np.concatenate([[slope @ odds, slope @ sizes, slope.sum()], own])


def _curve(outcome: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knots and values of the monotone curve through groups of samples of similar outcome."""
    order = np.argsort(outcome, kind="stable")
    groups = np.array_split(order, max(2, min(_STEPS, len(order) // _STEP)))
    middles = np.array([outcome[group].mean() for group in groups])
    # Half a right and half a wrong one more: no group is ever certain.
    parts = np.array([(right[group].sum() + 0.5) / (len(group) + 1) for group in groups])
    weights = np.array([len(group) for group in groups], np.float64)
    return middles, np.asarray(isotonic_regression(parts, weights=weights).x, np.float64)


@dataclass(frozen=True)
class Check:
    """What a map is worth on pictures that it was not fitted to.

    Attributes:
        before, after: How well scores keep what they promise, as the model gives them and as chances.
        pictures: How many there were.
        band: Part that was right of those with a chance of .45 to .55; None without any.
        in_band: How many those are.
    """

    before: Reliability
    after: Reliability
    pictures: int
    band: float | None
    in_band: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        sides = {"before": self.before, "after": self.after}
        return {
            "pictures": self.pictures,
            **{
                name: {
                    "ECE": one.ece,
                    "Brier": one.brier,
                    "Brier interval": [one.brier_interval.low, one.brier_interval.high],
                    "bins": [[part.score, part.right, part.count] for part in one.bins],
                }
                for name, one in sides.items()
            },
            "right at .45-.55": self.band,
            "samples at .45-.55": self.in_band,
        }


def check(map_: ScoreMap, unseen: Samples) -> Check:
    """Judge a map by samples that it was not fitted to; raises ``DataError`` when there are none."""
    chances = map_(unseen.scores, unseen.sizes, unseen.joints)
    return _check(chances, unseen)


def crossed_check(samples: Samples, seed: int = 0) -> Check:
    """Judge maps by the half of the pictures that each was not fitted to, both halves in turn.

    Raises:
        DataError: As :func:`fit`, for either half.
    """
    halves = samples.halves(seed)
    if any(map(_too_few, halves)):
        raise DataError(
            f"{_amount(samples)} are too few to calibrate with and to check that; each half of the pictures judges the "
            f"other, so at least {2 * FEWEST_SAMPLES} from {2 * FEWEST_PICTURES} are needed, better twice as many. Use "
            "a set with more labelled people."
        )
    judged = [fit(one)(other.scores, other.sizes, other.joints) for one, other in (halves, halves[::-1])]
    return _check(np.concatenate(judged), _joined(halves[1], halves[0]))


def _check(chances: NDArray[np.float64], samples: Samples) -> Check:
    before, after = reliability(samples), reliability(samples, chances)
    if before is None or after is None:
        raise DataError("There are no scores to judge.")
    inside = (chances >= _BAND[0]) & (chances <= _BAND[1])
    band = float(samples.right[inside].mean()) if inside.any() else None
    return Check(before, after, len(np.unique(samples.owners)), band, int(inside.sum()))


def _joined(first: Samples, second: Samples) -> Samples:
    return Samples(
        np.concatenate([first.scores, second.scores]),
        np.concatenate([first.right, second.right]),
        np.concatenate([first.sizes, second.sizes]),
        np.concatenate([first.joints, second.joints]),
        np.concatenate([first.owners, second.owners]),
        first.names,
    )


def with_nothing_hidden(
    model: PoseModel,
    dataset: PoseDataset,
    limit: int,
    settings: Mapping[str, Any],
    advance: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Everything that a model finds in whole pictures.

    Args:
        model: The model.
        dataset: Labelled pictures.
        limit: Most pictures, taken from all over the set.
        settings: Network and decode settings over the model's own; thresholds count as 0.
        advance: Called after every picture.

    Raises:
        DataError: When no picture can be used, or labels and model share no keypoint.
    """
    network, decode = model.split_settings(settings)
    exact = model.network_settings(**{**EXACT_NETWORK, **network}).model_dump()
    everything = {**decode, **dict.fromkeys(CHANCES, 0.0), "calibrated": False}
    kept = keep_fields(model, spread(dataset.images, limit), "full", exact, advance=advance)
    if not len(kept):
        raise DataError(f"No picture of {dataset.name} can be used.")
    found = collect(((view, model.decode(fields, **everything)) for view, fields in kept), dataset.skeleton)
    about = {"model": model.name, "dataset": dataset.name, "problems": kept.problems}
    return measure(found, "full", dataset.skeleton, model.skeleton, **about)


def calibrate(evaluation: Evaluation, weights: str, skeleton: Skeleton) -> Calibration:
    """The maps of a model.

    Args:
        evaluation: Of whole pictures, with nothing hidden by thresholds.
        weights: Hash of the model's weights.
        skeleton: The model's. Joints that nobody labelled are judged like the others on average.

    Raises:
        DataError: As :func:`fit`.
    """
    joint, labels = fit(joint_samples(evaluation)), evaluation.skeleton.keypoints
    known = {name: joint.intercepts[place] for place, name in enumerate(labels) if evaluation.common[place]}
    usual = float(np.mean(list(known.values())))
    return Calibration(
        evaluation.model,
        weights,
        skeleton.keypoints,
        replace(joint, intercepts=np.array([known.get(name, usual) for name in skeleton.keypoints])),
        fit(person_samples(evaluation)),
        f"{len(evaluation.predictions)} pictures of {evaluation.dataset}",
    )
