"""Synthetic people: pictures of articulated, shaded figures with exact keypoints, determined by a seed."""

from posecore.data.synthetic.backgrounds import PLACES
from posecore.data.synthetic.dataset import write_dataset
from posecore.data.synthetic.poses import MOTIONS
from posecore.data.synthetic.scenes import (
    SAMPLE_SEEDS,
    ScenePlan,
    SyntheticPerson,
    SyntheticScene,
    draw_scene,
    plan_scene,
    render_clip,
    render_scene,
)

__all__ = [
    "MOTIONS",
    "PLACES",
    "SAMPLE_SEEDS",
    "ScenePlan",
    "SyntheticPerson",
    "SyntheticScene",
    "draw_scene",
    "plan_scene",
    "render_clip",
    "render_scene",
    "write_dataset",
]
