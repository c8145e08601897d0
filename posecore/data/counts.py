"""What a set of labels holds, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Label, PoseDataset
from posecore.data.detect import Format
from posecore.words import counted


def label_counts(dataset: PoseDataset) -> NDArray[np.int64]:
    """``(K, 4)``: how often each keypoint has each :class:`Label`, over all people but crowds."""
    people = [person.labels for image in dataset for person in image.people if not person.crowd]
    labels = np.array(people, np.uint8).reshape(-1, len(dataset.skeleton))
    return np.stack([(labels == label).sum(0) for label in Label], axis=1)


def lost_in(dataset: PoseDataset, format: Format) -> Iterator[str]:
    """Sentences about what the set has and a format cannot hold."""
    if format in ("coco", "roboflow", "webdataset"):
        return
    people = [person for image in dataset for person in image.people]
    if crowds := sum(person.crowd for person in people):
        yield f"{counted(crowds, 'crowd')} will be left out: {format} has none."
    if regions := sum(len(image.ignore) for image in dataset):
        many = counted(regions, "ignore region")
        yield f"{many} will be left out: {format} has none, and who is there will be taken for background."
    if format == "dataloop" and not dataset.skeleton.sides_known:
        yield "That left and right are not known will be left out: dataloop has the keypoints' names alone."
    if any((person.labels == Label.ABSENT).any() for person in people):
        yield f"Absent keypoints will become unlabelled: {format} cannot tell them apart."
