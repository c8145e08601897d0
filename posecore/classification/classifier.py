"""The classifier: two layers over normalised keypoints, learnt in seconds, kept as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.classification.features import pose_features
from posecore.errors import DataError
from posecore.parsing import read_json
from posecore.poses import Poses
from posecore.skeleton import Skeleton, data_of_skeleton, skeleton_of_data
from posecore.storage import write_json, writing

_FORMAT, _VERSION = "posecore.classifier", 1
_HIDDEN, _STEPS, _RATE, _DECAY = 48, 300, 0.01, 0.01
#: How examples are varied in every step: positions (in reaches of the body), and the share of joints that go missing.
_JITTER, _MISSING = 0.02, 0.05


@dataclass(frozen=True, eq=False)
class PoseClassifier:
    """Says which of its classes a pose belongs to.

    Attributes:
        classes: Their names.
        skeleton: Meaning of the keypoints that it was taught with.
        model: Name of the model whose poses it was taught with; those of others may differ.
        layers: Weights ``(out, in)`` and biases ``(out,)`` of both layers, float32.
    """

    classes: tuple[str, ...]
    skeleton: Skeleton
    model: str
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    def __call__(self, poses: Poses) -> NDArray[np.float32]:
        """``(P, C)`` probabilities of the classes for everybody in a picture."""
        return self.of_features(pose_features(poses.to_skeleton(self.skeleton).keypoints, self.skeleton))

    def of_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(P, C)`` probabilities from :func:`pose_features`."""
        (first, shift), (second, last) = self.layers
        scores = np.maximum(features @ first.T + shift, 0) @ second.T + last
        odds = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        shares: NDArray[np.float32] = odds / odds.sum(1, keepdims=True)
        return shares

    def save(self, path: Path) -> None:
        """Write it as JSON; raises ``StorageError`` where that cannot be done."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "classes": list(self.classes),
            "model": self.model,
            "skeleton": data_of_skeleton(self.skeleton),
            "layers": [[weights.tolist(), biases.tolist()] for weights, biases in self.layers],
        }
        with writing(path):
            write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> PoseClassifier:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: When the file is something else, damaged, or of a newer version.
        """
        content: Any = read_json(path, "classifiers of poses", DataError)
        try:
            if content["format"] != _FORMAT or content["version"] > _VERSION:
                raise ValueError("it is something else, or of a newer version")
            skeleton = skeleton_of_data(content["skeleton"])
            classes = tuple(str(name) for name in content["classes"])
            layers = tuple((_finite(weights), _finite(biases)) for weights, biases in content["layers"])
            shapes = [array.shape for layer in layers for array in layer]
            if shapes != [(_HIDDEN, 3 * len(skeleton)), (_HIDDEN,), (len(classes), _HIDDEN), (len(classes),)]:
                raise ValueError("its parts do not fit together")
            return cls(classes, skeleton, str(content["model"]), layers)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} is no classifier of poses ({error!s:.100}); make one with posecore classify fit."
            ) from error


def _finite(values: Any) -> NDArray[np.float32]:
    array = np.asarray(values, np.float32)
    if not np.isfinite(array).all():
        raise ValueError("it holds values that are no numbers")
    return array


def fit(
    keypoints: NDArray[np.floating],
    labels: Sequence[int],
    classes: Sequence[str],
    skeleton: Skeleton,
    model: str = "",
    seed: int = 0,
) -> PoseClassifier:
    """Teach a classifier.

    Classes count alike however many examples they have. Examples are jittered and lose joints at random, and are
    mirrored half of the time where the skeleton knows left from right: a pose and its mirror image are one class.

    Args:
        keypoints: ``(N, K, 2)`` pixels (x, y) of the examples; NaN where missing.
        labels: Class of each.
        classes: Names.
        skeleton: Meaning of the keypoints.
        model: Name of the model that found them.
        seed: Of everything random; the same one gives the same classifier.

    Raises:
        DataError: With fewer than two classes, or a class without examples.
    """
    counts = np.bincount(np.asarray(labels, int), minlength=len(classes))
    if len(classes) < 2 or not counts.all():
        missing = ", ".join(name for name, count in zip(classes, counts, strict=True) if not count)
        raise DataError(
            "A classifier needs examples of two classes at least"
            + (f"; there are none of {missing}." if missing else ".")
        )
    random = torch.Generator().manual_seed(seed)
    width = 3 * len(skeleton)
    network = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, len(classes)))
    for parameter in network.parameters():
        bound = parameter.shape[-1] ** -0.5
        parameter.data.uniform_(-bound, bound, generator=random)
    wanted = torch.as_tensor(np.asarray(labels, int))
    loss = nn.CrossEntropyLoss(torch.as_tensor(counts.sum() / (len(classes) * counts), dtype=torch.float32))
    features = torch.as_tensor(pose_features(keypoints, skeleton))
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss(network(_varied(features, skeleton, random)), wanted).backward()
        optimizer.step()
    state = [parameter.detach().numpy() for parameter in network.parameters()]
    return PoseClassifier(tuple(classes), skeleton, model, ((state[0], state[1]), (state[2], state[3])))


