"""Boxes around people as labels: what networks that find boxes learn from and are measured with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, corners_of, to_positions
from posecore.data.annotations import Label, Person, PoseDataset
from posecore.skeleton import PERSON_BOX


def as_boxes(dataset: PoseDataset) -> PoseDataset:
    """The set with the corners of people's boxes as their only keypoints, in ``PERSON_BOX``."""

    def person_of(person: Person) -> Person:
        return replace(person, keypoints=corner_keypoints(person.box), labels=np.full(4, Label.VISIBLE, np.uint8))

    images = tuple(replace(image, people=tuple(map(person_of, image.people))) for image in dataset)
    return replace(dataset, skeleton=PERSON_BOX, images=images)


def corner_keypoints(box: Region) -> NDArray[np.float32]:
    """``(4, 2)`` keypoints of ``PERSON_BOX``."""
    return to_positions(corners_of(np.array(box, np.float64))).astype(np.float32)
