"""Reading a COCO file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.checks import (
    EntryError,
    Problems,
    a_dict,
    a_list,
    a_number,
    a_side,
    a_text,
    an_id,
    as_data_error,
    box_xywh,
    labels_from_flags,
    make_person,
    numbers,
    shown,
)
from posecore.data.coco.categories import Categories
from posecore.data.coco.changes import apply_changes
from posecore.data.journal import Journal
from posecore.data.pictures import picture_size
from posecore.data.resolving import PathResolver
from posecore.errors import DataError
from posecore.skeleton import Skeleton


def read_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    category: str | int | None = None,
    pictures: bool = True,
    split: str | None = None,
    root: Path | None = None,
) -> PoseDataset:
    """Read COCO keypoint JSON with any skeleton.

    All categories that share the chosen skeleton are read; the chosen one is that of ``category``, else that with the
    most annotations among those with keypoints.

    Args:
        annotations: The JSON file.
        images: Folder that file names are relative to; looked for in the set when None.
        category: Name or id of the category whose skeleton is wanted.
        pictures: Leave out (and report) images whose file is missing. False keeps them and looks for no file.
        split: Split of images that do not name their own.
        root: Folder of the whole set; that of the JSON file, or the one above it, when None.

    Returns:
        The set; what was skipped is in its ``problems``.

    Raises:
        DataError: When the file cannot be read at all, naming the reason.
    """
    path = Path(annotations)
    data = load_coco(path)
    image_entries, person_entries = data["images"], data["annotations"]
    problems = Problems(path)
    with as_data_error(path):
        categories = Categories.of(data.get("categories"), person_entries, category)
    categories.note_others(problems)
    if pictures and images is not None and not Path(images).is_dir():
        raise DataError(f"There is no folder {images} with the pictures of {path}; name it.")
    resolver = PathResolver.beside(path, root) if images is None else PathResolver(Path(images))
    found = _read_images(image_entries, resolver, pictures, split, problems)
    people = _read_people(person_entries, categories, found, problems)
    complete = tuple(replace(image, people=tuple(people[image.image_id])) for image in found.values() if image)
    return PoseDataset(path.stem, categories.skeleton, complete, tuple(problems.found))


def load_coco(path: Path) -> dict[str, Any]:
    """Content of a COCO file, with the changes that stand beside it (:mod:`posecore.data.journal`) in it.

    Raises:
        DataError: When it cannot be read at all.
    """
    with as_data_error(path):
        content, changes, _ = Journal(path).load()
        data = a_dict(content, "the file")
        a_list(data.get("images"), '"images"')
        a_list(data.setdefault("annotations", []), '"annotations"')
        if changes:
            a_list(data.get("categories"), '"categories"')
            apply_changes(data, changes)
    return data


def _located(entries: Sequence[Any], resolver: PathResolver, pictures: bool) -> list[tuple[Path, bool] | EntryError]:
    """Where the picture of each entry is, and whether that is where its name says; or what is wrong with the entry."""
    names: list[list[str]] = []
    wrong: dict[int, EntryError] = {}
    for position, entry in enumerate(entries):
        try:
            names.append(_file_names(a_dict(entry, "an image")))
        except EntryError as error:
            names.append([])
            wrong[position] = error
    if not pictures:
        return [wrong.get(at) or (resolver.nominal(some[0]), True) for at, some in enumerate(names)]
    found = resolver.resolve_all(names)
    return [
        wrong.get(at) or (path if isinstance(path, EntryError) else (path, path == resolver.nominal(some[0])))
        for at, (some, path) in enumerate(zip(names, found, strict=True))
    ]


def _file_names(entry: Mapping[str, Any]) -> list[str]:
    """Names under which a picture may be there: its own, then the one it had before it was uploaded to Roboflow."""
    name = entry.get("file_name")
    names = [str(name) if type(name) is int else a_text(name, "the file name")]
    extra = entry.get("extra")
    if isinstance(extra, dict) and isinstance(extra.get("name"), str):
        names.append(extra["name"])
    return names


def _read_images(
    entries: Sequence[Any], resolver: PathResolver, pictures: bool, split: str | None, problems: Problems
) -> dict[int, AnnotatedImage | None]:
    """Images by id, without people yet; None for those that were skipped, so that their people are not reported too."""
    found: dict[int, AnnotatedImage | None] = {}
    for position, (entry, place) in enumerate(zip(entries, _located(entries, resolver, pictures), strict=True)):
        with problems.skipping(f"images[{position}]"):
            number = an_id(a_dict(entry, "an image").get("id"), "the id")
            if found.get(number) is not None:
                raise EntryError(f"another image has the id {number} already")
            found[number] = None
            if isinstance(place, EntryError):
                raise place
            found[number] = _read_image(number, entry, *place, split)
    return found


def _read_image(number: int, entry: Mapping[str, Any], path: Path, named: bool, split: str | None) -> AnnotatedImage:
    if entry.get("width") is None and entry.get("height") is None:
        size = picture_size(path)
    else:
        size = a_side(entry.get("width"), "the width"), a_side(entry.get("height"), "the height")
        # Found under another name than its own, it may be another picture.
        if not named and picture_size(path) != size:
            raise EntryError(f"{path.name} is not {size[0]} × {size[1]} pixels, for which the labels were made")
    ignore = tuple(box_xywh(box) for box in a_list(entry.get("ignore", []), "ignore"))
    own = entry.get("split")
    return AnnotatedImage(path, size, (), number, ignore, own if isinstance(own, str) and own else split)


def _read_people(
    entries: Sequence[Any], categories: Categories, images: Mapping[int, AnnotatedImage | None], problems: Problems
) -> dict[int, list[Person]]:
    people: dict[int, list[Person]] = {number: [] for number in images}
    for position, entry in enumerate(entries):
        with problems.skipping(f"annotations[{position}]"):
            category = an_id(a_dict(entry, "an annotation").get("category_id"), "the category id")
            if category not in categories.chosen:
                if category in categories.others:
                    continue
                raise EntryError(f"there is no category {category}")
            number = an_id(entry.get("image_id"), "the image id")
            if number not in images:
                raise EntryError(f"there is no image {number}")
            if images[number] is not None:
                people[number].append(read_person(entry, categories.skeleton, categories.chosen[category]))
    return people


def read_person(entry: Mapping[str, Any], skeleton: Skeleton, category: str) -> Person:
    count = len(skeleton)
    if entry.get("keypoints"):
        values = numbers(entry["keypoints"], 3 * count, "keypoints").reshape(count, 3)
    else:
        values = np.zeros((count, 3))
    labels = labels_from_flags(values[:, 2])
    for index in a_list(entry.get("absent", []), "absent"):
        if an_id(index, "an absent keypoint") >= count or labels[index]:
            raise EntryError(f"keypoint {index} cannot be absent: it is labelled or does not exist")
        labels[index] = Label.ABSENT
    box = box_xywh(entry["bbox"]) if entry.get("bbox") else None
    area = entry.get("area")
    if area is not None and (area := _area(area)) <= 0:
        raise EntryError(f"the area must be more than 0, not {area:g}")
    return make_person(values[:, :2], labels, box, area, _flag(entry.get("iscrowd", 0)), category)


def _area(value: Any) -> float:
    """An area may be as large as the square of the largest coordinate."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1e12:
        return float(value)
    return a_number(value, "the area")


def _flag(value: Any) -> bool:
    if value not in (0, 1):
        raise EntryError(f"iscrowd must be 0 or 1, not {shown(value)}")
    return bool(value)
