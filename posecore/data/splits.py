"""The splits that a set brings without its labels naming them: in folders of its pictures, or in lists beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import PoseDataset
from posecore.data.checks import load_text
from posecore.data.folders import ending_of, files_in, split_of
from posecore.data.resolving import PathResolver
from posecore.errors import DataError


def with_own_splits(dataset: PoseDataset, root: Path) -> PoseDataset:
    """The set with the splits that lists or folders below ``root`` say, unless its labels name some.

    A list is a text file called after its split, with a name of a picture in a line. Folders count when every picture
    is in one; either must tell two splits apart.
    """
    if not len(dataset) or any(image.split for image in dataset):
        return dataset
    paths = [image.path.absolute() for image in dataset]
    listed = _listed(root)
    splits: Sequence[str | None] = [listed.get(path) for path in paths]
    if len({*splits} - {None}) < 2:
        splits = [_of_folders(path, root) for path in paths]
        if None in splits or len({*splits}) < 2:
            return dataset
    images = tuple(replace(image, split=split) for image, split in zip(dataset, splits, strict=True))
    return replace(dataset, images=images)


def _of_folders(path: Path, root: Path) -> str | None:
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    return next(filter(None, map(split_of, folders)), None)


def _listed(root: Path) -> Mapping[Path, str]:
    """Picture → the split whose list has it; pictures of several lists are left out."""
    found: dict[Path, str] = {}
    doubtful: set[Path] = set()
    resolver = PathResolver(root)
    for file in _lists(root):
        split = split_of(file.stem) or ""
        with suppress(DataError):
            lines = [line.strip() for line in load_text(file).split("\n") if line.strip()]
            for path in resolver.resolve_all([[line] for line in lines]):
                if isinstance(path, Path) and found.setdefault(path, split) != split:
                    doubtful.add(path)
    return {path: split for path, split in found.items() if path not in doubtful}


def _lists(root: Path) -> list[Path]:
    try:
        files = files_in(root)
    except DataError:
        return []
    return [file for file in files if ending_of(file.name) == ".txt" and split_of(file.stem)]
