"""The search for a goal, over decode settings and, where that is wished for, over settings of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import prod
from typing import Any

from posecore.benchmark import Paced, paces
from posecore.data.annotations import Problem
from posecore.errors import DataError
from posecore.evaluation.field_sets import FieldFolder, FieldSet, alike, keep_views
from posecore.evaluation.network_choices import networks_among
from posecore.evaluation.tuning import Bench, Goal, Trial, Tuned, tune_among
from posecore.model import PoseModel
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.tune.pictures import Chosen, Opened
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
        problems: Pictures that were left out as some of the networks could not look at them.
    """

    tuned: Tuned
    networks: tuple[OfNetwork, ...] = ()
    slow: tuple[Paced, ...] = ()
    problems: tuple[Problem, ...] = ()


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
    # Making pictures ready may take seconds, and may not be needed.
    opened = cache(chosen.open)
    if wish.fps or wish.each:
        shots = [picture for _, picture, _ in islice(opened().views([], lambda: None), _TIMED)]
        with network_slots():
            measured = paces(before.model, among, decode, shots, wish.fps)
    quick = [one for one in measured if one.rate >= wish.fps]
    if quick:
        among = [dict(one.network) for one in quick]
    place = FieldFolder(in_use=[looked.fields])
    kept = [looked.fields if one == network else _fields(opened(), before.model, one, place, step) for one in among]
    now, *sets = alike([looked.fields, *kept])
    if len(now) < len(looked.fields):
        before = _bench(before, opened(), now)
    benches = [
        before if one == network else _bench(before, opened(), fields) for one, fields in zip(among, sets, strict=True)
    ]
    found = tune_among(benches, before, wish.goal, wish.names, wish.most, wish.seed, step)
    other = {name: value for name, value in among[found.place].items() if value != network[name]}
    return Searched(
        replace(found.tuned, settings={**other, **found.tuned.settings}),
        tuple(OfNetwork(pace, best) for pace, best in zip(quick, found.best if quick else (), strict=True)),
        tuple(one for one in measured if one.rate < wish.fps),
        tuple(one for one in now.problems if one not in looked.fields.problems),
    )


def _fields(
    opened: Opened, model: PoseModel, network: Mapping[str, Any], place: FieldFolder, step: Callable[[], None]
) -> FieldSet:
    """What is said about the same pictures with other network settings."""
    problems: list[Problem] = []
    views = opened.views(problems, step)
    return keep_views(model, views, network, folder=place, problems=problems, slot=network_slots())


def _bench(before: Bench, opened: Opened, fields: FieldSet) -> Bench:
    """The same labels and decode settings on other fields."""
    if opened.labels is None or not len(fields):
        raise DataError("None of these pictures can be used any more: look at them again.")
    return Bench(before.model, fields, opened.labels, before.fixed)
