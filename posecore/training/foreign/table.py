"""The trainer's table as the rules read it, and what they say about its keys."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from posecore.errors import SettingsError

Kind = Literal["same", "similar", "no use", "unknown", "added"]


@dataclass(frozen=True)
class Finding:
    """What became of a key, or of keys that belong together.

    Attributes:
        keys: Theirs; empty for what only ours needs.
        kind: ``same``, ``similar`` (``words`` say how it differs), ``no use`` (``words`` say why), ``unknown``, or
            ``added``.
        ours: Our keys, for example ``optimizer.clip``, and their values.
        words: An explanation.
    """

    keys: tuple[str, ...]
    kind: Kind
    ours: Mapping[str, Any]
    words: str = ""

    def __str__(self) -> str:
        theirs = ", ".join(self.keys)
        ours = ", ".join(f"{key} = {shortened(value)}" for key, value in self.ours.items())
        sides = " → ".join(side for side in (theirs, ours) if side)
        return f"{sides}: {self.words}" if self.words else sides


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def shortened(value: Any) -> str:
    """A value as it is written, cut when it is long."""
    return _short.repr(value)


class Given:
    """The trainer's table; values are checked as they are read, with ``SettingsError`` naming the key."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {}
        for key, value in values.items():
            if key == "task_params":
                if not isinstance(value, Mapping):
                    raise SettingsError(f"task_params = {shortened(value)} must hold keys and values.")
                self.values |= {f"{key}.{inner}": one for inner, one in value.items()}
            else:
                self.values[key] = value

    def has(self, *keys: str) -> tuple[str, ...]:
        """Those of ``keys`` that are there and not null."""
        return tuple(key for key in keys if self.values.get(key) is not None)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within bounds."""
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e15:
            self.wrong(key, "must be a number")
        if not low <= value <= high:
            self.wrong(key, f"must be between {low:g} and {high:g}" if high < math.inf else f"must be at least {low:g}")
        return float(value)

    def integer(self, key: str, low: int = 0, high: int = 100_000) -> int:
        """A whole number within bounds."""
        value = self.number(key, low, high)
        if value != int(value):
            self.wrong(key, "must be a whole number")
        return int(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.values[key]
        if not isinstance(value, bool):
            self.wrong(key, "must be true or false")
        return bool(value)

    def text(self, key: str) -> str:
        """A text."""
        value = self.values[key]
        if not isinstance(value, str):
            self.wrong(key, "must be a text")
        return str(value).strip()

    def wrong(self, key: str, what: str) -> NoReturn:
        """Refuse a value."""
        raise SettingsError(f"{key} = {shortened(self.values[key])} {what}.")
