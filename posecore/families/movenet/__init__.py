"""MoveNet: a person's centre points at its joints, heatmaps near those points refine them."""

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
from posecore.errors import WeightsError
from posecore.families.contract import (
    Family,
    Follower,
    ForeignWeights,
    GraphDecoder,
    LossTerm,
    State,
    Target,
    found_poses,
)
from posecore.families.movenet.codec import (
    ORIGIN,
    MoveNetDecodeSettings,
    MoveNetMaps,
    MultiPoseDecodeSettings,
    SinglePoseDecodeSettings,
    decode_multi,
    decode_single,
)
from posecore.families.movenet.convert import convert_graph
from posecore.families.movenet.crop import SmartCrop
from posecore.families.movenet.evidence import trace_of
from posecore.families.movenet.graph import MultiDecoder, SingleDecoder
from posecore.families.movenet.heads import adapt_heads
from posecore.families.movenet.loss import MoveNetLossSettings, movenet_targets, movenet_terms
from posecore.families.movenet.network import ARCHITECTURES, SIDE_MULTIPLE, STRIDE, MoveNet
from posecore.families.placing import fit, nearest_multiple
from posecore.families.trace import Trace
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region, letterbox, sample, stretch
from posecore.poses import Poses
from posecore.settings import NetworkSettings, antialias_field, with_defaults
from posecore.skeleton import COCO_17, Skeleton


class MoveNetNetworkSettings(NetworkSettings):
    """What MoveNet's network sees and how it runs."""

    input_size: int = Field(
        192,
        title="Input size",
        ge=64,
        le=1024,
        description="Longer side of the network's input in pixels, rounded to a multiple of 32.",
        json_schema_extra={"step": 32},
    )
    preprocessing: Literal["letterbox", "fit", "stretch"] = Field(
        "letterbox",
        title="Preprocessing",
        description="letterbox pads the picture to a square with black; fit pads it only to the next multiple of 32; "
        "stretch distorts it to a square, as some published examples do.",
    )
    antialias: bool = antialias_field("The published examples do not.")