def _varied(features: torch.Tensor, skeleton: Skeleton, random: torch.Generator) -> torch.Tensor:
    """Features of the same people as they might have been seen."""
    count, joints = len(features), len(skeleton)
    places, there = features[:, : 2 * joints].view(count, joints, 2), features[:, 2 * joints :]
    if skeleton.sides_known and skeleton.flip_pairs:
        order = torch.as_tensor(skeleton.flip_permutation)
        turned = torch.rand(count, 1, generator=random) < 0.5
        there = torch.where(turned, there[:, order], there)
        places = torch.where(turned[..., None], places[:, order] * torch.tensor([-1.0, 1.0]), places)
    there = there * (torch.rand(count, joints, generator=random) >= _MISSING)
    places = (places + _JITTER * torch.randn(places.shape, generator=random)) * there[..., None]
    return torch.cat([places.flatten(1), there], 1)


@dataclass(frozen=True, eq=False)
class Rated:
    """How well examples that were kept apart are told.

    Attributes:
        classes: Names.
        confusion: ``(C, C)`` counts: true class down, told class across.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.intp]

    @property
    def right(self) -> float:
        """Mean over the classes of the share that is told right."""
        shares = self.confusion.diagonal() / np.maximum(self.confusion.sum(1), 1)
        return float(shares[self.confusion.sum(1) > 0].mean())


def cross_validate(
    keypoints: NDArray[np.floating],
    labels: Sequence[int],
    classes: Sequence[str],
    skeleton: Skeleton,
    groups: Sequence[str],
    parts: int = 5,
    seed: int = 0,
) -> Rated | None:
    """Teach on all parts but one, ask about that one, in turn.

    Args:
        groups: What belongs together and is never on both sides, such as pictures of one clip.
        parts: Most parts.

    The other arguments are those of :func:`fit`.

    Returns:
        None where the examples are too few: a class that only one group has.
    """
    given = np.asarray(labels, int)
    part_of = _parts(given, list(groups), parts, seed)
    confusion = np.zeros((len(classes), len(classes)), np.intp)
    for part in np.unique(part_of):
        train, test = part_of != part, part_of == part
        if len(np.unique(given[train])) < len(classes):
            return None
        classifier = fit(np.asarray(keypoints)[train], given[train].tolist(), classes, skeleton, seed=seed)
        told = classifier.of_features(pose_features(np.asarray(keypoints)[test], skeleton)).argmax(1)
        np.add.at(confusion, (given[test], told), 1)
    return Rated(tuple(classes), confusion)


def _parts(labels: NDArray[np.intp], groups: list[str], most: int, seed: int) -> NDArray[np.intp]:
    """A part for every example: each group goes where fewest groups with its classes are."""
    classes_of: dict[str, set[int]] = {}
    for group, label in zip(groups, labels.tolist(), strict=True):
        classes_of.setdefault(group, set()).add(label)
    order = np.random.default_rng(seed).permutation(len(labels))
    dealt = np.zeros((most, int(labels.max(initial=0)) + 1), np.intp)
    part_of_group: dict[str, int] = {}
    for group in dict.fromkeys(groups[index] for index in order):
        own = list(classes_of[group])
        part = part_of_group[group] = int(dealt[:, own].sum(1).argmin())
        dealt[part, own] += 1
    return np.array([part_of_group[group] for group in groups], np.intp)
