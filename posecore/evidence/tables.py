"""Evidence as tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from posecore.drawing.field_values import field_values, heatmap_of
from posecore.evidence.lookup import other_end
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence
from posecore.fields import Fields

#: What a step of a search means; steps of other names are shown as they are called.
STEP_WORDS = {
    "peak": "Peak of its map",
    "start": "Start",
    "displaced": "Followed the displacement",
    "refined": "Refined by the offset",
    "centre": "Person's centre",
    "regressed": "Centre's arrow",
}


def step_table(joint: JointEvidence, fields: Fields, names: tuple[str, ...]) -> pd.DataFrame:
    """Every step of the search: where it was, how far it moved, and what the joint's map says there."""
    moved = [0.0, *np.hypot(*np.diff(joint.path, axis=0).T).tolist()]
    return pd.DataFrame(
        {
            "step": [f"{n}. {_step(joint, step, names)}" for n, step in enumerate(joint.steps, 1)],
            "place": [_place(place) for place in joint.path],
            "moved": moved,
            "map": heat_at(fields, joint.keypoint, joint.path),
        }
    )


def _step(joint: JointEvidence, step: str, names: tuple[str, ...]) -> str:
    if step == "start" and joint.found_from is not None:
        return names[joint.found_from].capitalize()
    return STEP_WORDS.get(step, step)


def _place(place: Any) -> str:
    return f"{place[0]:.0f}, {place[1]:.0f}"


def heat_at(fields: Fields, keypoint: int, places: Any) -> list[float]:
    """What the keypoint's map says at places in the picture; NaN outside it."""
    found = heatmap_of(fields, keypoint)
    if found is None:
        return [math.nan] * len(places)
    # A copy of the map in the picture's size would be 50 MB for a large photograph.
    width, height = fields.transform.image_size
    factor = min(1.0, 1280 / max(width, height))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    values = field_values(fields, found[0].name, found[1], size=size)
    readings = []
    for x, y in np.asarray(places, np.float64):
        column, row = int((x + 0.5) * size[0] / width), int((y + 0.5) * size[1] / height)
        inside = 0 <= column < size[0] and 0 <= row < size[1]
        readings.append(float(values[row, column]) if inside else math.nan)
    return readings


def candidate_table(candidates: list[Candidate], labels: Mapping[str, str]) -> pd.DataFrame:
    """Peaks of one joint and what became of them."""
    return pd.DataFrame(
        {
            "peak": range(1, len(candidates) + 1),
            "place": [_place(candidate.position) for candidate in candidates],
            "height": [candidate.score for candidate in candidates],
            "outcome": [candidate.outcome for candidate in candidates],
            "setting": [labels.get(c.setting, c.setting) if c.setting else "" for c in candidates],
        }
    )


def limb_table(limbs: list[LimbEvidence], keypoint: int, names: tuple[str, ...]) -> pd.DataFrame:
    """Partners of one joint: how well the fields agree along the way, and what became of the pair."""
    others = [other_end(limb, keypoint) for limb in limbs]
    return pd.DataFrame(
        {
            "partner": [names[other] for other, _ in others],
            "score": [limb.score for limb in limbs],
            "samples": [[round(float(sample), 3) for sample in limb.samples] for limb in limbs],
            "outcome": [limb.outcome for limb in limbs],
            "place": [_place(place) for _, place in others],
        }
    )
