"""People in frame after frame: each frame tells where to look in the next.

Networks made for one person follow that person; joined models follow everybody, and search the whole picture only now
and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from pydantic import Field

from posecore.errors import SettingsError
from posecore.families.contract import Follower
from posecore.fields import Fields
from posecore.imaging import Picture, Region
from posecore.poses import Poses
from posecore.settings import CHANCES, DecodeSettings, Settings
from posecore.skeleton import Skeleton
from posecore.two_stage import PeopleFollower, TwoStageModel


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
    """Where networks that look closely look."""

    smart_crop: bool = Field(
        default=True,
        title="Smart crop",
        description="MoveNet for one person, and joined models: look closely at the place where people were in the "
        "frame before. Much more exact for one person who fills a part of the picture only, and faster for joined "
        "models. Frames then go through the network one by one, as each depends on the one before.",
    )
    find_every: int = Field(
        default=5,
        ge=1,
        le=300,
        title="Search every … frames",
        description="Joined models: after so many frames the finder searches the whole picture again. It also does "
        "when somebody is lost, or while nobody is known.",
        json_schema_extra={"when": {"smart_crop": True}},
    )


def crop_settings(model: VideoModel, decode: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the :class:`CropSettings` that have an effect: none with models that do not look closely at people."""
    if isinstance(model, TwoStageModel):
        return tuple(CropSettings.model_fields)
    return () if model.follower(**decode) is None else ("smart_crop",)


def check_crop_settings(model: VideoModel, given: Mapping[str, Any], decode: Mapping[str, Any]) -> None:
    """Raise ``SettingsError`` for :class:`CropSettings` that were asked for and have no effect with a model."""
    known = crop_settings(model, decode)
    for name, value in given.items():
        if name not in known and value is not False:
            whom = "joined models" if known else "models for one person and joined models"
            raise SettingsError(f"{name!r} has no effect with {model.name}: it is for {whom}; leave it out.")


class Finder:
    """Finds the people of one sequence of pictures.

    Args:
        model: What finds them.
    """

    def __init__(self, model: VideoModel) -> None:
        self.model = model
        self._follower: Follower | PeopleFollower | None = None

    def crops(self, settings: CropSettings, decode: Mapping[str, Any], network: Mapping[str, Any]) -> bool:
        """True when the next picture is cropped: pictures must then come one by one, each decoded before the next."""
        offered = self._offered(settings, decode, network) if settings.smart_crop else None
        if offered is None or self._follower is None:
            self._follower = offered
        elif isinstance(self._follower, PeopleFollower) and isinstance(offered, PeopleFollower):
            self._follower.expand, self._follower.every = offered.expand, offered.every
        return self._follower is not None

    def _offered(
        self, settings: CropSettings, decode: Mapping[str, Any], network: Mapping[str, Any]
    ) -> Follower | PeopleFollower | None:
        if isinstance(self.model, TwoStageModel):
            return PeopleFollower(self.model.room(**network), settings.find_every)
        return self.model.follower(**decode)

    def fields(
        self, pictures: Sequence[Picture], names: Sequence[str], network: Mapping[str, Any], crop: bool
    ) -> list[Fields]:
        """Fields of the next pictures, in a batch; of one picture when ``crop``."""
        if self._follower is None or not crop:
            return self.model.fields(pictures, picture=names, **network)
        (picture,) = pictures
        size = (picture.shape[1], picture.shape[0])
        if isinstance(self._follower, PeopleFollower):
            assert isinstance(self.model, TwoStageModel)
            views, find = self._follower.next_views(size)
            return self.model.look_at(pictures, [views], find=find, picture=names, **network)
        return self.model.fields(pictures, self._follower.next_region(size), picture=names, **network)

    def decode(self, fields: Fields, decode: Mapping[str, Any], crop: bool) -> Poses:
        """The people; with ``crop`` they also say where to look in the next picture."""
        if self._follower is None or not crop:
            return self.model.decode(fields, **decode)
        if decode.get("calibrated"):
            # Where to look is a matter of scores, and the model's own thresholds are of scores.
            scored = {name: value for name, value in decode.items() if name not in CHANCES}
            scored |= {"calibrated": False, "keypoint_threshold": 0.0}
            self._follower.observe(self.model.decode(fields, **scored))
            return self.model.decode(fields, **decode)
        poses = self.model.decode(fields, **{**decode, "keypoint_threshold": 0.0})
        self._follower.observe(poses)
        return poses.filter(keypoint_threshold=self.model.decode_settings(**decode).keypoint_threshold)
