"""Settings describe themselves well enough to make widgets and flags of them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import Field

from posecore.data.augment import AugmentSettings
from posecore.drawing.overlay import DrawingOptions
from posecore.errors import SettingsError
from posecore.families import FAMILIES, family_of
from posecore.settings import Settings, build_settings, controls, narrow, with_defaults


class Knobs(Settings):
    size: int = Field(4, title="Size", ge=1, le=9, description="How big.", json_schema_extra={"step": 2})
    way: Literal["left", "right"] = "left"
    loud: bool = False
    gain: float = Field(0.5, ge=0, le=1, json_schema_extra={"when": {"loud": True}})


def test_controls_carry_everything() -> None:
    size, way, loud, gain = controls(Knobs)
    assert (size.kind, size.label, size.help, size.minimum, size.maximum, size.step) == (
        "int",
        "Size",
        "How big.",
        1,
        9,
        2,
    )
    assert (way.kind, way.choices, way.default, way.label) == ("choice", ("left", "right"), "left", "Way")
    assert loud.kind == "flag"
    assert gain.applies({"loud": True})
    assert not gain.applies({"loud": False})


@pytest.mark.parametrize(
    "settings_class",
    [
        DrawingOptions,
        *(family.decode_settings for family in FAMILIES.values()),
        *(family.network_settings(name) for family in FAMILIES.values() for name in family.architectures),
    ],
)
def test_every_setting_explains_itself(settings_class: type[Settings]) -> None:
    for control in controls(settings_class):
        assert control.help.endswith("."), control.name
        assert control.label, control.name
        if control.kind in ("int", "float"):
            assert control.minimum is not None, control.name
            assert control.minimum <= control.default <= control.maximum, control.name
        if control.kind == "choice":
            assert control.default in control.choices, control.name
        assert {name for name, _ in control.when} <= set(settings_class.model_fields)


def test_narrowing_leaves_what_is_possible() -> None:
    narrowed = narrow(Knobs, "way", ["right"])
    assert narrowed().way == "right"
    assert [c.name for c in controls(narrowed)] == [c.name for c in controls(Knobs)]
    with pytest.raises(SettingsError, match="way = 'left'"):
        build_settings(narrowed, {"way": "left"})
    assert Knobs().way == "left"


def test_other_defaults_leave_everything_else() -> None:
    changed = with_defaults(Knobs, {"size": 7})
    assert (changed().size, changed().gain) == (7, 0.5)
    assert [(c.name, c.label, c.help, c.maximum, c.step) for c in controls(changed)] == [
        (c.name, c.label, c.help, c.maximum, c.step) for c in controls(Knobs)
    ]
    assert build_settings(changed, {"size": 4}).size == 4
    with pytest.raises(SettingsError, match="less than or equal to 9"):
        with_defaults(Knobs, {"size": 10})
    with pytest.raises(SettingsError, match="did you mean 'size'"):
        with_defaults(Knobs, {"sise": 3})
    assert Knobs().size == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "did you mean 'size'"),
        ({"zzz": 3}, "there are size, way"),
        ({"size": 10}, "less than or equal to 9"),
    ],
)
def test_mistakes_are_named(values: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_settings(Knobs, values)


class OpenEnds(Settings):
    whole: int = Field(2, gt=0, lt=5)
    part: float = Field(0.5, gt=0, lt=1)
    stepped: float = Field(0.5, gt=0, le=4, json_schema_extra={"step": 0.25})


def test_ranges_with_open_ends_have_values_that_are_allowed() -> None:
    found = {control.name: control for control in controls(OpenEnds)}
    for name, (low, high) in {"whole": (1, 4), "part": (0.01, 0.99), "stepped": (0.25, 4)}.items():
        assert (found[name].minimum, found[name].maximum) == (low, high)
        OpenEnds(**{name: low})
        OpenEnds(**{name: high})


def test_every_number_has_ends_that_its_class_takes() -> None:
    classes: list[type[Settings]] = [
        AugmentSettings,
        *(family.loss_settings for family in FAMILIES.values() if family.trainable),
    ]
    for settings_class in classes:
        for control in controls(settings_class):
            for end in (control.minimum, control.maximum):
                if end is not None:
                    field = settings_class.__pydantic_validator__
                    field.validate_assignment(settings_class.model_construct(), control.name, end)


def test_wrong_values_are_quoted_in_short() -> None:
    with pytest.raises(SettingsError) as caught:
        build_settings(Knobs, {"size": "x" * 100_000})
    assert len(str(caught.value)) < 300


def test_settings_say_for_which_networks_they_have_an_effect() -> None:
    family = family_of("movenet-lightning")
    for architecture, several in (("movenet-lightning", False), ("movenet-multipose", True)):
        known = {control.name: control for control in controls(family.decode_settings_of(architecture))}
        for mode, wanted in (("auto", several), ("multi", True), ("single", False)):
            assert known["max_poses"].applies({"mode": mode}) is wanted
            assert known["nms_radius"].applies({"mode": mode}) is wanted
            assert known["distance_offset"].applies({"mode": mode}) is not wanted
        assert known["pose_threshold"].applies({})


def test_choices_are_read_as_words() -> None:
    class Choices(Settings):
        kind: Literal["as_is", "oks", "float32", "0.5, 1"] = Field("oks", json_schema_extra={"words": {"oks": "OKS"}})
        size: Literal[4, 8] = 4

    kind, size = controls(Choices)
    assert [kind.text(choice) for choice in kind.choices] == ["As is", "OKS", "float32", "0.5, 1"]
    assert size.text(4) == "4"


def test_conditions_on_settings_that_are_not_offered_hold() -> None:
    class Part(Settings):
        spread: float = Field(1.0, ge=0, le=2, json_schema_extra={"when": {"mode": "multi"}})

    (spread,) = controls(Part)
    assert spread.applies({})
