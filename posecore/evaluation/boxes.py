"""How well boxes around people are found: COCO's average precision of boxes (https://cocodataset.org/#detection-eval).

Crowds and ignore regions count neither for nor against a model, as COCO treats crowds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from posecore.boxes import area_of, to_edges
from posecore.data.annotations import AnnotatedImage, PoseDataset, Problem
from posecore.errors import DataError, SettingsError
from posecore.evaluation.coco_figures import coco_figures
from posecore.evaluation.predictions import BATCH, analyse, protocol_settings
from posecore.model import PoseModel
from posecore.poses import Poses

#: Names of pycocotools' twelve figures.
_STATS = (
    "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100", "AR_small", "AR_medium",
    "AR_large",
)  # fmt: skip
#: Usual settings: all that may count is kept, as COCO's figures go by the order of scores.
_USUAL: Mapping[str, Any] = {"pose_threshold": 0.01, "max_poses": 100}


@dataclass(frozen=True, eq=False)
class BoxEvaluation:
    """The result of one run.

    Attributes:
        figures: AP, AP50, AP75, AP by size, and AR of at most 1, 10 and 100 boxes a picture; None without people.
        pictures, people, boxes: How many pictures, labelled people (no crowds) and boxes found there were.
        model: Name of the model.
        dataset: Name of the set.
        settings: All network and decode settings.
        seconds: Time for reading, network and decoding.
        problems: Pictures that could not be used.
    """

    figures: Mapping[str, float | None]
    pictures: int
    people: int
    boxes: int
    model: str = ""
    dataset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    problems: Sequence[Problem] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "measured": "boxes",
            **self.figures,
            "pictures": self.pictures,
            "people": self.people,
            "boxes": self.boxes,
            "seconds": round(self.seconds, 2),
            "settings": dict(self.settings),
            "problems": [str(problem) for problem in self.problems],
        }


def evaluate_boxes(
    model: PoseModel,
    dataset: PoseDataset,
    settings: Mapping[str, Any] | None = None,
    *,
    limit: int | None = None,
    advance: Callable[[], object] = lambda: None,
) -> BoxEvaluation:
    """Measure a model that finds boxes on the boxes of labelled people.

    Args:
        model: A model that ``finds_boxes``.
        dataset: Labelled pictures, of any skeleton.
        settings: Network and decode settings over the usual ones of an evaluation.
        limit: Only the first so many pictures.
        advance: Called after every picture.

    Raises:
        SettingsError: For an unknown setting, or a model that finds joints.
        DataError: When there is no picture that can be read.
    """
    if not model.finds_boxes:
        raise SettingsError(f"{model.name} finds joints; boxes are measured of models that find them, such as SSDLite.")
    network, decode = protocol_settings(model, "full", {**_USUAL, **(settings or {})})
    problems: list[Problem] = []
    start = time.perf_counter()
    looked = analyse(model, islice(dataset, limit), "full", network, batch=BATCH, problems=problems, advance=advance)
    found = [(view.image, model.decode(fields, **decode)) for view, fields in looked]
    seconds = time.perf_counter() - start
    if not found:
        reason = f": {problems[0]}" if problems else "."
        raise DataError(f"No picture of {dataset.name} can be used{reason}")
    return BoxEvaluation(
        box_precision(found),
        len(found),
        sum(not person.crowd for image, _ in found for person in image.people),
        sum(len(poses) for _, poses in found),
        model.name,
        dataset.name,
        {**network, **decode},
        seconds,
        problems,
    )


def box_precision(found: Sequence[tuple[AnnotatedImage, Poses]]) -> dict[str, float | None]:
    """COCO's figures of boxes.

    Args:
        found: Pictures with their labels, and what was found there, as poses of ``PERSON_BOX``.
    """
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (image, poses) in enumerate(found, 1):
        truth += [_labelled(number, person.box, person.area, person.crowd) for person in image.people]
        truth += [_labelled(number, region, area_of(region), True) for region in image.ignore]
        boxes = to_edges(poses.boxes().reshape(-1, 2, 2)).reshape(-1, 4)
        results += [
            {**_labelled(number, (x0, y0, x1, y1), (x1 - x0) * (y1 - y0), False), "score": float(score)}
            for (x0, y0, x1, y1), score in zip(boxes.tolist(), poses.scores, strict=True)
        ]
    if not any(not entry["iscrowd"] for entry in truth):
        return dict.fromkeys(_STATS)
    return coco_figures(range(1, len(found) + 1), truth, results, _STATS)


def _labelled(picture: int, box: Sequence[float], area: float, crowd: bool) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(side) for side in box)
    bbox = [x0, y0, x1 - x0, y1 - y0]
    return {"image_id": picture, "bbox": bbox, "area": float(area), "iscrowd": int(crowd)}
