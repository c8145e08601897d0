"""Batches for training: what is in an epoch, in which order, and the held-out part."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from posecore.data.annotations import PoseDataset
from posecore.data.augment import AugmentSettings, Draw, check_mirror, draw_batch
from posecore.data.batches import Pack, cuts_of, pack, packed_cuts
from posecore.data.detect import open_dataset
from posecore.data.disk_cache import cache_folder, prune
from posecore.data.operations import mapped, merged
from posecore.data.source import Source
from posecore.errors import DataError
from posecore.skeleton import Skeleton
from posecore.training.config import RunConfig
from posecore.training.sources import read_source, shards_of
from posecore.training.streaming import AnyPack, OpenPacks, ShardPack, in_windows, shard_packs, windows_of

log = logging.getLogger(__name__)

#: Numbers that keep the random streams of different uses of one seed apart.
_ORDER, _AUGMENT, _VALIDATION, _WINDOWS = range(4)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Packs with how often each of their cut-outs is shown per epoch."""

    packs: tuple[AnyPack, ...]
    repeats: tuple[float, ...]

    def items(self, generator: np.random.Generator) -> NDArray[np.intp]:
        """``(N, 2)`` pack and row of one epoch's pictures in random order; parts of a repeat are drawn anew."""
        parts = []
        for number, (packed, repeat) in enumerate(zip(self.packs, self.repeats, strict=True)):
            rows = np.tile(np.arange(len(packed)), int(repeat))
            rest = generator.permutation(len(packed))[: round((repeat - int(repeat)) * len(packed))]
            rows = np.concatenate([rows, rest])
            parts.append(np.column_stack([np.full(len(rows), number), rows]))
        return generator.permutation(np.concatenate(parts), axis=0)

    def __len__(self) -> int:
        """Pictures per epoch."""
        return sum(
            int(repeat) * len(packed) + round((repeat - int(repeat)) * len(packed))
            for packed, repeat in zip(self.packs, self.repeats, strict=True)
        )


def pack_sources(
    sources: Sequence[Source], skeleton: Skeleton, root: Path, cache: Path, mirrored: bool = False
) -> TrainingSet:
    """Read and pack sources, or find them packed in ``cache``; shards are packed when they are needed.

    Raises:
        DataError: When one cannot be read, or is to be ``mirrored`` though nobody has said its left and right.
    """
    packs: list[AnyPack] = []
    repeats: list[float] = []
    for source in sources:
        if (place := shards_of(source, root)) is not None:
            shards = shard_packs(source, place, skeleton, cache / "packs")
            if mirrored:
                check_mirror(replace(skeleton, sides_known=all(shard.sides_known for shard in shards)))
            packs += shards
            log.info("%s: %d shards, %d cut-outs", place, len(shards), sum(map(len, shards)))
        else:
            dataset = read_source(source, root, cache, skeleton)
            if mirrored:
                check_mirror(mapped(dataset, skeleton).skeleton)
            packs.append(pack(dataset, skeleton, source.pack, cache / "packs"))
            log.info("%s: %d pictures, %d cut-outs", dataset.name, len(dataset), len(packs[-1]))
        repeats += [source.repeat] * (len(packs) - len(repeats))
    prune(cache)
    return TrainingSet(tuple(packs), tuple(repeats))


@dataclass(frozen=True, eq=False)
class Sample:
    """A few cut-outs, and how many there are in all.

    Attributes:
        training, held: The few.
        pictures, held_pictures: Cut-outs per epoch, and held out, of the whole data.
    """

    training: TrainingSet
    pictures: int
    held: TrainingSet
    held_pictures: int


def sample_sources(
    sources: Sequence[Source], skeleton: Skeleton, root: Path, cache: Path, most: int
) -> tuple[TrainingSet, int]:
    """About ``most`` cut-outs of the sources, packed in memory, and how many they show per epoch in all."""
    packs: list[AnyPack] = []
    total = 0.0
    for source in sources:
        if (place := shards_of(source, root)) is not None:
            shards = shard_packs(source, place, skeleton, cache / "packs")
            packs += opened(TrainingSet(tuple(shards), (1.0,) * len(shards)), most).packs
            total += sum(map(len, shards)) * source.repeat
            continue
        drawn = source.synthetic or 0
        few = min(drawn, most)
        dataset = read_source(source.model_copy(update={"synthetic": few}) if drawn else source, root, cache, skeleton)
        counts = np.array(
            [sum(1 for _ in cuts_of(replace(dataset, images=(image,)), source.pack)) for image in dataset]
        )
        total += counts.sum() * source.repeat * (drawn / few if drawn else 1)
        upto = int(np.searchsorted(counts.cumsum(), most)) + 1
        packs.append(pack(replace(dataset, images=dataset.images[:upto]), skeleton, source.pack))
    return TrainingSet(tuple(packs), (1.0,) * len(packs)), round(total)


