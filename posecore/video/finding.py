"""People in frame after frame: for networks made for one person, each frame tells where to look in the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from pydantic import Field

from posecore.families.contract import Follower
from posecore.fields import Fields
from posecore.imaging import Picture, Region
from posecore.poses import Poses
from posecore.settings import DecodeSettings, Settings
from posecore.skeleton import Skeleton


class VideoModel(Protocol):
    """What finding people in videos asks of a model; :class:`posecore.model.PoseModel` has it."""

    name: str
    skeleton: Skeleton
    device: torch.device

    def fields(
        self, image: Sequence[Picture], region: Region | None = None, *, picture: Sequence[str], **settings: Any
    ) -> list[Fields]:
        """Fields of some pictures, of all of them or of ``region``."""

    def decode(self, fields: Fields, **settings: Any) -> Poses:
        """Poses of one picture's fields."""

    def decode_settings(self, **settings: Any) -> DecodeSettings:
        """The decoder's settings with ``settings`` changed."""

    def follower(self, **settings: Any) -> Follower | None:
        """What says where to look in the next picture; None when several people may be found."""


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
    return model.follower(**decode) is not None


class Finder:
    """Finds the people of one sequence of pictures.

    Args:
        model: What finds them.
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self._follower: Follower | None = None

    def crops(self, settings: CropSettings, decode: Mapping[str, Any]) -> bool:
        """True when the next picture is cropped: pictures must then come one by one, each decoded before the next."""
        offered = self.model.follower(**decode) if settings.smart_crop else None
        if offered is None or self._follower is None:
            self._follower = offered
        return self._follower is not None

    def fields(
        self, pictures: Sequence[Picture], names: Sequence[str], network: Mapping[str, Any], crop: bool
    ) -> list[Fields]:
        """Fields of the next pictures, in a batch; of one picture when ``crop``."""
        if self._follower is None or not crop:
            return self.model.fields(pictures, picture=names, **network)
        (picture,) = pictures
        region = self._follower.next_region((picture.shape[1], picture.shape[0]))
        return self.model.fields(pictures, region, picture=names, **network)

    def decode(self, fields: Fields, decode: Mapping[str, Any], crop: bool) -> Poses:
        """The people; with ``crop`` they also say where to look in the next picture."""
        if self._follower is None or not crop:
            return self.model.decode(fields, **decode)
        poses = self.model.decode(fields, **{**decode, "keypoint_threshold": 0.0})
        self._follower.observe(poses)
        return poses.filter(keypoint_threshold=self.model.decode_settings(**decode).keypoint_threshold)
