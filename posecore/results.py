"""Poses of many pictures as the files that people take away: tables, COCO, and how they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from posecore.poses import MadeBy, Poses

#: What spreadsheets take for the start of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: Any) -> Any:
    """A table's cell that no spreadsheet runs as a formula: texts that look like one begin with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def safe_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table for a CSV file, its texts and column names as :func:`safe_cell` leaves them."""
    texts = [place for place, kind in enumerate(table.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    safe = table.copy()
    for place in texts:
        safe.isetitem(place, [safe_cell(value) for value in table.iloc[:, place]])
    safe.columns = pd.Index([safe_cell(name) for name in table.columns])
    return safe


def keypoint_table(named: Iterable[tuple[str, Poses]], name_column: str, first_person: int = 0) -> pd.DataFrame:
    """One row per picture, person and keypoint, safe for spreadsheets.

    Args:
        named: File name and poses of each picture.
        name_column: Title of the column of file names.
        first_person: Number of a picture's first person.

    Returns:
        ``name_column``, width and height of the picture in pixels, the columns of :meth:`Poses.to_dataframe`, and
        model and settings that found the person.
    """
    tables = []
    for name, poses in named:
        table = poses.to_dataframe()
        table["person"] += first_person
        for place, (column, value) in enumerate(zip(("width", "height"), poses.image_size, strict=True)):
            table.insert(place, column, value)
        table.insert(0, name_column, name)
        table["model"] = poses.made_by.model if poses.made_by else ""
        table["settings"] = _settings_text(poses.made_by) if poses.made_by else ""
        tables.append(table)
    return safe_table(pd.concat(tables, ignore_index=True)) if tables else pd.DataFrame()


def _settings_text(made_by: MadeBy) -> str:
    settings = {**made_by.network_settings, **made_by.decode_settings}
    computed = {"computed": made_by.computed} if made_by.computed else {}
    return "; ".join(f"{name}={value}" for name, value in {**settings, **computed}.items())


def coco_info(poses: Iterable[Poses]) -> dict[str, Any]:
    """COCO's ``info``: the version of posecore, the model and its settings."""
    made = next((one.made_by for one in poses if one.made_by is not None), None)
    info: dict[str, Any] = {"description": "Poses found by posecore"}
    if made is not None:
        info |= {"version": made.posecore, "model": made.model, "weights": made.weights}
        info |= {"network_settings": made.network_settings, "decode_settings": made.decode_settings}
    return info


def coco_images(named: Iterable[tuple[str, Poses]]) -> Iterator[dict[str, Any]]:
    """COCO's ``images``, numbered from 1."""
    for number, (name, poses) in enumerate(named, 1):
        yield {"id": number, "file_name": name, "width": poses.image_size[0], "height": poses.image_size[1]}


def coco_file(named: Iterable[tuple[str, Poses]]) -> dict[str, Any]:
    """A COCO keypoints file whose annotations also carry scores, so that they can be read as results as well."""
    pictures = list(named)
    annotations: list[dict[str, Any]] = []
    category: dict[str, Any] = {"id": 1, "name": "person", "supercategory": "person"}
    for image_id, (_, poses) in enumerate(pictures, 1):
        category |= {
            "keypoints": list(poses.skeleton.keypoints),
            "skeleton": [[a + 1, b + 1] for a, b in poses.skeleton.edges],
        }
        annotations += (
            _annotation(result, int(seen.sum()))
            for result, seen in zip(poses.to_coco_results(image_id), poses.present, strict=True)
        )
    return {
        "info": coco_info(poses for _, poses in pictures),
        "images": list(coco_images(pictures)),
        "categories": [category],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations, 1)],
    }


def _annotation(result: Mapping[str, Any], seen: int) -> dict[str, Any]:
    """A COCO result as an annotation: visibility 2 in place of the score of every keypoint that was found."""
    triples = list(result["keypoints"])
    scores = triples[2::3]
    triples[2::3] = [2 if score > 0 else 0 for score in scores]
    area = round(result["bbox"][2] * result["bbox"][3], 2)
    return {
        **result,
        "keypoints": triples,
        "keypoint_scores": scores,
        "num_keypoints": seen,
        "area": area,
        "iscrowd": 0,
    }
