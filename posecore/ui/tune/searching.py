"""The search for a goal, over decode settings and, where that is wished for, over sizes of the network's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from posecore.benchmark import Paced, paces
from posecore.errors import DataError
from posecore.evaluation.field_sets import keep_views
from posecore.evaluation.tuning import Bench, Goal, Tuned, tune_among
from posecore.model import PoseModel
from posecore.settings import controls
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.work import Looked

#: Sides of the input to choose among, in pixels.
_SIDES = (129, 161, 193, 257, 353, 449, 513)
#: Pictures that the time is measured on.
_TIMED = 4


def sides_of(model: PoseModel) -> tuple[int, ...]:
    """Sides of the input that a model's networks can be given; none where there is no such setting."""
    known = (one for one in controls(model.network_settings_class) if one.name == "input_size")
    return tuple(side for one in known for side in _SIDES if (one.minimum or 0) <= side <= (one.maximum or side))


@dataclass(frozen=True)
class Wish:
    """What is wished for.

    Attributes:
        goal: What good settings are.
        names: Decode settings to search over.
        most: Settings that are tried at most, with each side.
        seed: Of the halves and the search.
        sides: Sides of the network's input to choose among; none for the one that is in force.
        fps: Pictures a second that this machine has to look at; 0 for any number.
    """

    goal: Goal
    names: tuple[str, ...]
    most: int
    seed: int
    sides: tuple[int, ...] = ()
    fps: float = 0.0

    def steps(self, pictures: int) -> int:
        """How many there will be at most."""
        return self.most * max(len(self.sides), 1) + pictures * len(self.sides)

    def networks(self, now: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The network settings to choose among."""
        by = {"input_by": "side"} if "input_by" in now else {}
        return [{**now, **by, "input_size": side} for side in self.sides] or [dict(now)]


@dataclass(frozen=True, eq=False)
class Searched:
    """What the search found.

    Attributes:
        tuned: The outcome, with the size of the input among its settings when there was a choice.
        paces: How fast every size is; empty when that did not matter.
    """

    tuned: Tuned
    paces: tuple[Paced, ...] = ()


def search(
    looked: Looked,
    chosen: Chosen,
    wish: Wish,
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    step: Callable[[], None],
) -> Searched:
    """Find what serves the goal best; ``step`` is called after every picture and every trial.

    Raises:
        SettingsError: When nothing is quick enough.
        DataError: When there are too few pictures, or nobody is on them.
    """
    assert looked.bench is not None
    before = looked.bench.fixed_at(decode)
    among = wish.networks(network)
    measured: tuple[Paced, ...] = ()
    if wish.fps:
        shots = [picture for _, picture, _ in islice(chosen.open().views([], lambda: None), _TIMED)]
        with network_slots():
            measured = tuple(paces(before.model, among, decode, shots, wish.fps))
        among = [dict(one.network) for one in measured if one.rate >= wish.fps]
    benches = [before if one == network else _bench(chosen, before, one, step) for one in among]
    place, tuned = tune_among(benches, before, wish.goal, wish.names, wish.most, wish.seed, step)
    other = {name: value for name, value in among[place].items() if value != network[name]}
    return Searched(replace(tuned, settings={**other, **tuned.settings}), measured)


def _bench(chosen: Chosen, before: Bench, network: Mapping[str, Any], step: Callable[[], None]) -> Bench:
    """The same pictures with other network settings."""
    opened = chosen.open()
    fields = keep_views(before.model, opened.views([], step), network, slot=network_slots())
    if opened.labels is None or not len(fields):
        raise DataError("None of these pictures can be used any more: look at them again.")
    return Bench(before.model, fields, opened.labels, before.fixed)
