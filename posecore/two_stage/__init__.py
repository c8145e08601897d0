"""Two models as one: the first finds people in the picture, the second looks at each of them closely."""

from posecore.two_stage.model import TwoStageModel
from posecore.two_stage.naming import JOIN, check_stages, split_name

__all__ = ["JOIN", "TwoStageModel", "check_stages", "split_name"]
