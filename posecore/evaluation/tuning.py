"""Decode settings that suit one's own pictures: what each value would do, and which values serve a goal best.

The network never runs here: settings are tried on kept fields (:mod:`posecore.evaluation.field_sets`), and settings
that only hide weak joints or people (``DecodeSettings.filters``) are tried without decoding again. One half of the
pictures chooses, the other half, which nothing was fitted to, says what the choice is worth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution

from posecore.errors import DataError, SettingsError
from posecore.evaluation.chance import Interval, paired_interval
from posecore.evaluation.evaluate import common_of
from posecore.evaluation.matching import Matches, PictureMatcher, average_precision_of
from posecore.evaluation.predictions import View, collect
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import Control, controls
from posecore.skeleton import Skeleton

#: What can be wished for. The last two are: as many people as can be found without more mistakes than ``bound``.
GoalName = Literal["AP", "F1", "precision", "false people"]
GOALS: tuple[GoalName, ...] = ("AP", "F1", "precision", "false people")
#: Decodings of the whole set that are remembered.
_REMEMBERED = 64
#: Weight of breaking a bound, so that settings that keep it always win.
_BREACH = 10.0

Item = TypeVar("Item")


@dataclass(frozen=True)
class Goal:
    """What good settings are.

    Attributes:
        name: ``AP``; ``F1`` of precision and recall; ``precision``: most people found with a precision of at least
            ``bound``; ``false people``: most people found with at most ``bound`` false ones per 100 pictures.
        bound: For the last two.
    """

    name: GoalName = "F1"
    bound: float = 0.9

    def __post_init__(self) -> None:
        if self.name not in GOALS:
            raise SettingsError(f"There is no goal {self.name!r}; there are {', '.join(GOALS)}.")
        highest = 1.0 if self.name == "precision" else float("inf")
        if not 0 <= self.bound <= highest:
            raise SettingsError(
                f"The bound of the goal {self.name!r} is {self.bound}; give a number from 0 to {highest:g}."
            )

    def value(self, figures: Figures) -> float:
        """The larger the better."""
        if self.name == "AP":
            return figures.AP or 0.0
        if self.name == "F1":
            return figures.f1 or 0.0
        recall = figures.recall or 0.0
        if self.name == "precision":
            return recall - _BREACH * max(0.0, self.bound - (1.0 if figures.precision is None else figures.precision))
        return recall - _BREACH * max(0.0, figures.false_per_100 - self.bound) / 100


@dataclass(frozen=True)
class Figures:
    """What settings do on a number of pictures.

    Attributes:
        AP, AR: As COCO has them; None where there is nobody to find.
        precision: Part of the poses that are people (OKS at least 0.5), of those that count; None without any.
        recall: Part of the people that were found; None where there is nobody to find.
        false_per_100: Poses about nobody, per 100 pictures.
        poses: Poses that are shown.
        pictures, people: What was measured on.
    """

    AP: float | None
    AR: float | None
    precision: float | None
    recall: float | None
    false_per_100: float
    poses: int
    pictures: int
    people: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def figures_of(matches: Sequence[Matches]) -> Figures:
    """Figures of what was matched."""
    ap, ar = average_precision_of(matches)
    people = sum(one.people for one in matches)
    right = sum(int(one.right[0].sum()) for one in matches)
    wrong = sum(one.mistaken for one in matches)
    return Figures(
        ap,
        ar,
        right / (right + wrong) if right + wrong else None,
        right / people if people else None,
        100 * wrong / max(len(matches), 1),
        sum(len(one.scores) for one in matches),
        len(matches),
        people,
    )


class Decodings(Generic[Item]):
    """What comes out of kept fields under any decode settings; what was decoded once is not decoded again.

    Args:
        model: The model that made the fields.
        analysed: Views and fields, gone through once for every way of decoding: a ``FieldSet``, or a list.
        make: Makes what is wanted of all views and their poses.
    """

    def __init__(
        self,
        model: PoseModel,
        analysed: Iterable[tuple[View, Fields]],
        make: Callable[[Iterable[tuple[View, Poses]]], list[Item]],
    ) -> None:
        self.model = model
        self._analysed, self._make = analysed, make
        self._known: OrderedDict[tuple[tuple[str, Any], ...], list[Item]] = OrderedDict()

    def at(self, settings: Mapping[str, Any]) -> tuple[list[Item], dict[str, float]]:
        """Items of all views with nothing hidden, and the thresholds that hide (:attr:`DecodeSettings.filters`).

        Raises:
            SettingsError: For unknown settings and values out of range.
        """
        chosen = self.model.decode_settings(**settings).model_dump()
        thresholds = {name: float(chosen[name]) for name in self.model.decode_settings_class.filters}
        decode = {**chosen, **dict.fromkeys(thresholds, 0.0)}
        key = tuple(sorted(decode.items()))
        if key not in self._known:
            self._known[key] = self._make((view, self.model.decode(one, **decode)) for view, one in self._analysed)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key], thresholds


class Bench:
    """A set on which decode settings are tried.

    Args:
        model: The model that made the fields.
        analysed: Views and fields, gone through once for every way of decoding: a ``FieldSet``, or a list.
        labels: Skeleton of the labels.
        decode: Settings that stay as they are.

    Raises:
        DataError: When labels and model share no keypoint.
    """

    def __init__(
        self,
        model: PoseModel,
        analysed: Iterable[tuple[View, Fields]],
        labels: Skeleton,
        decode: Mapping[str, Any] | None = None,
    ) -> None:
        common = common_of(labels, model.skeleton)
        self.model = model
        self.fixed = dict(decode or {})
        self._decodings = Decodings(
            model,
            analysed,
            lambda decoded: [
                PictureMatcher(item.image, item.poses, common, labels.sigmas) for item in collect(decoded, labels)
            ],
        )

    def fixed_at(self, decode: Mapping[str, Any]) -> Bench:
        """The same set with other settings that stay as they are; what was decoded before is not decoded again."""
        other = copy(self)
        other.fixed = dict(decode)
        return other

    def matches(self, settings: Mapping[str, Any]) -> list[Matches]:
        """Matches of every picture under these decode settings, over the fixed ones.

        Raises:
            SettingsError: For unknown settings and values out of range.
        """
        matchers, thresholds = self._decodings.at({**self.fixed, **settings})
        return [matcher.match(**thresholds) for matcher in matchers]

    def figures(self, settings: Mapping[str, Any]) -> Figures:
        """Figures over all pictures."""
        return figures_of(self.matches(settings))


@dataclass(frozen=True)
class Shown:
    """What settings show, whether right or wrong.

    Attributes:
        pictures: Pictures that were looked at.
        people: Poses in all of them.
        joints: Their joints.
        empty: Pictures in which nobody is shown.
    """

    pictures: int
    people: int
    joints: int
    empty: int


class Survey:
    """Pictures without labels, on which it can be seen what settings show.

    Args:
        model: The model that made the fields.
        analysed: Views and fields, gone through once for every way of decoding.
    """

    def __init__(self, model: PoseModel, analysed: Iterable[tuple[View, Fields]]) -> None:
        self.model = model
        self._decodings = Decodings(model, analysed, lambda decoded: [poses for _, poses in decoded])

    def poses(self, settings: Mapping[str, Any]) -> list[Poses]:
        """Poses of every picture under these decode settings; raises ``SettingsError`` for impossible ones."""
        found, thresholds = self._decodings.at(settings)
        return [poses.filter(**thresholds) for poses in found]

    def shown(self, settings: Mapping[str, Any]) -> Shown:
        """How much these settings show."""
        found = self.poses(settings)
        people = [len(poses) for poses in found]
        joints = sum(int(poses.present.sum()) for poses in found)
        return Shown(len(found), sum(people), joints, people.count(0))

    def scores(self, settings: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores of all people and of all joints when both thresholds hide nothing."""
        found = self.poses({**settings, "pose_threshold": 0.0, "keypoint_threshold": 0.0})
        people = np.concatenate([np.zeros(0, np.float32), *(poses.scores for poses in found)])
        joints = np.concatenate([np.zeros(0, np.float32), *(p.keypoint_scores[p.present] for p in found)])
        return people, joints


