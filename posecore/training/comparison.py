"""What fine-tuning changed: the model that a run started from beside its best weights, on its validation pictures."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import PoseDataset
from posecore.data.batches import stamp
from posecore.data.disk_cache import cache_folder
from posecore.data.operations import mapped
from posecore.errors import DataError, PosecoreError, SettingsError
from posecore.evaluation import (
    Evaluation,
    Interval,
    PicturePoses,
    cases,
    common_keypoints,
    difference_intervals,
    evaluate,
    measure,
)
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.runs import Run
from posecore.storage import write_text
from posecore.training.config import RunConfig, make_config
from posecore.training.data import validation_pictures
from posecore.training.recording import BEFORE
from posecore.training.start import starting_model
from posecore.words import counted
from posecore.zoo import load_model, read_header

#: Raised when the kept file's layout, or what its figures mean, changes.
_LAYOUT = 3
_FILE = "comparison.json"


@dataclass(frozen=True)
class Figures:
    """How good a model is on the pictures, over the keypoints that are compared; None where there was nothing.

    Attributes:
        ap, ar: Average precision and recall by object keypoint similarity, a square around each labelled person.
        pck: Part of the limb joints within 0.2 of the trunk's length (PCK@0.2).
        per_keypoint: Keypoint → mean similarity.
    """

    ap: float | None
    ar: float | None
    pck: float | None
    per_keypoint: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class PictureChange:
    """One validation picture before and after.

    Attributes:
        path: Its file.
        labels: The labelled people, as poses with scores of 1.
        before, after: Mean similarity of its people; ``before`` is None without a base.
        poses_before, poses_after: What the models found, in the skeleton of the labels.
    """

    path: Path
    labels: Poses
    before: float | None
    after: float
    poses_before: Poses | None
    poses_after: Poses

    @property
    def change(self) -> float:
        """How much better it got; without a base, how good it is."""
        return self.after - (self.before or 0.0)


#: Figures that a comparison is summed up in, and their names for people.
SUMMARY: Mapping[str, str] = {"ap": "AP", "ar": "AR", "pck": "PCK@0.2"}


@dataclass(frozen=True)
class AtSide:
    """Both models at one size of the network's input.

    Attributes:
        side: Side of the input in pixels; None for a network that takes one size only.
        before: Figures of the base; None without one.
        after: Figures of the run's best weights.
    """

    side: int | None
    before: Figures | None
    after: Figures


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run's best weights beside what they started from, both at the same size of the network's input.

    Attributes:
        run: Name of the run.
        base: Name of the model it started from; None for a random start.
        keypoints: Those that the figures are about, of both models.
        before, after: Figures; ``before`` is None without a base.
        pictures: Every validation picture, the largest gain first.
        note: What to know about the comparison, as a sentence, or nothing.
        side: Side of the input in pixels, the one that the run ended with; None for a network that takes one only.
        elsewhere: Both at the input that the base was made for, where that is another.
        intervals: Name of a figure of :data:`SUMMARY` → where its change lies with 95 % confidence.
        learnt: False when no epoch was better than the base, whose weights the best weights then are.
    """

    run: str
    base: str | None
    keypoints: tuple[str, ...]
    before: Figures | None
    after: Figures
    pictures: Sequence[PictureChange]
    note: str
    side: int | None = None
    elsewhere: AtSide | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    learnt: bool = True

    def may_be_chance(self, name: str) -> bool:
        """Whether other pictures might as well have turned the change of a figure round."""
        interval = self.intervals.get(name)
        return interval is not None and interval.holds_zero

    @property
    def sentences(self) -> list[str]:
        """What to know about the figures, the most important first."""
        told = [self._whether_learnt(), self._chance(), self._sizes(), self.note]
        return [sentence for sentence in told if sentence]

    def _whether_learnt(self) -> str:
        return "" if self.learnt else NOTHING_LEARNT

    def _chance(self) -> str:
        if not self.learnt or not self.intervals:
            return ""
        some = [name for name in SUMMARY if self.may_be_chance(name)]
        if some and not any(math.isfinite(self.intervals[name].low) for name in some):
            return f"{counted(len(self.pictures), 'picture')} cannot tell whether a change is more than chance."
        listed = [f"{SUMMARY[name]} ({self.intervals[name]})" for name in some]
        return f"Within chance on these pictures: {', '.join(listed)}." if listed else ""

    def _sizes(self) -> str:
        other = self.elsewhere
        if other is None or other.before is None or not self.learnt:
            return ""
        figures = [
            f"{words} {_three(getattr(other.before, name))} before, {_three(getattr(other.after, name))} after"
            for name, words in SUMMARY.items()
        ]
        return (
            f"Both at an input of {self.side} pixels, which the run learnt at. At {other.side}, which the model before "
            f"was made for: {'; '.join(figures)}."
        )


