"""A model for several people and one for a single person, joined: people are found, then each is looked at closely."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posecore.errors import SettingsError, SkeletonError
from posecore.families.contract import Follower
from posecore.families.trace import Trace
from posecore.fields import CloseUp, Fields
from posecore.imaging import ImageSource, InputTransform, Picture, Region, picture_id, read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings, build_settings
from posecore.skeleton import map_skeleton
from posecore.two_stage.naming import JOIN, check_stages
from posecore.two_stage.people import best_of, judged
from posecore.two_stage.settings import (
    decode_settings_of,
    finder_name,
    network_settings_of,
    of_closer,
    of_finder,
)
from posecore.two_stage.views import View, shown_already, views_of

#: Views that go through the second network together: a processor gains little from more, a graphics card much.
_BATCH_CPU, _BATCH_GPU = 8, 64
#: What only a single network has.
_OF_ONE = ("family", "architecture", "network")


class TwoStageModel(PoseModel):
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
        if not map_skeleton(finder.skeleton, closer.skeleton).known.any():
            raise SkeletonError(
                f"{finder.name} finds joints of {finder.skeleton.name}, {closer.name} those of {closer.skeleton.name}: "
                "they have none in common, so the second would look for something else than the first finds."
            )
        self.finder = finder
        self.closer = closer
        self.name = f"{finder.name}{JOIN}{closer.name}"
        self.skeleton = closer.skeleton
        self.weights_id = f"{finder.weights_id}{JOIN}{closer.weights_id}"
        self.device = closer.device
        self.network_settings_class = network_settings_of(
            finder.network_settings_class, finder.decode_settings_class, closer.network_settings_class
        )
        self.decode_settings_class = decode_settings_of(
            closer.decode_settings_class, closer.family.one_person_settings()
        )
        defaults = closer.network_defaults.model_dump() | {
            finder_name(name): value for name, value in finder.network_defaults.model_dump().items()
        }
        self.network_defaults = build_settings(self.network_settings_class, {**defaults, **(network_settings or {})})

    def __getattr__(self, name: str) -> Any:
        if name in _OF_ONE:
            raise SettingsError(f"{self.name} is two models joined; choose one of them for this.")
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def comparison_settings(self, one_person: bool) -> dict[str, Any]:
        """See :meth:`posecore.model.PoseModel.comparison_settings`; the second network keeps its own size of input."""
        return {finder_name(name): value for name, value in self.finder.comparison_settings(one_person).items()}

    def follower(self, **settings: Any) -> Follower | None:
        """None: several people may be found."""
        self.decode_settings(**settings)
        return None

    def finder_settings(self, network: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Network settings and decode settings of the finder under network settings of this model."""
        values = self.network_settings(**network).model_dump()
        classes: tuple[type[NetworkSettings] | type[DecodeSettings], ...]
        classes = (self.finder.network_settings_class, self.finder.decode_settings_class)
        sides = (of_finder(one.model_fields, values) for one in classes)
        return next(sides), next(sides)

    def closer_settings(
        self, network: Mapping[str, Any], decode: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Network settings and decode settings of the second model under settings of this model."""
        values = self.network_settings(**network).model_dump()
        chosen = self.decode_settings(**decode).model_dump()
        return (
            of_closer(self.closer.network_settings_class.model_fields, values),
            of_closer(self.closer.decode_settings_class.model_fields, chosen),
        )

    def views(self, found: Fields, **settings: Any) -> list[View]:
        """Where to look closely, the surest person first.

        Args:
            found: The finder's fields.
            **settings: Network settings of this model.
        """
        _, decode = self.finder_settings(settings)
        people: Poses = self.finder.decode(found, **decode)
        seen = views_of(people, self.room(**settings))
        return [View(region, float(people.scores[person])) for person, region in seen]

    def room(self, **settings: Any) -> float:
        """Side of the square around a person relative to their joints' extent, under these network settings."""
        expand: float = self.network_settings(**settings).model_dump()["crop_expand"]
        return expand

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
        pictures = [read_image(image) for image in images]
        names = [picture_id(one) for one in pictures] if picture is None else list(picture)
        if find:
            network, _ = self.finder_settings(settings)
            found = self.finder.fields(pictures, picture=names, **network)
            everybody = [self._with_others(known, one, settings) for known, one in zip(views, found, strict=True)]
        else:
            found = [self._unsearched(*item) for item in zip(pictures, names, strict=True)]
            everybody = [list(some) for some in views]
        close = self.close_ups(pictures, everybody, names, **settings)
        joined = [self.join(one, near, **settings) for one, near in zip(found, close, strict=True)]
        return [_given(one, some) for one, some in zip(joined, views, strict=True)]

    def _with_others(self, known: Sequence[View], found: Fields, settings: Mapping[str, Any]) -> list[View]:
        """Those known, and whom the finder finds elsewhere."""
        regions = [view.region for view in known]
        return [*known, *(v for v in self.views(found, **settings) if not shown_already(v.region, regions))]

    def _unsearched(self, picture: Picture, name: str) -> Fields:
        """Fields of a picture in which the finder did not look."""
        size = (picture.shape[1], picture.shape[0])
        whole = InputTransform((1.0, 1.0), (0.0, 0.0), size, size)
        return Fields(self.finder.family.name, (), whole, self.skeleton, self.provenance(name))

    def close_ups(
        self, pictures: Sequence[Picture], views: Sequence[Sequence[View]], names: Sequence[str], **settings: Any
    ) -> list[tuple[CloseUp, ...]]:
        """The second network's fields of the views of every picture; all views go through it in batches."""
        network, _ = self.closer_settings(settings, {})
        wanted = [(index, view) for index, some in enumerate(views) for view in some]
        batch = _BATCH_CPU if self.device.type == "cpu" else _BATCH_GPU
        results: list[list[CloseUp]] = [[] for _ in pictures]
        for start in range(0, len(wanted), batch):
            part = wanted[start : start + batch]
            fields = self.closer.fields(
                [pictures[index] for index, _ in part],
                [view.region for _, view in part],
                picture=[names[index] for index, _ in part],
                **network,
            )
            for (index, view), one in zip(part, fields, strict=True):
                results[index].append(CloseUp(one, view.score))
        return [tuple(result) for result in results]

    def join(self, found: Fields, close_ups: tuple[CloseUp, ...], **settings: Any) -> Fields:
        """The finder's fields and the close-ups that they led to as fields of this model."""
        first = found.provenance
        ways = dict.fromkeys([first.computed, *(view.fields.provenance.computed for view in close_ups)])
        source = replace(
            self.provenance(first.picture, first.region, **settings), computed=", ".join(way for way in ways if way)
        )
        return _with(replace(found, provenance=source), close_ups)

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

    def _decode(self, fields: Fields, settings: DecodeSettings, trace: bool) -> tuple[Poses, Trace | None]:
        values = settings.model_dump()
        _, decode = self.closer_settings({}, values)
        # Who and what is too weak is decided below, among everybody.
        asked = self.closer.decode_settings(**{**decode, "pose_threshold": 0.0, "keypoint_threshold": 0.0})
        keypoints = np.full((len(fields.close_ups), len(self.skeleton), 2), np.nan, np.float32)
        scores = np.zeros(keypoints.shape[:2], np.float32)
        traces = []
        for index, view in enumerate(fields.close_ups):
            poses, evidence = self.closer._decode(view.fields, asked, trace)
            best = best_of(poses)
            if best is not None:
                keypoints[index], scores[index] = poses.keypoints[best], poses.keypoint_scores[best]
            traces.append((best, evidence or Trace()))
        people = judged(fields.close_ups, keypoints, scores, values["same_person"], values["pose_threshold"])
        order = sorted((n for n, one in enumerate(people) if one.pose is not None), key=lambda n: people[n].pose or 0)
        image_size = fields.transform.image_size
        found = Poses(keypoints[order], scores[order], scores[order].mean(1), self.skeleton, image_size)
        kept = found.filter(keypoint_threshold=values["keypoint_threshold"])
        if not trace:
            return kept, None
        joints = tuple(one.poses[best] for best, one in (traces[n] for n in order) if best is not None)
        candidates = tuple(candidate for n in order for candidate in traces[n][1].candidates)
        limbs = tuple(limb for n in order for limb in traces[n][1].limbs)
        return kept, Trace(joints, candidates, limbs, tuple(people))


def _with(fields: Fields, close_ups: tuple[CloseUp, ...]) -> Fields:
    """Fields with close-ups, whose times count too."""
    timings = {
        name: fields.timings.get(name, 0.0) + sum(view.fields.timings.get(name, 0.0) for view in close_ups)
        for name in ("preprocess", "network")
    }
    return replace(fields, close_ups=close_ups, timings=timings)


def _given(fields: Fields, views: Sequence[View]) -> Fields:
    """Fields whose provenance says which views were given."""
    source = fields.provenance
    given = [(*view.region, view.score) for view in views]
    return replace(fields, provenance=replace(source, settings={**source.settings, "views": given}))
