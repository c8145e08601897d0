"""Fields and a trace with values that are easy to tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, Trace
from posecore.fields import FieldKind, FieldMap, Fields, Provenance
from posecore.imaging import letterbox
from posecore.skeleton import COCO_17


def fake_fields() -> Fields:
    """Heatmaps and offsets of a letterboxed picture, with values that are easy to tell apart."""
    random = np.random.default_rng(0)
    grid: dict[str, Any] = {"stride": 16.0, "origin": 7.5, "channels": COCO_17.keypoints, "keypoints": tuple(range(17))}
    heat = random.random((17, 12, 16), np.float32)
    offsets = random.normal(0, 9, (17, 2, 12, 16)).astype(np.float32)
    return Fields(
        "fake",
        (
            FieldMap("heatmaps", FieldKind.HEATMAP, heat, "probability", **grid),
            FieldMap("heatmaps_stage1", FieldKind.HEATMAP, heat[::-1], "probability", **grid, stage=-1),
            FieldMap("offsets", FieldKind.OFFSETS, offsets, "input px", **grid),
        ),
        letterbox((640, 400), (256, 192)),
        COCO_17,
        Provenance("picture", "model", "weights"),
    )


def fake_trace() -> Trace:
    """Two joints of one person, a peak that was not taken, and pairs that were compared."""
    way = np.array([[100.0, 50.0], [118.0, 61.0], [120.0, 60.0]])
    nose = JointEvidence(0, 5, way, ("start", "displaced", "refined"), 0.8)
    shoulder = JointEvidence(5, None, np.array([[100.0, 50.0]]), ("peak",), 0.9)
    samples = np.linspace(0, 1, 10)
    return Trace(
        ((nose, shoulder),),
        (
            Candidate(0, (300.0, 200.0), 0.4, "its person scores too low", "pose_threshold"),
            Candidate(0, (120.0, 60.0), 0.8, "taken"),
        ),
        (
            LimbEvidence((5, 0), (100.0, 50.0), (300.0, 200.0), samples, 0.2, False, "too weak", "limb_share"),
            LimbEvidence((5, 0), (100.0, 50.0), (120.0, 60.0), samples, 0.7, True, "chosen"),
        ),
    )


# --- the page --------------------------------------------------------------------------------------------------------
