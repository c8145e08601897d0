"""Poses and fields drawn on pictures."""

from posecore.drawing.overlay import DrawingOptions, draw_poses, draw_region

__all__ = ["DrawingOptions", "draw_poses", "draw_region"]
