"""Settings as classes: ranges, defaults and help are written once; the app's controls and the command line's flags
are made from them.

Two kinds matter everywhere. :class:`NetworkSettings` change what the network sees or how it runs: a new forward pass.
:class:`DecodeSettings` change how fields become poses: only the fast second half runs again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from posecore.errors import SettingsError
from posecore.parsing import shown
from posecore.words import meant


class Settings(BaseModel):
    """Base of all settings: immutable, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(Settings):
    """What every family's network can be told."""

    runtime: Literal["auto", "torch", "openvino", "onnxruntime"] = Field(
        "auto",
        title="Runtime",
        description="What computes the network. auto takes the fastest that this machine has and that finds what "
        "PyTorch finds; until that is ready, PyTorch computes.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        title="Precision",
        description="Number format of the network's arithmetic. The shorter ones are faster on recent processors and "
        "slightly less exact; auto takes one where keypoints stay within half a pixel of the input.",
    )


#: Names of runtimes as settings have them.
RUNTIMES: tuple[str, ...] = get_args(NetworkSettings.model_fields["runtime"].annotation)


def threshold_field(default: float, title: str, description: str, when: Mapping[str, Any] | None = None) -> Any:
    """A field for the lowest score, 0 … 1, that something may have; ``when`` as in :class:`Control`."""
    extra = _extra(0.01, when)
    return Field(default, title=title, ge=0, le=1, description=description, json_schema_extra=extra)


def nms_radius_field(default: float, description: str, step: float = 1.0, when: Mapping[str, Any] | None = None) -> Any:
    """A field for the distance, in pixels of the network's input, within which equal findings are one."""
    extra = _extra(step, when)
    return Field(default, title="NMS radius", ge=0, le=100, description=description, json_schema_extra=extra)


def max_poses_field(default: int, description: str, when: Mapping[str, Any] | None = None) -> Any:
    """A field for the number of people that are returned at most."""
    extra = _extra(1, when)
    return Field(default, title="Maximum people", ge=1, le=100, description=description, json_schema_extra=extra)


def antialias_field(published: str = "") -> Any:
    """A field for shrinking pictures without patterns; ``published``: a sentence on what the published examples do."""
    usual = "Average pixels where the picture shrinks by two or more."
    return Field(True, title="Antialias when downscaling", description=f"{usual} {published}".strip())


def _extra(step: float, when: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"step": step} if when is None else {"step": step, "when": dict(when)}


class DecodeSettings(Settings):
    """What every family's decoder can be told."""

    #: Settings that only hide: decoding with them at 0 and hiding afterwards (:meth:`Poses.filter`) gives the same.
    filters: ClassVar[tuple[str, ...]] = ("keypoint_threshold",)

    calibrated: bool = Field(
        False,
        title="Scores as chances",
        description="Turn every score into the chance of being right (keypoint similarity or, of a person, OKS of at "
        "least 0.5) before anything is hidden. Thresholds then mean the same for every model. Needs a calibration; "
        "shipped models and the usual official ones come with one.",
    )
    pose_threshold: float = threshold_field(0.25, "Pose threshold", "Lowest score of a person that is shown.")
    keypoint_threshold: float = threshold_field(0.1, "Keypoint threshold", "Lowest score of a joint that is shown.")


#: Step from an end of a range that is not itself allowed, for settings that name no step.
_LEAST_STEP = 0.01

#: Where thresholds begin once scores are chances (``calibrated``): the same for every model.
CHANCES: Mapping[str, float] = {"pose_threshold": 0.3, "keypoint_threshold": 0.3}

#: Network settings with which figures are the same on every machine: nothing is left to ``auto``.
EXACT_NETWORK: Mapping[str, Any] = {"runtime": "torch", "precision": "float32"}

SettingsClass = TypeVar("SettingsClass", bound=Settings)


@dataclass(frozen=True)
class Control:
    """One setting as a widget or flag needs it.

    Attributes:
        name: Field name.
        label: Short title.
        help: One or two sentences.
        kind: ``choice``, ``int``, ``float`` or ``flag``.
        default: Value when nothing is said.
        choices: Allowed values of a choice.
        minimum, maximum, step: Range of a number.
        when: Other settings' values without which this one has no effect (name → the values that give it one).
        words: What some choices are called where people read them; see :meth:`text`.
    """

    name: str
    label: str
    help: str
    kind: Literal["choice", "int", "float", "flag"]
    default: Any
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    when: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    words: tuple[tuple[Any, str], ...] = ()

    def applies(self, values: Mapping[str, Any]) -> bool:
        """True when the setting has an effect given the other ``values``."""
        return all(values.get(name) in allowed for name, allowed in self.when)

    def text(self, choice: Any) -> str:
        """A choice as people read it: its word, else its name with a capital unless that holds figures."""
        for known, word in self.words:
            if known == choice:
                return word
        plain = str(choice).replace("_", " ")
        return plain[:1].upper() + plain[1:] if plain.replace(" ", "").isalpha() else str(choice)


