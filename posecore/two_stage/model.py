"""A model for several people and one for a single person, joined: people are found, then each is looked at closely."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from posecore.errors import SkeletonError
from posecore.fields import Fields
from posecore.imaging import ImageSource, Region, picture_id, read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings, build_settings
from posecore.skeleton import map_skeleton
from posecore.two_stage.close import CloseUpModel, given
from posecore.two_stage.naming import JOIN, check_stages
from posecore.two_stage.settings import finder_name, network_settings_of, of_finder
from posecore.two_stage.views import View, shown_already, views_of

#: Side of a person's box relative to the extent of their joints.
_BOX_OF_JOINTS = 1.2


class TwoStageModel(CloseUpModel):
    """Pictures to fields of the finder, with a close-up of every person; these to poses.

    Args:
        finder: Finds people.
        closer: Made for pictures of one person; its skeleton is that of the poses.
        network_settings: Defaults of the joined model's network settings.

    Raises:
        UnknownModelError: When the finder is for one person or the other for several.
        SkeletonError: When they have no joint in common.
        SettingsError: When a setting is unknown or out of range.
    """

    def __init__(
        self, finder: PoseModel, closer: PoseModel, *, network_settings: Mapping[str, Any] | None = None
    ) -> None:
        check_stages(*((one.name, one.family, one.architecture) for one in (finder, closer)))
        boxes = finder.finds_boxes
        if not boxes and not map_skeleton(finder.skeleton, closer.skeleton).known.any():
            raise SkeletonError(
                f"{finder.name} finds joints of {finder.skeleton.name}, {closer.name} those of {closer.skeleton.name}: "
                "they have none in common, so the second would look for something else than the first finds."
            )
        super().__init__(
            f"{finder.name}{JOIN}{closer.name}",
            closer,
            f"{finder.weights_id}{JOIN}{closer.weights_id}",
            finder.family.name,
            network_settings_of(
                finder.network_settings_class, finder.decode_settings_class, closer.network_settings_class, boxes
            ),
        )
        self.finder = finder
        defaults = closer.network_defaults.model_dump() | {
            finder_name(name): value for name, value in finder.network_defaults.model_dump().items()
        }
        self.network_defaults = build_settings(self.network_settings_class, {**defaults, **(network_settings or {})})

    def comparison_settings(self, one_person: bool) -> dict[str, Any]:
        """See :meth:`posecore.model.PoseModel.comparison_settings`; the second network keeps its own size of input."""
        return {finder_name(name): value for name, value in self.finder.comparison_settings(one_person).items()}

    def finder_settings(self, network: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Network settings and decode settings of the finder under network settings of this model."""
        values = self.network_settings(**network).model_dump()
        classes: tuple[type[NetworkSettings] | type[DecodeSettings], ...]
        classes = (self.finder.network_settings_class, self.finder.decode_settings_class)
        sides = (of_finder(one.model_fields, values) for one in classes)
        return next(sides), next(sides)

    def views(self, found: Fields, **settings: Any) -> list[View]:
        """Where to look closely, the surest person first.

        Args:
            found: The finder's fields.
            **settings: Network settings of this model.
        """
        _, decode = self.finder_settings(settings)
        people: Poses = self.finder.decode(found, **decode)
        seen = views_of(people, super().room(**settings))
        return [View(region, float(people.scores[person])) for person, region in seen]

    def room(self, **settings: Any) -> float:
        """See :meth:`CloseUpModel.room`; boxes reach further than the joints of those who are in them."""
        expand = super().room(**settings)
        return expand * _BOX_OF_JOINTS if self.finder.finds_boxes else expand

    def look_at(
        self,
        images: Sequence[ImageSource],
        views: Sequence[Sequence[View]],
        *,
        find: bool = False,
        picture: Sequence[str] | None = None,
        **settings: Any,
    ) -> list[Fields]:
        """Fields of pictures in which it is known where people are.

        Args:
            images: The pictures.
            views: Where the people of each are.
            find: Let the finder search for others too; else it does not run.
            picture: Identities of the pictures for the provenance; hashes of their pixels unless given.
            **settings: Network settings of this model.
        """
        if not find:
            return super().look_at(images, views, picture=picture, **settings)
        pictures = [read_image(image) for image in images]
        names = [picture_id(one) for one in pictures] if picture is None else list(picture)
        network, _ = self.finder_settings(settings)
        found = self.finder.fields(pictures, picture=names, **network)
        everybody = [self._with_others(known, one, settings) for known, one in zip(views, found, strict=True)]
        close = self.close_ups(pictures, everybody, names, **settings)
        joined = [self.join(one, near, **settings) for one, near in zip(found, close, strict=True)]
        return [given(one, some) for one, some in zip(joined, views, strict=True)]

    def _with_others(self, known: Sequence[View], found: Fields, settings: Mapping[str, Any]) -> list[View]:
        """Those known, and whom the finder finds elsewhere."""
        regions = [view.region for view in known]
        return [*known, *(v for v in self.views(found, **settings) if not shown_already(v.region, regions))]

    def _look(
        self,
        sources: Sequence[ImageSource],
        regions: Sequence[Region | None],
        names: Sequence[str | None],
        settings: NetworkSettings,
    ) -> list[Fields]:
        pictures = [read_image(source) for source in sources]
        named = [name or picture_id(one) for name, one in zip(names, pictures, strict=True)]
        values = settings.model_dump()
        network, _ = self.finder_settings(values)
        found = self.finder.fields(pictures, list(regions), picture=named, **network)
        views, spent = [], []
        for fields in found:
            start = time.perf_counter()
            views.append(self.views(fields, **values))
            spent.append(1000 * (time.perf_counter() - start))
        close = self.close_ups(pictures, views, named, **values)
        joined = [self.join(fields, near, **values) for fields, near in zip(found, close, strict=True)]
        for fields, milliseconds in zip(joined, spent, strict=True):
            fields.timings["network"] += milliseconds
        return joined
