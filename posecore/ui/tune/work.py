"""What the page has done in the background: looking at the pictures once, then trying settings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from posecore.data.annotations import Problem
from posecore.errors import DataError, PosecoreError
from posecore.evaluation.field_sets import FieldSet, keep_views
from posecore.evaluation.tuning import Bench, Survey, tunable
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import Control
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.shared.plain import plain
from posecore.ui.shared.steps import Far, Steps, show_steps
from posecore.ui.shared.visitors import require
from posecore.ui.tune.pictures import Chosen

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Looked:
    """Pictures that the network has looked at.

    Attributes:
        key: Which pictures, model and network settings.
        fields: Their fields on disk.
        survey: Where it is seen what settings show.
        bench: Where settings are measured; None without labels.
    """

    key: Hashable
    fields: FieldSet
    survey: Survey
    bench: Bench | None


def looks() -> Tasks[Looked, Far]:
    """Sets that the network looks at, one after the other."""
    return tasks("tune: pictures", kept=4)


def trials() -> Tasks[Any, Far]:
    """Settings that are tried, one piece of work after the other: they share what was decoded."""
    return tasks("tune: settings", kept=32)


def look_at(key: Hashable, chosen: Chosen, model: PoseModel, network: Mapping[str, Any]) -> None:
    """Have the network look at pictures, unless it has."""
    require("use", "Tuning")
    looks().start(key, lambda task: _look(task, chosen, model, network), ends_with_session=True)


def _look(task: Task[Looked, Far], chosen: Chosen, model: PoseModel, network: Mapping[str, Any]) -> Looked:
    opened = chosen.open()
    if not opened.count:
        raise DataError("There is no picture in this set.")
    problems: list[Problem] = []
    looked_at = opened.views(problems, Steps(task, opened.count))
    fields = keep_views(model, looked_at, network, problems=problems, slot=network_slots())
    if not len(fields):
        raise DataError(f"None of these pictures can be used: {fields.problems[0]}")
    bench = None if opened.labels is None else Bench(model, fields, opened.labels)
    return Looked(task.key, fields, Survey(model, fields), bench)


def opinions_of(chosen: Chosen, model: PoseModel, step: Steps) -> dict[int, Poses]:
    """What a model finds in pictures at its own settings, by the picture's number; ``step`` is called after each."""
    network = model.network_defaults.model_dump()
    fields = keep_views(model, chosen.open().views([], step), network, slot=network_slots())
    return {view.image.image_id: model.decode(one) for view, one in fields}


def tried(
    key: Hashable, work: Callable[[Steps], Result], total: int, words: str, *, step: str = "settings"
) -> Result | None:
    """What came of a piece of work that begins by itself; None, and how far it is, while there is nothing yet.

    Args:
        key: What is the same work.
        work: Does it, and calls what it is given after every step.
        total: How many steps there will be.
        words: What is being done.
        step: What the steps are, in the plural.
    """
    task = trials().get(key)
    if task is None:
        try:
            require("use", "Tuning")
            task = trials().start(key, lambda one: work(Steps(one, total)), ends_with_session=True)
        except PosecoreError as error:
            show_error(error)
            return None
    name = f"tune_again_{abs(hash(key))}"
    if task.active:
        show_steps(trials(), task, words, step, f"{name}_cancel")
        return None
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    if task.result is None and st.button("Try again" if task.error else "Go on", icon=":material/refresh:", key=name):
        trials().start(key, lambda one: work(Steps(one, total)), ends_with_session=True, again=True)
        st.rerun()
    found: Result | None = task.result
    return found


def without(settings: Mapping[str, Any], *names: str) -> Hashable:
    """Settings without some, as part of a key."""
    return repr(sorted((name, value) for name, value in settings.items() if name not in names))


def known_settings(bench: Bench) -> dict[str, Control]:
    """Decode settings that can be tried, by name."""
    return {one.name: one for one in tunable(bench.model)}
