"""Letting a model propose labels for many pictures while somebody works on others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import MappingProxyType
from typing import Any

from posecore.data.annotations import AnnotatedImage
from posecore.errors import ImageError, PosecoreError
from posecore.imaging import read_image
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import check_shared_names, propose_people
from posecore.model import PoseModel

log = logging.getLogger(__name__)


def propose_for(
    desk: LabelDesk,
    model: PoseModel,
    image: AnnotatedImage,
    settings: Mapping[str, Any],
    fewest: int,
    slot: AbstractContextManager[Any],
) -> int:
    """Let a model look at one picture and keep what it proposes; returns how many people that are.

    Args:
        desk: The set.
        model: The model.
        image: The picture.
        settings: Network and decode settings.
        fewest: Joints a person must have.
        slot: Held while the network runs.

    Raises:
        PosecoreError: When the picture cannot be read, nothing of the model's fits the set, or nothing can be written.
        OSError: When the picture's file is gone.
    """
    check_shared_names(model, desk.stored.skeleton)
    picture = read_image(image.path)
    with slot:
        poses = model(picture, **settings)
    # Looked up again: somebody may have labelled the picture meanwhile.
    proposals = propose_people(poses, desk.stored.image(image.image_id), desk.stored.skeleton, fewest)
    desk.propose(image.image_id, proposals)
    return len(proposals)


class ProposalRun:
    """A model looking at many pictures in a thread of its own.

    Args:
        desk: The set.
        model: The model.
        images: The pictures.
        settings: Network and decode settings.
        fewest: Joints a person must have.
        slot: Held for each picture while the network runs.

    Attributes:
        total: Number of pictures.
        done: Pictures that were looked at.
        people: People who were proposed.
        problems: Sentences about pictures that could not be used.
        trouble: Why it ended early, or empty.
    """

    def __init__(
        self,
        desk: LabelDesk,
        model: PoseModel,
        images: Sequence[AnnotatedImage],
        settings: Mapping[str, Any],
        fewest: int,
        slot: AbstractContextManager[Any],
    ) -> None:
        check_shared_names(model, desk.stored.skeleton)
        self.total, self.done, self.people = len(images), 0, 0
        self.problems: list[str] = []
        self.trouble = ""
        self._desk, self._images = desk, tuple(images)
        self._propose = partial(
            propose_for, desk, model, settings=MappingProxyType(dict(settings)), fewest=fewest, slot=slot
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="proposals", daemon=True)

    def start(self) -> ProposalRun:
        """Begin; returns itself."""
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        """True until the last picture was looked at."""
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """True when it was told to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Stop after the picture that is being looked at; what was proposed stays."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            for image in self._images:
                if self.cancelled:
                    return
                self._look(image)
                self.done += 1
        except Exception as error:
            # Nobody else would ever hear of it.
            log.exception("Proposing labels ended early")
            self.trouble = str(error) if isinstance(error, PosecoreError) else f"Unexpected: {error!r}"

    def _look(self, image: AnnotatedImage) -> None:
        # Somebody may have labelled it since this began.
        if self._desk.statuses().get(image.image_id) != "unlabelled":
            return
        try:
            self.people += self._propose(image)
        except (ImageError, OSError) as error:
            self.problems.append(f"{image.path.name}: {error}")