class MoveNetFamily(Family[MoveNetNetworkSettings, MoveNetDecodeSettings, MoveNetLossSettings]):
    """See :class:`posecore.families.contract.Family`."""

    name = "movenet"
    title = "MoveNet"
    architectures = ARCHITECTURES
    decode_settings = MoveNetDecodeSettings
    loss_settings = MoveNetLossSettings
    logits = frozenset({"centre", "heatmaps"})
    trainable = True
    learns_other_keypoints = True

    def network_settings(self, architecture: str) -> type[MoveNetNetworkSettings]:
        layout = ARCHITECTURES[architecture]
        preprocessing = "fit" if layout.multi else "letterbox"
        published = {"input_size": layout.input_size, "preprocessing": preprocessing}
        return with_defaults(MoveNetNetworkSettings, published)

    def decode_settings_of(self, architecture: str) -> type[MoveNetDecodeSettings]:
        return MultiPoseDecodeSettings if ARCHITECTURES[architecture].multi else SinglePoseDecodeSettings

    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> MoveNet:
        return MoveNet(ARCHITECTURES[architecture], skeleton, fused)

    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        if not ARCHITECTURES[architecture].published:
            known = ", ".join(name for name, layout in ARCHITECTURES.items() if layout.published)
            raise WeightsError(
                f"Nobody has published weights for {architecture}, so this file cannot be its; published are {known}."
            )
        with torch.device("meta"):
            network = self.build(architecture)
        return convert_graph(weights, network)

    def place(
        self, image_size: tuple[int, int], region: Region | None, settings: MoveNetNetworkSettings
    ) -> InputTransform:
        side = nearest_multiple(settings.input_size, SIDE_MULTIPLE)
        if settings.preprocessing == "stretch":
            return stretch(image_size, (side, side), region, half_pixel=True)
        if settings.preprocessing == "letterbox":
            return letterbox(image_size, (side, side), region, half_pixel=True)
        return fit(image_size, region, side, SIDE_MULTIPLE)

    def prepare(
        self, picture: Picture, transform: InputTransform, settings: MoveNetNetworkSettings
    ) -> NDArray[np.float32]:
        return sample(picture, transform, fill=0.0, antialias=settings.antialias)

    def run(
        self, network: nn.Module, pixels: torch.Tensor, settings: MoveNetNetworkSettings
    ) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = network(pixels)
        return outputs

    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: MoveNetNetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        grid: dict[str, Any] = {"stride": float(STRIDE), "origin": ORIGIN}
        joints: dict[str, Any] = {"channels": skeleton.keypoints, "keypoints": tuple(range(len(skeleton))), **grid}
        regression, offsets = (np.ascontiguousarray(outputs[name]) for name in ("regression", "offsets"))
        fields = [
            FieldMap("centre", FieldKind.CENTRE, expit(outputs["centre"]), "probability", channels=("person",), **grid),
            FieldMap("regression", FieldKind.REGRESSION, regression, "cells", **joints),
            FieldMap("heatmaps", FieldKind.HEATMAP, expit(outputs["heatmaps"]), "probability", **joints),
            FieldMap("offsets", FieldKind.OFFSETS, offsets, "cells", **joints),
        ]
        for name, label in (("box_size", "width and height"), ("box_offset", "middle of the box")):
            if name in outputs:
                values = np.ascontiguousarray(outputs[name])
                fields.append(FieldMap(name, FieldKind.BOX, values, "cells", channels=(label,), **grid))
        return tuple(fields)

    def decode(
        self, fields: Fields, settings: MoveNetDecodeSettings, trace: bool = False
    ) -> tuple[Poses, Trace | None]:
        maps = _maps_of(fields)
        several = _several(settings, maps.box_size is not None)
        decoded = decode_multi(maps, settings) if several else decode_single(maps, settings)
        kept = np.flatnonzero(decoded.scores >= settings.pose_threshold)
        order = kept[np.argsort(-decoded.scores[kept], kind="stable")]
        xy = fields.to_source("heatmaps", decoded.xy[order])
        poses = found_poses(fields, xy, decoded.keypoint_scores[order], decoded.scores[order], settings)
        return poses, trace_of(decoded, order, maps, fields, settings, several) if trace else None

    def graph_decoder(
        self, architecture: str, network: MoveNetNetworkSettings, settings: MoveNetDecodeSettings
    ) -> GraphDecoder:
        if _several(settings, ARCHITECTURES[architecture].multi):
            return GraphDecoder(MultiDecoder(settings), settings.max_poses)
        return GraphDecoder(SingleDecoder(settings))

    def follower(self, architecture: str, settings: MoveNetDecodeSettings) -> Follower | None:
        return None if _several(settings, ARCHITECTURES[architecture].multi) else SmartCrop()

    def one_person_settings(self) -> frozenset[str]:
        return frozenset({"pose_threshold", "keypoint_threshold", "distance_offset"})

    def training_side(self, side: int, settings: MoveNetNetworkSettings) -> int:
        return nearest_multiple(side, SIDE_MULTIPLE)

    def person_loss(self, architecture: str, side: int) -> dict[str, Any]:
        return {} if ARCHITECTURES[architecture].multi else {"person": "central"}

    def adapt(self, state: State, skeleton: Skeleton, fresh: State, wanted: Skeleton) -> dict[str, torch.Tensor]:
        return adapt_heads(state, skeleton, fresh, wanted)

    def _stride(self, settings: MoveNetNetworkSettings) -> int:
        return STRIDE

    def _has_output(self, architecture: str, name: str) -> bool:
        return ARCHITECTURES[architecture].multi or not name.startswith("box_")

    def _targets(
        self,
        truth: Truth,
        grid: tuple[int, int],
        skeleton: Skeleton,
        settings: MoveNetNetworkSettings,
        loss_settings: MoveNetLossSettings,
    ) -> dict[str, Target]:
        return movenet_targets(truth, grid, loss_settings)

    def _terms(
        self,
        outputs: State,
        targets: Mapping[str, Target],
        truth: Truth,
        skeleton: Skeleton,
        loss_settings: MoveNetLossSettings,
    ) -> dict[str, LossTerm]:
        return movenet_terms(outputs, targets, skeleton.edges, loss_settings)

    def _trust(self, outputs: State, skeleton: Skeleton) -> dict[str, torch.Tensor]:
        centre, heat = (torch.sigmoid(outputs[name]) for name in ("centre", "heatmaps"))
        return {
            "centre": torch.ones_like(centre),
            "heatmaps": torch.ones_like(heat),
            "regression": centre.expand(-1, len(skeleton), -1, -1),
            "offsets": heat,
            **{name: centre for name in ("box_size", "box_offset") if name in outputs},
        }


def _maps_of(fields: Fields) -> MoveNetMaps:
    """The decoder's input from what :meth:`MoveNetFamily.maps` made."""
    boxes = (fields[name].values[0] if name in fields else None for name in ("box_size", "box_offset"))
    return MoveNetMaps(
        fields["centre"].values[0],
        fields["regression"].values,
        fields["heatmaps"].values,
        fields["offsets"].values,
        *boxes,
    )


def _several(settings: MoveNetDecodeSettings, boxes: bool) -> bool:
    """Whether everybody is wanted, of a network with or without ``boxes``."""
    return settings.mode == "multi" or (settings.mode == "auto" and boxes)


MOVENET = MoveNetFamily()
