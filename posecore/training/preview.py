"""What a network would be taught: augmented pictures of a batch and the very maps that the loss compares with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.data.annotations import PoseDataset
from posecore.data.augment import AugmentSettings, check_mirror, compose, disturb, draw_batch
from posecore.data.batches import PackSettings, cuts_of, nobody_left, pack
from posecore.data.operations import mapped
from posecore.data.truth import Truth
from posecore.errors import DataError
from posecore.families import AnyFamily, family_of
from posecore.families.contract import Target
from posecore.fields import Fields, Provenance
from posecore.imaging import InputTransform, Picture
from posecore.poses import Poses
from posecore.settings import NetworkSettings, Settings, build_settings
from posecore.skeleton import Skeleton


@dataclass(frozen=True)
class PreviewPlan:
    """Everything that decides what a preview shows; equal plans for equal sets give equal previews.

    Attributes:
        architecture: The network that would be trained.
        skeleton: What it would learn.
        side: Side of its input in pixels, brought to the nearest one it can be run at.
        network: Network settings of the forward pass.
        augment: Random changes.
        loss: Settings of the family's loss.
        pack: How pictures are cut.
        pictures: Pictures in the batch.
        seed: Of all randomness.
    """

    architecture: str
    skeleton: Skeleton
    side: int
    network: Mapping[str, Any]
    augment: AugmentSettings
    loss: Mapping[str, Any]
    pack: PackSettings
    pictures: int = 6
    seed: int = 0

    @property
    def family(self) -> AnyFamily:
        """Family of the architecture."""
        return family_of(self.architecture)

    @property
    def network_settings(self) -> NetworkSettings:
        """Checked network settings."""
        settings: NetworkSettings = build_settings(self.family.network_settings(self.architecture), self.network)
        return settings

    @property
    def loss_settings(self) -> Settings:
        """Checked settings of the loss."""
        settings: Settings = build_settings(self.family.loss_settings, self.loss)
        return settings


@dataclass(frozen=True, eq=False)
class Preview:
    """A batch as the network and its loss get it.

    Attributes:
        plan: What was asked for.
        pictures: RGB ``(S, S, 3)`` uint8 each, after augmentation.
        truth: The labels that moved along.
        targets: What the loss compares with.
    """

    plan: PreviewPlan
    pictures: tuple[Picture, ...]
    truth: Truth
    targets: Mapping[str, Target]

    def fields(self, picture: int) -> Fields:
        """The targets of one picture as fields over it."""
        plan, side = self.plan, self.pictures[picture].shape[0]
        maps = plan.family.target_maps(self.targets, picture, plan.network_settings, plan.skeleton)
        here = InputTransform((1.0, 1.0), (0.0, 0.0), (side, side), (side, side))
        where = Provenance(f"target {picture}", plan.architecture, "", {"seed": plan.seed})
        return Fields(plan.family.name, maps, here, plan.skeleton, where)

    def poses(self, picture: int) -> Poses:
        """The labelled joints of one picture, in its pixels."""
        known = self.truth.labelled[picture].numpy()
        present = known.any(1)
        xy = np.where(known[..., None], self.truth.keypoints[picture].numpy(), np.nan)[present]
        side = self.pictures[picture].shape[0]
        scores = known[present].astype(np.float32)
        return Poses(xy, scores, np.ones(len(xy), np.float32), self.plan.skeleton, (side, side))

    def unknown(self, name: str, channel: int | None, picture: int) -> NDArray[np.bool_]:
        """``(H, W)`` cells of a target that do not count; with no channel, those that count in none."""
        weight = self.targets[name].weight[picture]
        counts = weight.gt(0).any(0) if channel is None else weight[channel] > 0
        return ~counts.numpy()


def make_preview(dataset: PoseDataset, plan: PreviewPlan) -> Preview:
    """Draw a batch of the set's people as training would, and what the loss compares with.

    Args:
        dataset: Labelled pictures.
        plan: What to show.

    Raises:
        DataError: When nobody can be learnt from, or mirroring is on and the skeleton's pairs contradict its names.
        SettingsError: When the family cannot be trained.
    """
    if plan.augment.flip > 0:
        check_mirror(plan.skeleton)
    generator = np.random.default_rng(plan.seed)
    few = _some(dataset, plan, generator)
    packs = (pack(few, plan.skeleton, plan.pack),)
    rows = generator.permutation(np.resize(generator.permutation(len(packs[0])), plan.pictures))
    items = np.column_stack([np.zeros(plan.pictures, np.intp), rows])
    side = plan.family.training_side(plan.side, plan.network_settings)
    with torch.no_grad():
        drawn = draw_batch(packs, items, plan.augment, side, generator)
        pixels, truth = compose(drawn, plan.skeleton.flip_permutation)
        pixels = disturb(pixels, plan.augment, drawn.seed)
        targets = plan.family.targets(
            plan.architecture, truth, plan.skeleton, plan.network_settings, plan.loss_settings
        )
    pictures = tuple(np.ascontiguousarray(one.permute(1, 2, 0).round().byte().numpy()) for one in pixels)
    return Preview(plan, pictures, truth, targets)


def _some(dataset: PoseDataset, plan: PreviewPlan, generator: np.random.Generator) -> PoseDataset:
    """As few of the set's pictures as a batch needs, chosen at random; decoding them all would take long."""
    bare = replace(dataset, problems=())
    useful = {cut.image.image_id for cut in cuts_of(mapped(bare, plan.skeleton), plan.pack)}
    images = [image for image in dataset if image.image_id in useful]
    if not images:
        raise DataError(nobody_left(mapped(bare, plan.skeleton), plan.pack))
    chosen = generator.permutation(len(images))[: plan.pictures]
    return replace(bare, images=tuple(images[index] for index in chosen))
