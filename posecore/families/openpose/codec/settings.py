"""What the decoder can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from posecore.settings import DecodeSettings, max_poses_field, nms_radius_field, threshold_field


class OpenPoseDecodeSettings(DecodeSettings):
    """How OpenPose's fields become poses."""

    filters = ("keypoint_threshold", "pose_threshold")

    pose_threshold: float = threshold_field(
        0.1,
        "Pose threshold",
        "Lowest score of a person that is shown. A person of whom little is seen scores low.",
    )
    keypoint_threshold: float = threshold_field(0.05, "Keypoint threshold", "Lowest score of a joint that is shown.")
    peak_threshold: float = threshold_field(0.05, "Peak threshold", "Lowest heatmap peak that can become a joint.")
    nms_radius: float = nms_radius_field(
        8.0, "Pixels of the network's input within which only the highest peak of a joint is kept."
    )
    limb_threshold: float = threshold_field(
        0.05,
        "Limb threshold",
        "Lowest part affinity along the line between two joints that speaks for a limb between them.",
    )
    limb_share: float = Field(
        0.6,
        title="Limb share",
        ge=0,
        le=0.9,
        description="More than this share of the points along the line must reach the limb threshold.",
        json_schema_extra={"step": 0.1},
    )
    matching: Literal["greedy", "optimal"] = Field(
        "greedy",
        title="Matching",
        description="greedy takes the best pair of joints first, as published; optimal makes the sum over all pairs of "
        "a limb as large as possible.",
    )
    min_keypoints: int = Field(
        4,
        title="Fewest joints",
        ge=1,
        le=18,
        description="People with fewer joints are left out.",
        json_schema_extra={"step": 1},
    )
    max_poses: int = max_poses_field(20, "Most people that are returned.")
    refine_peaks: bool = Field(
        True, title="Refine peaks", description="Find peaks to a fraction of a cell by fitting a Gaussian."
    )
    upsampling: Literal[1, 2, 4, 8] = Field(
        1,
        title="Upsampling",
        description="Enlarge the heatmaps before peaks are looked for, as the published decoding does by 8. Slower, "
        "and rarely better than refined peaks.",
    )
    smoothing: float = Field(
        0.0,
        title="Smoothing",
        ge=0,
        le=20,
        description="Smooth the heatmaps before peaks are looked for: standard deviation in input pixels. The "
        "published decoding takes 3.",
        json_schema_extra={"step": 0.5},
    )
