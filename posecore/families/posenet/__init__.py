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
from posecore.families.contract import Candidate, Family, ForeignWeights, JointEvidence, LossTerm, Target, Trace
from posecore.families.posenet.codec import (
    Decoded,
    PoseNetDecodeSettings,
    PoseNetMaps,
    decode_multi,
    decode_single,
    tree_of,
)
from posecore.families.posenet.convert import convert_tensors
from posecore.families.posenet.heads import adapt_heads
from posecore.families.posenet.loss import PoseNetLossSettings, posenet_loss, posenet_targets
from posecore.families.posenet.network import ARCHITECTURES, PoseNet
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region, check_region, full_region, letterbox, sample, stretch
from posecore.poses import Poses
from posecore.settings import NetworkSettings, Settings, narrow
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
    antialias: bool = Field(
        True,
        title="Smooth when shrinking",
        description="Average pixels where the picture shrinks by two or more. TensorFlow.js does not.",
    )
    dilation: Literal["square", "tfjs"] = Field(
        "square",
        title="Dilation",
        description="How strides become dilations below the native output stride: on both axes, or only on the "
        "vertical one as TensorFlow.js runs the published graphs.",
    )


class PoseNetFamily(Family):
    """See :class:`posecore.families.contract.Family`."""

    name = "posenet"
    title = "PoseNet"
    architectures = ARCHITECTURES
    decode_settings = PoseNetDecodeSettings
    crop_side = 257
    picture_side = 513
    loss_settings = PoseNetLossSettings
    logits = frozenset({"heatmaps"})

    def network_settings(self, architecture: str) -> type[PoseNetNetworkSettings]:
        return narrow(PoseNetNetworkSettings, "output_stride", ARCHITECTURES[architecture].output_strides)

    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> PoseNet:
        return PoseNet(ARCHITECTURES[architecture], skeleton, len(tree_of(skeleton)), fused)

    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        with torch.device("meta"):
            network = self.build(architecture)
        return convert_tensors(weights.tensors, network)

    def place(self, image_size: tuple[int, int], region: Region | None, settings: NetworkSettings) -> InputTransform:
        assert isinstance(settings, PoseNetNetworkSettings)
        x0, y0, x1, y1 = check_region(region or full_region(image_size))
        longer = max(x1 - x0, y1 - y0)
        factor = settings.input_size / longer if settings.input_by == "side" else settings.input_scale
        if settings.preprocessing == "letterbox":
            side = _valid_side(longer * factor, settings.output_stride)
            return letterbox(image_size, (side, side), region)
        width, height = (_valid_side(side * factor, settings.output_stride) for side in (x1 - x0, y1 - y0))
        return stretch(image_size, (width, height), region)

    def prepare(self, picture: Picture, transform: InputTransform, settings: NetworkSettings) -> NDArray[np.float32]:
        assert isinstance(settings, PoseNetNetworkSettings)
        return sample(picture, transform, antialias=settings.antialias)

    def run(self, network: nn.Module, pixels: torch.Tensor, settings: NetworkSettings) -> dict[str, torch.Tensor]:
        assert isinstance(settings, PoseNetNetworkSettings)
        outputs: dict[str, torch.Tensor] = network(pixels, settings.output_stride, settings.dilation == "square")
        return outputs

    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: NetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        assert isinstance(settings, PoseNetNetworkSettings)
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

    def decode(self, fields: Fields, settings: Any, trace: bool = False) -> tuple[Poses, Trace | None]:
        assert isinstance(settings, PoseNetDecodeSettings)
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
        poses = Poses(
            fields.transform.to_source(decoded.xy[order]).astype(np.float32),
            decoded.keypoint_scores[order].astype(np.float32),
            decoded.scores[order].astype(np.float32),
            fields.skeleton,
            fields.transform.image_size,
        ).filter(keypoint_threshold=settings.keypoint_threshold)
        return poses, _trace(decoded, order, maps, fields, settings) if trace else None

    def training_side(self, side: int, settings: NetworkSettings) -> int:
        assert isinstance(settings, PoseNetNetworkSettings)
        return _valid_side(side, settings.output_stride)

    def person_loss(self, architecture: str, side: int) -> dict[str, Any]:
        # PersonLab's disks of 32 pixels are large beside one person; few cells lie inside smaller ones.
        return {"heatmap_radius": 0.075 * side, "vector_radius": 0.125 * side, "positive_weight": 3.0}

    def adapt(
        self,
        state: Mapping[str, torch.Tensor],
        skeleton: Skeleton,
        fresh: Mapping[str, torch.Tensor],
        wanted: Skeleton,
    ) -> dict[str, torch.Tensor]:
        return adapt_heads(state, skeleton, fresh, wanted)

    def loss(
        self,
        outputs: Mapping[str, torch.Tensor],
        truth: Truth,
        skeleton: Skeleton,
        settings: NetworkSettings,
        loss_settings: Settings,
    ) -> dict[str, LossTerm]:
        assert isinstance(settings, PoseNetNetworkSettings)
        assert isinstance(loss_settings, PoseNetLossSettings)
        return posenet_loss(outputs, truth, tree_of(skeleton), settings.output_stride, loss_settings)

    def targets(
        self,
        architecture: str,
        truth: Truth,
        skeleton: Skeleton,
        settings: NetworkSettings,
        loss_settings: Settings,
    ) -> dict[str, Target]:
        assert isinstance(settings, PoseNetNetworkSettings)
        assert isinstance(loss_settings, PoseNetLossSettings)
        stride = settings.output_stride
        height, width = ((side - 1) // stride + 1 for side in truth.owner.shape[1:])
        return posenet_targets(truth, (width, height), tree_of(skeleton), stride, loss_settings)

    def lesson(self, outputs: Mapping[str, torch.Tensor], skeleton: Skeleton) -> dict[str, Target]:
        heat = torch.sigmoid(outputs["heatmaps"])
        first, second = map(list, zip(*tree_of(skeleton), strict=True))
        sure = {"offsets": heat, "displacement_forward": heat[:, first], "displacement_backward": heat[:, second]}
        return {
            "heatmaps": Target(heat, torch.ones_like(heat)),
            **{name: Target(outputs[name], weight) for name, weight in sure.items()},
        }


def _valid_side(side: float, stride: int) -> int:
    """Nearest side of the form k · stride + 1, so that cells fall on both edges of the input."""
    if side > MAX_INPUT_SIDE:
        raise SettingsError(
            f"The network's input would be {side:.0f} pixels long, more than {MAX_INPUT_SIDE}; lower the input scale."
        )
    return max(round((side - 1) / stride), 1) * stride + 1


def _trace(
    decoded: Decoded, order: NDArray[np.intp], maps: PoseNetMaps, fields: Fields, settings: PoseNetDecodeSettings
) -> Trace:
    """Evidence of a decoding in source pixels, for the poses in ``order``."""
    peaks = decoded.peaks
    to_source = fields.transform.to_source
    people = []
    for pose in order:
        paths = None if decoded.paths is None else decoded.paths[pose]
        root = int(peaks.keypoints[decoded.roots[pose]]) if paths is not None else None
        came_from = _parents(maps, root)
        joints = []
        for keypoint, (xy, score) in enumerate(zip(decoded.xy[pose], decoded.keypoint_scores[pose], strict=True)):
            if paths is None or keypoint == root:
                path = xy[None]
                steps: tuple[str, ...] = ("peak",)
            else:
                path = paths[keypoint]
                steps = ("start", "displaced", *("refined",) * (len(path) - 2))
            joints.append(JointEvidence(keypoint, came_from.get(keypoint), to_source(path), steps, float(score)))
        people.append(tuple(joints))
    rank = {int(pose): place for place, pose in enumerate(order)}
    candidates = []
    for index, (keypoint, xy, score) in enumerate(zip(peaks.keypoints, to_source(peaks.xy), peaks.scores, strict=True)):
        pose = int(decoded.taken_by[index])
        outcome, setting = _outcome(index, pose, decoded, rank, settings)
        candidates.append(Candidate(int(keypoint), (float(xy[0]), float(xy[1])), float(score), outcome, setting))
    return Trace(tuple(people), tuple(candidates))


def _outcome(
    index: int, pose: int, decoded: Decoded, rank: Mapping[int, int], settings: PoseNetDecodeSettings
) -> tuple[str, str | None]:
    """What became of a peak, and the setting that decided."""
    if settings.mode == "single":
        return ("taken", None) if len(decoded.scores) else ("the person scores too low", "pose_threshold")
    if pose >= 0 and decoded.roots[pose] == index:
        return "taken", None
    if pose >= 0:
        return f"belongs to person {rank[pose] + 1}", "nms_radius"
    if len(decoded.scores) >= settings.max_poses:
        return "enough people were found", "max_poses"
    return "its person scores too low", "pose_threshold"


def _parents(maps: PoseNetMaps, root: int | None) -> dict[int, int]:
    """Keypoint → the keypoint it is reached from when walking from ``root``."""
    if root is None:
        return {}
    parents: dict[int, int] = {}
    reached, frontier = {root}, [root]
    while frontier:
        here = frontier.pop()
        for a, b in maps.tree:
            there = b if a == here else a if b == here else None
            if there is not None and there not in reached:
                reached.add(there)
                parents[there] = here
                frontier.append(there)
    return parents


POSENET = PoseNetFamily()
