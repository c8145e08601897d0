"""PoseNet (PersonLab): multi-person poses from heatmaps, offsets and displacement fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from torch import nn

from posecore.data.truth import Truth
from posecore.errors import SettingsError
from posecore.families.contract import Family, ForeignWeights, GraphDecoder, LossTerm, State, Target, found_poses
from posecore.families.posenet.codec import (
    PoseNetDecodeSettings,
    PoseNetMaps,
    decode_multi,
    decode_single,
    tree_of,
)
from posecore.families.posenet.convert import convert_weights
from posecore.families.posenet.evidence import trace_of
from posecore.families.posenet.graph import SingleDecoder
from posecore.families.posenet.heads import adapt_heads
from posecore.families.posenet.loss import PoseNetLossSettings, posenet_targets, posenet_terms
from posecore.families.posenet.network import ARCHITECTURES, PoseNet
from posecore.families.trace import Trace
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region, check_region, full_region, letterbox, sample, stretch
from posecore.poses import Poses
from posecore.settings import NetworkSettings, antialias_field, narrow
from posecore.skeleton import COCO_17, Skeleton

#: Longest side of the network's input that is accepted, in pixels.
MAX_INPUT_SIDE = 4097


class PoseNetNetworkSettings(NetworkSettings):
    """What PoseNet's network sees and how it runs."""

    output_stride: Literal[4, 8, 16, 32] = Field(
        16,
        title="Output stride",
        description="Input pixels per heatmap cell. Smaller is finer and slower; the weights are the same.",
    )
    input_by: Literal["side", "scale"] = Field(
        "side",
        title="Input size by",
        description="Give the network's input as the length of its longer side, or as a part of the picture's size.",
    )
    input_size: int = Field(
        513,
        title="Input size",
        ge=65,
        le=2049,
        description="Longer side of the network's input in pixels, rounded to a multiple of the output stride plus 1.",
        json_schema_extra={"step": 16, "when": {"input_by": "side"}},
    )
    input_scale: float = Field(
        0.5,
        title="Input scale",
        ge=0.05,
        le=2,
        description="Size of the network's input relative to the picture.",
        json_schema_extra={"step": 0.05, "when": {"input_by": "scale"}},
    )
    preprocessing: Literal["resize", "letterbox"] = Field(
        "resize",
        title="Preprocessing",
        description="resize keeps the picture's shape to within a cell; letterbox pads it to a square by repeating its "
        "border, as TensorFlow.js's pose-detection does.",
    )
    antialias: bool = antialias_field("TensorFlow.js does not.")
    dilation: Literal["square", "tfjs"] = Field(
        "square",
        title="Dilation",
        description="How strides become dilations below the native output stride: on both axes, or only on the "
        "vertical one as TensorFlow.js runs the published graphs.",
        json_schema_extra={"words": {"tfjs": "TF.js"}},
    )


