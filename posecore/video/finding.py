"""People in frame after frame: for networks made for one person, each frame tells where to look in the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from pydantic import Field

from posecore.families.movenet.crop import SmartCrop
from posecore.fields import Fields
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import Settings
from posecore.skeleton import Skeleton


class VideoModel(Protocol):
    """What finding people in videos asks of a model; :class:`posecore.model.PoseModel` has it."""

    name: str
    skeleton: Skeleton
    device: torch.device

    def fields(self, image: Sequence[Picture], *, picture: Sequence[str], **settings: Any) -> list[Fields]:
        """Fields of some pictures."""

    def decode(self, fields: Fields, **settings: Any) -> Poses:
        """Poses of one picture's fields."""


class CropSettings(Settings):
    """Where networks for one person look."""

    smart_crop: bool = Field(
        default=True,
        title="Smart crop",
        description="MoveNet for one person: look closely at the place where the person was in the frame before. Much "
        "more exact where they fill a part of the picture only. Frames then go through the network one by one, as each "
        "depends on the one before.",
    )


def can_crop(model: VideoModel, decode: Mapping[str, Any]) -> bool:
    """True when smart crop has an effect: with these decode settings the model finds one person at most."""
    if not isinstance(model, PoseModel):
        return False
    return model.family.finds_one(model.architecture, model.decode_settings(**decode))


class Finder:
    """Finds the people of one sequence of pictures.

    Args:
        model: What finds them.
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self._crop = SmartCrop(model) if isinstance(model, PoseModel) else None

    def crops(self, settings: CropSettings, decode: Mapping[str, Any]) -> bool:
        """True when the next picture is cropped: pictures must then come one by one, each decoded before the next."""
        wanted = self._crop is not None and settings.smart_crop and can_crop(self.model, decode)
        if self._crop is not None and not wanted:
            self._crop.reset()
        return wanted

    def fields(
        self, pictures: Sequence[Picture], names: Sequence[str], network: Mapping[str, Any], crop: bool
    ) -> list[Fields]:
        """Fields of the next pictures, in a batch; of one picture when ``crop``."""
        if self._crop is None or not crop:
            return self.model.fields(pictures, picture=names, **network)
        return [self._crop.fields(one, picture=name, **network) for one, name in zip(pictures, names, strict=True)]

    def decode(self, fields: Fields, decode: Mapping[str, Any], crop: bool) -> Poses:
        """The people; with ``crop`` they also say where to look in the next picture."""
        if self._crop is None or not crop:
            return self.model.decode(fields, **decode)
        # The crop goes by the places of unsure joints too.
        poses = self.model.decode(fields, **{**decode, "keypoint_threshold": 0.0})
        self._crop.observe(poses)
        threshold = self._crop.model.decode_settings(**decode).keypoint_threshold
        return poses.filter(keypoint_threshold=threshold)