def sweep(
    bench: Bench, setting: str, values: Sequence[Any], advance: Callable[[], object] = lambda: None
) -> list[Figures]:
    """Figures at every value of one decode setting; ``advance`` is called after each.

    Raises:
        SettingsError: When there is no such setting or a value is out of range.
    """
    return [_then(advance, bench.figures({setting: value})) for value in values]


def sweep_two(
    bench: Bench,
    first: str,
    second: str,
    values: tuple[Sequence[Any], Sequence[Any]],
    advance: Callable[[], object] = lambda: None,
) -> list[list[Figures]]:
    """Figures for every pair of values of two decode settings, a row for each value of the first."""
    return [[_then(advance, bench.figures({first: one, second: other})) for other in values[1]] for one in values[0]]


def _then(advance: Callable[[], object], figures: Figures) -> Figures:
    advance()
    return figures


def grid(control: Control, count: int = 21) -> list[Any]:
    """Values of a setting to try: all choices, or at most ``count`` numbers from end to end, each on its step."""
    if control.kind == "choice":
        return list(control.choices)
    if control.kind == "flag":
        return [False, True]
    return list(dict.fromkeys(_value(control, place) for place in np.linspace(*_bounds(control), count)))


@dataclass(frozen=True)
class Trial:
    """Settings and what they did on the half that chooses."""

    settings: Mapping[str, Any]
    figures: Figures


