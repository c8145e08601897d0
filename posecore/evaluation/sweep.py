"""What a threshold does: precision and recall over its range. Fields are computed once; only decoding is repeated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from posecore.errors import SettingsError
from posecore.evaluation.evaluate import common_of
from posecore.evaluation.oks import MATCH, average_precision, pardoned, similarity_matrix
from posecore.evaluation.predictions import PicturePoses, View, collect
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import Skeleton


@dataclass(frozen=True)
class SweepPoint:
    """Figures at one value of a setting.

    Attributes:
        value: The setting's value.
        precision: Part of the poses that are people (OKS at least 0.5); None when there are no poses.
        recall: Part of the people that were found; None when there are no people.
        AP: Average precision.
        poses: Number of poses.
    """

    value: float
    precision: float | None
    recall: float | None
    AP: float | None
    poses: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def threshold_sweep(
    model: PoseModel,
    analysed: Iterable[tuple[View, Fields]],
    labels: Skeleton,
    setting: str,
    values: Sequence[float],
    decode: Mapping[str, Any] | None = None,
) -> list[SweepPoint]:
    """Decode the same fields at every value of one decode setting.

    Args:
        model: The model that made the fields.
        analysed: Views and fields as :func:`posecore.evaluation.predictions.analyse` yields them. Gone through once:
            fields that arrive one by one need not be kept.
        labels: Skeleton of the labels.
        setting: Name of a decode setting.
        values: Its values.
        decode: The other decode settings.

    Raises:
        SettingsError: When there is no such decode setting or a value is out of range.
    """
    if setting not in model.decode_settings_class.model_fields:
        known = ", ".join(model.decode_settings_class.model_fields)
        raise SettingsError(f"{setting!r} is not a decode setting of {model.name}; there are {known}.")
    common = common_of(labels, model.skeleton)
    settings = [model.decode_settings(**{**(decode or {}), setting: value}).model_dump() for value in values]
    decoded: list[list[tuple[View, Poses]]] = [[] for _ in values]
    for view, fields in analysed:
        for found, chosen in zip(decoded, settings, strict=True):
            found.append((view, model.decode(fields, **chosen)))
    points = []
    for value, found in zip(values, decoded, strict=True):
        predictions = collect(found, labels)
        counts = np.sum([match_counts(item, common, labels) for item in predictions], axis=0, initial=0)
        right, poses, people = counts if np.ndim(counts) else (0, 0, 0)
        average = average_precision(predictions, labels, common)["AP"]
        points.append(
            SweepPoint(
                float(value),
                float(right / poses) if poses else None,
                float(right / people) if people else None,
                average,
                sum(len(item.poses) for item in predictions),
            )
        )
    return points


def match_counts(item: PicturePoses, common: np.ndarray, labels: Skeleton) -> tuple[int, int, int]:
    """(people found, poses that count, people that count) of one picture.

    Poses choose in order of score, each the free person it resembles most, at an OKS of at least 0.5. Poses that match
    nobody do not count in ignore regions and in the boxes of crowds and of people without labels.
    """
    people = item.image.people
    counted = np.array([bool((p.labelled & common).any()) and not p.crowd for p in people], bool)
    matrix = np.nan_to_num(similarity_matrix(people, item.poses, common, labels.sigmas))
    pardon = pardoned(item.image, item.poses, common, labels.sigmas)
    free = counted.copy()
    right = false = 0
    for pose in np.argsort(-item.poses.scores, kind="stable"):
        similarity = np.where(free, matrix[:, pose], -1.0)
        best = int(similarity.argmax()) if len(similarity) else -1
        if best >= 0 and similarity[best] >= MATCH:
            free[best] = False
            right += 1
        elif not pardon[pose]:
            false += 1
    return right, right + false, int(counted.sum())
