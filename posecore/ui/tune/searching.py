"""The search for a goal, over decode settings and, where that is wished for, over settings of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from typing import Any

from posecore.benchmark import Paced, paces
from posecore.errors import DataError
from posecore.evaluation.field_sets import FieldFolder, keep_views
from posecore.evaluation.network_choices import networks_among
from posecore.evaluation.tuning import Bench, Goal, Trial, Tuned, tune_among
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.work import Looked

#: Pictures that the time is measured on.
_TIMED = 4


@dataclass(frozen=True)
class Wish:
    """What is wished for.

    Attributes:
        goal: What good settings are.
        names: Decode settings to search over.
        most: Settings that are tried at most, with each network.
        seed: Of the halves and the search.
        each: Network settings to choose among, and their values; none for what is in force.
        fps: Pictures a second that this machine has to look at; 0 for any number.
    """

    goal: Goal
    names: tuple[str, ...]
    most: int
    seed: int
    each: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    fps: float = 0.0

    @property
    def networks(self) -> int:
        """In how many ways the network looks at the pictures."""
        return prod(len(values) for _, values in self.each)

    def steps(self, pictures: int) -> int:
        """How many there will be at most."""
        return self.most * self.networks + (pictures * self.networks if self.each else 0)


@dataclass(frozen=True, eq=False)
class OfNetwork:
    """One way to run the network: what it costs, and what the best decode settings bring with it."""

    pace: Paced
    best: Trial


@dataclass(frozen=True, eq=False)
class Searched:
    """What the search found.

    Attributes:
        tuned: The outcome, with the network settings that were chosen among its settings.
        networks: Those that were chosen among and quick enough; empty when there was no choice and no time to keep.
        slow: Those that are left out, as they are too slow.
    """

    tuned: Tuned
    networks: tuple[OfNetwork, ...] = ()
    slow: tuple[Paced, ...] = ()


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
        SettingsError: When nothing is quick enough, or settings exclude each other.
        DataError: When there are too few pictures, or nobody is on them.
    """
    assert looked.bench is not None
    before = looked.bench.fixed_at(decode)
    among = networks_among(before.model, network, dict(wish.each))
    measured: list[Paced] = []
    if wish.fps or wish.each:
        shots = [picture for _, picture, _ in islice(chosen.open().views([], lambda: None), _TIMED)]
        with network_slots():
            measured = paces(before.model, among, decode, shots, wish.fps)
    quick = [one for one in measured if one.rate >= wish.fps]
    if quick:
        among = [dict(one.network) for one in quick]
    place = FieldFolder(in_use=[looked.fields])
    benches = [before if one == network else _bench(chosen, before, one, place, step) for one in among]
    found = tune_among(benches, before, wish.goal, wish.names, wish.most, wish.seed, step)
    other = {name: value for name, value in among[found.place].items() if value != network[name]}
    return Searched(
        replace(found.tuned, settings={**other, **found.tuned.settings}),
        tuple(OfNetwork(pace, best) for pace, best in zip(quick, found.best if quick else (), strict=True)),
        tuple(one for one in measured if one.rate < wish.fps),
    )


def _bench(
    chosen: Chosen, before: Bench, network: Mapping[str, Any], place: FieldFolder, step: Callable[[], None]
) -> Bench:
    """The same pictures with other network settings."""
    opened = chosen.open()
    fields = keep_views(before.model, opened.views([], step), network, folder=place, slot=network_slots())
    if opened.labels is None or not len(fields):
        raise DataError("None of these pictures can be used any more: look at them again.")
    return Bench(before.model, fields, opened.labels, before.fixed)