def load_data(config: RunConfig) -> tuple[TrainingSet, TrainingSet]:
    """Training and held-out cut-outs of a (placed) configuration."""
    cache, root = cache_folder(), Path(config.data.root or ".")
    training = pack_sources(config.data.train, config.skeleton, root, cache, config.augment.flip > 0)
    if config.data.validation:
        held = pack_sources(config.data.validation, config.skeleton, root, cache)
        return training, opened(held, config.data.validation_limit)
    return hold_out(training, config.data.holdout, config.data.validation_limit)


def opened(some: TrainingSet, most: int) -> TrainingSet:
    """Packs that are there, and of shards as many as hold ``most`` cut-outs, all of them made now."""
    packs: list[AnyPack] = []
    repeats: list[float] = []
    count = 0
    for packed, repeat in zip(some.packs, some.repeats, strict=True):
        made: AnyPack | None = packed
        if isinstance(packed, ShardPack):
            made = packed.open() if count < most else None
            count += len(made or ())
        if made is not None:
            packs.append(made)
            repeats.append(repeat)
    return TrainingSet(tuple(packs), tuple(repeats))


def hold_out(training: TrainingSet, part: float, most: int = sys.maxsize) -> tuple[TrainingSet, TrainingSet]:
    """Split off every pack's last cut-outs for validation, and of every source in shards its last shards.

    A contiguous part, because neighbours may come from the same picture: at most one picture is in both.

    Args:
        training: What there is.
        part: Share that is held out.
        most: Cut-outs after which no more shards are held out.
    """
    shards = held_shards([pack for pack in training.packs if isinstance(pack, ShardPack)], part, most)
    kept: list[AnyPack] = []
    repeats: list[float] = []
    held: list[AnyPack] = []
    for packed, repeat in zip(training.packs, training.repeats, strict=True):
        if isinstance(packed, ShardPack):
            (held if packed in shards else kept).append(packed)
        else:
            count = round(len(packed) * part)
            rows = np.arange(len(packed))
            kept.append(_view(packed, 0, len(packed) - count))
            if count:
                held.append(packed.subset(rows[len(packed) - count :]))
        repeats += [repeat] * (len(kept) - len(repeats))
    return TrainingSet(tuple(kept), tuple(repeats)), opened(TrainingSet(tuple(held), (1.0,) * len(held)), most)


def held_shards(shards: Sequence[ShardPack], part: float, most: int) -> list[ShardPack]:
    """The last shards of every source, about ``part`` of it and at most ``most`` cut-outs, but never all of it."""
    found = []
    for _, group in groupby(shards, key=lambda shard: id(shard.source)):
        members = list(group)
        wanted = min(part * sum(map(len, members)), most)
        while wanted > 0 and len(members) > 1:
            found.append(members.pop())
            wanted -= len(found[-1])
    return found


def validation_pictures(config: RunConfig, cache: Path) -> PoseDataset:
    """The pictures that a run with this (placed) configuration measures on, whole; none when nothing is held out.

    Without validation sets these are the ones whose cut-outs are held out; one that is also trained on is left out.

    Raises:
        DataError: When they cannot be read.
    """
    root, parts = Path(config.data.root or "."), []
    if config.data.validation:
        parts = [
            mapped(read_source(source, root, cache, config.skeleton), config.skeleton)
            for source in config.data.validation
        ]
        return merged("validation", parts)
    for source in config.data.train:
        if (place := shards_of(source, root)) is not None:
            shards = shard_packs(source, place, config.skeleton, cache / "packs")
            held_out = held_shards(shards, config.data.holdout, config.data.validation_limit)
            # Unpacked where other packed sets are, whose pictures can be looked at afterwards.
            parts += [shard.as_learnt(open_dataset(shard.shard)) for shard in held_out]
            parts.append(PoseDataset(str(place), config.skeleton, ()))
            continue
        dataset = mapped(read_source(source, root, cache, config.skeleton), config.skeleton)
        cuts = [cut.image for cut in packed_cuts(dataset, source.pack, cache / "packs")]
        trained = len(cuts) - round(len(cuts) * config.data.holdout)
        seen = {image.image_id for image in cuts[:trained]}
        held = {image.image_id: image for image in cuts[trained:] if image.image_id not in seen}
        parts.append(replace(dataset, images=tuple(held.values())))
    return merged("validation", parts)


