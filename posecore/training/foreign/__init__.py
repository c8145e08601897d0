"""Configurations of a public MoveNet trainer, key by key, as configurations of ours.

The trainer (``movenet.pytorch`` and what grew from it) is driven by one flat table. Every key of it ends in exactly one
:class:`Finding`: taken over, taken over approximately, without use here, or unknown. Nothing is dropped silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from posecore.training.config import RunConfig, make_config
from posecore.training.foreign.file import read_foreign
from posecore.training.foreign.rules import KNOWN_KEYS, RULES
from posecore.training.foreign.table import Finding, Given
from posecore.words import closest


@dataclass(frozen=True)
class Conversion:
    """A configuration of ours, and where it comes from."""

    config: RunConfig
    values: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def to_yaml(self, source: str) -> str:
        """The configuration as a commented file; ``source`` names where it came from."""
        lines = [f"Converted from {source}."]
        lines += [f"{finding.kind}: {finding}" for finding in self.findings if finding.kind != "same"]
        # Whatever their texts hold must neither end the comment nor make the file unreadable.
        header = "".join(f"# {''.join(c if c.isprintable() else ' ' for c in line)}\n" for line in lines)
        # By way of JSON, so that what is said twice is written twice instead of being referred to.
        plain = json.loads(json.dumps(self.values))
        return header + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def convert_movenet_config(path: Path) -> Conversion:
    """A file of the trainer as a configuration of ours.

    Raises:
        SettingsError: When the file cannot be read, or a value in it makes no sense; the message names the key.
    """
    return convert_movenet_values(read_foreign(path), path.stem)


def convert_movenet_values(values: Mapping[str, Any], name: str = "converted") -> Conversion:
    """The trainer's keys and values as a configuration of ours; ``name`` is what the run is called.

    Raises:
        SettingsError: When a value makes no sense; the message names the key.
    """
    given = Given(values)
    findings = [finding for rule in RULES for finding in rule(given)]
    taken = {key for finding in findings for key in finding.keys}
    findings += [_unused(key, value) for key, value in given.values.items() if key not in taken]
    ours: dict[str, Any] = {"name": re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100] or "converted"}
    for finding in findings:
        for place, value in finding.ours.items():
            _put(ours, place.split("."), value)
    return Conversion(make_config(ours, "the converted configuration"), ours, tuple(findings))


def _put(table: dict[str, Any], place: list[str], value: Any) -> None:
    for part in place[:-1]:
        table = table.setdefault(part, {})
    table[place[-1]] = value


def _unused(key: str, value: Any) -> Finding:
    """A key that no rule took up."""
    if value is None:
        return Finding((key,), "no use", {}, "is not set")
    near = closest(key, KNOWN_KEYS)
    return Finding((key,), "unknown", {}, f"did you mean {near}?" if near else "no such key is known")


__all__ = ["Conversion", "Finding", "convert_movenet_config", "convert_movenet_values"]
