"""OpenPose: multi-person poses from heatmaps and part affinity fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from posecore.data.truth import Truth
from posecore.families.contract import Family, ForeignWeights, LossTerm, State, Target, found_poses
from posecore.families.openpose.adapt import adapt_channels
from posecore.families.openpose.codec import OpenPoseDecodeSettings, OpenPoseMaps, decode, limbs_of
from posecore.families.openpose.convert import convert_weights, knows_names
from posecore.families.openpose.evidence import trace_of
from posecore.families.openpose.loss import OpenPoseLossSettings, openpose_targets, openpose_terms
from posecore.families.openpose.network import ARCHITECTURES, OpenPose
from posecore.families.placing import fit, nearest_multiple
from posecore.families.trace import Trace
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region, sample
from posecore.poses import Poses
from posecore.settings import NetworkSettings, narrow
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton

#: Sides of the network's input are multiples of this, so that every level of every backbone has whole cells.
SIDE_STEP = 16
#: Grey around the picture, as the published demonstrations pad.
PADDING = 128.0

#: Name of the setting's value → factors by which the input is scaled.
_SCALES: dict[str, tuple[float, ...]] = {
    "1": (1.0,),
    "0.5, 1": (0.5, 1.0),
    "0.5, 1, 1.5": (0.5, 1.0, 1.5),
    "0.5, 1, 1.5, 2": (0.5, 1.0, 1.5, 2.0),
}


class OpenPoseNetworkSettings(NetworkSettings):
    """What OpenPose's network sees and how it runs."""

    output_stride: Literal[4, 8] = Field(
        8, title="Output stride", description="Input pixels per cell of the maps; part of the network's layout."
    )
    input_size: int = Field(
        432,
        title="Input size",
        ge=64,
        le=1536,
        description="Longer side of the network's input in pixels, rounded to a multiple of 16. The picture keeps its "
        "shape; grey fills up the rest.",
        json_schema_extra={"step": 16},
    )
    stages: Literal[1, 2, 3, 4, 5, 6] = Field(
        6,
        title="Stages",
        description="How often the maps are refined. Stopping early is faster and less sure.",
    )
    all_stages: bool = Field(
        False,
        title="Keep all stages",
        description="Keep the maps of every stage to look at, not only the last one's, which decide.",
    )
    scales: Literal["1", "0.5, 1", "0.5, 1, 1.5", "0.5, 1, 1.5, 2"] = Field(
        "1",
        title="Scales",
        description="Run the network at several sizes, relative to the input size, and average the maps. Slower, and "
        "better on people of very different sizes.",
    )
    flip: bool = Field(
        False,
        title="Flip",
        description="Also run the network on the mirrored picture and average the maps. Half as fast.",
    )


