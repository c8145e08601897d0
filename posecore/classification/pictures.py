"""Examples from pictures: a folder for each class, as picture classifiers have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError, ImageError
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.picture_files import IMAGE_SUFFIXES

#: Columns of tables beside those of the classes.
_COLUMNS = frozenset({"picture", "seconds", "person", "class"})
#: Frames of one clip are usually called alike but for a number.
_NUMBER = re.compile(r"[\W_]*\d+$")


@dataclass(frozen=True, eq=False)
class ClassPictures:
    """Examples with their classes.

    Attributes:
        classes: Names.
        keypoints: ``(N, K, 2)`` pixels (x, y), NaN where missing: the best person of each picture.
        labels: Class of each.
        groups: What belongs together, of whatever class: pictures whose names differ by a number at the end.
        left_out: Pictures that could not be used, with the reason.
    """

    classes: tuple[str, ...]
    keypoints: NDArray[np.float32]
    labels: tuple[int, ...]
    groups: tuple[str, ...]
    left_out: tuple[tuple[Path, str], ...]


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """Pictures by the name of the folder within ``folder`` that they lie in.

    Raises:
        DataError: When there are no two such folders with pictures, or one is called like a column of tables.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; give one that holds a folder of pictures for each class.")
    found = {
        part.name: sorted(path for path in part.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        for part in sorted(folder.iterdir())
        if part.is_dir() and not part.name.startswith(".")
    }
    found = {name: pictures for name, pictures in found.items() if pictures}
    if taken := found.keys() & _COLUMNS:
        raise DataError(f"{folder / min(taken)} cannot be a class: tables have a column {min(taken)!r}; rename it.")
    if len(found) < 2:
        raise DataError(
            f"{folder} has {len(found)} folders with pictures; it needs one for each class, two at least, such as "
            "squat_up, squat_down and other."
        )
    return found


def learn_from(
    model: PoseModel,
    pictures: Mapping[str, Sequence[Path]],
    advance: Callable[[], object] = lambda: None,
) -> ClassPictures:
    """Find the best person of every picture; pictures without anybody, or that cannot be read, are left out and named.

    Args:
        model: What finds people.
        pictures: Files by class.
        advance: Called after each.
    """
    keypoints, labels, groups, left_out = [], [], [], []
    for label, (name, files) in enumerate(pictures.items()):
        for path in files:
            advance()
            try:
                poses = model(read_image(path))
            except ImageError as error:
                left_out.append((path, str(error)))
                continue
            if not len(poses):
                left_out.append((path, "nobody is found in it"))
                continue
            keypoints.append(poses.keypoints[0])
            labels.append(label)
            stem = _NUMBER.sub("", path.stem)
            groups.append(stem if stem and len(stem) < len(path.stem) else f"{name}/{path.name}")
    found = np.array(keypoints, np.float32).reshape(-1, len(model.skeleton), 2)
    return ClassPictures(tuple(pictures), found, tuple(labels), tuple(groups), tuple(left_out))