def controls(settings_class: type[Settings]) -> tuple[Control, ...]:
    """One :class:`Control` per field, in the order of definition (a subclass's own fields come last).

    Conditions on settings that the class does not have are left out: they are as they must be.
    """
    return tuple(
        _control(name, info, settings_class.model_fields) for name, info in settings_class.model_fields.items()
    )


def _control(name: str, info: FieldInfo, known: Collection[str]) -> Control:
    extra: Mapping[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind: Literal["choice", "int", "float", "flag"]
    choices: tuple[Any, ...] = ()
    if get_origin(info.annotation) is Literal:
        kind, choices = "choice", get_args(info.annotation)
    elif info.annotation is bool:
        kind = "flag"
    elif info.annotation is int:
        kind = "int"
    elif info.annotation is float:
        kind = "float"
    else:
        raise TypeError(
            f"Setting {name!r} of type {info.annotation} has no control; use a Literal, bool, int or float."
        )
    limits: dict[str, float] = {}
    # Widgets know closed ranges only: an open end is left out by a step.
    beside = 1 if kind == "int" else extra.get("step", _LEAST_STEP)
    for constraint in info.metadata:
        if isinstance(constraint, annotated_types.Ge):
            limits["minimum"] = constraint.ge  # type: ignore[assignment]
        elif isinstance(constraint, annotated_types.Gt):
            limits["minimum"] = constraint.gt + beside  # type: ignore[operator]
        elif isinstance(constraint, annotated_types.Le):
            limits["maximum"] = constraint.le  # type: ignore[assignment]
        elif isinstance(constraint, annotated_types.Lt):
            limits["maximum"] = constraint.lt - beside  # type: ignore[operator]
    return Control(
        name=name,
        label=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        kind=kind,
        default=info.default,
        choices=choices,
        step=extra.get("step"),
        when=tuple(
            (other, tuple(value) if isinstance(value, (list, tuple)) else (value,))
            for other, value in dict(extra.get("when", {})).items()
            if other in known
        ),
        words=tuple(dict(extra.get("words", {})).items()),
        **limits,
    )


def narrow(
    settings_class: type[SettingsClass], name: str, choices: Iterable[Any], default: Any = None
) -> type[SettingsClass]:
    """A subclass whose choice ``name`` allows only ``choices``, so that one model offers only what it can do."""
    allowed = tuple(choices)
    info = settings_class.model_fields[name]
    if default is None:
        default = info.default if info.default in allowed else allowed[0]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else None
    narrowed = Field(default, title=info.title, description=info.description, json_schema_extra=extra)
    fields: dict[str, Any] = {name: (Literal[allowed], narrowed)}
    return create_model(settings_class.__name__, __base__=settings_class, **fields)


def with_defaults(settings_class: type[SettingsClass], defaults: Mapping[str, Any]) -> type[SettingsClass]:
    """A subclass with other defaults: what one model was published for, or is best at.

    Raises:
        SettingsError: For an unknown name or a value out of range.
    """
    if not defaults:
        return settings_class
    valid = build_settings(settings_class, defaults)
    fields: dict[str, Any] = {}
    for name in defaults:
        info = settings_class.model_fields[name]
        fields[name] = (info.annotation, type(info).merge_field_infos(info, default=getattr(valid, name)))
    return create_model(settings_class.__name__, __base__=settings_class, **fields)


def check_names(names: Iterable[str], known: Collection[str]) -> None:
    """Raise ``SettingsError`` for the first of ``names`` that is not ``known``, naming the nearest one that is."""
    for name in names:
        if name not in known:
            raise SettingsError(f"There is no setting {shown(name)} here; {meant(str(name), known)}")


def build_settings(settings_class: type[SettingsClass], values: Mapping[str, Any]) -> SettingsClass:
    """Settings from plain values.

    Raises:
        SettingsError: For an unknown name (naming the nearest one) or a value out of range (naming what is allowed).
    """
    check_names(values, settings_class.model_fields)
    try:
        return settings_class(**values)
    except ValidationError as error:
        problems = (f"{p['loc'][0]} = {shown(p['input'])}: {p['msg'][0].lower()}{p['msg'][1:]}" for p in error.errors())
        raise SettingsError("; ".join(problems) + ".") from error
