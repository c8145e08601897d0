"""A loaded model: a network, the codec of its family, and the way from pictures to its input."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import nn

from posecore.calibration import Calibration, calibration_of
from posecore.errors import SettingsError
from posecore.families.contract import AnyFamily, Follower
from posecore.families.trace import Trace
from posecore.fields import Fields, Provenance
from posecore.imaging import ImageSource, Region, check_region, picture_id, read_image
from posecore.poses import MadeBy, Poses
from posecore.runtimes.runner import Runner
from posecore.settings import (
    CHANCES,
    EXACT_NETWORK,
    DecodeSettings,
    NetworkSettings,
    build_settings,
    check_names,
    with_defaults,
)
from posecore.shipped import own_version
from posecore.skeleton import COCO_17, Skeleton


def pick_device(wanted: str = "auto") -> torch.device:
    """``auto`` takes CUDA or MPS when present, else the CPU; anything else is taken at its word.

    Raises:
        SettingsError: When the wanted device is not there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"Device {wanted!r} is not available here; use 'auto' or 'cpu'.") from error
    return device


def usual_batch(device: torch.device) -> int:
    """Pictures at once on a device: a processor gains nothing from batches but loses its caches to them."""
    return 1 if device.type == "cpu" else 8


class PoseModel:
    """Pictures to fields to poses.

    Attributes:
        name: Full name, ``architecture.tag``.
        family: Its family.
        architecture: Name of its architecture.
        skeleton: Meaning of its keypoints.
        weights_id: Hash of its weights.
        device: Where the network runs.
        network: The network itself, fused, in evaluation mode.
        runner: What computes it.
        network_settings_class, decode_settings_class: What this model can be told.
        network_defaults: Network settings used unless a call says otherwise.
    """

    def __init__(
        self,
        name: str,
        family: AnyFamily,
        architecture: str,
        network: nn.Module,
        weights_id: str,
        *,
        skeleton: Skeleton = COCO_17,
        device: str = "auto",
        network_settings: Mapping[str, Any] | None = None,
        decode_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.family = family
        self.architecture = architecture
        self.skeleton = skeleton
        self.weights_id = weights_id
        self.device = pick_device(device)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.runner = Runner(family, architecture, self.network, skeleton, self.device)
        self.network_settings_class: type[NetworkSettings] = family.network_settings(architecture)
        offered = family.decode_settings_of(architecture)
        self.decode_settings_class: type[DecodeSettings] = with_defaults(offered, decode_settings or {})
        self.network_defaults = build_settings(self.network_settings_class, network_settings or {})

    def __repr__(self) -> str:
        return f"PoseModel({self.name!r}, device={str(self.device)!r})"

    def network_settings(self, **settings: Any) -> NetworkSettings:
        """This model's network settings with ``settings`` changed; raises ``SettingsError`` for unknown ones."""
        values = {**self.network_defaults.model_dump(), **settings}
        return build_settings(self.network_settings_class, values)

    def decode_settings(self, **settings: Any) -> DecodeSettings:
        """The decoder's settings with ``settings`` changed; raises ``SettingsError`` for unknown ones.

        Thresholds that nobody chose begin at :data:`posecore.settings.CHANCES` where scores are chances.
        """
        begin = CHANCES if settings.get("calibrated") is True else {}
        return build_settings(self.decode_settings_class, {**begin, **settings})

    @property
    def finds_boxes(self) -> bool:
        """Whether it finds boxes around people, as poses of ``PERSON_BOX``, and no joints."""
        return self.family.finds_boxes

    def own_settings(self, **settings: Any) -> dict[str, Any]:
        """``network_settings`` and ``decode_settings`` that differ from the architecture's, as weights carry them.

        Args:
            **settings: Some of either kind, in place of this model's own.
        """
        network, decode = self.split_settings(settings)
        usual = build_settings(self.family.decode_settings_of(self.architecture), {}).model_dump(mode="json")
        chosen = self.decode_settings(**decode).model_dump(mode="json")
        return {
            "network_settings": self.network_settings(**network).model_dump(mode="json", exclude_defaults=True),
            "decode_settings": {name: value for name, value in chosen.items() if value != usual[name]},
        }

    @property
    def calibration(self) -> Calibration | None:
        """What makes chances of its scores; None when nobody made that. Raises ``DataError`` for a damaged file."""
        return calibration_of(self.weights_id)

    def split_settings(self, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Sort mixed settings into network settings and decode settings; unknown names raise ``SettingsError``."""
        known = self.network_settings_class.model_fields
        check_names(settings, [*known, *self.decode_settings_class.model_fields])
        network = {name: value for name, value in settings.items() if name in known}
        return network, {name: value for name, value in settings.items() if name not in known}

    def provenance(self, picture: str, region: Region | None = None, **settings: Any) -> Provenance:
        """Provenance that the fields of picture ``picture`` would have: its ``key`` can be asked before computing."""
        resolved = self.network_settings(**settings).model_dump()
        looked_at = None if region is None else check_region(region)
        return Provenance(picture, self.name, self.weights_id, resolved, looked_at)

    @overload
    def fields(
        self, image: Sequence[ImageSource], region: Sequence[Region | None] | Region | None = ..., **settings: Any
    ) -> list[Fields]: ...

    @overload
    def fields(self, image: ImageSource, region: Region | None = ..., **settings: Any) -> Fields: ...

    def fields(
        self,
        image: ImageSource | Sequence[ImageSource],
        region: Any = None,
        *,
        picture: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> Fields | list[Fields]:
        """Run the network.

        Args:
            image: A picture (anything :func:`posecore.imaging.read_image` takes) or a list of them. Pictures of a list
                that share an input size go through the network as one batch.
            region: Look only at this part, (x0, y0, x1, y1) in source pixels, possibly reaching outside; for a list of
                pictures one region per picture or one for all.
            picture: Identity of the picture(s) for the provenance; a hash of the pixels unless given.
            **settings: Network settings, for example ``output_stride=8``.

        Returns:
            Fields of the picture, or a list of them in the order given.

        Raises:
            ImageError: When a picture or region cannot be used.
            SettingsError: When a setting is unknown or out of range.
        """
        many = isinstance(image, (list, tuple))
        sources: list[Any] = list(image) if many else [image]  # type: ignore[arg-type]
        one_region = region is None or (len(region) == 4 and all(np.isscalar(side) for side in region))
        regions = [region] * len(sources) if one_region else list(region)
        names = [None] * len(sources) if picture is None else [picture] if isinstance(picture, str) else list(picture)
        if not len(sources) == len(regions) == len(names):
            raise SettingsError(f"{len(sources)} pictures need as many regions and identities, or one region for all.")
        done = self._look(sources, regions, names, self.network_settings(**settings))
        return done if many else done[0]

    def _look(
        self,
        sources: Sequence[ImageSource],
        regions: Sequence[Region | None],
        names: Sequence[str | None],
        settings: NetworkSettings,
    ) -> list[Fields]:
        """Fields of pictures, of a region of each, under the identities ``names``."""
        prepared = [self._prepare(*item, settings) for item in zip(sources, regions, names, strict=True)]
        results: list[Fields | None] = [None] * len(sources)
        for size in dict.fromkeys(item[1].input_size for item in prepared):
            members = [index for index, item in enumerate(prepared) if item[1].input_size == size]
            start = time.perf_counter()
            outputs, way = self.runner.run(np.stack([prepared[index][0] for index in members]), settings)
            share = 1000 * (time.perf_counter() - start) / len(members)
            for row, index in enumerate(members):
                _, transform, provenance, spent = prepared[index]
                one = {name: values[row] for name, values in outputs.items()}
                results[index] = Fields(
                    self.family.name,
                    self.family.maps(one, settings, self.skeleton),
                    transform,
                    self.skeleton,
                    replace(provenance, computed=str(way)),
                    {"preprocess": spent, "network": share},
                )
        return [result for result in results if result is not None]

    def _prepare(self, source: Any, region: Any, name: str | None, settings: NetworkSettings) -> tuple[Any, ...]:
        picture = read_image(source)
        region = None if region is None else check_region(region)
        provenance = self.provenance(name or picture_id(picture), region, **settings.model_dump())
        start = time.perf_counter()
        transform = self.family.place((picture.shape[1], picture.shape[0]), region, settings)
        pixels = self.family.prepare(picture, transform, settings)
        return pixels, transform, provenance, 1000 * (time.perf_counter() - start)

    @overload
    def decode(self, fields: Fields, *, trace: Literal[False] = ..., **settings: Any) -> Poses: ...

    @overload
    def decode(self, fields: Fields, *, trace: Literal[True], **settings: Any) -> tuple[Poses, Trace]: ...

    def decode(self, fields: Fields, *, trace: bool = False, **settings: Any) -> Poses | tuple[Poses, Trace]:
        """Fields to poses in source pixels, best first.

        Args:
            fields: What :meth:`fields` returned.
            trace: Also return the evidence for every joint; the poses are the same.
            **settings: Decode settings, for example ``pose_threshold=0.3``.

        Raises:
            SettingsError: When a setting is unknown or out of range.
        """
        resolved = self.decode_settings(**settings)
        calibration = self._calibration_for(resolved)
        asked = resolved
        if calibration is not None:
            # What is too weak is decided below, by chances.
            asked = self.decode_settings(**{**resolved.model_dump(), **dict.fromkeys(CHANCES, 0.0)})
        poses, evidence = self._decode(fields, asked, trace)
        source = fields.provenance
        made_by = MadeBy(
            own_version(),
            source.model,
            source.weights,
            source.picture,
            source.region,
            source.settings,
            resolved.model_dump(),
            source.computed,
            "" if calibration is None else calibration.fitted_on,
        )
        poses, evidence = replace(poses, made_by=made_by), evidence or Trace()
        if calibration is not None:
            poses, evidence = _as_chances(poses, evidence, calibration, resolved)
        return (poses, evidence) if trace else poses

    def _calibration_for(self, settings: DecodeSettings) -> Calibration | None:
        """What makes chances of scores when the settings ask for them."""
        if not settings.calibrated:
            return None
        calibration = self.calibration
        if calibration is None:
            raise SettingsError(
                f"There is no calibration of {self.name}, so its scores cannot be turned into chances. Make one with "
                "“posecore calibrate”, or leave “calibrated” off."
            )
        return calibration

    def _decode(self, fields: Fields, settings: DecodeSettings, trace: bool) -> tuple[Poses, Trace | None]:
        """Poses, and the evidence when ``trace``."""
        return self.family.decode(fields, settings, trace)

    def comparison_settings(self, one_person: bool) -> dict[str, Any]:
        """Network settings with which models are compared: on crops that one person fills, or on whole pictures.

        Figures are the same on every machine: the runtime is not left open.
        """
        side = self.family.crop_side if one_person else self.family.picture_side
        return dict(EXACT_NETWORK) if side is None else {**EXACT_NETWORK, "input_size": side}

    def follower(self, **settings: Any) -> Follower | None:
        """What says where to look in the next of a sequence of pictures, given where the person was before.

        None when more than one person may be found with these decode settings; raises ``SettingsError`` for unknown
        ones.
        """
        return self.family.follower(self.architecture, self.decode_settings(**settings))

    def __call__(self, image: ImageSource, region: Region | None = None, **settings: Any) -> Poses:
        """Poses of one picture; network and decode settings may be mixed."""
        network, decode = self.split_settings(settings)
        poses: Poses = self.decode(self.fields(image, region, **network), **decode)
        return poses


def _as_chances(
    poses: Poses, evidence: Trace, calibration: Calibration, settings: DecodeSettings
) -> tuple[Poses, Trace]:
    """Poses with chances in place of scores, the likeliest first, weak ones hidden; the evidence in the same order."""
    rescored = calibration.rescored(poses)
    order = np.argsort(-rescored.scores, kind="stable")
    order = order[rescored.scores[order] >= np.float32(settings.pose_threshold)]
    shown = rescored.select(order).filter(keypoint_threshold=settings.keypoint_threshold)
    if not evidence.poses:
        return shown, evidence
    joints = tuple(
        tuple(
            replace(joint, score=float(rescored.keypoint_scores[pose, joint.keypoint]))
            for joint in evidence.poses[pose]
        )
        for pose in order
    )
    return shown, replace(evidence, poses=joints)
