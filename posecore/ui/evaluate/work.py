"""Measuring in the background: what is asked for, and what comes out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posecore.errors import DataError, PosecoreError
from posecore.evaluation import Evaluation, Protocol, evaluate
from posecore.evaluation.progress import Tell, between
from posecore.evaluation.results_files import evaluate_results
from posecore.evaluation.saved import SavedEvaluations
from posecore.evaluation.summary import Measured, summarise
from posecore.model import PoseModel
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.models.engine import network_slots
from posecore.ui.shared.sets.labelled_set import LabelledSet
from posecore.ui.shared.steps import Far, Shares, Steps

#: Part of the time for figures that goes into AP and AR as pycocotools has them.
_FIRST = 0.1


@dataclass(frozen=True, eq=False)
class Asked:
    """What shall be measured.

    Attributes:
        labelled: The set.
        most: Pictures at most, the first ones; None for all.
        protocol: What is looked at.
        model: The model; None for a file of results.
        settings: Network and decode settings.
        results: The file of results; None for a model.
    """

    labelled: LabelledSet
    most: int | None
    protocol: Protocol
    model: PoseModel | None
    settings: Mapping[str, Any]
    results: Path | None

    @property
    def key(self) -> Hashable:
        """What tells it from other choices."""
        what = "" if self.results is None else f"{self.results} {self.results.stat().st_mtime_ns}"
        weights = "" if self.model is None else f"{self.model.name} {self.model.weights_id}"
        settings = repr(sorted(self.settings.items(), key=lambda item: item[0]))
        return self.labelled.name, self.most, self.protocol, weights, settings, what


@dataclass(frozen=True, eq=False)
class Outcome:
    """An evaluation that was made.

    Attributes:
        measured: The evaluation.
        name: Under which it is kept; empty when it is not.
        not_kept: Why it is not, as a sentence.
    """

    measured: Measured
    name: str = ""
    not_kept: str = ""


def evaluations() -> Tasks[Outcome, Far]:
    """Evaluations that are being made, one after the other."""
    return tasks("evaluate")


def start(asked: Asked, keep: bool) -> None:
    """Measure in the background.

    Args:
        asked: What to measure.
        keep: Whether visitors may have it kept.
    """
    evaluations().start(asked.key, lambda task: _measure(task, asked, keep), again=True, ends_with_session=True)


def _measure(task: Task[Outcome, Far], asked: Asked, keep: bool) -> Outcome:
    figures = Shares(task, "Working out figures and intervals")
    measured = summarise(
        _evaluated(task, asked, between(figures, 0.0, _FIRST)),
        weights="" if asked.model is None else asked.model.weights_id,
        set_name=asked.labelled.name,
        set_title=asked.labelled.title,
        results=asked.model is None,
        tell=between(figures, _FIRST, 1.0),
    )
    if not keep:
        return Outcome(measured, not_kept="It is not kept: visitors of this server may not change what is kept here.")
    try:
        return Outcome(measured, SavedEvaluations().save(measured).name)
    except PosecoreError as error:
        return Outcome(measured, not_kept=f"It is not kept. {error}")


def _evaluated(task: Task[Outcome, Far], asked: Asked, tell: Tell) -> Evaluation:
    dataset = asked.labelled.read()
    dataset = replace(dataset, images=dataset.images[: asked.most])
    if asked.model is not None:
        steps = Steps(task, len(dataset))
        return evaluate(
            asked.model, dataset, asked.protocol, asked.settings, advance=steps, slot=network_slots(), tell=tell
        )
    assert asked.results is not None
    try:
        return evaluate_results(asked.results, dataset, tell)
    except DataError as error:
        # The folder means nothing to whoever gave the file.
        raise DataError(str(error).replace(f"{asked.results.parent}/", "")) from error
