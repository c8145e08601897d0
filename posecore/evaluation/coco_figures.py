"""Average precision and recall as pycocotools computes them, of joints and of boxes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

#: The only class.
_PERSON = {"id": 1, "name": "person"}


def coco_figures(
    pictures: Iterable[int],
    truth: Iterable[Mapping[str, Any]],
    found: Iterable[Mapping[str, Any]],
    names: Sequence[str],
    sigmas: Sequence[float] | None = None,
) -> dict[str, float | None]:
    """AP and AR over similarities 0.50 … 0.95; None where there is nobody to find.

    Args:
        pictures: Numbers of all pictures.
        truth: Labelled people as COCO's annotations, without ``id`` and class.
        found: What a model found, likewise, with scores.
        names: Names of pycocotools' figures, in its order.
        sigmas: Of the keypoints, which are then compared; boxes without them.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    sides = []
    about = {"images": [{"id": number} for number in pictures], "categories": [_PERSON]}
    content = [{**about, "annotations": _numbered(people)} for people in (truth, found)]
    # pycocotools reports its progress by printing.
    with contextlib.redirect_stdout(io.StringIO()):
        for dataset in content:
            side = COCO()
            side.dataset = dataset
            side.createIndex()
            sides.append(side)
        run = COCOeval(*sides, "bbox" if sigmas is None else "keypoints")
        if sigmas is not None:
            run.params.kpt_oks_sigmas = np.array(sigmas)
        run.evaluate()
        run.accumulate()
        run.summarize()
    # It writes -1 where there is nobody.
    return {name: None if value < 0 else float(value) for name, value in zip(names, run.stats, strict=True)}


def _numbered(people: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, "category_id": _PERSON["id"], **one} for number, one in enumerate(people, 1)]
