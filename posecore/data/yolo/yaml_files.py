"""The YAML file that describes a YOLO set: finding it, reading it without aliases, writing it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from posecore.data.checks import load_text
from posecore.data.folders import files_in
from posecore.errors import DataError
from posecore.parsing import MalformedError, parse_yaml

_SUFFIXES = (".yaml", ".yml")
#: Fields of files that describe networks, which have a ``kpt_shape`` too.
_NETWORK = ("backbone", "head")


class PlainDumper(yaml.SafeDumper):
    """Writes lists that occur twice in full, as they are read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load_yaml(path: Path) -> dict[str, Any]:
    """Content of a small YAML file with named fields; raises ``DataError``."""
    data = _parsed(path)
    if not isinstance(data, dict):
        raise DataError(f"{path} has no named fields; data.yaml should have kpt_shape, names and train.")
    return data


def _parsed(path: Path) -> Any:
    try:
        return parse_yaml(load_text(path))
    except MalformedError as error:
        raise DataError(f"{path} is not valid YAML: {error}.") from error


def find_yaml(folder: Path, files: Iterable[Path] | None = None) -> Path | None:
    """The YAML file in ``folder`` or below that describes keypoints, or None.

    The one nearest to the top is taken, ``data.yaml`` before others and those that name splits before all.

    Args:
        folder: The set.
        files: The files in it, where they are known.

    Raises:
        DataError: When there is none but a file that cannot be read or lacks ``kpt_shape``, or those of several sets.
    """
    found = [path for path in (files_in(folder) if files is None else files) if path.suffix.lower() in _SUFFIXES]
    found.sort(key=lambda path: (len(path.parts), path.stem.lower() != "data", path))
    fitting: list[tuple[bool, Path]] = []
    broken: DataError | None = None
    for path in found:
        try:
            if (splits := _splits_named(path)) is not None:
                fitting.append((splits, path))
        except DataError as error:
            broken = broken or error
    if not fitting:
        if broken is not None:
            raise broken
        return None
    best = max(splits for splits, _ in fitting)
    paths = [path for splits, path in fitting if splits == best]
    if other := next((p for p in paths if len(p.parts) == len(paths[0].parts) and p.parent != paths[0].parent), None):
        names = " and ".join(str(path.relative_to(folder)) for path in (paths[0], other))
        raise DataError(f"{folder} holds several sets, {names}; name the folder of one.")
    return paths[0]


def _splits_named(path: Path) -> bool | None:
    """Whether a description of a set names splits; None for a file that describes no set.

    Raises:
        DataError: When it cannot be read, or describes a set without saying how many keypoints there are.
    """
    data = _parsed(path)
    if not isinstance(data, dict) or any(field in data for field in _NETWORK):
        return None
    splits = any(data.get(key) for key in ("train", "val", "test"))
    if "kpt_shape" in data:
        return splits
    if splits and "names" in data:
        raise DataError(f"{path} has no kpt_shape; write “kpt_shape: [number of keypoints, 2 or 3]” into it.")
    return None
