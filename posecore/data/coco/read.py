"""Reading a COCO file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.checks import (
    EntryError,
    Problems,
    a_dict,
    a_list,
    a_text,
    an_id_of,
    as_data_error,
    number_of,
    shown,
)
from posecore.data.coco.boxes import boxes_alone
from posecore.data.coco.categories import Categories, Id
from posecore.data.coco.changes import apply_changes
from posecore.data.coco.people import with_people
from posecore.data.journal import Journal
from posecore.data.people import read_box
from posecore.data.person_boxes import as_boxes
from posecore.data.pictures import picture_size, size_said
from posecore.data.resolving import PathResolver
from posecore.errors import DataError
from posecore.imaging import Region

#: Fields with the name of a picture; the first that is there counts.
_NAME_FIELDS = ("file_name", "filename", "path", "name", "coco_url", "url")


def read_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    category: str | int | None = None,
    pictures: bool = True,
    split: str | None = None,
    root: Path | None = None,
    keypoints: Sequence[str] | None = None,
    class_names: Sequence[str] = (),
) -> PoseDataset:
    """Read COCO keypoint JSON with any skeleton.

    All categories that share the chosen skeleton are read; the chosen one is that of ``category``, else that with the
    most annotations among those with keypoints. Where people of other categories are, and people whose keypoints
    cannot be read, an ignore region stands. Whatever else is odd costs nobody; see :mod:`posecore.data.people`.

    Args:
        annotations: The JSON file.
        images: Folder that file names are relative to; looked for in the set when None.
        category: Name or id of the category whose skeleton is wanted.
        pictures: Leave out (and report) images whose file is missing. False keeps them and looks for no file.
        split: Split of images that do not name their own.
        root: Folder of the whole set; that of the JSON file, or the one above it, when None.
        keypoints: Names of the keypoints to read where there are several skeletons, one of which has these.
        class_names: Read the boxes of these classes alone, in ``PERSON_BOX``; the file needs no keypoints.

    Returns:
        The set; what was skipped is in its ``problems``, what was odd in its ``remarks``.

    Raises:
        DataError: When the file cannot be read at all, naming the reason.
    """
    path = Path(annotations)
    data = load_coco(path)
    problems = Problems(path)
    if class_names:
        with as_data_error(path):
            data, left_out = boxes_alone(data, class_names)
        if left_out:
            problems.remark(left_out)
    if pictures and images is not None and not Path(images).is_dir():
        raise DataError(f"There is no folder {images} with the pictures of {path}; name it.")
    resolver = PathResolver.beside(path, root) if images is None else PathResolver(Path(images))
    found = read_content(
        data, problems, resolver, category=category, pictures=pictures, split=split, keypoints=keypoints
    )
    return as_boxes(found) if class_names else found


def read_content(
    data: Mapping[str, Any],
    problems: Problems,
    resolver: PathResolver,
    *,
    category: str | int | None = None,
    pictures: bool = True,
    split: str | None = None,
    keypoints: Sequence[str] | None = None,
) -> PoseDataset:
    """:func:`read_coco` of what a file holds, or what other labels say in COCO's words.

    Args:
        data: With ``images`` and ``annotations``.
        problems: Takes what is skipped and what is odd, and names the file.
        resolver: Finds the pictures.
        category, pictures, split, keypoints: As there.

    Raises:
        DataError: When no category can be read.
    """
    people = data["annotations"]
    with as_data_error(problems.file):
        categories = Categories.of(data.get("categories"), people, category, problems, keypoints)
    found = _read_images(data["images"], resolver, pictures, split, problems)
    complete = with_people(found, people, categories, problems)
    return PoseDataset(problems.file.stem, categories.skeleton, complete, tuple(problems.found), problems.remarks)


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
    name = next((entry[field] for field in _NAME_FIELDS if entry.get(field) is not None), None)
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    names = [str(name) if type(name) is int else a_text(name, "the file name")]
    extra = entry.get("extra")
    if isinstance(extra, dict) and isinstance(extra.get("name"), str):
        names.append(extra["name"])
    return names


def _read_images(
    entries: Sequence[Any], resolver: PathResolver, pictures: bool, split: str | None, problems: Problems
) -> dict[Id, AnnotatedImage | None]:
    """Images by id, without people yet; None for those that were skipped, so that their people are not reported too."""
    rows: dict[Id, list[tuple[int, dict[str, Any]]]] = {}
    for position, entry in enumerate(entries):
        with problems.skipping(f"images[{position}]"):
            number = an_id_of(a_dict(entry, "an image").get("id"), "the id")
            rows.setdefault(number, []).append((position, entry))
    places = _located(entries, resolver, pictures)
    free = itertools.count(max((number for number in rows if isinstance(number, int)), default=0) + 1)
    found: dict[Id, AnnotatedImage | None] = {}
    for number, members in rows.items():
        found[number] = None
        if len({str(entry.get("file_name")) for _, entry in members}) > 1:
            for position, entry in members:
                reason = f"{len(members)} pictures have the id {number}, so that whose people are whose cannot be told"
                problems.note(f"images[{position}]", f"{shown(entry.get('file_name'))} is left out: {reason}")
            continue
        for _ in members[1:]:
            problems.remark("a picture that is listed twice; read once")
        position, entry = members[0]
        with problems.skipping(f"images[{position}]"):
            place = places[position]
            if isinstance(place, EntryError):
                raise place
            image_id = number if isinstance(number, int) else next(free)
            found[number] = _read_image(image_id, entry, *place, split, problems)
    return found


def _read_image(
    number: int, entry: Mapping[str, Any], path: Path, named: bool, split: str | None, problems: Problems
) -> AnnotatedImage:
    size = size_said(entry.get("width"), entry.get("height"), path, problems.remark)
    # Found under another name than its own, it may be another picture.
    if not named and picture_size(path) != size:
        raise EntryError(f"{path.name} is not {size[0]} × {size[1]} pixels, for which the labels were made")
    own = entry.get("split")
    ignore = _ignore(entry, size, problems)
    return AnnotatedImage(path, size, (), number, ignore, own if isinstance(own, str) and own else split)


def _ignore(entry: Mapping[str, Any], size: tuple[int, int], problems: Problems) -> tuple[Region, ...]:
    """Ignore regions of a picture; other programs have a field ``ignore`` that is none.

    PoseTrack's are outlines in ``ignore_regions_x`` and ``_y``, and its pictures that nobody labelled say so.
    """
    value = entry.get("ignore")
    boxes = [read_box(box) for box in value] if isinstance(value, list) else []
    if None in boxes or (value and not isinstance(value, list)):
        problems.remark("an ignore region that is no box; passed over")
    outlines = zip(_outlines(entry.get("ignore_regions_x")), _outlines(entry.get("ignore_regions_y")), strict=False)
    boxes += [(min(xs), min(ys), max(xs), max(ys)) for xs, ys in outlines if xs and ys]
    if entry.get("is_labeled") is False:
        problems.remark("a picture that says that nobody has labelled it; all of it is an ignore region")
        boxes.append((0.0, 0.0, float(size[0]), float(size[1])))
    return tuple(box for box in boxes if box is not None)


def _outlines(value: Any) -> list[list[float]]:
    """Positions along one axis of some outlines, or of a single one."""
    lists = value if isinstance(value, list) else []
    lists = lists if all(isinstance(one, list) for one in lists) else [lists]
    return [[number for item in one if (number := number_of(item)) is not None] for one in lists]
