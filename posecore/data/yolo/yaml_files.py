"""The YAML file that describes a YOLO set: finding it, reading it without aliases, writing it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from posecore.data.checks import load_text
from posecore.data.folders import files_in
from posecore.errors import DataError

#: A data.yaml is short; a long one is something else.
_MAX_YAML = 1_000_000
_SUFFIXES = (".yaml", ".yml")
#: Fields of files that describe networks, which have a ``kpt_shape`` too.
_NETWORK = ("backbone", "head")


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: nobody needs them here, and a few lines of them can mean gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported")
        return super().compose_node(parent, index)


class PlainDumper(yaml.SafeDumper):
    """Writes lists that occur twice in full, as they are read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def load_yaml(path: Path) -> dict[str, Any]:
    """Content of a small YAML file with named fields; raises ``DataError``."""
    text = load_text(path)
    if len(text) > _MAX_YAML:
        raise DataError(f"{path} has {len(text)} characters, too many to describe a data set.")
    try:
        data = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is not valid YAML: {_reason(error)}.") from error
    if not isinstance(data, dict):
        raise DataError(f"{path} has no named fields; data.yaml should have kpt_shape, names and train.")
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        advice = "; write Windows paths with / or without quotes" if "escape" in (error.problem or "") else ""
        return f"{error.problem} in line {error.problem_mark.line + 1}{advice}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error).splitlines() or ["it cannot be understood"])[0]


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
