"""Evidence behind a joint: found, told in words and tables, and tried again with other settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest

from posecore.drawing import field_values
from posecore.evidence import (
    candidates_of,
    is_chosen,
    is_taken,
    limb_table,
    limbs_of,
    nearest_candidate,
    nearest_joint,
    step_table,
    tell_joint,
    tell_thresholds,
    try_setting,
)
from posecore.families.trace import Candidate, Trace
from posecore.settings import Control
from posecore.skeleton import COCO_17
from posecore.ui.fields.marks import marks_of
from tests.evidence_support import fake_fields, fake_trace

NAMES = tuple(name.replace("_", " ") for name in COCO_17.keypoints)


def test_a_joint_is_told_in_words_and_steps() -> None:
    trace, fields = fake_trace(), fake_fields()
    nose, shoulder = trace.poses[0]
    assert "Reached from the left shoulder, 22 pixels away" in tell_joint(nose, "Nose", NAMES)
    assert "not found from another joint" in tell_joint(shoulder, "Left shoulder", NAMES)
    table = step_table(nose, fields, NAMES)
    assert table["step"].tolist() == ["1. Left shoulder", "2. Followed the displacement", "3. Refined by the offset"]
    expected = field_values(fields, "heatmaps", 0)[60, 120]
    assert table["map"].iloc[-1] == pytest.approx(float(expected), abs=1e-5)
    hidden, _ = tell_thresholds(nose, 0.5, {"keypoint_threshold": 0.9, "pose_threshold": 0.25})
    assert hidden.startswith("Hidden now")


def test_the_nearest_evidence_is_meant() -> None:
    trace = fake_trace()
    assert nearest_joint(trace, (119, 62), 10) == (0, 0)
    assert nearest_joint(trace, (300, 200), 10) is None
    assert nearest_candidate(trace.candidates, (304, 200), 10) is trace.candidates[0]
    assert nearest_candidate(trace.candidates, (400, 200), 10) is None


def test_only_pairs_of_this_very_joint_are_partners() -> None:
    trace = fake_trace()
    assert [limb.outcome for limb in limbs_of(trace, 0, (120.0, 60.0))] == ["chosen"]
    limbs = limbs_of(trace, 5, (100.0, 50.0))
    assert [is_chosen(trace, limb) for limb in limbs] == [True, False]
    assert limb_table(limbs, 5, NAMES)["partner"].tolist() == ["nose", "nose"]
    marks = marks_of(trace.poses[0][0], candidates_of(trace, 0), limbs, trace.candidates[0])
    assert [mark.kind for mark in marks] == ["line", "line", "ring", "ring", "ring", "path"]


@pytest.mark.parametrize(
    ("kind", "limits", "now", "good", "expected"),
    [
        ("float", (0.0, 1.0), 0.5, lambda value: value <= 0.33, 0.33),
        ("int", (1, 20), 10, lambda value: value >= 13, 13),
        ("float", (0.0, 1.0), 0.5, lambda value: False, None),
    ],
)
def test_other_values_are_tried(
    kind: Literal["int", "float"],
    limits: tuple[float, float],
    now: float,
    good: Callable[[float], bool],
    expected: object,
) -> None:
    control = Control("radius", "Radius", "", kind, now, minimum=limits[0], maximum=limits[1])
    candidate = Candidate(0, (5.0, 5.0), 0.5, "too near", "radius")

    def decode(changed: Mapping[str, Any]) -> Trace:
        taken = good(changed["radius"])
        return Trace((), (replace(candidate, outcome="taken" if taken else "too near"),))

    trial = try_setting(decode, lambda trace: is_taken(trace, candidate), control, now, "taken")
    assert trial.value == (expected if expected is None else pytest.approx(expected, abs=0.01))
    assert "Radius" in str(trial)
