"""Poses and fields drawn on pictures."""

from posecore.drawing.field_values import field_values
from posecore.drawing.fields import heatmap_grid, heatmap_over, vector_arrows, vector_hue
from posecore.drawing.overlay import DrawingOptions, draw_poses, draw_region, pose_strokes

__all__ = [
    "DrawingOptions",
    "draw_poses",
    "draw_region",
    "field_values",
    "heatmap_grid",
    "heatmap_over",
    "pose_strokes",
    "vector_arrows",
    "vector_hue",
]
