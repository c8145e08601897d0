"""Changing the people of one picture in a COCO file's content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posecore.data.annotations import Person
from posecore.data.checks import EntryError
from posecore.data.coco.read import read_person
from posecore.data.coco.write import category_entry, person_entry, xywh
from posecore.imaging import Region
from posecore.skeleton import Skeleton


def replace_people(
    data: dict[str, Any],
    image_id: int,
    people: Sequence[Person],
    skeleton: Skeleton,
    ignore: Sequence[Region] = (),
) -> tuple[Person, ...]:
    """Put other people on one picture of a file's content, which is changed in place; the rest stays as it is.

    Args:
        data: Content of a COCO file.
        image_id: The picture.
        people: Everybody on it.
        skeleton: The file's skeleton.
        ignore: Regions of the picture, (x0, y0, x1, y1), in which unlabelled people may be.

    Returns:
        The people as they will be read again: rounded to a thousandth of a pixel.

    Raises:
        EntryError: When the picture is not there or a person cannot be written so that it can be read again; the
            content is then as it was.
    """
    image = next((entry for entry in data["images"] if entry.get("id") == image_id), None)
    if image is None:
        raise EntryError(f"there is no image {image_id}")
    categories = {entry["name"]: entry["id"] for entry in data["categories"]}
    added = sorted({person.category for person in people} - set(categories))
    categories.update({name: number for number, name in enumerate(added, max(categories.values(), default=0) + 1)})
    free = max((entry["id"] for entry in data["annotations"] if type(entry.get("id")) is int), default=0) + 1
    entries, kept = [], []
    for number, person in enumerate(people, free):
        entry = _checked_entry(person, number, image_id, categories[person.category], len(skeleton))
        kept.append(read_person(entry, skeleton, person.category))
        entries.append(entry)
    others = [entry for entry in data["annotations"] if entry.get("image_id") != image_id]
    data["annotations"] = [*others, *entries]
    data["categories"] += [category_entry(categories[name], name, skeleton) for name in added]
    image.pop("ignore", None)
    if ignore:
        image["ignore"] = [xywh(region) for region in ignore]
    return tuple(kept)


def _checked_entry(person: Person, number: int, image_id: int, category: int, count: int) -> dict[str, Any]:
    if person.keypoints.shape != (count, 2) or person.labels.shape != (count,):
        raise EntryError(f"a person has {len(person.labels)} keypoints, the set {count}")
    if not np.isfinite(person.keypoints[person.labelled]).all():
        raise EntryError("a labelled keypoint has no position")
    return person_entry(person, number, image_id, category)
