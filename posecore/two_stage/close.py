"""A model for one person that is shown where people are, and looks at each of them closely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posecore.errors import SettingsError
from posecore.families.contract import Follower
from posecore.families.trace import Trace
from posecore.fields import CloseUp, Fields
from posecore.imaging import ImageSource, InputTransform, Picture, picture_id, read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings
from posecore.two_stage.people import best_of, judged
from posecore.two_stage.settings import decode_settings_of, of_closer
from posecore.two_stage.views import View

#: Views that go through the second network together: a processor gains little from more, a graphics card much.
_BATCH_CPU, _BATCH_GPU = 8, 64
#: What only a single network has.
_OF_ONE = ("family", "architecture", "network")


class CloseUpModel(PoseModel):
    """Pictures, and views of the people in them, to fields with a close-up of every person; these to poses.

    Args:
        name: Full name.
        closer: Made for pictures of one person; its skeleton is that of the poses.
        weights_id: Hash of all weights.
        family: Name of the family of the fields that are not close-ups.
        network_settings_class: Settings of everything that costs forward passes.
    """

    def __init__(
        self,
        name: str,
        closer: PoseModel,
        weights_id: str,
        family: str,
        network_settings_class: type[NetworkSettings],
    ) -> None:
        self.name = name
        self.closer = closer
        self.skeleton = closer.skeleton
        self.weights_id = weights_id
        self.device = closer.device
        self._family = family
        self.network_settings_class = network_settings_class
        self.decode_settings_class = decode_settings_of(
            closer.decode_settings_class, closer.family.one_person_settings()
        )

    def __getattr__(self, name: str) -> Any:
        if name in _OF_ONE:
            raise SettingsError(f"{self.name} is two models joined; choose one of them for this.")
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    @property
    def finds_boxes(self) -> bool:
        """False: the second model finds joints."""
        return False

    def follower(self, **settings: Any) -> Follower | None:
        """None: several people may be found."""
        self.decode_settings(**settings)
        return None

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

    def room(self, **settings: Any) -> float:
        """Side of the square around a person relative to their joints' extent, under these network settings."""
        expand: float = self.network_settings(**settings).model_dump()["crop_expand"]
        return expand

    def look_at(
        self,
        images: Sequence[ImageSource],
        views: Sequence[Sequence[View]],
        *,
        picture: Sequence[str] | None = None,
        **settings: Any,
    ) -> list[Fields]:
        """Fields of pictures in which it is known where people are.

        Args:
            images: The pictures.
            views: Where the people of each are.
            picture: Identities of the pictures for the provenance; hashes of their pixels unless given.
            **settings: Network settings of this model.
        """
        pictures = [read_image(image) for image in images]
        names = [picture_id(one) for one in pictures] if picture is None else list(picture)
        sizes = [(one.shape[1], one.shape[0]) for one in pictures]
        close = self.close_ups(pictures, views, names, **settings)
        return [self.looked(*item, **settings) for item in zip(names, sizes, views, close, strict=True)]

    def looked(
        self, name: str, size: tuple[int, int], views: Sequence[View], close_ups: tuple[CloseUp, ...], **settings: Any
    ) -> Fields:
        """Fields of a picture in which nobody was looked for: of given views alone.

        Args:
            name: Identity of the picture.
            size: Its (width, height) in pixels.
            views: Where its people are.
            close_ups: What the second network says about each view.
            **settings: Network settings of this model.
        """
        whole = InputTransform((1.0, 1.0), (0.0, 0.0), size, size)
        unsearched = Fields(self._family, (), whole, self.skeleton, self.provenance(name))
        return given(self.join(unsearched, close_ups, **settings), views)

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


def given(fields: Fields, views: Sequence[View]) -> Fields:
    """Fields whose provenance says which views were given."""
    source = fields.provenance
    given = [(*view.region, view.score) for view in views]
    return replace(fields, provenance=replace(source, settings={**source.settings, "views": given}))
