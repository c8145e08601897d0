"""SSDLite: boxes around people, as the finder of models of two stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit
from torch import nn

from posecore.boxes import corners_of
from posecore.data.truth import Truth
from posecore.errors import SettingsError, WeightsError
from posecore.families.contract import Family, ForeignWeights, LossTerm, State, Target, found_poses
from posecore.families.placing import fit, nearest_multiple
from posecore.families.ssdlite.codec import SSDLiteDecodeSettings, decode
from posecore.families.ssdlite.evidence import trace_of
from posecore.families.ssdlite.loss import SSDLiteLossSettings, ssdlite_targets, ssdlite_terms
from posecore.families.ssdlite.network import (
    ARCHITECTURES,
    SHIFT,
    SIDE_MULTIPLE,
    SIZE,
    STRIDES,
    SSDLite,
    anchor_sizes,
    origin,
)
from posecore.families.trace import Trace
from posecore.fields import FieldKind, FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region, letterbox, sample
from posecore.poses import Poses
from posecore.settings import NetworkSettings, antialias_field
from posecore.skeleton import PERSON_BOX, Skeleton

#: Largest logarithm of a size that is believed.
_MOST_SIZE = 4.0


class SSDLiteNetworkSettings(NetworkSettings):
    """What SSDLite's network sees and how it runs."""

    input_size: int = Field(
        320,
        title="Input size",
        ge=64,
        le=2048,
        description="Longer side of the network's input in pixels, rounded to a multiple of 32.",
        json_schema_extra={"step": 32},
    )
    preprocessing: Literal["letterbox", "fit"] = Field(
        "fit",
        title="Preprocessing",
        description="fit pads the picture with grey to the next multiple of 32; letterbox pads it to a square.",
    )
    antialias: bool = antialias_field()


class SSDLiteFamily(Family[SSDLiteNetworkSettings, SSDLiteDecodeSettings, SSDLiteLossSettings]):
    """See :class:`posecore.families.contract.Family`. Its poses are the corners of boxes."""

    name = "ssdlite"
    title = "SSDLite"
    architectures = ARCHITECTURES
    decode_settings = SSDLiteDecodeSettings
    skeleton = PERSON_BOX
    loss_settings = SSDLiteLossSettings
    logits = frozenset(f"scores_{stride}" for stride in STRIDES)
    # What the network sees as 0.
    padding = 127.5
    trainable = True
    finds_boxes = True

    def network_settings(self, architecture: str) -> type[SSDLiteNetworkSettings]:
        return SSDLiteNetworkSettings

    def build(self, architecture: str, skeleton: Skeleton = PERSON_BOX, fused: bool = True) -> SSDLite:
        if skeleton != PERSON_BOX:
            raise SettingsError(
                f"{self.title} finds boxes around people, no joints; leave the skeleton {skeleton.name} out."
            )
        return SSDLite(ARCHITECTURES[architecture], fused)

    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        raise WeightsError(
            f"Published weights of other programs are not read as {architecture}; train one of your own: "
            "posecore train configs/detector-ssdlite.yaml."
        )

    def place(
        self, image_size: tuple[int, int], region: Region | None, settings: SSDLiteNetworkSettings
    ) -> InputTransform:
        side = nearest_multiple(settings.input_size, SIDE_MULTIPLE)
        if settings.preprocessing == "letterbox":
            return letterbox(image_size, (side, side), region, half_pixel=True)
        return fit(image_size, region, side, SIDE_MULTIPLE)

    def prepare(
        self, picture: Picture, transform: InputTransform, settings: SSDLiteNetworkSettings
    ) -> NDArray[np.float32]:
        return sample(picture, transform, fill=self.padding, antialias=settings.antialias)

    def run(
        self, network: nn.Module, pixels: torch.Tensor, settings: SSDLiteNetworkSettings
    ) -> dict[str, torch.Tensor]:
        outputs: dict[str, torch.Tensor] = network(pixels)
        return outputs

    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: SSDLiteNetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        made = []
        for stride in STRIDES:
            anchors = anchor_sizes(stride).astype(np.float32)[:, :, None, None]
            labels = tuple(f"{width:.0f} × {height:.0f} px" for width, height in anchors[:, :, 0, 0])
            grid: dict[str, Any] = {"stride": float(stride), "origin": origin(stride), "channels": labels}
            shifts = (outputs[f"shifts_{stride}"] * SHIFT * anchors).astype(np.float32)
            sizes = np.exp(np.clip(outputs[f"sizes_{stride}"] * SIZE, -_MOST_SIZE, _MOST_SIZE)) * anchors
            probabilities = expit(outputs[f"scores_{stride}"])
            made += [
                FieldMap(f"scores_{stride}", FieldKind.CENTRE, probabilities, "probability", **grid),
                FieldMap(f"shifts_{stride}", FieldKind.BOX, shifts, "input px", **grid),
                FieldMap(f"sizes_{stride}", FieldKind.BOX, sizes.astype(np.float32), "input px", **grid),
            ]
        return tuple(made)

    def decode(
        self, fields: Fields, settings: SSDLiteDecodeSettings, trace: bool = False
    ) -> tuple[Poses, Trace | None]:
        decoded = decode({one.name: one.values for one in fields.maps}, settings)
        kept = np.flatnonzero(decoded.covered_by < 0)[: settings.max_poses]
        points = _points(fields.transform.to_source(decoded.boxes.reshape(-1, 2, 2)), fields.transform.image_size)
        scores = decoded.scores[kept]
        poses = found_poses(fields, points[kept], np.repeat(scores[:, None], points.shape[1], 1), scores, settings)
        return poses, trace_of(decoded, kept, points, fields, settings) if trace else None

    def training_side(self, side: int, settings: SSDLiteNetworkSettings) -> int:
        return nearest_multiple(side, SIDE_MULTIPLE)

    def loss(
        self,
        outputs: State,
        truth: Truth,
        skeleton: Skeleton,
        settings: SSDLiteNetworkSettings,
        loss_settings: SSDLiteLossSettings,
    ) -> dict[str, LossTerm]:
        return ssdlite_terms(outputs, ssdlite_targets(truth, loss_settings), loss_settings)

    def targets(
        self,
        architecture: str,
        truth: Truth,
        skeleton: Skeleton,
        settings: SSDLiteNetworkSettings,
        loss_settings: SSDLiteLossSettings,
    ) -> dict[str, Target]:
        return ssdlite_targets(truth, loss_settings)

    def _trust(self, outputs: State, skeleton: Skeleton) -> dict[str, torch.Tensor]:
        trust: dict[str, torch.Tensor] = {}
        for stride in STRIDES:
            scores = torch.sigmoid(outputs[f"scores_{stride}"])
            trust |= {
                f"scores_{stride}": torch.ones_like(scores),
                f"shifts_{stride}": scores,
                f"sizes_{stride}": scores,
            }
        return trust


def _points(corners: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.float64]:
    """``(N, 2, 2)`` upper left and lower right corners to the ``(N, 4, 2)`` keypoints of ``PERSON_BOX`` in the picture.

    Args:
        corners: Source pixels.
        image_size: (width, height) of the picture.
    """
    inside = np.clip(corners, -0.5, np.array(image_size) - 0.5)
    return corners_of(inside.reshape(-1, 4))


SSDLITE = SSDLiteFamily()
