"""Addresses: one meaning for every parameter, and links that bring back what was shown."""

from __future__ import annotations

from pydantic import BaseModel

from posecore.data.augment import AugmentSettings
from posecore.drawing import DrawingOptions
from posecore.evaluation.comparing import LETTERS
from posecore.families import FAMILIES
from posecore.settings import controls
from posecore.ui.compare.columns import prefix_of
from posecore.ui.shared.address import Parameter
from posecore.ui.video.settings import PARTS


def names(settings: type[BaseModel], prefix: str = "") -> set[str]:
    return {prefix + control.name for control in controls(settings)}  # type: ignore[arg-type]


def test_no_setting_writes_under_the_name_of_something_else() -> None:
    bound = names(DrawingOptions, "draw_") | names(AugmentSettings, "augment_")
    for part in PARTS:
        bound |= names(part.settings, part.prefix)
    for family in FAMILIES.values():
        for architecture in family.architectures:
            bound |= names(family.network_settings(architecture))
        bound |= names(family.decode_settings) | names(family.loss_settings, "target_loss_")
    own = set(bound)
    bound |= {prefix_of(letter) + name for letter in LETTERS for name in own}
    assert len(bound) > 40
    assert not bound & set(Parameter)
