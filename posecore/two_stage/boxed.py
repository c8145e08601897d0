"""A model for one person that looks closely at boxes of somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posecore.boxes import square_around_box
from posecore.data.box_files import Box
from posecore.errors import SettingsError
from posecore.fields import Fields
from posecore.imaging import ImageSource, Region
from posecore.model import PoseModel
from posecore.settings import NetworkSettings, build_settings
from posecore.two_stage.close import CloseUpModel
from posecore.two_stage.naming import JOIN, check_closer
from posecore.two_stage.settings import boxed_settings_of
from posecore.two_stage.views import LEAST_SIDE, View

#: Stands for the finder in the model's name.
BOXES = "boxes"


class BoxedModel(CloseUpModel):
    """Pictures and boxes around people to fields with a close-up of each; these to poses.

    Args:
        closer: Made for pictures of one person.
        network_settings: Defaults of this model's network settings.

    Raises:
        UnknownModelError: When the model is for several people.
        SettingsError: When a setting is unknown or out of range.
    """

    def __init__(self, closer: PoseModel, *, network_settings: Mapping[str, Any] | None = None) -> None:
        check_closer(closer)
        super().__init__(
            f"{BOXES}{JOIN}{closer.name}",
            closer,
            f"{BOXES}{JOIN}{closer.weights_id}",
            closer.family.name,
            boxed_settings_of(closer.network_settings_class),
        )
        defaults = {**closer.network_defaults.model_dump(), **(network_settings or {})}
        self.network_defaults = build_settings(self.network_settings_class, defaults)

    def comparison_settings(self, one_person: bool) -> dict[str, Any]:
        """See :meth:`posecore.model.PoseModel.comparison_settings`; every input is of one person."""
        return self.closer.comparison_settings(one_person=True)

    def views(self, boxes: Sequence[Box], **settings: Any) -> list[View]:
        """Where to look closely: a square around every box, the surest first.

        Args:
            boxes: Boxes of one picture.
            **settings: Network settings of this model.
        """
        chosen = self.network_settings(**settings).model_dump()
        wanted = [box for box in boxes if box.score >= chosen["finder_pose_threshold"]]
        return [
            View(_square(box.region, chosen["crop_expand"]), box.score)
            for box in sorted(wanted, key=lambda box: -box.score)
        ]

    def look_in(
        self,
        images: Sequence[ImageSource],
        boxes: Sequence[Sequence[Box]],
        *,
        picture: Sequence[str] | None = None,
        **settings: Any,
    ) -> list[Fields]:
        """Fields of pictures with close-ups of the boxes of each; see :meth:`look_at`."""
        views = [self.views(some, **settings) for some in boxes]
        return self.look_at(images, views, picture=picture, **settings)

    def _look(
        self,
        sources: Sequence[ImageSource],
        regions: Sequence[Region | None],
        names: Sequence[str | None],
        settings: NetworkSettings,
    ) -> list[Fields]:
        raise SettingsError(f"{self.name} has to be told where people are; give it boxes.")


def _square(region: Region, expand: float) -> Region:
    x0, y0, x1, y1 = square_around_box(region, expand)
    more = max((LEAST_SIDE - (x1 - x0)) / 2, 0.0)
    return x0 - more, y0 - more, x1 + more, y1 + more