#: Said of a run whose every epoch was worse than its base.
NOTHING_LEARNT = (
    "Nothing was learnt: no epoch was better than the model before, so these are the base model's weights, unchanged."
)


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def compare(
    run: Run,
    progress: Callable[[int, int], object] | None = None,
    cancel: threading.Event | None = None,
) -> Comparison:
    """Measure a run's best weights and their base on its validation pictures, or find what was measured before.

    Args:
        run: A run with weights.
        progress: Called with (done, all) pictures of both models together.
        cancel: Ends the comparison when set.

    Raises:
        SettingsError: When the run has no weights yet, or it was cancelled.
        DataError: When there is nothing to measure on, or the pictures are gone.
    """
    if run.weights is None:
        raise SettingsError(f"{run.name} has no weights yet; wait for its first epoch.")
    config = make_config(run.config, f"The configuration of {run.name}")
    tuned = load_model(config.model.architecture, weights=run.weights)
    base, note = _base(config)
    pictures = validation_pictures(config, cache_folder())
    if not len(pictures):
        raise DataError(f"{run.name} holds no pictures back for measuring, so there is nothing to compare on.")
    key = _key(tuned, base, pictures, note)
    kept = _kept(run.folder / _FILE, key)
    if kept is not None:
        return kept
    sides = _input_sides(config, tuned)
    labelled = mapped(pictures, config.skeleton)
    if _is_base(run.weights):
        comparison = _unchanged(
            run.name, tuned, base, labelled, sides[0], note, _Advance(len(labelled), progress, cancel)
        )
    else:
        comparison = _compared(run.name, tuned, base, labelled, sides, note, progress, cancel)
    write_text(run.folder / _FILE, json.dumps({"layout": _LAYOUT, "key": key, **_to_dict(comparison)}))
    return comparison


def _is_base(weights: Path) -> bool:
    """Whether a run's best weights are those that it started from."""
    return read_header(weights).extra.get("epoch") == str(BEFORE)


def _base(config: RunConfig) -> tuple[PoseModel | None, str]:
    """The model that the run started from, and why there is none."""
    if config.model.start == "random":
        return None, "The run started from random weights, so there is nothing to compare with."
    try:
        return starting_model(config, "auto"), ""
    except PosecoreError as error:
        return None, f"The model that the run started from cannot be loaded any more: {error}"


def _input_sides(config: RunConfig, tuned: PoseModel) -> tuple[int | None, ...]:
    """Input sides to compare at: the one that the run ended with, and the base's own where that is another.

    A network judged at another size of people than it was taught looks worse than it is.
    """
    if "input_size" not in tuned.network_settings_class.model_fields:
        return (None,)
    family, settings = config.family, config.network_settings
    own = family.crop_side or int(getattr(settings, "input_size"))  # noqa: B009 - not every family has it
    return tuple(dict.fromkeys((family.training_side(config.training.input_sides[-1], settings), own)))


def _unchanged(
    name: str,
    tuned: PoseModel,
    base: PoseModel | None,
    pictures: PoseDataset,
    side: int | None,
    note: str,
    advance: _Advance,
) -> Comparison:
    """The comparison of a run that kept its base's weights: one model, measured once."""
    found = _evaluated(tuned, pictures, side, advance)
    figures = _figures(found)
    keypoints = tuple(name for name, used in zip(pictures.skeleton.keypoints, found.common, strict=True) if used)
    return Comparison(
        name,
        None if base is None else base.name,
        keypoints,
        figures,
        figures,
        _changes(found, found),
        note,
        side,
        learnt=False,
    )


def _compared(
    name: str,
    tuned: PoseModel,
    base: PoseModel | None,
    pictures: PoseDataset,
    sides: Sequence[int | None],
    note: str,
    progress: Callable[[int, int], object] | None,
    cancel: threading.Event | None,
) -> Comparison:
    if base is not None and not common_keypoints(pictures.skeleton, base.skeleton).any():
        note, measured = "The model before knows none of these keypoints, so only the new one is measured.", None
    else:
        measured = base
    if measured is None:
        sides = sides[:1]
    advance = _Advance(len(pictures) * len(sides) * (1 if measured is None else 2), progress, cancel)
    pairs = [_pair(tuned, measured, pictures, side, advance) for side in sides]
    before, after = pairs[0]
    if before is not None and not before.common.all():
        note = f"Compared on the {int(before.common.sum())} keypoints that the model before knows as well."
    keypoints = tuple(name for name, used in zip(pictures.skeleton.keypoints, after.common, strict=True) if used)
    at = [
        AtSide(side, None if one is None else _figures(one), _figures(other))
        for side, (one, other) in zip(sides, pairs, strict=True)
    ]
    return Comparison(
        name,
        None if base is None else base.name,
        keypoints,
        at[0].before,
        at[0].after,
        _changes(before, after),
        note,
        at[0].side,
        at[1] if len(at) > 1 else None,
        {} if before is None else difference_intervals(before, after),
    )


def _pair(
    tuned: PoseModel, base: PoseModel | None, pictures: PoseDataset, side: int | None, advance: _Advance
) -> tuple[Evaluation | None, Evaluation]:
    """Both models at one size of input, over the keypoints that both have."""
    after = _evaluated(tuned, pictures, side, advance)
    if base is None:
        return None, after
    before = _evaluated(base, pictures, side, advance)
    if not before.common.all():
        # Judged by what the base can answer for.
        after = measure(after.predictions, "crops", pictures.skeleton, base.skeleton)
    return before, after


