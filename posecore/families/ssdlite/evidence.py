"""Why SSDLite's decoder put every box where it is, and what became of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.families.ssdlite.codec import Decoded, SSDLiteDecodeSettings
from posecore.families.trace import Candidate, JointEvidence, Trace
from posecore.fields import Fields

#: The path of a corner: the middle of the cell that the box was found from, and where it lies.
STEPS = ("cell", "box")


def trace_of(
    decoded: Decoded,
    kept: NDArray[np.intp],
    points: NDArray[np.float64],
    fields: Fields,
    settings: SSDLiteDecodeSettings,
) -> Trace:
    """Evidence of a decoding in source pixels.

    Args:
        decoded: All boxes above the threshold.
        kept: Index into ``decoded`` of every person that was returned.
        points: ``(N, 4, 2)`` corners of all of them in source pixels.
        fields: What was decoded.
        settings: How.
    """
    starts = fields.transform.to_source(decoded.starts)
    people = tuple(
        tuple(
            JointEvidence(point, None, np.stack([starts[box], xy]), STEPS, float(decoded.scores[box]))
            for point, xy in enumerate(points[box])
        )
        for box in kept
    )
    rank = {int(box): place for place, box in enumerate(kept, 1)}
    candidates = []
    for box, score in enumerate(decoded.scores):
        surer = int(decoded.covered_by[box])
        if box in rank:
            outcome, setting = "taken", None
        elif surer >= 0:
            whose = f"of person {rank[surer]}" if surer in rank else "that is left out"
            outcome, setting = f"covered by the box {whose}", "nms_overlap"
        else:
            outcome, setting = f"{settings.max_poses} others are surer", "max_poses"
        x, y = points[box, 0]
        candidates.append(Candidate(0, (float(x), float(y)), float(score), outcome, setting))
    return Trace(people, tuple(candidates))
