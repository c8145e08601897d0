"""Person crops: a picture of its own for every labelled person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecore.boxes import Region, area_of, clipped, to_edges
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset, Problem
from posecore.data.pictures import new_folder, save_jpeg
from posecore.errors import DataError, ImageError
from posecore.imaging import Picture, read_image
from posecore.picture_files import MIN_SIDE


def crop_people(
    dataset: PoseDataset,
    folder: str | Path,
    expand: float = 1.25,
    square: bool = False,
    quality: int = 95,
    advance: Callable[[], object] = lambda: None,
) -> PoseDataset:
    """Cut out every person who has a labelled keypoint, crowds excepted.

    Labelled keypoints that fall outside the crop become *absent*; unlabelled ones stay unlabelled. Others who have a
    labelled keypoint inside the crop are on it too; others whose box alone reaches into it leave an ignore region.

    Args:
        dataset: The set; not changed.
        folder: A new or empty folder for the pictures.
        expand: Size of the crop relative to the person's box.
        square: Make it as wide as high, before it is cut off at the picture's edge.
        quality: JPEG quality.
        advance: Called after every picture of ``dataset``.

    Returns:
        A set of the crops; pictures that could not be read are among its ``problems``.

    Raises:
        DataError: When an argument is out of range or the folder holds something.
    """
    if not 0.5 <= expand <= 10:
        raise DataError(f"Expand ratio {expand:g} is out of range; choose 0.5 to 10.")
    if not 1 <= quality <= 100:
        raise DataError(f"JPEG quality {quality} is out of range; choose 1 to 100.")
    root = new_folder(Path(folder))
    crops: list[AnnotatedImage] = []
    problems = list(dataset.problems)
    for image in dataset:
        subjects = [index for index, one in enumerate(image.people) if one.labelled.any() and not one.crowd]
        try:
            picture = read_image(image.path) if subjects else None
        except (ImageError, OSError) as error:
            problems.append(Problem(image.path, "the picture", str(error)))
            picture = None
        for index in subjects if picture is not None else ():
            assert picture is not None
            corners = crop_corners(image.people[index].box, _size(picture), expand, square)
            if corners is None:
                problems.append(Problem(image.path, f"person {index}", "the box lies outside the picture or is tiny"))
                continue
            x0, y0, x1, y1 = corners
            path = root / f"{image.image_id:012d}_{index:03d}.jpg"
            save_jpeg(path, np.ascontiguousarray(picture[y0:y1, x0:x1]), quality)
            crops.append(cut_labels(image, corners, path, len(crops)))
        advance()
    return replace(dataset, name=f"{dataset.name}-crops", images=tuple(crops), problems=tuple(problems))


def _size(picture: Picture) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def crop_corners(
    box: Region, image_size: tuple[int, int], expand: float, square: bool
) -> tuple[int, int, int, int] | None:
    """Whole pixels x0, y0, x1, y1 of the expanded box inside a picture of ``image_size``; None when hardly any."""
    x0, y0, x1, y1 = box
    half_width, half_height = expand * (x1 - x0) / 2, expand * (y1 - y0) / 2
    if square:
        half_width = half_height = max(half_width, half_height)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    low = np.floor([x - half_width, y - half_height]).clip(0, image_size)
    high = np.ceil([x + half_width, y + half_height]).clip(0, image_size)
    if (high - low < MIN_SIDE).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def cut_labels(image: AnnotatedImage, corners: tuple[int, int, int, int], path: Path, number: int) -> AnnotatedImage:
    """Labels of the part of a picture between ``corners`` (x0, y0, x1, y1), moved to it."""
    people, ignore = [], []
    for person in image.people:
        box = _clipped(person.box, corners)
        if box is None:
            continue
        cut = _cut_person(person, box, corners)
        if cut.labelled.any() or person.crowd:
            people.append(cut)
        else:
            ignore.append(box)
    ignore.extend(region for one in image.ignore if (region := _clipped(one, corners)) is not None)
    size = corners[2] - corners[0], corners[3] - corners[1]
    return AnnotatedImage(path, size, tuple(people), number, tuple(ignore), image.split)


def _clipped(region: Region, corners: tuple[int, int, int, int]) -> Region | None:
    """The part of a region between the corners, relative to the first; None when there is none."""
    part = clipped(region, corners)
    left, top = corners[:2]
    return None if part is None else (part[0] - left, part[1] - top, part[2] - left, part[3] - top)


def _cut_person(person: Person, box: Region, corners: tuple[int, int, int, int]) -> Person:
    left, top, right, bottom = corners
    x, y = to_edges(person.keypoints).T
    inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    labels = np.where(person.labelled & ~inside, Label.ABSENT, person.labels).astype(np.uint8)
    keypoints = np.where(inside[:, None], person.keypoints - np.array([left, top], np.float32), np.nan)
    part = area_of(box) / area_of(person.box)
    return replace(person, keypoints=keypoints.astype(np.float32), labels=labels, box=box, area=person.area * part)
