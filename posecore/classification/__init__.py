"""What people do, told from their pose: a small classifier over normalised keypoints, for one's own classes."""

from posecore.classification.classifier import PoseClassifier, Rated, cross_validate, fit
from posecore.classification.features import pose_features
from posecore.classification.pictures import ClassPictures, class_folders, learn_from
from posecore.classification.states import States, states_of

__all__ = [
    "ClassPictures",
    "PoseClassifier",
    "Rated",
    "States",
    "class_folders",
    "cross_validate",
    "fit",
    "learn_from",
    "pose_features",
    "states_of",
]
