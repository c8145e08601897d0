"""Which other value of a setting would have changed an outcome, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from posecore.errors import SettingsError
from posecore.evidence.telling import plain_value
from posecore.families.trace import Trace
from posecore.settings import Control

#: Values of a setting that are tried before the nearest one is narrowed down.
_GRID, _HALVINGS = 16, 6
Decode = Callable[[Mapping[str, Any]], Trace]


@dataclass(frozen=True)
class Trial:
    """What trying other values of a setting showed.

    Attributes:
        setting: Its label.
        now: Its present value.
        value: The nearest value that changes the outcome, or None when none of those tried does.
        tried: How many values were tried.
        wanted: What was hoped for, in words.
    """

    setting: str
    now: Any
    value: Any
    tried: int
    wanted: str = "taken"

    def __str__(self) -> str:
        now = plain_value(self.now)
        if self.value is None:
            return f"No value of **{self.setting}** (now {now}) alone would have changed this; {self.tried} were tried."
        return (
            f"Tried: with **{self.setting}** at {plain_value(self.value)} (now {now}) it would have been {self.wanted}."
        )


def try_setting(decode: Decode, hoped: Callable[[Trace], bool], control: Control, now: Any, wanted: str) -> Trial:
    """Decode with other values of the setting that decided until something happens.

    Only what the decoder itself then does is reported, so the answer holds whatever the decoder is.

    Args:
        decode: Decodes with changed settings.
        hoped: Whether it happened.
        control: The setting.
        now: Its present value.
        wanted: What is hoped for, in words.
    """
    tried = 0

    def happens(value: Any) -> bool:
        nonlocal tried
        tried += 1
        try:
            return hoped(decode({control.name: value}))
        except SettingsError:
            return False

    found = next((value for value in _other_values(control, now) if happens(value)), None)
    if found is not None and control.kind in ("int", "float"):
        found = _narrowed(control, now, found, happens)
    return Trial(control.label, now, found, tried, wanted)


def _other_values(control: Control, now: Any) -> list[Any]:
    """Values to try, the nearest to the present one first."""
    if control.kind == "flag":
        return [not now]
    if control.kind == "choice":
        return [choice for choice in control.choices if choice != now]
    low = now - 1 if control.minimum is None else control.minimum
    high = 2 * now + 1 if control.maximum is None else control.maximum
    values = np.linspace(low, high, _GRID).tolist()
    if control.kind == "int":
        values = [*{round(value) for value in values}, now - 1, now + 1]
    fitting = {value for value in values if low <= value <= high and value != now}
    return sorted(fitting, key=lambda value: abs(value - now))


def _narrowed(control: Control, now: Any, found: Any, happens: Callable[[Any], bool]) -> Any:
    """A value nearer to ``now`` that has the same effect."""
    near = now
    for _ in range(_HALVINGS):
        middle = (near + found) / 2
        if control.kind == "int":
            middle = round(middle)
        if middle in (near, found):
            break
        if happens(middle):
            found = middle
        else:
            near = middle
    return found