@dataclass(frozen=True, eq=False)
class Tuned:
    """The outcome of a search.

    Attributes:
        goal: What was asked for.
        settings: The best settings found; those that nothing was searched over are left out.
        chosen: Their figures on the half that chose.
        confirmed: Their figures on the other half.
        before: Figures there of the settings that were in force before.
        gain: Where the difference of the goal's figure on the other half lies.
        trials: Everything that was tried, in order.
    """

    goal: Goal
    settings: Mapping[str, Any]
    chosen: Figures
    confirmed: Figures
    before: Figures
    gain: Interval
    trials: Sequence[Trial] = field(default=())

    @property
    def certain(self) -> bool:
        """False when the gain may be chance."""
        return self.gain.low > 0

    @property
    def verdict(self) -> str:
        """The settings found and whether they help, in words."""
        found = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        if self.certain:
            return f"Use {found}: better on the pictures kept apart as well ({self.gain} with 95 % confidence)."
        if self.gain.high < 0:
            return f"Keep the settings you have: {found} did worse on the pictures kept apart ({self.gain})."
        return f"Best of those tried: {found}. On the pictures kept apart the gain may be chance ({self.gain})."


@dataclass(frozen=True, eq=False)
class Among:
    """The outcome of a search among several network settings.

    Attributes:
        place: Which of the benches is the best.
        tuned: The outcome on it, compared with what was in force before.
        best: Of every bench the best decode settings, and what they did on the half that chooses.
    """

    place: int
    tuned: Tuned
    best: tuple[Trial, ...]


def tunable(model: PoseModel) -> tuple[Control, ...]:
    """Decode settings that can be searched over: numbers and choices."""
    return tuple(one for one in controls(model.decode_settings_class) if one.kind != "flag" and one.name != "mode")


def searchable(model: PoseModel, names: Sequence[str]) -> list[Control]:
    """The :func:`tunable` ones of these names; raises ``SettingsError`` for a name that is none of them."""
    known = {one.name: one for one in tunable(model)}
    for name in names:
        if name not in known:
            raise SettingsError(f"{name!r} is nothing to search over; there are {', '.join(known)}.")
    return [known[name] for name in names]