def _evaluated(model: PoseModel, pictures: PoseDataset, side: int | None, advance: _Advance) -> Evaluation:
    return evaluate(model, pictures, settings=None if side is None else {"input_size": side}, advance=advance)


class _Advance:
    """Counts pictures, and leaves when cancelled."""

    def __init__(
        self, total: int, progress: Callable[[int, int], object] | None, cancel: threading.Event | None
    ) -> None:
        self.done, self.total, self.progress, self.cancel = 0, total, progress, cancel

    def __call__(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise SettingsError("The comparison was cancelled.")
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _figures(evaluation: Evaluation) -> Figures:
    per_keypoint = {name: one.similarity for name, one in evaluation.per_keypoint.items()}
    return Figures(evaluation.precision["AP"], evaluation.precision["AR"], evaluation.pck, per_keypoint)


def _changes(before: Evaluation | None, after: Evaluation) -> list[PictureChange]:
    """Every picture, the largest gain first."""
    scores_after = _similarities(after)
    scores_before = {} if before is None else _similarities(before)
    found_before = {} if before is None else {item.image.image_id: item.poses for item in before.predictions}
    changes = [
        PictureChange(
            item.image.path,
            _labels(item),
            scores_before.get(item.image.image_id),
            scores_after[item.image.image_id],
            found_before.get(item.image.image_id),
            item.poses,
        )
        for item in after.predictions
        if item.image.image_id in scores_after
    ]
    return sorted(changes, key=lambda change: -change.change)


def _similarities(evaluation: Evaluation) -> dict[int, float]:
    """Mean similarity of the people of every picture, by its id."""
    people: dict[int, list[float]] = {}
    for case in cases(evaluation):
        people.setdefault(case.picture.image.image_id, []).append(case.oks)
    return {image_id: float(np.mean(values)) for image_id, values in people.items()}


def _labels(item: PicturePoses) -> Poses:
    """The labelled people of a picture."""
    people = [person for person in item.image.people if person.labelled.any() and not person.crowd]
    if not people:
        return Poses.empty(item.poses.skeleton, item.image.size)
    return Poses(
        np.stack([person.keypoints for person in people]),
        np.stack([person.labelled for person in people]).astype(np.float32),
        np.ones(len(people), np.float32),
        item.poses.skeleton,
        item.image.size,
    )


# --- keeping the result ---


def _key(tuned: PoseModel, base: PoseModel | None, pictures: PoseDataset, note: str) -> str:
    """Hash of all that the result depends on: both models' weights, the labels, the pictures by size and time."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{tuned.weights_id} {note if base is None else base.weights_id}".encode())
    for image in pictures:
        digest.update(repr((str(image.path), stamp(image.path))).encode())
        for person in image.people:
            digest.update(person.keypoints.tobytes() + person.labels.tobytes() + repr(person.box).encode())
    return digest.hexdigest()


def _kept(path: Path, key: str) -> Comparison | None:
    """What was measured before of the same; None when there is nothing, or nothing that can be read."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return _from_dict(data) if (data["layout"], data["key"]) == (_LAYOUT, key) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _to_dict(comparison: Comparison) -> dict[str, Any]:
    pictures = [
        {
            "path": str(one.path),
            "labels": one.labels.to_dict(),
            "before": one.before,
            "after": one.after,
            "poses_before": None if one.poses_before is None else one.poses_before.to_dict(),
            "poses_after": one.poses_after.to_dict(),
        }
        for one in comparison.pictures
    ]
    return {
        "run": comparison.run,
        "base": comparison.base,
        "keypoints": comparison.keypoints,
        "before": None if comparison.before is None else asdict(comparison.before),
        "after": asdict(comparison.after),
        "pictures": pictures,
        "note": comparison.note,
        "side": comparison.side,
        "elsewhere": None if comparison.elsewhere is None else asdict(comparison.elsewhere),
        "intervals": {name: asdict(interval) for name, interval in comparison.intervals.items()},
        "learnt": comparison.learnt,
    }


def _from_dict(data: Mapping[str, Any]) -> Comparison:
    pictures = [
        PictureChange(
            Path(one["path"]),
            Poses.from_dict(one["labels"]),
            one["before"],
            one["after"],
            None if one["poses_before"] is None else Poses.from_dict(one["poses_before"]),
            Poses.from_dict(one["poses_after"]),
        )
        for one in data["pictures"]
    ]
    elsewhere = data["elsewhere"]
    return Comparison(
        data["run"],
        data["base"],
        tuple(data["keypoints"]),
        _to_figures(data["before"]),
        Figures(**data["after"]),
        pictures,
        data["note"],
        data["side"],
        elsewhere and AtSide(elsewhere["side"], _to_figures(elsewhere["before"]), Figures(**elsewhere["after"])),
        {name: Interval(**interval) for name, interval in data["intervals"].items()},
        data["learnt"],
    )


def _to_figures(data: Mapping[str, Any] | None) -> Figures | None:
    return None if data is None else Figures(**data)
