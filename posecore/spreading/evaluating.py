"""Labelled pictures looked at by workers, for evaluations that are the same as in one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from posecore.data.annotations import AnnotatedImage, PoseDataset, Problem
from posecore.evaluation.predictions import PicturePoses, Protocol, predict
from posecore.model import PoseModel
from posecore.skeleton import Skeleton
from posecore.spreading.handing_out import hand_out, pieces_of
from posecore.spreading.packing import PackedModel, pack, settled
from posecore.spreading.workers import Lost, Workers

#: What came of a picture: its poses, none where nothing is to be measured in it, and what was wrong with it.
Predicted = tuple[list[PicturePoses], list[Problem]]


@dataclass(frozen=True)
class EvaluationOrder:
    """Labelled pictures to be looked at; a job for workers.

    Attributes:
        model: What looks at them.
        protocol: How.
        network, decode: All settings.
        labels: Skeleton of the labels.
    """

    model: PackedModel
    protocol: Protocol
    network: Mapping[str, Any]
    decode: Mapping[str, Any]
    labels: Skeleton

    def open(self) -> Callable[[Sequence[AnnotatedImage]], list[Predicted]]:
        """Load the model."""
        loaded = self.model.unpack()
        return lambda images: [self._predicted(loaded, image) for image in images]

    def _predicted(self, model: PoseModel, image: AnnotatedImage) -> Predicted:
        problems: list[Problem] = []
        alone = PoseDataset("", self.labels, (image,))
        # Inputs one by one: what a network says then depends on no other.
        return predict(model, alone, self.protocol, self.network, self.decode, batch=1, problems=problems), problems


@dataclass(frozen=True)
class SpreadPrediction:
    """Takes the place of :func:`posecore.evaluation.predictions.predict`.

    Attributes:
        device: Where the model runs, at the workers'.
        workers_for: Workers for an order and so many pieces of it.
    """

    device: str
    workers_for: Callable[[EvaluationOrder, int], Workers[AnnotatedImage, Predicted]]

    def __call__(
        self,
        model: PoseModel,
        dataset: PoseDataset,
        protocol: Protocol,
        network: Mapping[str, Any],
        decode: Mapping[str, Any],
        *,
        limit: int | None = None,
        problems: list[Problem],
        advance: Callable[[], object],
        **_: object,
    ) -> list[PicturePoses]:
        """Poses of every picture that can be looked at, in the order of the set."""
        images = list(islice(dataset, limit))
        pieces = pieces_of(images)
        network = settled(model, network)
        order = EvaluationOrder(pack(model, self.device), protocol, network, decode, dataset.skeleton)
        found: dict[int, list[Predicted | Lost]] = {}
        with closing(self.workers_for(order, max(len(pieces), 1))) as workers:
            for number, _piece, results in hand_out(workers, pieces):
                found[number] = results
                for _result in results:
                    advance()
        return [one for number, piece in enumerate(pieces) for one in _joined(piece, found[number], problems)]


def _joined(
    images: Sequence[AnnotatedImage], results: Sequence[Predicted | Lost], problems: list[Problem]
) -> list[PicturePoses]:
    joined = []
    for image, result in zip(images, results, strict=True):
        if isinstance(result, Lost):
            problems.append(Problem(image.path, f"image {image.image_id}", result.reason))
            continue
        predicted, wrong = result
        problems += wrong
        # With the labels that are here, of which there is one object each.
        joined += [replace(one, image=image) for one in predicted]
    return joined
