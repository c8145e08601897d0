"""Settings describe themselves well enough to make widgets and flags of them."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from posecore.drawing.overlay import DrawingOptions
from posecore.errors import SettingsError
from posecore.families import FAMILIES
from posecore.settings import Settings, build_settings, controls, narrow


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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "did you mean 'size'"),
        ({"zzz": 3}, "there are size, way"),
        ({"size": 10}, "less than or equal to 9"),
    ],
)
def test_mistakes_are_named(values, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_settings(Knobs, values)
