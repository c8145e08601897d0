"""What a family of networks has to offer. ``PoseModel``, the app, training and evaluation know only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import nn

from posecore.data.truth import Truth
from posecore.errors import SettingsError
from posecore.fields import FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings, Settings
from posecore.skeleton import COCO_17, Edge, Skeleton


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
class LimbEvidence:
    """How well two candidates go together as the ends of a limb, and what became of the pair.

    Attributes:
        edge: Keypoints (from, to).
        start, end: Source-picture pixels (x, y) of the two candidates.
        samples: ``(S,)`` what the fields say at S points evenly spaced from ``start`` to ``end``; 1 agrees fully.
        score: What the samples come to.
        accepted: True when the pair was chosen.
        outcome: ``chosen``, or the reason why not.
        setting: Name of the decode setting that decided, or None.
    """

    edge: Edge
    start: tuple[float, float]
    end: tuple[float, float]
    samples: NDArray[np.float64]
    score: float
    accepted: bool
    outcome: str
    setting: str | None = None


@dataclass(frozen=True)
class Trace:
    """The evidence behind a decoding.

    Attributes:
        poses: One tuple of joints per pose, in the order of the poses.
        candidates: All candidates, and what became of them.
        limbs: Pairs of candidates that were compared, for decoders that do; the best first within an edge.
    """

    poses: tuple[tuple[JointEvidence, ...], ...] = ()
    candidates: tuple[Candidate, ...] = field(default=())
    limbs: tuple[LimbEvidence, ...] = field(default=())


@dataclass(frozen=True)
class LossTerm:
    """One part of a training loss, as a sum and its denominator.

    They are kept apart so that several processes can divide by the denominator of all of them together; a mean of
    their means would weigh a keypoint by how few others its process happened to hold.

    Attributes:
        total: Sum over the batch, a scalar with gradient.
        count: What to divide it by, a scalar without gradient.
        weight: Weight of the term in the whole loss.
    """

    total: torch.Tensor
    count: torch.Tensor
    weight: float = 1.0


@dataclass(frozen=True)
class Target:
    """What one output of a network is compared with in training.

    Attributes:
        values: ``(B, C, H, W)``, or ``(B, C, 2, H, W)`` with (x, y); for logits the probability that is wanted.
        weight: ``(B, C, H, W)``: how much each cell counts; 0 where nothing is known, or a vector is not defined.
    """

    values: torch.Tensor
    weight: torch.Tensor


class Family(ABC):
    """A family: its architectures, and the codec between its fields and poses.

    Every network of every family takes RGB pixels 0 … 255 as ``(B, 3, H, W)`` float32 and normalises them itself.
    """

    name: str
    title: str
    architectures: Mapping[str, Architecture]
    decode_settings: type[DecodeSettings]
    #: Meaning of the keypoints of published weights, for files that do not say.
    skeleton: Skeleton = COCO_17
    #: Longer side of the network's input, in pixels, for a crop that one person fills and for a whole picture when
    #: models are compared; None takes the architecture's default.
    crop_side: int | None = None
    picture_side: int | None = None
    #: Settings of the training loss.
    loss_settings: type[Settings] = Settings
    #: Names of the outputs that are logits.
    logits: frozenset[str] = frozenset()
    #: Beginnings of the names of the parameters that turn features into maps; all others make features.
    heads: tuple[str, ...] = ("heads.",)

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

    def finds_one(self, architecture: str, settings: DecodeSettings) -> bool:
        """Whether at most one person is found with these settings, so that a video's frames can be cropped to them."""
        return False

    def knows_names(self, names: Collection[str]) -> bool:
        """Whether a state dictionary with these names is a published one that :meth:`convert` reads."""
        return False

    def training_side(self, side: int, settings: NetworkSettings) -> int:
        """The nearest side of a square training input, in pixels, that the network can be run at."""
        return side

    def person_loss(self, architecture: str, side: int) -> dict[str, Any]:
        """Values of ``loss_settings`` that suit inputs of this side which one person fills, as in fine-tuning."""
        return {}

    def adapt(
        self,
        state: Mapping[str, torch.Tensor],
        skeleton: Skeleton,
        fresh: Mapping[str, torch.Tensor],
        wanted: Skeleton,
    ) -> dict[str, torch.Tensor]:
        """Weights for another skeleton: everything but the heads kept, head channels taken over by keypoint name.

        Args:
            state: State of a fused network.
            skeleton: Its skeleton.
            fresh: State of a fused network for ``wanted``, from which new channels are taken.
            wanted: The other skeleton.

        Raises:
            SettingsError: When this family's heads cannot be changed.
        """
        if skeleton.keypoints == wanted.keypoints:
            return dict(state)
        raise SettingsError(
            f"{self.title} networks cannot change their skeleton from {skeleton.name} to {wanted.name}."
        )

    def loss(
        self,
        outputs: Mapping[str, torch.Tensor],
        truth: Truth,
        skeleton: Skeleton,
        settings: NetworkSettings,
        loss_settings: Settings,
    ) -> dict[str, LossTerm]:
        """Named parts of the training loss of a batch of outputs.

        Args:
            outputs: What :meth:`run` returned.
            truth: Labels in input pixels.
            skeleton: Meaning of the keypoints.
            settings: Network settings of the forward pass.
            loss_settings: An instance of ``loss_settings``.

        Raises:
            SettingsError: When this family cannot be trained.
        """
        raise SettingsError(f"{self.title} networks cannot be trained; choose another family.")

    def targets(
        self,
        architecture: str,
        truth: Truth,
        skeleton: Skeleton,
        settings: NetworkSettings,
        loss_settings: Settings,
    ) -> dict[str, Target]:
        """What :meth:`loss` compares a batch of outputs with, by the outputs' names.

        Args:
            architecture: The network's layout.
            truth: Labels in input pixels; its size is that of the network's input.
            skeleton: Meaning of the keypoints.
            settings: Network settings of the forward pass.
            loss_settings: An instance of ``loss_settings``.

        Raises:
            SettingsError: When this family cannot be trained.
        """
        raise SettingsError(f"{self.title} networks cannot be trained; choose another family.")

    def lesson(self, outputs: Mapping[str, torch.Tensor], skeleton: Skeleton) -> dict[str, Target]:
        """What a batch of a teacher's outputs tells a network of this family to answer, by the outputs' names.

        Vectors count as far as the teacher is sure of the joint that they start from.

        Args:
            outputs: What :meth:`run` returned for the teacher, as float32.
            skeleton: Meaning of the keypoints.

        Raises:
            SettingsError: When this family cannot be taught.
        """
        raise SettingsError(f"{self.title} networks cannot be taught by others; leave the teacher out.")

    def target_maps(
        self, targets: Mapping[str, Target], picture: int, settings: NetworkSettings, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        """Field maps of one picture of a batch, as a network that had learnt all of ``targets`` would give them.

        Vectors are 0 where they do not count.
        """
        outputs = {}
        for name, target in targets.items():
            values, counts = target.values[picture].cpu(), target.weight[picture].cpu() > 0
            wanted = (values if values.dim() == 3 else values * counts[:, None]).numpy()
            outputs[name] = logit(wanted) if name in self.logits else wanted
        return self.maps(outputs, settings, skeleton)
