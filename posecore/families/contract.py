"""What a family of networks has to offer. ``PoseModel``, the app, training and evaluation know only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.fields import FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings
from posecore.skeleton import COCO_17, Skeleton


@dataclass(frozen=True)
class Architecture:
    """One network layout of a family.

    Attributes:
        name: For example ``posenet-mobilenet_v1-075``.
        title: Words for people.
        output_strides: Strides the same weights can be run at; empty when that is fixed.
    """

    name: str
    title: str
    output_strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class ForeignWeights:
    """Weights as another framework's file holds them, dequantised.

    Attributes:
        tensors: Name → float32 array, in the file's own layout.
        nodes: Operations of the graph in file order (name, op, inputs, attrs), when the file has a graph.
    """

    tensors: Mapping[str, NDArray[np.float32]]
    nodes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class JointEvidence:
    """Why one joint is where it is.

    Attributes:
        keypoint: Index of the joint.
        found_from: Keypoint that led here, or None for a joint found as a peak.
        path: ``(S, 2)`` source-picture pixels (x, y): where the search started, then every step to the final position.
        steps: A word per point of ``path``, for example ``start``, ``displaced``, ``refined``.
        score: Score of the joint.
    """

    keypoint: int
    found_from: int | None
    path: NDArray[np.float64]
    steps: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Candidate:
    """A peak that could have started or joined a person, and what became of it.

    Attributes:
        keypoint: Index of the keypoint.
        position: Source-picture pixels (x, y).
        score: Height of the peak.
        outcome: ``taken``, or the reason why not.
        setting: Name of the decode setting that decided, or None.
    """

    keypoint: int
    position: tuple[float, float]
    score: float
    outcome: str
    setting: str | None = None


@dataclass(frozen=True)
class Trace:
    """The evidence behind a decoding: one tuple of joints per pose (same order as the poses), and all candidates."""

    poses: tuple[tuple[JointEvidence, ...], ...] = ()
    candidates: tuple[Candidate, ...] = field(default=())


class Family(ABC):
    """A family: its architectures, and the codec between its fields and poses.

    Every network of every family takes RGB pixels 0 … 255 as ``(B, 3, H, W)`` float32 and normalises them itself.
    """

    name: str
    title: str
    architectures: Mapping[str, Architecture]
    decode_settings: type[DecodeSettings]

    @abstractmethod
    def network_settings(self, architecture: str) -> type[NetworkSettings]:
        """Settings of this architecture, with choices that it cannot do left out."""

    @abstractmethod
    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> nn.Module:
        """A network with random weights: fused for inference, or with BatchNorm for training."""

    @abstractmethod
    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        """State of the fused network from published weights; raises ``WeightsError`` naming what does not fit."""

    @abstractmethod
    def place(self, image_size: tuple[int, int], region: Region | None, settings: NetworkSettings) -> InputTransform:
        """Where the network's input lies in a picture of ``image_size`` (width, height)."""

    @abstractmethod
    def prepare(self, picture: Picture, transform: InputTransform, settings: NetworkSettings) -> NDArray[np.float32]:
        """``(H, W, 3)`` float32 RGB 0 … 255 in the network's input size."""

    @abstractmethod
    def run(self, network: nn.Module, pixels: torch.Tensor, settings: NetworkSettings) -> dict[str, torch.Tensor]:
        """Forward pass of ``(B, 3, H, W)`` RGB 0 … 255: named outputs, each ``(B, …)``."""

    @abstractmethod
    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: NetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        """Field maps of one picture from its outputs (batch axis removed)."""

    @abstractmethod
    def decode(self, fields: Fields, settings: DecodeSettings, trace: bool = False) -> tuple[Poses, Trace | None]:
        """Fields to poses in source pixels; the evidence as well when ``trace``."""
