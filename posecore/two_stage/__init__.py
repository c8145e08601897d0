"""Two models as one: the first finds people in the picture, the second looks at each of them closely."""

from posecore.two_stage.following import PeopleFollower
from posecore.two_stage.model import TwoStageModel
from posecore.two_stage.naming import JOIN, check_stages, for_one_person, split_name
from posecore.two_stage.stages import Stage, stages_of

__all__ = [
    "JOIN",
    "PeopleFollower",
    "Stage",
    "TwoStageModel",
    "check_stages",
    "for_one_person",
    "split_name",
    "stages_of",
]
