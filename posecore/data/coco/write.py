"""Writing a set as COCO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import Label, Person, PoseDataset
from posecore.data.coco.categories import Id, category_skeleton
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder
from posecore.imaging import Region
from posecore.skeleton import Skeleton
from posecore.storage import write_json


def write_coco(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as COCO: pictures in ``images/``, labels in ``annotations.json`` (one file per split when split).

    Args:
        dataset: The set.
        folder: A new or empty folder.
        pictures: What to do with the pictures.
        quality: JPEG quality when they are saved anew.
        advance: Called after every picture.

    Raises:
        DataError: When the folder holds something or a picture cannot be brought there.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    names = {}
    for image in dataset:
        names[image.image_id] = carrier.bring(image.path, root / "images").name
        advance()
    splits = sorted({image.split or "" for image in dataset})
    if splits in ([], [""]):
        write_coco_json(dataset, root / "annotations.json", names)
        return root
    (root / "annotations").mkdir()
    for split in splits:
        part = replace(dataset, images=tuple(image for image in dataset if (image.split or "") == split))
        write_coco_json(part, root / "annotations" / f"{split or 'unsplit'}.json", names)
    return root


def write_coco_json(
    dataset: PoseDataset,
    path: str | Path,
    names: Mapping[int, str] | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> None:
    """Write the labels alone.

    Args:
        dataset: The set.
        path: The file.
        names: Each image's ``file_name`` by id; the picture's own name unless given.
        made_by: Where labels come from that no person gave; kept under ``info``.
    """
    data = coco_dict(dataset, names)
    if made_by is not None:
        data["info"]["made_by"] = dict(made_by)
    write_json(Path(path), data)


def coco_dict(dataset: PoseDataset, names: Mapping[int, str] | None = None) -> dict[str, Any]:
    """A set as the content of a COCO file; positions, boxes and areas rounded to a thousandth of a pixel."""
    categories = _category_numbers(person for image in dataset for person in image.people)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in dataset:
        name = image.path.name if names is None else names[image.image_id]
        entry: dict[str, Any] = {
            "id": image.image_id,
            "file_name": name,
            "width": image.size[0],
            "height": image.size[1],
        }
        if image.ignore:
            entry["ignore"] = [xywh(region) for region in image.ignore]
        if image.split:
            entry["split"] = image.split
        images.append(entry)
        for person in image.people:
            number = len(annotations) + 1
            annotations.append(person_entry(person, number, image.image_id, categories[person.category]))
    return {
        "info": {"description": dataset.name},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [category_entry(number, name, dataset.skeleton) for name, number in categories.items()],
    }


def category_entry(number: Id, name: str, skeleton: Skeleton) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": number,
        "name": name,
        "supercategory": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }
    read = category_skeleton(entry, name, lambda what: None)
    if replace(read, name=skeleton.name) != skeleton or read.sides_known != skeleton.sides_known:
        own = {"name": skeleton.name, "flip_pairs": [list(pair) for pair in skeleton.flip_pairs]}
        entry["posecore"] = {**own, "sigmas": list(skeleton.sigmas), "sides_known": skeleton.sides_known}
    return entry


def _category_numbers(people: Iterable[Person]) -> dict[str, int]:
    """Ids from 1 by name, ``person`` first."""
    names = {person.category for person in people} or {"person"}
    return {name: number for number, name in enumerate(sorted(names, key=lambda n: (n != "person", n)), 1)}


def xywh(region: Region) -> list[float]:
    x0, y0, x1, y1 = region
    return [round(float(value), 3) for value in (x0, y0, x1 - x0, y1 - y0)]


def person_entry(person: Person, number: int, image_id: int, category: int) -> dict[str, Any]:
    flags = np.where(person.labelled, person.labels, 0)
    triples = np.column_stack([np.where(person.labelled[:, None], person.keypoints, 0), flags])
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "iscrowd": int(person.crowd),
        "keypoints": [round(float(value), 3) if place % 3 < 2 else int(value) for place, value in _flat(triples)],
        "num_keypoints": int(person.labelled.sum()),
        "bbox": xywh(person.box),
        "area": round(float(person.area), 3),
    }
    absent = np.flatnonzero(person.labels == Label.ABSENT)
    if len(absent):
        entry["absent"] = absent.tolist()
    return entry


def _flat(values: Any) -> Iterable[tuple[int, float]]:
    return enumerate(values.ravel())
