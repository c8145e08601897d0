"""Network settings to choose among: which values are worth offering, and their combinations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from posecore.errors import SettingsError
from posecore.evaluation.tuning import grid
from posecore.model import PoseModel
from posecore.runtimes.engines import ENGINES
from posecore.settings import Control, controls

#: Network settings that change nothing but the time.
OF_MACHINES = ("runtime", "precision")
#: Sides of the input that are offered, in pixels.
_SIDES = (129, 161, 193, 257, 353, 449, 513)
#: Values of other numbers that are offered.
_STEPS = 9
#: Ends of the names of settings that are not offered: others imply them, or they change nothing that is found.
_IMPLIED = ("input_by", "all_stages", "precision")


def network_values(model: PoseModel) -> dict[str, tuple[Control, tuple[Any, ...]]]:
    """Network settings of a model that can be chosen among, with the values to offer, by name."""
    offered = {}
    for control in controls(model.network_settings_class):
        values = () if control.name.endswith(_IMPLIED) else _values(control)
        if len(values) > 1:
            offered[control.name] = (control, values)
    return offered


def _values(control: Control) -> tuple[Any, ...]:
    if control.name == "runtime":
        return ("torch", *(name for name, engine in ENGINES.items() if engine.installed()))
    if control.name.endswith("input_size"):
        return tuple(side for side in _SIDES if (control.minimum or 0) <= side <= (control.maximum or side))
    return tuple(grid(control, _STEPS))


def networks_among(model: PoseModel, now: Mapping[str, Any], each: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination of the values, with all other network settings as they are ``now``.

    Settings without which one of them has no effect are set so that it has.

    Raises:
        SettingsError: For a name that is no network setting, an impossible value, and settings that exclude each other.
    """
    for name in each:
        if name not in now:
            raise SettingsError(
                f"{name!r} is no network setting of {model.name}; among such the network has to look anew, all others "
                "are searched over."
            )
    known = {control.name: control for control in controls(model.network_settings_class)}
    implied: dict[str, Any] = {}
    for name in each:
        for other, allowed in known[name].when:
            if other in each:
                continue
            if implied.setdefault(other, now[other] if now[other] in allowed else allowed[0]) not in allowed:
                raise SettingsError(f"{' and '.join(each)} cannot be chosen among together: one of them has no effect.")
    combinations = itertools.product(*each.values())
    wanted = ({**now, **implied, **dict(zip(each, one, strict=True))} for one in combinations)
    return [model.network_settings(**one).model_dump() for one in wanted]


def changed_words(network: Mapping[str, Any], names: Sequence[str]) -> str:
    """The values of some settings, in words: ``input_size 193, flip True``."""
    return ", ".join(f"{name} {network[name]}" for name in names)
