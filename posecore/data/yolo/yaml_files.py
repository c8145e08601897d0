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
    text = load_text(path)
    try:
        data = parse_yaml(text)
    except MalformedError as error:
        raise DataError(f"{path} is not valid YAML: {error}.") from error
    if not isinstance(data, dict):
        raise DataError(f"{path} has no named fields; data.yaml should have kpt_shape, names and train.")
    return data


def find_yaml(folder: Path, files: Iterable[Path] | None = None) -> Path | None:
    """The YAML file in ``folder`` or below that describes keypoints, or None.

    The one nearest to the top is taken, ``data.yaml`` before others and those that name splits before all.

    Args:
        folder: The set.
        files: The files in it, where they are known.

    Raises:
        DataError: When there is none but a ``data.yaml`` cannot be read, saying why.
    """
    found = [path for path in (files_in(folder) if files is None else files) if path.suffix.lower() in _SUFFIXES]
    found.sort(key=lambda path: (len(path.parts), path.stem.lower() != "data", path))
    fitting: list[tuple[bool, Path]] = []
    broken: DataError | None = None
    for path in found:
        try:
            data = load_yaml(path)
        except DataError as error:
            broken = broken or error
            continue
        if "kpt_shape" in data and not any(field in data for field in _NETWORK):
            fitting.append((any(data.get(key) for key in ("train", "val", "test")), path))
    if not fitting and broken is not None:
        raise broken
    return max(fitting, key=lambda entry: entry[0])[1] if fitting else None
