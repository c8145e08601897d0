"""Fields of labelled pictures made by workers, kept on disk and found there again as those of one process are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.data.annotations import AnnotatedImage, Problem
from posecore.evaluation.field_sets import FieldFolder, FieldSet, decoded_of
from posecore.evaluation.predictions import Protocol, pictures_of, views
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.spreading.handing_out import hand_out, pieces_of
from posecore.spreading.packing import PackedModel, pack, settled
from posecore.spreading.workers import Lost, Workers


@dataclass(frozen=True)
class Asked:
    """Work: look at a labelled picture.

    Attributes:
        image: Number of the picture in its set.
        network: Number of the network settings.
        labelled: The picture.
    """

    image: int
    network: int
    labelled: AnnotatedImage


#: What came of a picture: of each view the key of its fields, and these unless they are kept; or why there are none.
Answer = list[tuple[str, Fields | None]] | Problem


@dataclass(frozen=True)
class FieldsOrder:
    """Labelled pictures whose fields are wanted; a job for workers.

    Attributes:
        model: What looks at them.
        protocol: How.
        networks: All network settings, each time.
        kept: Keys of the fields that nobody needs to make.
    """

    model: PackedModel
    protocol: Protocol
    networks: tuple[Mapping[str, Any], ...]
    kept: frozenset[str]

    def open(self) -> Callable[[Sequence[Asked]], list[Answer]]:
        """Load the model."""
        loaded = self.model.unpack()
        return lambda asked: [self._answer(loaded, one) for one in asked]

    def _answer(self, model: PoseModel, asked: Asked) -> Answer:
        network = self.networks[asked.network]
        problems: list[Problem] = []
        answer: list[tuple[str, Fields | None]] = []
        for view, picture, name in pictures_of([asked.labelled], self.protocol, problems, lambda: None):
            key = model.provenance(name, view.region, **network).key
            # Inputs one by one: what a network says then depends on no other.
            made = None if key in self.kept else model.fields(picture, view.region, picture=name, **network)
            answer.append((key, None if made is None else decoded_of(made)))
        return problems[0] if problems else answer


def spread_fields(
    model: PoseModel,
    images: Sequence[AnnotatedImage],
    protocol: Protocol,
    networks: Sequence[Mapping[str, Any]],
    workers_for: Callable[[FieldsOrder, int], Workers[Asked, Answer]],
    *,
    device: str,
    folder: Path | None = None,
    advance: Callable[[], object] = lambda: None,
) -> list[FieldSet]:
    """:func:`posecore.evaluation.field_sets.keep_fields` with each of several network settings, by workers.

    What is kept of a run that was ended is not made again.

    Args:
        model: The model; of no more use here but for decoding, unless it ran on the processor.
        images: Labelled pictures.
        protocol: What is looked at, see :mod:`posecore.evaluation.predictions`.
        networks: All network settings, each time.
        workers_for: Workers for an order and so many pieces of it; closed in the end.
        device: Where the model runs, at the workers'.
        folder: Where to keep fields; else ``POSECORE_HOME/fields``.
        advance: Called after every picture with every network settings.

    Returns:
        A set for each of the network settings, all of the same pictures: one that cannot be looked at with some of the
        settings is in none of the sets, and among the problems of each.

    Raises:
        StorageError: When there is no room for them.
        SettingsError: When ``POSECORE_FIELDS_GB`` is no number, or for impossible network settings.
    """
    place = FieldFolder(folder)
    every = tuple(settled(model, network) for network in networks)
    packed = pack(model, device)
    found = _Found(place, advance)
    left = [Asked(at, number, image) for number in range(len(every)) for at, image in enumerate(images)]
    # What is kept and turns out to be damaged is made anew.
    for kept in (place.keys(), frozenset[str]()):
        pieces = pieces_of(left)
        if not pieces:
            break
        order = FieldsOrder(packed, protocol, every, kept)
        with closing(workers_for(order, len(pieces))) as workers:
            left = [
                asked
                for _, piece, answers in hand_out(workers, pieces)
                for asked, answer in zip(piece, answers, strict=True)
                if not found.take(asked, answer)
            ]
    sets = [found.field_set(images, protocol, number) for number in range(len(every))]
    place.make_room()
    return sets


class _Found:
    """Where fields are kept that workers made, by picture and network settings, and what was wrong with pictures."""

    def __init__(self, place: FieldFolder, advance: Callable[[], object]) -> None:
        self.files: dict[tuple[int, int], list[Path]] = {}
        self._place, self._advance = place, advance
        self._problems: dict[int, Problem] = {}

    def take(self, asked: Asked, answer: Answer | Lost) -> bool:
        """Keep what came of a picture; False when it was taken for kept and is not, or is damaged."""
        if isinstance(answer, Lost):
            image = asked.labelled
            answer = Problem(image.path, f"image {image.image_id}", answer.reason)
        if isinstance(answer, Problem):
            self._problems.setdefault(asked.image, answer)
        elif not self._kept(asked, answer):
            return False
        self._advance()
        return True

    def _kept(self, asked: Asked, answer: Sequence[tuple[str, Fields | None]]) -> bool:
        files = [self._place.file_of(key) for key, _ in answer]
        for file, (_, fields) in zip(files, answer, strict=True):
            if fields is not None:
                self._place.keep(fields, file)
            elif not self._place.holds(file):
                return False
        self.files[asked.image, asked.network] = files
        return True

    def field_set(self, images: Sequence[AnnotatedImage], protocol: Protocol, network: int) -> FieldSet:
        """The fields of all pictures that could be looked at with all network settings."""
        good = [at for at in range(len(images)) if at not in self._problems]
        looked_at = [view for at in good for view in views(images[at], protocol)]
        files = [file for at in good for file in self.files[at, network]]
        return FieldSet(looked_at, files, [self._problems[at] for at in sorted(self._problems)])
