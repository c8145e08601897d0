"""One confidence for all models: scores turned into "right in so many of 100 cases".

Networks' scores are peaks of maps whose blobs have one size, while a joint is right within a distance that grows with
the person (Gu et al., On the Calibration of Human Pose Estimation, 2023). So a calibration takes score and size: a
logistic regression of both with an intercept for every joint, and over its outcome a monotone curve (isotonic
regression), so that a higher score never becomes a lower confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from posecore.errors import DataError
from posecore.evaluation.confidence import Samples, pose_sizes
from posecore.poses import Poses

#: Scores are kept away from 0 and 1 by this much, where their odds would be infinite.
_EDGE = 1e-3
#: Weight of the penalty on a joint's own intercept: a joint with few samples is judged like the others.
_RIDGE = 1.0
#: Samples and pictures below which a curve says more about chance than about the model.
FEWEST_SAMPLES, FEWEST_PICTURES = 100, 10
#: Samples that a step of the curve stands for, at least.
_STEP = 20
#: Most steps of the curve.
_STEPS = 30
_VERSION = 1


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """From score, size and joint to a confidence.

    Attributes:
        slope: Weight of the score's log-odds; never below 0.
        size_slope: Weight of the logarithm of the size.
        intercepts: ``(K,)`` one for every joint.
        knots: ``(M,)`` rising outcomes of the regression.
        values: ``(M,)`` confidence at each; never falling. Straight in between, constant outside.
    """

    slope: float
    size_slope: float
    intercepts: NDArray[np.float64]
    knots: NDArray[np.float64]
    values: NDArray[np.float64]

    def __call__(
        self, scores: NDArray[Any], sizes: NDArray[Any], joints: NDArray[np.intp] | int = 0
    ) -> NDArray[np.float64]:
        """Confidences 0 … 1 of scores; shapes are broadcast."""
        outcome = self.slope * _odds(scores) + self.size_slope * np.log(sizes) + self.intercepts[joints]
        return np.asarray(np.interp(outcome, self.knots, self.values))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "slope": self.slope,
            "size_slope": self.size_slope,
            **{name: getattr(self, name).round(6).tolist() for name in ("intercepts", "knots", "values")},
        }

    @classmethod
    def of_dict(cls, data: Mapping[str, Any]) -> ScoreMap:
        """From :meth:`to_dict`.

        Raises:
            DataError: For anything else.
        """
        try:
            columns = [np.array(data[name], np.float64) for name in ("intercepts", "knots", "values")]
            slope, size_slope = float(data["slope"]), float(data["size_slope"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"A calibration is not as it should be: {error!r:.100}.") from error
        intercepts, knots, values = columns
        sound = knots.ndim == intercepts.ndim == 1 and knots.shape == values.shape and len(knots) and len(intercepts)
        finite = np.isfinite([slope, size_slope]).all() and all(np.isfinite(column).all() for column in columns)
        if not sound or not finite or slope < 0 or (np.diff(knots) < 0).any() or (np.diff(values) < 0).any():
            raise DataError("A calibration is not as it should be: its curve does not rise.")
        return cls(slope, size_slope, intercepts, knots, values)


def fit(samples: Samples) -> ScoreMap:
    """A map fitted to samples.

    Raises:
        DataError: For fewer samples than say something, or when all were right or all wrong.
    """
    pictures = len(np.unique(samples.owners))
    if len(samples) < FEWEST_SAMPLES or pictures < FEWEST_PICTURES:
        raise DataError(
            f"{len(samples)} scores from {pictures} pictures are too few to calibrate with; at least {FEWEST_SAMPLES} "
            f"from {FEWEST_PICTURES} are needed. Use a set with more labelled people."
        )
    if samples.right.all() or not samples.right.any():
        verdict = "right" if samples.right.all() else "wrong"
        raise DataError(f"All scores are of things that were {verdict}, so that there is nothing to tell apart.")
    odds = _odds(samples.scores)
    sizes = np.log(samples.sizes)
    start = np.zeros(3 + len(samples.names))
    start[0] = 1.0
    bounds = [(0.0, None), (None, None), *[(None, None)] * (1 + len(samples.names))]
    result = minimize(_loss, start, (odds, sizes, samples.joints, samples.right), jac=True, bounds=bounds)
    slope, size_slope, common, *own = result.x
    intercepts = common + np.array(own)
    outcome = slope * odds + size_slope * sizes + intercepts[samples.joints]
    return ScoreMap(slope, size_slope, intercepts, *_curve(outcome, samples.right))


def _odds(scores: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(logit(np.clip(np.asarray(scores, np.float64), _EDGE, 1 - _EDGE)))


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


@dataclass(frozen=True, eq=False)
class Calibration:
    """The maps of one model.

    Attributes:
        model: Full model name.
        weights: Hash of the weights it was fitted for.
        keypoints: Names of the joints that ``joint.intercepts`` are of.
        joint: For joints.
        person: For people.
        fitted_on: The set, and how many pictures of it.
    """

    model: str
    weights: str
    keypoints: tuple[str, ...]
    joint: ScoreMap
    person: ScoreMap
    fitted_on: str

    def apply(self, poses: Poses) -> Poses:
        """The same poses with confidences in place of scores, best first; missing joints stay at 0.

        Raises:
            DataError: For poses of another skeleton.
        """
        if poses.skeleton.keypoints != self.keypoints:
            raise DataError(f"The calibration of {self.model} is for other keypoints than {poses.skeleton.name}'s.")
        sizes = pose_sizes(poses)
        joints = self.joint(poses.keypoint_scores, sizes[:, None], np.arange(len(self.keypoints)))
        joints = np.where(poses.present, joints, 0.0)
        people = self.person(poses.scores, sizes)
        changed = replace(poses, keypoint_scores=joints.astype(np.float32), scores=people.astype(np.float32))
        return changed.select(np.argsort(-people, kind="stable"))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "format": "posecore.calibration",
            "version": _VERSION,
            "model": self.model,
            "weights": self.weights,
            "keypoints": list(self.keypoints),
            "fitted_on": self.fitted_on,
            "joint": self.joint.to_dict(),
            "person": self.person.to_dict(),
        }

    @classmethod
    def of_dict(cls, data: Any) -> Calibration:
        """From :meth:`to_dict`.

        Raises:
            DataError: For anything else, and for files of newer versions.
        """
        if not isinstance(data, Mapping) or data.get("format") != "posecore.calibration":
            raise DataError("This is no calibration of posecore.")
        if data.get("version") != _VERSION:
            raise DataError(
                f"This calibration has version {data.get('version')!r:.20}; {_VERSION} is what is read here."
            )
        texts = [data.get(name) for name in ("model", "weights", "fitted_on")]
        keypoints = data.get("keypoints")
        if not all(isinstance(text, str) for text in texts) or not isinstance(keypoints, list):
            raise DataError("A calibration is not as it should be: model, weights, keypoints or set are missing.")
        joint, person = (ScoreMap.of_dict(data.get(name) or {}) for name in ("joint", "person"))
        if len(joint.intercepts) != len(keypoints) or len(person.intercepts) != 1:
            raise DataError("A calibration is not as it should be: it has another number of joints than of names.")
        model, weights, fitted_on = (str(text) for text in texts)
        return cls(model, weights, tuple(map(str, keypoints)), joint, person, fitted_on)
