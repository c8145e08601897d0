"""Results in COCO's format from any program, as predictions that can be measured.

The format (https://cocodataset.org/#format-results): a list of ``{"image_id", "category_id", "keypoints": [x, y, c, …],
"score"}``, coordinates in pixels of the picture. posecore's own saved poses, which have ``images`` and
``annotations``, are read as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import PoseDataset, Remark
from posecore.errors import DataError
from posecore.evaluation.evaluate import Evaluation, measure
from posecore.evaluation.predictions import PicturePoses, Protocol
from posecore.evaluation.progress import Tell, unheard
from posecore.parsing import read_json, shown
from posecore.poses import Poses
from posecore.skeleton import Skeleton
from posecore.words import counted


@dataclass(frozen=True, eq=False)
class Results:
    """What a results file says about a set.

    Attributes:
        predictions: A picture of the set each, in the set's order; pictures without results have no poses.
        remarks: What was odd, and what was made of it.
    """

    predictions: list[PicturePoses]
    remarks: tuple[Remark, ...]


def read_results(path: Path, dataset: PoseDataset) -> Results:
    """Results of a file for a set.

    Results are told apart by ``image_id``. Files with ``images`` of their own are matched by file name where their
    numbers are others than the set's.

    Raises:
        DataError: When the file cannot be read, is not a list of results, has another number of keypoints than the set
            or speaks of none of the set's pictures.
    """
    data = read_json(path, "results", DataError)
    entries, numbers = _entries(data, path, dataset)
    remarks: Counter[str] = Counter()
    found: defaultdict[int, list[tuple[NDArray[np.float64], float]]] = defaultdict(list)
    known = {image.image_id for image in dataset}
    seen: set[tuple[Any, ...]] = set()
    for place, entry in enumerate(entries, 1):
        said = entry.get("image_id") if isinstance(entry, Mapping) else None
        number = numbers.get(said, said) if isinstance(said, str | int | float) else None
        if not isinstance(entry, Mapping) or isinstance(number, bool) or not isinstance(number, int):
            raise DataError(f"{path}: result {place} has no whole number as image_id, but {shown(entry)}.")
        if number not in known:
            remarks["of pictures that the set does not have: left out"] += 1
            continue
        keypoints, score = _keypoints(entry, dataset.skeleton, f"{path}: result {place}", remarks)
        same = (number, score, keypoints.tobytes())
        if same in seen:
            remarks["the same as another one to the last figure: left out"] += 1
            continue
        seen.add(same)
        found[number].append((keypoints, score))
    if entries and not found:
        raise DataError(
            f"{path}: none of {counted(len(entries), 'result')} is of a picture of {dataset.name}; image_id has to be "
            "the number that the labels give a picture."
        )
    lowest = min((score for poses in found.values() for _, score in poses if not np.isnan(score)), default=0.0)
    last = lowest - 1 if lowest < 0 else 0.0
    predictions = [
        PicturePoses(image, _poses(found[image.image_id], dataset.skeleton, image.size, last)) for image in dataset
    ]
    return Results(predictions, tuple(Remark(what, count) for what, count in remarks.items()))


def evaluate_results(path: Path, dataset: PoseDataset, tell: Tell = unheard) -> Evaluation:
    """Measure a results file as if its model had just run over whole pictures; see :func:`read_results`.

    ``tell`` is told how far the figures are.
    """
    protocol: Protocol = "full"
    results = read_results(path, dataset)
    return measure(
        results.predictions,
        protocol,
        dataset.skeleton,
        dataset.skeleton,
        tell,
        model=path.name,
        dataset=dataset.name,
        remarks=results.remarks,
    )


def _entries(data: Any, path: Path, dataset: PoseDataset) -> tuple[Sequence[Any], Mapping[Any, int]]:
    """The results, and which picture of the set a file's own numbers mean."""
    if isinstance(data, list):
        return data, {}
    if not isinstance(data, Mapping) or not isinstance(data.get("annotations"), list):
        raise DataError(f"{path}: these are not results: they are a list of image_id, keypoints and score.")
    names: defaultdict[str, list[int]] = defaultdict(list)
    for image in dataset:
        names[image.path.name].append(image.image_id)
    numbers = {}
    for image in data["images"] if isinstance(data.get("images"), list) else ():
        if isinstance(image, Mapping) and isinstance(image.get("file_name"), str):
            meant = names.get(PurePosixPath(image["file_name"].replace("\\", "/")).name, [])
            if len(meant) == 1 and isinstance(number := image.get("id"), str | int | float):
                numbers[number] = meant[0]
    return data["annotations"], numbers


def _keypoints(
    entry: Mapping[str, Any], skeleton: Skeleton, where: str, remarks: Counter[str]
) -> tuple[NDArray[np.float64], float]:
    """``(K, 3)`` x, y and confidence of one result, and its score; NaN for none."""
    try:
        flat = np.array(entry.get("keypoints"), np.float64)
        score = float(entry.get("score", np.nan))
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: keypoints and score are not all numbers.") from None
    if flat.shape != (3 * len(skeleton),):
        raise DataError(
            f"{where} has {flat.size} figures for its keypoints; the {len(skeleton)} keypoints of the labels take "
            f"{3 * len(skeleton)} (x, y and confidence each). Are these results of another skeleton?"
        )
    triples = flat.reshape(-1, 3)
    if not abs(score) <= float(np.finfo(np.float32).max):
        remarks["without a score, or with one that is not finite: ranked last"] += 1
        score = np.nan
    bad = ~np.isfinite(triples[:, :2]).all(1)
    if bad.any():
        remarks["with keypoints that are not finite: those count as not found"] += 1
    # Programs write (0, 0, 0) for what they did not find.
    nowhere = bad | (triples == 0).all(1)
    triples[nowhere, :2] = np.nan
    confidences = entry.get("keypoint_scores")  # where visibility stands beside x and y
    if isinstance(confidences, list) and len(confidences) == len(triples):
        triples[:, 2] = [one if isinstance(one, int | float) else 0.0 for one in confidences]
    triples[:, 2] = np.clip(np.nan_to_num(np.where(nowhere, 0.0, triples[:, 2])), 0.0, 1.0)
    return triples, score


def _poses(
    found: Sequence[tuple[NDArray[np.float64], float]], skeleton: Skeleton, size: tuple[int, int], last: float
) -> Poses:
    """Poses of one picture; ``last`` stands for scores that there are not."""
    if not found:
        return Poses.empty(skeleton, size)
    triples = np.stack([keypoints for keypoints, _ in found])
    return Poses(
        triples[..., :2].astype(np.float32),
        triples[..., 2].astype(np.float32),
        np.nan_to_num(np.array([score for _, score in found], np.float32), nan=last),
        skeleton,
        size,
    )
