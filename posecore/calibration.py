"""Scores as chances: maps from what a network says to "right in so many of 100 cases", and where they are kept.

Networks' scores are peaks of maps whose blobs have one size, while a joint is right within a distance that grows with
the person (Gu et al., On the Calibration of Human Pose Estimation, 2023). So a map takes score and size: the outcome of
a logistic regression of both with an intercept for every joint, and over that a monotone curve, so that a higher score
never becomes a lower chance. :mod:`posecore.evaluation.calibration` makes them.

Maps belong to weights. Those of shipped and official models come with posecore (``posecore/calibrations``), others lie
under ``POSECORE_HOME/calibrations`` and go first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from posecore.errors import DataError
from posecore.home import home
from posecore.imaging import Region
from posecore.parsing import read_json
from posecore.poses import Poses
from posecore.storage import write_json, writing

#: Scores are kept away from 0 and 1 by this much, where their odds would be infinite.
_EDGE = 1e-3
#: Smallest size that is told apart, relative to what was looked at.
SMALLEST = 1e-3
_VERSION = 1
_SHIPPED = Path(__file__).resolve().parent / "calibrations"


def pose_sizes(poses: Poses) -> NDArray[np.float64]:
    """``(P,)`` longer side of every pose relative to that of the region it was looked for in, else of the picture."""
    region: Region | None = poses.made_by.region if poses.made_by is not None else None
    x0, y0, x1, y1 = region or (0.0, 0.0, float(poses.image_size[0]), float(poses.image_size[1]))
    boxes = poses.boxes().astype(np.float64)
    longer = np.nan_to_num(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))
    return np.maximum(longer / max(x1 - x0, y1 - y0, 1.0), SMALLEST)


def log_odds(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Log-odds of scores; finite."""
    return np.asarray(logit(np.clip(np.asarray(scores, np.float64), _EDGE, 1 - _EDGE)))


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
        outcome = self.slope * log_odds(scores) + self.size_slope * np.log(sizes) + self.intercepts[joints]
        return np.asarray(np.interp(outcome, self.knots, self.values))

    def of_joints(self, places: Sequence[int]) -> ScoreMap:
        """The same map for some of its joints, in another order."""
        return replace(self, intercepts=self.intercepts[list(places)])

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
        changed = self.rescored(poses)
        return changed.select(np.argsort(-changed.scores, kind="stable"))

    def rescored(self, poses: Poses) -> Poses:
        """:meth:`apply`, people in the order in which they are."""
        if poses.skeleton.keypoints != self.keypoints:
            raise DataError(f"The calibration of {self.model} is for other keypoints than {poses.skeleton.name}'s.")
        sizes = pose_sizes(poses)
        joints = self.joint(poses.keypoint_scores, sizes[:, None], np.arange(len(self.keypoints)))
        joints = np.where(poses.present, joints, 0.0)
        people = self.person(poses.scores, sizes)
        return replace(poses, keypoint_scores=joints.astype(np.float32), scores=people.astype(np.float32))

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


def read_calibration(path: Path) -> Calibration:
    """A calibration from a file, as :func:`keep_calibration` writes it; raises ``DataError`` for any other."""
    data = read_json(path, "calibration", DataError)
    try:
        return Calibration.of_dict(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def keep_calibration(calibration: Calibration, folder: Path | None = None) -> Path:
    """Write a calibration to where models look for it, or into another folder; returns the file.

    Raises:
        StorageError: When it cannot be written.
    """
    file = (folder or home() / "calibrations") / f"{calibration.weights}.json"
    with writing(file):
        write_json(file, calibration.to_dict())
    return file


def calibration_of(weights: str) -> Calibration | None:
    """The calibration of the model with these weights; None when nobody made one.

    Raises:
        DataError: When its file is damaged.
    """
    for folder in (home() / "calibrations", _SHIPPED):
        file = folder / f"{weights}.json"
        try:
            stamp = file.stat().st_mtime_ns
        except OSError:
            continue
        return _read(file, stamp)
    return None


@lru_cache(maxsize=32)
def _read(file: Path, stamp: int) -> Calibration:
    """A file as it was at ``stamp``."""
    return read_calibration(file)
