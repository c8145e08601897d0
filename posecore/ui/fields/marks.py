"""What the picture shows of the evidence behind a joint."""

from __future__ import annotations

from posecore.families.trace import Candidate, JointEvidence, LimbEvidence
from posecore.ui.shared.widgets.components import Mark

#: Limbs and peaks drawn on the picture at most; the tables have all.
_DRAWN = 12


def marks_of(
    joint: JointEvidence | None, candidates: list[Candidate], limbs: list[LimbEvidence], picked: Candidate | None
) -> list[Mark]:
    """What the picture shows of the evidence: partners below, then peaks, then the way of the joint."""
    drawn = sorted(limbs[:_DRAWN], key=lambda limb: limb.accepted)
    marks = [Mark("line", (limb.start, limb.end), "chosen" if limb.accepted else "rejected") for limb in drawn]
    for candidate in candidates[:_DRAWN]:
        taken = candidate.outcome == "taken"
        marks.append(Mark("ring", (candidate.position,), "chosen" if taken else "rejected"))
    if picked is not None:
        marks.append(Mark("ring", (picked.position,), "picked"))
    if joint is not None:
        path = tuple((float(x), float(y)) for x, y in joint.path)
        marks.append(Mark("path", path, "path", joint.steps))
    return marks
