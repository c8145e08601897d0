"""Two models as one: the first finds people in the picture, the second looks at each of them closely."""

from posecore.data.box_files import Box, GivenBoxes, PlacedBoxes, read_boxes
from posecore.two_stage.boxed import BoxedModel
from posecore.two_stage.following import PeopleFollower
from posecore.two_stage.model import TwoStageModel
from posecore.two_stage.naming import JOIN, check_stages, for_one_person, split_name
from posecore.two_stage.stages import Stage, stages_of

__all__ = [
    "JOIN",
    "Box",
    "BoxedModel",
    "GivenBoxes",
    "PeopleFollower",
    "PlacedBoxes",
    "Stage",
    "TwoStageModel",
    "check_stages",
    "for_one_person",
    "read_boxes",
    "split_name",
    "stages_of",
]