def tune(
    bench: Bench,
    goal: Goal,
    names: Sequence[str],
    trials: int = 200,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Tuned:
    """Search for the decode settings that serve a goal best; :func:`tune_among` with one set of network settings."""
    return tune_among([bench], bench, goal, names, trials, seed, advance).tuned


def tune_among(
    benches: Sequence[Bench],
    before: Bench,
    goal: Goal,
    names: Sequence[str],
    trials: int = 200,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Among:
    """Search for the network and decode settings that serve a goal best.

    Differential evolution (Storn and Price 1997, SciPy's) over all named settings at once, on one half of the pictures,
    anew on every bench.

    Args:
        benches: Where settings are tried: the same pictures, each with other network settings.
        before: The same with the network settings that are in force.
        goal: What is wanted.
        names: Decode settings to search over, see :func:`tunable`.
        trials: Most settings that are tried on each bench.
        seed: Of the halves and the search.
        advance: Called after every trial; whoever raises from it ends the search.

    Raises:
        SettingsError: For a name that cannot be searched over.
        DataError: With fewer than two pictures, or nobody to find.
    """
    space = searchable(before.model, names)
    unchanged = before.matches({})
    first, second = _halves(unchanged, seed)
    done = [_tried(bench, goal, space, trials, seed, first, advance) for bench in benches]
    best = [max(some, key=lambda trial: goal.value(trial.figures)) for some in done]
    place = max(range(len(benches)), key=lambda one: goal.value(best[one].figures))
    confirmed = [one for one in benches[place].matches(best[place].settings) if one.picture in second]
    unchanged = [one for one in unchanged if one.picture in second]
    gain = paired_interval(unchanged, confirmed, lambda matches: goal.value(figures_of(matches)))
    settings, chosen = best[place].settings, best[place].figures
    tuned = Tuned(goal, settings, chosen, figures_of(confirmed), figures_of(unchanged), gain, tuple(done[place]))
    return Among(place, tuned, tuple(best))


def _tried(
    bench: Bench,
    goal: Goal,
    space: Sequence[Control],
    trials: int,
    seed: int,
    first: set[int],
    advance: Callable[[], object],
) -> list[Trial]:
    """Everything that the search tried on one bench, in order."""
    done: dict[tuple[Any, ...], Trial] = {}

    def cost(x: NDArray[np.float64]) -> float:
        settings = {one.name: _value(one, place) for one, place in zip(space, x, strict=True)}
        key = tuple(settings.values())
        if key not in done and len(done) < trials:
            matches = bench.matches(settings)
            done[key] = Trial(settings, figures_of([one for one in matches if one.picture in first]))
            advance()
        return -goal.value(done[key].figures) if key in done else np.inf

    start = [_place(one, {**bench.model.decode_settings().model_dump(), **bench.fixed}[one.name]) for one in space]
    cost(np.array(start))
    limits = np.array([_bounds(one) for one in space], np.float64).reshape(-1, 2)
    bounds = Bounds(limits[:, 0], limits[:, 1])
    size = max(5, min(15, trials // (4 * max(len(space), 1))))
    if space:
        differential_evolution(
            cost,
            bounds,
            maxiter=max(1, trials // (size * len(space)) - 1),
            popsize=size,
            rng=seed,
            x0=start,
            init="sobol",
            polish=False,
            tol=0.0,
        )
    return list(done.values())


def _halves(matches: Sequence[Matches], seed: int) -> tuple[set[int], set[int]]:
    """Pictures that choose and pictures that confirm, with as many pictures with people in one as in the other."""
    if len(matches) < 2 or not any(one.people for one in matches):
        raise DataError("Settings cannot be tuned on this set: it takes two pictures or more, and people on them.")
    generator = np.random.default_rng(seed)
    groups = [[one.picture for one in matches if bool(one.people) is there] for there in (True, False)]
    mixed = [int(number) for group in groups for number in generator.permutation(np.array(group, np.int64))]
    return set(mixed[::2]), set(mixed[1::2])


def _bounds(control: Control) -> tuple[float, float]:
    if control.kind == "choice":
        return -0.49, len(control.choices) - 0.51
    if control.minimum is None or control.maximum is None:
        raise SettingsError(f"{control.name!r} has no range to search in.")
    return float(control.minimum), float(control.maximum)


def _value(control: Control, place: float) -> Any:
    """The setting's value at a place of the search, to its step: finer differences are nobody's wish."""
    if control.kind == "choice":
        return control.choices[round(float(place))]
    low, high = _bounds(control)
    step = control.step or (1 if control.kind == "int" else 0.01)
    value = min(max(round(float(place) / step) * step, low), high)
    return round(value) if control.kind == "int" else round(value, 6)


def _place(control: Control, value: Any) -> float:
    return float(control.choices.index(value)) if control.kind == "choice" else float(value)
