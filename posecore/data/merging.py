"""One set from several files of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from posecore.data.annotations import PoseDataset, Remark
from posecore.errors import DataError


def merged(name: str, parts: Sequence[PoseDataset]) -> PoseDataset:
    """The pictures of all parts in one set; ids are given anew where two parts use the same ones.

    Raises:
        DataError: When the parts' keypoints differ, naming two parts that do.
    """
    first = parts[0]
    for part in parts[1:]:
        if part.skeleton.keypoints != first.skeleton.keypoints:
            raise DataError(
                f"{first.name} and {part.name} label different keypoints ({len(first.skeleton)} and "
                f"{len(part.skeleton)}, or other names); open them one by one and map one onto the other's skeleton."
            )
    images = [image for part in parts for image in part.images]
    if len({image.image_id for image in images}) < len(images):
        images = [replace(image, image_id=number) for number, image in enumerate(images)]
    problems = tuple(problem for part in parts for problem in part.problems)
    remarks: Counter[str] = Counter()
    for remark in (remark for part in parts for remark in part.remarks):
        remarks[remark.what] += remark.count
    skeleton = replace(first.skeleton, sides_known=all(part.skeleton.sides_known for part in parts))
    return PoseDataset(name, skeleton, tuple(images), problems, tuple(Remark(*item) for item in remarks.items()))
