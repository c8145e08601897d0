"""The third dimension: people of clips and pictures lifted into space, and what is made of that."""

from posecore.lifting.lift import LiveLifter, lift, lift_poses
from posecore.lifting.poses3d import USUAL_FOCAL, USUAL_HEIGHT, LiftedBy, Poses3D

__all__ = ["USUAL_FOCAL", "USUAL_HEIGHT", "LiftedBy", "LiveLifter", "Poses3D", "lift", "lift_poses"]