def _view(packed: Pack, start: int, stop: int) -> Pack:
    """Rows of a pack without copying its pixels."""
    names = ("pixels", "keypoints", "labels", "boxes", "focus", "ignore")
    return Pack(*(getattr(packed, name)[start:stop] for name in names))


@dataclass(frozen=True)
class EpochPlan:
    """What the batches of an epoch depend on besides the pictures and how they are varied.

    Attributes:
        side: Of the network's input, in pixels.
        batch_size: Pictures of a batch.
        seed: The run's.
        epoch: Which one.
        rank, world: Which process this is, and how many there are.
    """

    side: int
    batch_size: int
    seed: int
    epoch: int
    rank: int = 0
    world: int = 1


class EpochBatches(Dataset[Draw]):
    """The batches of one epoch. A batch depends on seed, epoch, step and process alone, not on earlier batches.

    Raises:
        DataError: When the parts of the sets that an epoch shows hold nobody.
    """

    def __init__(self, training: TrainingSet, settings: AugmentSettings, plan: EpochPlan) -> None:
        items = training.items(np.random.default_rng((plan.seed, _ORDER, plan.epoch)))
        generator = np.random.default_rng((plan.seed, _WINDOWS, plan.epoch))
        windows = windows_of(training.packs, generator)
        items = in_windows(items, windows, generator)
        if not len(items):
            raise DataError("An epoch shows nobody: raise repeat of the training sets, or give more pictures.")
        per_step = plan.batch_size * plan.world
        # The last, incomplete batch is left out, unless it is the only one.
        steps = max(len(items) // per_step, 1)
        self.items = [items[step * per_step : (step + 1) * per_step][plan.rank :: plan.world] for step in range(steps)]
        self.packs = OpenPacks(training.packs, windows)
        self.settings, self.plan = settings, plan

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, step: int) -> Draw:
        if step >= len(self.items):
            raise IndexError(step)
        plan = self.plan
        generator = np.random.default_rng((plan.seed, _AUGMENT, plan.epoch, plan.rank, step))
        packs, items = self.packs.at(self.items[step])
        return draw_batch(packs, items, self.settings, plan.side, generator)


class FromStep(Sampler[int]):
    """Steps in order, the first ``done`` of which were taken before a pause; its length is that of the whole epoch."""

    def __init__(self, steps: int, done: int) -> None:
        self.steps, self.done = steps, done

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.done, self.steps))

    def __len__(self) -> int:
        return self.steps


def loader(batches: EpochBatches, done: int = 0) -> DataLoader[Draw]:
    """A loader that hands on the batches as they are, in order, after the first ``done``."""
    return DataLoader(batches, batch_size=None, sampler=FromStep(len(batches), done), num_workers=0)


def validation_batches(
    held: TrainingSet, limit: int, side: int, batch_size: int, size: float, seed: int
) -> Iterator[Draw]:
    """Unaugmented batches of at most ``limit`` cut-outs, a person in the middle of each."""
    packs = [pack for pack in held.packs if isinstance(pack, Pack)]
    items = held.items(np.random.default_rng((seed, _VALIDATION)))[:limit]
    settings = AugmentSettings.none(size)
    for start in range(0, len(items), batch_size):
        part = items[start : start + batch_size]
        yield draw_batch(packs, part, settings, side, np.random.default_rng((seed, _VALIDATION, start)))


def to_device(draw: Draw, device: torch.device) -> Draw:
    """A drawn batch on another device."""
    if device.type == "cpu":
        return draw
    layers = tuple(
        type(group)(*(getattr(group, item.name).to(device, non_blocking=True) for item in fields(group)))
        for group in draw.layers
    )
    return replace(draw, layers=layers)
