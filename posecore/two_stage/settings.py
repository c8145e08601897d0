"""Settings of joined models, made from those of the two.

Whatever decides which people are looked at closely costs forward passes of the second network: all settings of the
finder, those of its decoder among them, are network settings of the joined model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from posecore.settings import Control, DecodeSettings, NetworkSettings, threshold_field, with_defaults

#: Begins the names of the finder's settings.
FINDER = "finder_"
#: The finder's settings that keep their name, for they say how many people there are in the end.
_SHARED = "max_poses"
#: What the finder is not asked: its thresholds are about scores of its own, for they decide who is looked at.
NOT_OF_FINDER = ("calibrated",)
#: Defaults of the finder: who is found wrongly is sorted out by the second model, who is missed is lost.
_GENEROUS = {"pose_threshold": 0.05, "keypoint_threshold": 0.0, "root_threshold": 0.1}
#: Side of the square around a box, relative to its longer side.
AROUND_BOX = 1.25


class TwoStageNetworkSettings(NetworkSettings):
    """What is looked at, beside the settings of both networks."""

    crop_expand: float = Field(
        1.5,
        title="Room around a person",
        ge=1.0,
        le=4.0,
        description="Side of the square that is looked at closely, relative to the longer side of the box around the "
        "joints, or the box, that the first model found.",
        json_schema_extra={"step": 0.05},
    )


class BoxedNetworkSettings(NetworkSettings):
    """Which boxes are looked at, and how far around them; names are those of the same ideas in joined models."""

    crop_expand: float = Field(
        AROUND_BOX,
        title="Room around a box",
        ge=1.0,
        le=4.0,
        description="Side of the square that is looked at closely, relative to the longer side of the box.",
        json_schema_extra={"step": 0.05},
    )
    finder_pose_threshold: float = threshold_field(
        0.0, "Box threshold", "Boxes that score lower are not looked at; boxes without a score count as 1."
    )


class TwoStageDecodeSettings(DecodeSettings):
    """Who remains, beside the settings of the second decoder."""

    same_person: float = threshold_field(
        0.15,
        "Same person within",
        "Two people whose joints are nearer to each other than this on average, relative to their size, are one; the "
        "one with the higher score stays.",
    )


@lru_cache(maxsize=64)
def network_settings_of(
    finder_network: type[NetworkSettings],
    finder_decode: type[DecodeSettings],
    closer_network: type[NetworkSettings],
    boxes: bool = False,
) -> type[TwoStageNetworkSettings]:
    """Network settings of a joined model: those of the finder and its decoder under ``finder_…``, then the other's.

    ``boxes`` says that the finder finds boxes, around which less room is needed than around joints.
    """
    fields: dict[str, Any] = {}
    for source in (finder_network, finder_decode):
        for name, info in _own(source).items():
            fields[finder_name(name)] = (info.annotation, _of_finder(name, info))
    fields |= {name: (info.annotation, info) for name, info in _own(closer_network).items()}
    base = with_defaults(TwoStageNetworkSettings, {"crop_expand": AROUND_BOX}) if boxes else TwoStageNetworkSettings
    return create_model(TwoStageNetworkSettings.__name__, __base__=base, **fields)


@lru_cache(maxsize=64)
def decode_settings_of(closer_decode: type[DecodeSettings], names: frozenset[str]) -> type[TwoStageDecodeSettings]:
    """Decode settings of a joined model: the second decoder's ``names``, with its own threshold for joints."""
    known = closer_decode.model_fields
    wanted = [name for name in known if name in names and name != "pose_threshold"]
    fields: dict[str, Any] = {name: (known[name].annotation, known[name]) for name in wanted}
    return create_model(TwoStageDecodeSettings.__name__, __base__=TwoStageDecodeSettings, **fields)


@lru_cache(maxsize=64)
def boxed_settings_of(closer_network: type[NetworkSettings]) -> type[BoxedNetworkSettings]:
    """Network settings of a model that is told where people are: what it is told, then those of its network."""
    fields: dict[str, Any] = {name: (info.annotation, info) for name, info in _own(closer_network).items()}
    return create_model(BoxedNetworkSettings.__name__, __base__=BoxedNetworkSettings, **fields)


def finder_name(name: str) -> str:
    """What a setting of the finder is called in the joined model."""
    return name if name in (_SHARED, *NetworkSettings.model_fields) else FINDER + name


def finder_control(control: Control) -> Control:
    """A family's control as it is offered for the finder of a joined model."""
    if finder_name(control.name) == control.name:
        return control
    return replace(
        control,
        name=finder_name(control.name),
        label=_finder_title(control.label),
        default=_GENEROUS.get(control.name, control.default),
        when=tuple((finder_name(name), value) for name, value in control.when),
    )


def of_finder(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The finder's settings ``names`` among a joined model's ``values``."""
    return {name: values[finder_name(name)] for name in names if name not in NOT_OF_FINDER}


def of_closer(names: Iterable[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The second model's settings ``names`` among a joined model's ``values``."""
    return {name: values[name] for name in names if name in values}


def _own(settings: type[NetworkSettings] | type[DecodeSettings]) -> dict[str, FieldInfo]:
    """Fields beyond those that every network has."""
    left_out = {*NetworkSettings.model_fields, *NOT_OF_FINDER}
    return {name: info for name, info in settings.model_fields.items() if name not in left_out}


def _finder_title(title: str) -> str:
    return f"Finder: {title[:1].lower()}{title[1:]}"


def _of_finder(name: str, info: FieldInfo) -> FieldInfo:
    changes: dict[str, Any] = {}
    if name in _GENEROUS:
        changes["default"] = _GENEROUS[name]
    if name != _SHARED:
        changes["title"] = _finder_title(info.title or name)
    extra = info.json_schema_extra
    if isinstance(extra, dict) and isinstance(extra.get("when"), dict):
        when = {finder_name(other): value for other, value in dict(extra["when"]).items()}  # type: ignore[arg-type]
        changes["json_schema_extra"] = {**extra, "when": when}
    return type(info).merge_field_infos(info, **changes)
