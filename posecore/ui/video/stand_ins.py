"""What stands in for a model: one that waits for its turn, and one whose people are known already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from posecore.fields import Fields
from posecore.imaging import Picture, Region
from posecore.poses import Poses
from posecore.settings import DecodeSettings
from posecore.ui.shared.models.engine import network_slots
from posecore.video import PoseSequence
from posecore.video.finding import VideoModel


class InTurn:
    """A model that waits for its turn among all that use the network, so that a video leaves room for other pages.

    Args:
        model: What answers.
    """

    def __init__(self, model: VideoModel) -> None:
        self.name, self.skeleton, self.device = model.name, model.skeleton, model.device
        self.decode, self.decode_settings, self.follower = model.decode, model.decode_settings, model.follower
        self._model = model

    def fields(
        self, image: Sequence[Picture], region: Region | None = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Fields]:
        """As the model's own."""
        with network_slots():
            return self._model.fields(image, region, picture=picture, **settings)


class KnownPeople:
    """Stands in for a model where the people of every frame are known already, frame after frame.

    Args:
        name: Of the model that found them.
        people: Who was found.
    """

    def __init__(self, name: str, people: PoseSequence) -> None:
        self.name, self.skeleton, self.device = name, people.skeleton, torch.device("cpu")
        self._people = iter(people)

    def fields(
        self, image: Sequence[Picture], region: Region | None = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Any]:
        """Something for each picture; nothing is looked at."""
        return list(picture)

    def decode(self, fields: Any, **settings: Any) -> Poses:
        """The people of the next frame."""
        return next(self._people)

    def decode_settings(self, **settings: Any) -> DecodeSettings:
        """Nothing is decoded."""
        return DecodeSettings()

    def follower(self, **settings: Any) -> None:
        """Nothing says where to look."""
