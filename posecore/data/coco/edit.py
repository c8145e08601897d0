"""Everybody on one picture as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posecore.data.annotations import AnnotatedImage, Person
from posecore.data.checks import EntryError
from posecore.data.coco.changes import category_of, ignored_by, people_of
from posecore.data.coco.people import read_person
from posecore.data.coco.write import person_entry, xywh
from posecore.data.people import box_xywh
from posecore.imaging import Region
from posecore.skeleton import Skeleton

#: What an annotation gets from the file that it comes to stand in.
_OWN = ("id", "image_id", "category_id")


def people_change(
    image_id: int, people: Sequence[Person], skeleton: Skeleton, ignore: Sequence[Region] = ()
) -> dict[str, Any]:
    """Everybody on one picture as plain data.

    Args:
        image_id: The picture.
        people: Everybody on it.
        skeleton: The set's skeleton.
        ignore: Regions of the picture, (x0, y0, x1, y1), in which unlabelled people may be.

    Raises:
        EntryError: When a person cannot be written so that it can be read again.
    """
    entries = []
    for person in people:
        if person.keypoints.shape != (len(skeleton), 2) or person.labels.shape != (len(skeleton),):
            raise EntryError(f"a person has {len(person.labels)} keypoints, the set {len(skeleton)}")
        if not np.isfinite(person.keypoints[person.labelled]).all():
            raise EntryError("a labelled keypoint has no position")
        entry = person_entry(person, 0, image_id, 0)
        read_person(entry, skeleton, person.category, _refuse)
        values = {name: value for name, value in entry.items() if name not in _OWN}
        entries.append({"category": person.category, **values})
    return {"image": image_id, "ignore": [xywh(region) for region in ignore], "people": entries}


def _refuse(what: str) -> None:
    raise EntryError(f"a person has {what}")


def with_change(image: AnnotatedImage, change: Mapping[str, Any], skeleton: Skeleton) -> AnnotatedImage:
    """A picture as a change of it says.

    Raises:
        EntryError: When the change cannot be understood.
    """
    people = tuple(read_person(entry, skeleton, category_of(entry), _refuse) for entry in people_of(change))
    return replace(image, people=people, ignore=tuple(box_xywh(box) for box in ignored_by(change)))