class OpenPoseFamily(Family[OpenPoseNetworkSettings, OpenPoseDecodeSettings, OpenPoseLossSettings]):
    """See :class:`posecore.families.contract.Family`."""

    name = "openpose"
    title = "OpenPose"
    architectures = ARCHITECTURES
    decode_settings = OpenPoseDecodeSettings
    crop_side = 256
    picture_side = 512
    loss_settings = OpenPoseLossSettings
    skeleton = OPENPOSE_18
    padding = PADDING
    # Every stage makes maps, and the next one reads them.
    heads = ("stages.",)
    trainable = True
    learns_other_keypoints = True

    def network_settings(self, architecture: str) -> type[OpenPoseNetworkSettings]:
        layout = ARCHITECTURES[architecture]
        settings = narrow(OpenPoseNetworkSettings, "output_stride", layout.output_strides)
        return narrow(settings, "stages", range(1, layout.stages + 1), layout.stages)

    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> OpenPose:
        return OpenPose(ARCHITECTURES[architecture], skeleton, limbs_of(skeleton), fused)

    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        with torch.device("meta"):
            network = self.build(architecture, self.skeleton)
        return convert_weights(weights, network)

    def knows_names(self, names: Collection[str]) -> bool:
        return knows_names(names)

    def place(
        self, image_size: tuple[int, int], region: Region | None, settings: OpenPoseNetworkSettings
    ) -> InputTransform:
        longer = nearest_multiple(settings.input_size * max(_SCALES[settings.scales]), SIDE_STEP)
        return fit(image_size, region, longer, SIDE_STEP)

    def prepare(
        self, picture: Picture, transform: InputTransform, settings: OpenPoseNetworkSettings
    ) -> NDArray[np.float32]:
        return sample(picture, transform, fill=PADDING, antialias=True)

    def run(
        self, network: nn.Module, pixels: torch.Tensor, settings: OpenPoseNetworkSettings
    ) -> dict[str, torch.Tensor]:
        """Outputs are ``heatmaps`` and ``part_affinity`` of the deciding stage, ``…_stage1`` and so on of earlier ones.

        In training mode the maps of every stage come, for each has its own loss.
        """
        assert isinstance(network, OpenPose)
        every = settings.all_stages or network.training
        largest = max(_SCALES[settings.scales])
        runs = []
        for scale in _SCALES[settings.scales]:
            scaled = pixels
            if scale != largest:
                size = [nearest_multiple(side * scale / largest, SIDE_STEP) for side in pixels.shape[2:]]
                scaled = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=True)
            runs.append(network.both_ways(scaled, settings.stages, every, settings.flip))
        outputs: dict[str, torch.Tensor] = {}
        for number, same in enumerate(zip(*runs, strict=True), 1):
            suffix = "" if number == len(runs[0]) else f"_stage{number}"
            outputs[f"part_affinity{suffix}"] = _mean([affinity for affinity, _ in same])
            outputs[f"heatmaps{suffix}"] = _mean([heatmaps for _, heatmaps in same])
        return outputs

    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: OpenPoseNetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        """The deciding stage's maps first, then those of earlier stages if they were kept.

        The background is a map of its own, so that "any joint" means any joint.
        """
        stride = float(settings.output_stride)
        limbs = limbs_of(skeleton)
        names, every = skeleton.keypoints, tuple(range(len(skeleton)))
        labels = tuple(f"{names[a]} → {names[b]}" for a, b in limbs)
        found: list[FieldMap] = []
        for stage in (settings.stages, *range(1, settings.stages)):
            suffix = "" if stage == settings.stages else f"_stage{stage}"
            if f"heatmaps{suffix}" not in outputs:
                continue
            grid: dict[str, Any] = {"stride": stride, "origin": (stride - 1) / 2, "stage": stage}
            heat = np.ascontiguousarray(outputs[f"heatmaps{suffix}"])
            fields = np.ascontiguousarray(outputs[f"part_affinity{suffix}"])
            heatmap, unit = FieldKind.HEATMAP, "probability"
            found += [
                FieldMap(f"heatmaps{suffix}", heatmap, heat[:-1], unit, channels=names, keypoints=every, **grid),
                FieldMap(f"background{suffix}", heatmap, heat[-1:], unit, channels=("background",), **grid),
                FieldMap(
                    f"part_affinity{suffix}",
                    FieldKind.PART_AFFINITY,
                    fields,
                    "unit vector",
                    channels=labels,
                    edges=limbs,
                    **grid,
                ),
            ]
        return tuple(found)

    def decode(
        self, fields: Fields, settings: OpenPoseDecodeSettings, trace: bool = False
    ) -> tuple[Poses, Trace | None]:
        heat, affinity = fields["heatmaps"], fields["part_affinity"]
        maps = OpenPoseMaps(heat.values, affinity.values, affinity.edges or (), heat.stride)
        decoded = decode(maps, settings, record=trace)
        xy = fields.to_source("heatmaps", decoded.xy)
        poses = found_poses(fields, xy, decoded.keypoint_scores, decoded.scores, settings)
        return poses, trace_of(decoded, maps, fields, settings) if trace else None

    def training_side(self, side: int, settings: OpenPoseNetworkSettings) -> int:
        return nearest_multiple(side, SIDE_STEP)

    def adapt(self, state: State, skeleton: Skeleton, fresh: State, wanted: Skeleton) -> dict[str, torch.Tensor]:
        return adapt_channels(state, skeleton, fresh, wanted)

    def _stride(self, settings: OpenPoseNetworkSettings) -> int:
        return settings.output_stride

    def _targets(
        self,
        truth: Truth,
        grid: tuple[int, int],
        skeleton: Skeleton,
        settings: OpenPoseNetworkSettings,
        loss_settings: OpenPoseLossSettings,
    ) -> dict[str, Target]:
        return openpose_targets(truth, grid, limbs_of(skeleton), settings.output_stride, loss_settings)

    def _terms(
        self,
        outputs: State,
        targets: Mapping[str, Target],
        truth: Truth,
        skeleton: Skeleton,
        loss_settings: OpenPoseLossSettings,
    ) -> dict[str, LossTerm]:
        return openpose_terms(outputs, targets, truth.labelled, limbs_of(skeleton), loss_settings)

    def _trust(self, outputs: State, skeleton: Skeleton) -> dict[str, torch.Tensor]:
        # Every stage learns from the teacher's last one.
        heat, affinity = outputs["heatmaps"], outputs["part_affinity"]
        return {"heatmaps": torch.ones_like(heat), "part_affinity": torch.ones_like(affinity[:, :, 0])}


def _mean(maps: list[torch.Tensor]) -> torch.Tensor:
    """Mean of ``(B, …, h, w)`` maps of several sizes on the grid of the last.

    Cells lie in the middle of their pixels at every scale, so that maps are enlarged as pictures are.
    """
    last = maps[-1]
    if len(maps) == 1:
        return last
    total = torch.zeros_like(last)
    for one in maps:
        size = last.shape[-2:]
        same = one if one.shape == last.shape else F.interpolate(one.flatten(1, -3), size=size, mode="bilinear")
        total += same.reshape(last.shape)
    return total / len(maps)


OPENPOSE = OpenPoseFamily()
