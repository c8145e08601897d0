"""How good models are: OKS average precision, PCK, threshold sweeps, and the cases behind the figures."""

from posecore.evaluation.chance import Interval, difference_intervals
from posecore.evaluation.evaluate import (
    Case,
    Evaluation,
    KeypointFigures,
    cases,
    evaluate,
    measure,
    ranked,
    worst_cases,
)
from posecore.evaluation.oks import average_precision, common_keypoints, keypoint_similarity, similarity_matrix
from posecore.evaluation.predictions import (
    PicturePoses,
    Protocol,
    View,
    analyse,
    crop_region,
    predict,
    protocol_settings,
)

__all__ = [
    "Case",
    "Evaluation",
    "Interval",
    "KeypointFigures",
    "PicturePoses",
    "Protocol",
    "View",
    "analyse",
    "average_precision",
    "cases",
    "common_keypoints",
    "crop_region",
    "difference_intervals",
    "evaluate",
    "keypoint_similarity",
    "measure",
    "predict",
    "protocol_settings",
    "ranked",
    "similarity_matrix",
    "worst_cases",
]
