"""Reading what a configuration names as its sources."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from posecore.addresses import is_address, spelled
from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.data.detect import open_dataset
from posecore.data.naming import canonical
from posecore.data.operations import renamed, split_named
from posecore.data.source import Source
from posecore.data.webdataset import names_shards
from posecore.errors import DataError
from posecore.skeleton import Skeleton
from posecore.storage import touch

log = logging.getLogger(__name__)


def labels_of(source: Source, root: Path) -> Path:
    """Where the labels of a source are; an address stays what it is."""
    assert source.annotations is not None
    return Path(source.annotations) if is_address(spelled(source.annotations)) else root / source.annotations


def shards_of(source: Source, root: Path) -> Path | None:
    """What names the shards of a source that is read shard by shard; None for any other source.

    Raises:
        DataError: When classes are named, which shards do not tell.
    """
    if source.annotations is None or not names_shards(place := labels_of(source, root)):
        return None
    if source.class_names:
        raise DataError(f"{place}: class_names are read from a COCO JSON file, not from shards; leave them out.")
    return place


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
        place = labels_of(source, root)
        if not names_shards(place) and not place.exists():
            raise DataError(
                f"The labelled pictures {place} are gone. Put them back where they were, or change the configuration, "
                "then start again."
            )
        images = None if source.images is None else root / source.images
        found = open_dataset(place, source.format, images, class_names=source.class_names)
        dataset = with_names(found, source, skeleton)
        if source.split is not None:
            dataset = _part(dataset, source.split)
    for said in (*dataset.problems[:20], *dataset.remarks):
        log.warning("%s", said)
    if len(dataset.problems) > 20:
        log.warning("… and %d more problems in %s", len(dataset.problems) - 20, dataset.name)
    return dataset


def with_names(dataset: PoseDataset, source: Source, skeleton: Skeleton | None) -> PoseDataset:
    """The set with the keypoints' names that the source gives, and those of ``skeleton`` that differ in spelling."""
    dataset = renamed(dataset, _spelled(source.names, dataset.skeleton.keypoints))
    return dataset if skeleton is None else renamed(dataset, _only_spelled_otherwise(dataset.skeleton, skeleton))


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
