"""The stages of a joined model's answer one by one, each as the model that gave it would show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from posecore.families.trace import PersonEvidence
from posecore.fields import Fields, Provenance
from posecore.model import PoseModel
from posecore.two_stage.close import CloseUpModel
from posecore.two_stage.model import TwoStageModel


@dataclass(frozen=True, eq=False)
class Stage:
    """One model's part in an answer.

    Attributes:
        title: Words for people; unique within an answer.
        model: The model.
        fields: What it says.
        settings: How that is decoded.
        person: Whom it looked at and what became of them; None for the finder.
    """

    title: str
    model: PoseModel
    fields: Fields
    settings: Mapping[str, Any]
    person: PersonEvidence | None = None


def stages_of(model: CloseUpModel, fields: Fields, decode: Mapping[str, Any]) -> list[Stage]:
    """The finder, where it ran, then everybody who was looked at: the people first, then those who are none.

    Args:
        model: The joined model, or one that is told where people are.
        fields: Its fields.
        decode: Its decode settings.
    """
    source = fields.provenance
    known = {
        name: value for name, value in source.settings.items() if name in model.network_settings_class.model_fields
    }
    stages = []
    if isinstance(model, TwoStageModel) and fields.maps:
        network, finding = model.finder_settings(known)
        weights = model.finder.weights_id
        alone = Provenance(source.picture, model.finder.name, weights, network, source.region)
        stages.append(Stage("Finder", model.finder, replace(fields, provenance=alone, close_ups=()), finding))
    _, deciding = model.closer_settings(known, decode)
    # Everybody is explained, those who score too low as well.
    deciding = {**deciding, "pose_threshold": 0.0}
    _, trace = model.decode(fields, trace=True, **decode)
    seen = list(zip(fields.close_ups, trace.people, strict=True))
    order = sorted(seen, key=lambda item: (item[1].pose is None, item[1].pose or 0))
    left_out = 0
    for view, person in order:
        left_out += person.pose is None
        title = f"Left out {left_out}" if person.pose is None else f"Person {person.pose + 1}"
        stages.append(Stage(title, model.closer, view.fields, deciding, person))
    return stages
