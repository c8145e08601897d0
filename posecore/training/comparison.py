"""What fine-tuning changed: the model that a run started from beside its best weights, on its validation pictures."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import PoseDataset
from posecore.data.operations import mapped
from posecore.errors import DataError, PosecoreError, SettingsError
from posecore.evaluation import Evaluation, PicturePoses, cases, common_keypoints, evaluate, measure
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.runs import Run
from posecore.storage import replacing
from posecore.training.config import RunConfig, make_config
from posecore.training.data import cache_folder, validation_pictures
from posecore.training.start import starting_model
from posecore.zoo import load_model

#: Raised when the kept file's layout, or what its figures mean, changes.
_LAYOUT = 2
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run's best weights beside what they started from.

    Attributes:
        run: Name of the run.
        base: Name of the model it started from; None for a random start.
        keypoints: Those that the figures are about, of both models.
        before, after: Figures; ``before`` is None without a base.
        pictures: Every validation picture, the largest gain first.
        note: What to know about the comparison, as a sentence, or nothing.
    """

    run: str
    base: str | None
    keypoints: tuple[str, ...]
    before: Figures | None
    after: Figures
    pictures: Sequence[PictureChange]
    note: str


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
    side = _input_side(config, tuned)
    comparison = _compared(run.name, tuned, base, mapped(pictures, config.skeleton), side, note, progress, cancel)
    with replacing(run.folder / _FILE) as temporary:
        temporary.write_text(json.dumps({"layout": _LAYOUT, "key": key, **_to_dict(comparison)}), "utf-8")
    return comparison


def _base(config: RunConfig) -> tuple[PoseModel | None, str]:
    """The model that the run started from, and why there is none."""
    if config.model.start == "random":
        return None, "The run started from random weights, so there is nothing to compare with."
    try:
        return starting_model(config, "auto"), ""
    except PosecoreError as error:
        return None, f"The model that the run started from cannot be loaded any more: {error}"


def _input_side(config: RunConfig, tuned: PoseModel) -> int | None:
    """Input side that the run ended with, where it is another than the one at which models are compared.

    A network judged at another size of people than it was taught would look worse than it is.
    """
    family, settings = config.family, config.network_settings
    side = family.training_side(config.training.input_sides[-1], settings)
    known = "input_size" in tuned.network_settings_class.model_fields
    return side if known and family.crop_side not in (None, side) else None


def _compared(
    name: str,
    tuned: PoseModel,
    base: PoseModel | None,
    pictures: PoseDataset,
    side: int | None,
    note: str,
    progress: Callable[[int, int], object] | None,
    cancel: threading.Event | None,
) -> Comparison:
    advance = _Advance(len(pictures) * (1 if base is None else 2), progress, cancel)
    after = evaluate(tuned, pictures, settings=None if side is None else {"input_size": side}, advance=advance)
    before = None
    if base is not None and not common_keypoints(pictures.skeleton, base.skeleton).any():
        note = "The model before knows none of these keypoints, so only the new one is measured."
    elif base is not None:
        before = evaluate(base, pictures, advance=advance)
    if base is not None and before is not None and not before.common.all():
        # Judged by what the base can answer for.
        after = measure(after.predictions, "crops", pictures.skeleton, base.skeleton)
        note = f"Compared on the {int(before.common.sum())} keypoints that the model before knows as well."
    if side is not None and before is not None:
        note = f"{note} Each at the input it was made for: {tuned.family.crop_side} before, {side} after.".strip()
    keypoints = tuple(name for name, used in zip(pictures.skeleton.keypoints, after.common, strict=True) if used)
    return Comparison(
        name,
        None if base is None else base.name,
        keypoints,
        None if before is None else _figures(before),
        _figures(after),
        _changes(before, after),
        note,
    )


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
        status = image.path.stat()
        digest.update(repr((str(image.path), status.st_size, status.st_mtime_ns)).encode())
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
    return Comparison(
        data["run"],
        data["base"],
        tuple(data["keypoints"]),
        None if data["before"] is None else Figures(**data["before"]),
        Figures(**data["after"]),
        pictures,
        data["note"],
    )
