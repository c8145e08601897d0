"""Why a joint is where it is, in plain words and tables, from the evidence that any decoder gives."""

from posecore.evidence.lookup import (
    candidates_of,
    is_chosen,
    is_taken,
    joint_of,
    limbs_of,
    nearest_candidate,
    nearest_joint,
)
from posecore.evidence.tables import candidate_table, limb_table, step_table
from posecore.evidence.telling import (
    limb_labels,
    tell_candidate,
    tell_joint,
    tell_limb,
    tell_person,
    tell_thresholds,
)
from posecore.evidence.trials import Trial, try_setting

__all__ = [
    "Trial",
    "candidate_table",
    "candidates_of",
    "is_chosen",
    "is_taken",
    "joint_of",
    "limb_labels",
    "limb_table",
    "limbs_of",
    "nearest_candidate",
    "nearest_joint",
    "step_table",
    "tell_candidate",
    "tell_joint",
    "tell_limb",
    "tell_person",
    "tell_thresholds",
    "try_setting",
]
