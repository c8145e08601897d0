"""What a family of networks has to offer. ``PoseModel``, the app, training and evaluation know only this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import nn

from posecore.data.truth import Truth
from posecore.errors import SettingsError
from posecore.families.trace import Trace
from posecore.fields import FieldMap, Fields
from posecore.imaging import InputTransform, Picture, Region
from posecore.poses import Poses
from posecore.settings import DecodeSettings, NetworkSettings, Settings
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


@dataclass(frozen=True)
class GraphDecoder:
    """A decoder that is part of a network's graph, for runtimes that know nothing of posecore.

    Positions are (y, x) as parts of the input's height and width: 0 is the outer edge of the first pixel, 1 that of the
    last.

    Attributes:
        module: Called with the outputs of :meth:`Family.run` for one picture. For one person it returns
            ``(1, 1, K, 3)``: y, x and score of each keypoint. For P people ``(1, P, 3K + 5)``: the same for each
            keypoint in turn, then the person's box as y, x, y, x and score; places that nobody fills have low scores.
        people: P, or None for one person.
    """

    module: nn.Module
    people: int | None = None


class Follower(Protocol):
    """Says where to look for the one person of a sequence of pictures, from where it was before."""

    def next_region(self, image_size: tuple[int, int]) -> Region | None:
        """Where to look in the next picture, of ``image_size`` (width, height); None for all of it.

        A picture of another size starts a new sequence.
        """

    def observe(self, poses: Poses) -> None:
        """Learn from the poses of that picture; unsure joints must be among them."""


State = Mapping[str, torch.Tensor]
NetworkS = TypeVar("NetworkS", bound=NetworkSettings)
DecodeS = TypeVar("DecodeS", bound=DecodeSettings)
LossS = TypeVar("LossS", bound=Settings)


class Family(ABC, Generic[NetworkS, DecodeS, LossS]):
    """A family: its architectures, and the codec between its fields and poses.

    Generic in the classes of its network settings, decode settings and settings of the training loss.

    Every network of every family takes RGB pixels 0 … 255 as ``(B, 3, H, W)`` float32 and normalises them itself.
    """

    name: str
    title: str
    architectures: Mapping[str, Architecture]
    decode_settings: type[DecodeS]
    #: Meaning of the keypoints of published weights, for files that do not say.
    skeleton: Skeleton = COCO_17
    #: Longer side of the network's input, in pixels, for a crop that one person fills and for a whole picture when
    #: models are compared; None takes the architecture's default.
    crop_side: int | None = None
    picture_side: int | None = None
    #: Settings of the training loss.
    loss_settings: type[LossS]
    #: Whether networks can be trained, that is whether :meth:`loss`, :meth:`targets` and :meth:`lesson` have answers.
    trainable: ClassVar[bool] = False
    #: Whether :meth:`adapt` can give weights for other keypoints.
    learns_other_keypoints: ClassVar[bool] = False
    #: Whether networks find boxes around people, as poses of ``PERSON_BOX``, and no joints.
    finds_boxes: ClassVar[bool] = False
    #: Names of the outputs that are logits.
    logits: frozenset[str] = frozenset()
    #: What pixels beside a picture hold where its shape is kept and the rest of the input has to be filled.
    padding: ClassVar[float] = 0.0
    #: Beginnings of the names of the parameters that turn features into maps; all others make features.
    heads: tuple[str, ...] = ("heads.",)

    @abstractmethod
    def network_settings(self, architecture: str) -> type[NetworkS]:
        """Settings of this architecture, with choices that it cannot do left out."""

    def decode_settings_of(self, architecture: str) -> type[DecodeS]:
        """Decode settings of this architecture, which says of each when it has an effect."""
        return self.decode_settings

    @abstractmethod
    def build(self, architecture: str, skeleton: Skeleton = COCO_17, fused: bool = True) -> nn.Module:
        """A network with random weights: fused for inference, or with BatchNorm for training."""

    @abstractmethod
    def convert(self, architecture: str, weights: ForeignWeights) -> dict[str, torch.Tensor]:
        """State of the fused network from published weights; raises ``WeightsError`` naming what does not fit."""

    @abstractmethod
    def place(self, image_size: tuple[int, int], region: Region | None, settings: NetworkS) -> InputTransform:
        """Where the network's input lies in a picture of ``image_size`` (width, height)."""

    @abstractmethod
    def prepare(self, picture: Picture, transform: InputTransform, settings: NetworkS) -> NDArray[np.float32]:
        """``(H, W, 3)`` float32 RGB 0 … 255 in the network's input size."""

    @abstractmethod
    def run(self, network: nn.Module, pixels: torch.Tensor, settings: NetworkS) -> dict[str, torch.Tensor]:
        """Forward pass of ``(B, 3, H, W)`` RGB 0 … 255: named outputs, each ``(B, …)``."""

    @abstractmethod
    def maps(
        self, outputs: Mapping[str, NDArray[np.float32]], settings: NetworkS, skeleton: Skeleton
    ) -> tuple[FieldMap, ...]:
        """Field maps of one picture from its outputs (batch axis removed)."""

    @abstractmethod
    def decode(self, fields: Fields, settings: DecodeS, trace: bool = False) -> tuple[Poses, Trace | None]:
        """Fields to poses in source pixels; the evidence as well when ``trace``."""

    def graph_decoder(self, architecture: str, network: NetworkS, settings: DecodeS) -> GraphDecoder | None:
        """The decoder with these settings as operations of tensors; None where it cannot be part of a graph."""
        return None

    def follower(self, architecture: str, settings: DecodeS) -> Follower | None:
        """What says where to look in a sequence of pictures; None when these settings may find more than one person."""
        return None

    def one_person_settings(self) -> frozenset[str]:
        """Names of the decode settings that matter where a network made for one person finds that person."""
        return frozenset(self.decode_settings.model_fields)

    def knows_names(self, names: Collection[str]) -> bool:
        """Whether a state dictionary with these names is a published one that :meth:`convert` reads."""
        return False

    def adapt(self, state: State, skeleton: Skeleton, fresh: State, wanted: Skeleton) -> dict[str, torch.Tensor]:
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

    def training_side(self, side: int, settings: NetworkS) -> int:
        """The nearest side of a square training input, in pixels, that the network can be run at."""
        return side

    def person_loss(self, architecture: str, side: int) -> dict[str, Any]:
        """Values of ``loss_settings`` that suit inputs of this side which one person fills, as in fine-tuning."""
        return {}

    def loss(
        self, outputs: State, truth: Truth, skeleton: Skeleton, settings: NetworkS, loss_settings: LossS
    ) -> dict[str, LossTerm]:
        """Named parts of the training loss of a batch of outputs.

        Args:
            outputs: What :meth:`run` returned.
            truth: Labels in input pixels.
            skeleton: Meaning of the keypoints.
            settings: Network settings of the forward pass.
            loss_settings: Shapes and weights.

        Raises:
            SettingsError: When this family cannot be trained.
        """
        self._check_trainable()
        height, width = outputs["heatmaps"].shape[2:]
        targets = self._targets(truth, (width, height), skeleton, settings, loss_settings)
        return self._terms(outputs, targets, truth, skeleton, loss_settings)

    def targets(
        self, architecture: str, truth: Truth, skeleton: Skeleton, settings: NetworkS, loss_settings: LossS
    ) -> dict[str, Target]:
        """What :meth:`loss` compares a batch of outputs with, by the outputs' names.

        Args:
            architecture: The network's layout.
            truth: Labels in input pixels; its size is that of the network's input.
            skeleton: Meaning of the keypoints.
            settings: Network settings of the forward pass.
            loss_settings: Shapes.

        Raises:
            SettingsError: When this family cannot be trained.
        """
        self._check_trainable()
        stride = self._stride(settings)
        height, width = (-(-side // stride) for side in truth.owner.shape[1:])
        targets = self._targets(truth, (width, height), skeleton, settings, loss_settings)
        return {name: target for name, target in targets.items() if self._has_output(architecture, name)}

    def lesson(self, outputs: State, skeleton: Skeleton) -> dict[str, Target]:
        """What a batch of a teacher's outputs tells a network of this family to answer, by the outputs' names.

        Vectors count as far as the teacher is sure of the joint that they start from.

        Args:
            outputs: What :meth:`run` returned for the teacher, as float32.
            skeleton: Meaning of the keypoints.

        Raises:
            SettingsError: When this family cannot be trained.
        """
        self._check_trainable()
        return {
            name: Target(torch.sigmoid(outputs[name]) if name in self.logits else outputs[name], weight)
            for name, weight in self._trust(outputs, skeleton).items()
        }

    def target_maps(
        self, targets: Mapping[str, Target], picture: int, settings: NetworkS, skeleton: Skeleton
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

    def _check_trainable(self) -> None:
        if not self.trainable:
            raise SettingsError(f"{self.title} networks cannot be trained; choose another family.")

    # What a trainable family says; the others are never asked.

    def _stride(self, settings: NetworkS) -> int:
        """Input pixels per cell of the outputs."""
        raise NotImplementedError

    def _has_output(self, architecture: str, name: str) -> bool:
        """Whether networks of this architecture have the output ``name``."""
        return True

    def _targets(
        self, truth: Truth, grid: tuple[int, int], skeleton: Skeleton, settings: NetworkS, loss_settings: LossS
    ) -> dict[str, Target]:
        """What outputs of ``grid`` (width, height) cells are compared with."""
        raise NotImplementedError

    def _terms(
        self, outputs: State, targets: Mapping[str, Target], truth: Truth, skeleton: Skeleton, loss_settings: LossS
    ) -> dict[str, LossTerm]:
        """Outputs compared with their targets."""
        raise NotImplementedError

    def _trust(self, outputs: State, skeleton: Skeleton) -> dict[str, torch.Tensor]:
        """``(B, C, H, W)`` how much each cell of a teacher's outputs counts, for those outputs that teach."""
        raise NotImplementedError


#: A family of which nothing more is known.
AnyFamily: TypeAlias = Family[Any, Any, Any]


def found_poses(
    fields: Fields,
    xy: NDArray[np.floating],
    keypoint_scores: NDArray[np.floating],
    scores: NDArray[np.floating],
    settings: DecodeSettings,
) -> Poses:
    """What a decoder found as poses, without joints that score below the keypoint threshold.

    Args:
        fields: What was decoded.
        xy: ``(P, K, 2)`` source pixels.
        keypoint_scores: ``(P, K)``.
        scores: ``(P,)``, the best first.
        settings: The threshold.
    """
    poses = Poses(
        xy.astype(np.float32),
        keypoint_scores.astype(np.float32),
        scores.astype(np.float32),
        fields.skeleton,
        fields.transform.image_size,
    )
    return poses.filter(keypoint_threshold=settings.keypoint_threshold)