class PoseNetFamily(Family[PoseNetNetworkSettings, PoseNetDecodeSettings, PoseNetLossSettings]):
    """See :class:`posecore.families.contract.Family`."""

    name = "posenet"
    title = "PoseNet"
    architectures = ARCHITECTURES
    decode_settings = PoseNetDecodeSettings
    crop_side = 257
    picture_side = 513
    loss_settings = PoseNetLossSettings
    # What the networks see as 0.
    padding = 127.5
    logits = frozenset({"heatmaps"})
    trainable = True
    learns_other_keypoints = True

    def network_settings(self, architecture: str) -> type[PoseNetNetworkSettings]:
        return narrow(PoseNetNetworkSettings, "output_stride", ARCHITECTURES[architecture].output_strides)

    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> PoseNet:
        return PoseNet(ARCHITECTURES[architecture], skeleton, len(tree_of(skeleton)), fused)

    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        with torch.device("meta"):
            network = self.build(architecture)
        return convert_weights(weights, network)

    def place(
        self, image_size: tuple[int, int], region: Region | None, settings: PoseNetNetworkSettings
    ) -> InputTransform:
        x0, y0, x1, y1 = check_region(region or full_region(image_size))
        longer = max(x1 - x0, y1 - y0)
        factor = settings.input_size / longer if settings.input_by == "side" else settings.input_scale
        if settings.preprocessing == "letterbox":
            side = _valid_side(longer * factor, settings.output_stride)
            return letterbox(image_size, (side, side), region)
        width, height = (_valid_side(side * factor, settings.output_stride) for side in (x1 - x0, y1 - y0))
        return stretch(image_size, (width, height), region)

    def prepare(
        self, picture: Picture, transform: InputTransform, settings: PoseNetNetworkSettings
    ) -> NDArray[np.float32]:
        return sample(picture, transform, antialias=settings.antialias)

    def run(
        self, network: nn.Module, pixels: torch.Tensor, settings: PoseNetNetworkSettings
    ) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = network(pixels, settings.output_stride, settings.dilation == "square")
        return outputs

    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: PoseNetNetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        grid: dict[str, Any] = {"stride": float(settings.output_stride), "origin": 0.0}
        tree = tree_of(skeleton)
        names, every = skeleton.keypoints, tuple(range(len(skeleton)))
        back = tuple((child, parent) for parent, child in tree)

        def displacement(name: str, edges: tuple[tuple[int, int], ...]) -> FieldMap:
            labels = tuple(f"{names[a]} → {names[b]}" for a, b in edges)
            values = np.ascontiguousarray(outputs[name])
            return FieldMap(name, FieldKind.DISPLACEMENT, values, "input px", channels=labels, edges=edges, **grid)

        probabilities = expit(outputs["heatmaps"])
        offsets = np.ascontiguousarray(outputs["offsets"])
        return (
            FieldMap(
                "heatmaps", FieldKind.HEATMAP, probabilities, "probability", channels=names, keypoints=every, **grid
            ),
            FieldMap("offsets", FieldKind.OFFSETS, offsets, "input px", channels=names, keypoints=every, **grid),
            displacement("displacement_forward", tree),
            displacement("displacement_backward", back),
        )

    def decode(
        self, fields: Fields, settings: PoseNetDecodeSettings, trace: bool = False
    ) -> tuple[Poses, Trace | None]:
        forward, backward = fields["displacement_forward"], fields["displacement_backward"]
        maps = PoseNetMaps(
            fields["heatmaps"].values,
            fields["offsets"].values,
            np.concatenate([forward.values, backward.values]),
            forward.stride,
            forward.edges or (),
        )
        if settings.mode == "single":
            decoded = decode_single(maps, settings)
        else:
            decoded = decode_multi(maps, settings, record=trace)
        order = np.argsort(-decoded.scores, kind="stable")
        xy = fields.transform.to_source(decoded.xy[order])
        poses = found_poses(fields, xy, decoded.keypoint_scores[order], decoded.scores[order], settings)
        return poses, trace_of(decoded, order, maps, fields, settings) if trace else None

    def graph_decoder(
        self, architecture: str, network: PoseNetNetworkSettings, settings: PoseNetDecodeSettings
    ) -> GraphDecoder | None:
        return GraphDecoder(SingleDecoder(network.output_stride)) if settings.mode == "single" else None

    def training_side(self, side: int, settings: PoseNetNetworkSettings) -> int:
        return _valid_side(side, settings.output_stride)

    def person_loss(self, architecture: str, side: int) -> dict[str, Any]:
        # PersonLab's disks of 32 pixels are large beside one person; few cells lie inside smaller ones.
        return {"heatmap_radius": 0.075 * side, "vector_radius": 0.125 * side, "positive_weight": 3.0}

    def adapt(self, state: State, skeleton: Skeleton, fresh: State, wanted: Skeleton) -> dict[str, torch.Tensor]:
        return adapt_heads(state, skeleton, fresh, wanted)

    def _stride(self, settings: PoseNetNetworkSettings) -> int:
        return settings.output_stride

    def _targets(
        self,
        truth: Truth,
        grid: tuple[int, int],
        skeleton: Skeleton,
        settings: PoseNetNetworkSettings,
        loss_settings: PoseNetLossSettings,
    ) -> dict[str, Target]:
        return posenet_targets(truth, grid, tree_of(skeleton), settings.output_stride, loss_settings)

    def _terms(
        self,
        outputs: State,
        targets: Mapping[str, Target],
        truth: Truth,
        skeleton: Skeleton,
        loss_settings: PoseNetLossSettings,
    ) -> dict[str, LossTerm]:
        return posenet_terms(outputs, targets, loss_settings)

    def _trust(self, outputs: State, skeleton: Skeleton) -> dict[str, torch.Tensor]:
        heat = torch.sigmoid(outputs["heatmaps"])
        first, second = map(list, zip(*tree_of(skeleton), strict=True))
        return {
            "heatmaps": torch.ones_like(heat),
            "offsets": heat,
            "displacement_forward": heat[:, first],
            "displacement_backward": heat[:, second],
        }


def _valid_side(side: float, stride: int) -> int:
    """Nearest side of the form k · stride + 1, so that cells fall on both edges of the input."""
    if side > MAX_INPUT_SIDE:
        raise SettingsError(
            f"The network's input would be {side:.0f} pixels long, more than {MAX_INPUT_SIDE}; lower the input scale."
        )
    return max(round((side - 1) / stride), 1) * stride + 1


POSENET = PoseNetFamily()
