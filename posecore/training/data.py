"""Batches for training: what is in an epoch, in which order, and the held-out part."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from posecore.data.annotations import PoseDataset
from posecore.data.augment import AugmentSettings, Draw, check_mirror, draw_batch
from posecore.data.batches import Pack, cuts_of, pack, packed_cuts
from posecore.data.coco import read_coco
from posecore.data.detect import open_dataset
from posecore.data.disk_cache import prune
from posecore.data.naming import canonical
from posecore.data.operations import mapped, merged, renamed, split_named
from posecore.data.source import Source
from posecore.errors import DataError
from posecore.skeleton import Skeleton
from posecore.storage import touch
from posecore.training.config import RunConfig

log = logging.getLogger(__name__)

#: Numbers that keep the random streams of different uses of one seed apart.
_ORDER, _AUGMENT, _VALIDATION = range(3)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Packs with how often each of their cut-outs is shown per epoch."""

    packs: tuple[Pack, ...]
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


def read_source(source: Source, root: Path, cache: Path, skeleton: Skeleton | None = None) -> PoseDataset:
    """The annotated pictures of one source; what was skipped while reading is logged.

    Args:
        source: Where they are.
        root: Folder that relative paths start from.
        cache: Where drawn scenes are kept.
        skeleton: What will be learnt: keypoints that it only spells otherwise (``left-hip``) get its names.
    """
    if source.synthetic is not None:
        dataset = _synthetic(source.synthetic, source.seed, cache)
    else:
        assert source.annotations is not None
        if not (root / source.annotations).exists():
            raise DataError(
                f"The labelled pictures {root / source.annotations} are gone. Put them back where they were, or change "
                "the configuration, then start again."
            )
        images = None if source.images is None else root / source.images
        found = open_dataset(root / source.annotations, source.format, images)
        dataset = renamed(found, _spelled(source.names, found.skeleton.keypoints))
        if skeleton is not None:
            dataset = renamed(dataset, _only_spelled_otherwise(dataset.skeleton, skeleton))
        if source.split is not None:
            dataset = _part(dataset, source.split)
    for said in (*dataset.problems[:20], *dataset.remarks):
        log.warning("%s", said)
    if len(dataset.problems) > 20:
        log.warning("… and %d more problems in %s", len(dataset.problems) - 20, dataset.name)
    return dataset


def _spelled(names: Mapping[str, str], known: Sequence[str]) -> dict[str, str]:
    """``names`` with old names as ``known`` spells them, where there is no doubt."""
    by_spelling = {canonical(name): name for name in known}
    return {old if old in known else by_spelling.get(canonical(old), old): new for old, new in names.items()}


def _only_spelled_otherwise(labels: Skeleton, wanted: Skeleton) -> dict[str, str]:
    """Old name → new name of keypoints that ``wanted`` has in another spelling only."""
    free = {canonical(name): name for name in wanted.keypoints if name not in labels.keypoints}
    found = {name: free[canonical(name)] for name in labels.keypoints if canonical(name) in free}
    return (
        {} if len(set(found.values())) < len(found) else {a: b for a, b in found.items() if a not in wanted.keypoints}
    )


def _part(dataset: PoseDataset, split: str) -> PoseDataset:
    parts = split_named(dataset)
    if split not in parts:
        raise DataError(f"{dataset.name} has no split {split!r}; there are {', '.join(parts) or 'none'}.")
    return parts[split]


def _synthetic(count: int, seed: int, cache: Path) -> PoseDataset:
    from posecore.data.synthetic.dataset import write_dataset

    folder = cache / f"synthetic-{seed}-{count}"
    if not (folder / "annotations.json").is_file():
        log.info("drawing %d synthetic scenes", count)
        write_dataset(folder, count, seed)
    touch(folder)
    return read_coco(folder / "annotations.json", folder / "images")


def pack_sources(
    sources: Sequence[Source], skeleton: Skeleton, root: Path, cache: Path, mirrored: bool = False
) -> TrainingSet:
    """Read and pack sources, or find them packed in ``cache``.

    Raises:
        DataError: When one cannot be read, or is to be ``mirrored`` though nobody has said its left and right.
    """
    packs = []
    for source in sources:
        dataset = read_source(source, root, cache, skeleton)
        if mirrored:
            check_mirror(mapped(dataset, skeleton).skeleton)
        packs.append(pack(dataset, skeleton, source.pack, cache / "packs"))
        log.info("%s: %d pictures, %d cut-outs", dataset.name, len(dataset), len(packs[-1]))
    prune(cache)
    return TrainingSet(tuple(packs), tuple(source.repeat for source in sources))


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
    packs, total = [], 0.0
    for source in sources:
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


def hold_out(training: TrainingSet, part: float) -> tuple[TrainingSet, TrainingSet]:
    """Split off every pack's last cut-outs for validation.

    A contiguous part, because neighbours may come from the same picture: at most one picture is in both.
    """
    kept, held = [], []
    for packed in training.packs:
        count = round(len(packed) * part)
        rows = np.arange(len(packed))
        kept.append(_view(packed, 0, len(packed) - count))
        if count:
            held.append(packed.subset(rows[len(packed) - count :]))
    return TrainingSet(tuple(kept), training.repeats), TrainingSet(tuple(held), (1.0,) * len(held))


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


class EpochBatches(Dataset[Draw]):
    """The batches of one epoch. A batch depends on seed, epoch, step and process alone, not on earlier batches.

    Raises:
        DataError: When the parts of the sets that an epoch shows hold nobody.
    """

    def __init__(
        self,
        training: TrainingSet,
        settings: AugmentSettings,
        side: int,
        batch_size: int,
        seed: int,
        epoch: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        items = training.items(np.random.default_rng((seed, _ORDER, epoch)))
        if not len(items):
            raise DataError("An epoch shows nobody: raise repeat of the training sets, or give more pictures.")
        per_step = batch_size * world
        # The last, incomplete batch is left out, unless it is the only one.
        steps = max(len(items) // per_step, 1)
        self.items = [items[step * per_step : (step + 1) * per_step][rank::world] for step in range(steps)]
        self.training, self.settings, self.side = training, settings, side
        self.key = (seed, _AUGMENT, epoch, rank)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, step: int) -> Draw:
        if step >= len(self.items):
            raise IndexError(step)
        generator = np.random.default_rng((*self.key, step))
        return draw_batch(self.training.packs, self.items[step], self.settings, self.side, generator)


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
    items = held.items(np.random.default_rng((seed, _VALIDATION)))[:limit]
    settings = AugmentSettings.none(size)
    for start in range(0, len(items), batch_size):
        part = items[start : start + batch_size]
        yield draw_batch(held.packs, part, settings, side, np.random.default_rng((seed, _VALIDATION, start)))


def to_device(draw: Draw, device: torch.device) -> Draw:
    """A drawn batch on another device."""
    if device.type == "cpu":
        return draw
    layers = tuple(
        type(group)(*(getattr(group, item.name).to(device, non_blocking=True) for item in fields(group)))
        for group in draw.layers
    )
    return replace(draw, layers=layers)
