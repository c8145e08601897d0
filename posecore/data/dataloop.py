"""Dataloop item JSON: one file per picture.

A pose is an annotation of type ``pose``; its joints are annotations of type ``point`` whose
``metadata.system.parentId`` is the pose's id and whose label is the joint's name. Visibility is an attribute,
``visible`` or ``not-visible``. Points without a parent are read too: they belong to the person in whose box they lie,
else to one person per picture.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset, Problem
from posecore.data.checks import (
    EntryError,
    Problems,
    a_dict,
    a_list,
    a_number,
    a_text,
    an_id_of,
    as_data_error,
    load_json,
    number_of,
    shown,
)
from posecore.data.folders import files_in
from posecore.data.keypoint_values import flag_of
from posecore.data.naming import canonical, skeleton_of
from posecore.data.people import IGNORED, covers, make_person, place_of
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder, size_said
from posecore.data.resolving import PathResolver
from posecore.errors import DataError
from posecore.imaging import Region
from posecore.skeleton import SKELETONS, Skeleton
from posecore.words import counted

#: Folders of an export: labels and pictures.
_LABELS, _PICTURES = "json", "items"
_VISIBLE, _HIDDEN = "visible", "not-visible"
#: Where the split of an item is kept when posecore writes it.
_SPLIT = "split"


@dataclass(eq=False)
class _Point:
    name: str
    xy: tuple[float, float]
    label: Label
    parent: str | None
    place: str


@dataclass(eq=False)
class _Item:
    """One file, with annotations sorted by what they are. Boxes and poses carry their id and parent."""

    path: Path
    image: AnnotatedImage
    points: list[_Point] = field(default_factory=list)
    poses: dict[str, str] = field(default_factory=dict)
    boxes: list[tuple[str, Region, str | None]] = field(default_factory=list)
    problems: Problems = field(default_factory=lambda: Problems(Path()))


# --- reading ---------------------------------------------------------------------------------------------------------


def read_dataloop(
    path: str | Path, images: str | Path | None = None, *, category: str = "person", pictures: bool = True
) -> PoseDataset:
    """Read Dataloop items: a JSON file, or all those in a folder and below.

    The keypoints are the names of the points: a known skeleton where it has them all, else they in order of
    appearance. A point of a pose without a visibility attribute is *unlabelled*; a point on its own is visible.

    Args:
        path: File or folder.
        images: Folder that the items' names are relative to; ``items`` beside the labels or their folder when None.
        category: Label of boxes that are people. Such a box without points is a person with nothing labelled.
        pictures: Leave out (and report) items whose picture is missing.

    Raises:
        DataError: When there is no item or no point in any of them, or the file given holds none.
    """
    root = Path(path)
    files = [file for file in files_in(root) if file.suffix.lower() == ".json"] if root.is_dir() else [root]
    if not files:
        raise DataError(f"{root} holds no JSON files.")
    resolver = PathResolver(Path(images)) if images is not None else _resolver(root)
    everything = Problems(root)
    contents = _contents(files, root, everything)
    names = [name for _, _, name in contents]
    places = resolver.resolve_all([[n] for n in names]) if pictures else [resolver.nominal(name) for name in names]
    items: list[_Item] = []
    for (file, data, _), place in zip(contents, places, strict=True):
        problems = Problems(file)
        with problems.skipping("the file"):
            if isinstance(place, EntryError):
                raise place
            items.append(_read_item(file, data, place, len(items), problems))
        everything.found.extend(problems.found)
        everything.odd.update(problems.odd)
    skeleton = _skeleton([point.name for item in items for point in item.points], root)
    complete = tuple(_with_people(item, skeleton, category, everything) for item in items)
    return PoseDataset(root.stem, skeleton, complete, tuple(everything.found), everything.remarks)


def _resolver(root: Path) -> PathResolver:
    """Pictures are in ``items`` in the set, or beside the labels; the labels may be in ``json``."""
    folder = (root if root.is_dir() else root.parent).absolute()
    above = next((place.parent for place in (folder, *folder.parents[:4]) if place.name == _LABELS), folder)
    bases = [folder, folder / _PICTURES, above, above / _PICTURES]
    return PathResolver(above, [base for base in bases if base.is_dir()])


def _contents(files: Sequence[Path], root: Path, problems: Problems) -> list[tuple[Path, dict[str, Any], str]]:
    """Files, what they hold and the names of their pictures; those that hold no item are noted."""
    contents = []
    for file in files:
        try:
            with as_data_error(file):
                data = a_dict(load_json(file), "the file")
                contents.append((file, data, a_text(data.get("filename") or data.get("name"), "filename")))
        except DataError as error:
            if file == root:
                raise
            problems.found.append(Problem(file, "the file", str(error)))
    return contents


def _read_item(file: Path, data: Mapping[str, Any], path: Path, number: int, problems: Problems) -> _Item:
    system = _system(data)
    size = size_said(system.get("width"), system.get("height"), path, problems.remark)
    user = a_dict(data.get("metadata") or {}, "metadata").get("user")
    split = user.get(_SPLIT) if isinstance(user, dict) else None
    image = AnnotatedImage(path, size, (), number, (), split if isinstance(split, str) else None)
    item = _Item(file, image, problems=problems)
    for position, entry in enumerate(a_list(data.get("annotations"), "annotations")):
        with problems.skipping(f"annotations[{position}]"):
            _sort_in(item, a_dict(entry, "an annotation"), f"annotations[{position}]")
    return item


def _system(entry: Mapping[str, Any]) -> dict[str, Any]:
    metadata = a_dict(entry.get("metadata") or {}, "metadata")
    return a_dict(metadata.get("system") or {}, "metadata.system")


def _sort_in(item: _Item, entry: dict[str, Any], place: str) -> None:
    kind = entry.get("type")
    parent = _system(entry).get("parentId")
    parent = None if parent in (None, "") else str(an_id_of(parent, "the parent's id"))
    if kind == "pose":
        item.poses[str(an_id_of(entry.get("id"), "the id of a pose"))] = a_text(entry.get("label"), "the label")
    elif kind == "point":
        name = a_text(entry.get("label"), "the label")
        xy = _position(entry.get("coordinates"))
        label = _visibility(entry.get("attributes")) if parent else Label.VISIBLE
        item.points.append(_Point(name, xy, label, parent, place))
    elif kind == "box":
        item.boxes.append((a_text(entry.get("label"), "the label"), _box(entry.get("coordinates")), parent))


def _position(value: Any) -> tuple[float, float]:
    point = a_dict(value, "coordinates")
    x, y = number_of(point.get("x")), number_of(point.get("y"))
    return a_number(point.get("x") if x is None else x, "x"), a_number(point.get("y") if y is None else y, "y")


def _box(value: Any) -> Region:
    corners = [_position(corner) for corner in a_list(value, "coordinates")]
    if len(corners) != 2:
        raise EntryError(f"a box must have two corners, not {len(corners)}")
    (xa, ya), (xb, yb) = corners
    if xa == xb or ya == yb:
        raise EntryError("a box must be wider and higher than 0")
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def _visibility(attributes: Any) -> Label:
    """Visibility from a list of words or from named values, of which truth counts where the name speaks of it."""
    if attributes is None:
        return Label.UNLABELLED
    if isinstance(attributes, dict):
        words = [value for name, value in attributes.items() if isinstance(value, str) or "visib" in name.lower()]
    elif isinstance(attributes, list):
        words = attributes
    else:
        raise EntryError(f"attributes must be a list or named values, not {shown(attributes)}")
    flags = {flag_of(word) for word in words if isinstance(word, (str, bool))}
    if Label.HIDDEN in flags:
        return Label.HIDDEN
    return Label.VISIBLE if Label.VISIBLE in flags else Label.UNLABELLED


def _skeleton(names: Sequence[str], root: Path) -> Skeleton:
    """The known skeleton that has all the names (exactly, if one does), else the names in order of appearance."""
    seen = list(dict.fromkeys(names))
    if not seen:
        raise DataError(f"{root} has neither poses nor points.")
    spelled = {canonical(name) for name in seen}
    fitting = [skeleton for skeleton in SKELETONS.values() if spelled <= set(skeleton.keypoints)]
    if fitting and len(spelled) == len(seen):
        return next((skeleton for skeleton in fitting if len(skeleton) == len(seen)), fitting[0])
    return skeleton_of(root.stem, seen)


def _with_people(item: _Item, skeleton: Skeleton, category: str, everything: Problems) -> AnnotatedImage:
    """The picture with its people: from poses, then from single points, then from boxes alone."""
    problems = Problems(item.path)
    groups: dict[str, list[_Point]] = {pose: [] for pose in item.poses}
    boxes = {parent: box for _, box, parent in item.boxes if parent in item.poses}
    free_boxes = {
        f"box {number}": box
        for number, (label, box, parent) in enumerate(item.boxes)
        if label == category and parent is None
    }
    strays: dict[str, list[tuple[float, float]]] = {}
    for point in item.points:
        if point.parent is not None and point.parent not in item.poses:
            strays.setdefault(point.parent, []).append(point.xy)
            continue
        owner = point.parent or _box_around(point, free_boxes) or "no box"
        groups.setdefault(owner, []).append(point)
    boxes |= free_boxes
    people = []
    for owner in dict.fromkeys([*groups, *boxes]):
        with problems.skipping(f"pose {owner}" if owner in item.poses else owner):
            xy, labels = _joints(groups.get(owner, []), skeleton, problems)
            label = item.poses.get(owner, category)
            people.append(make_person(xy, labels, boxes.get(owner), category=label))
    for parent, places in strays.items():
        reason = f"there is no pose {shown(parent)} that {counted(len(places), 'point')} could belong to; {IGNORED}"
        problems.note(f"pose {parent}", reason, ignored=1)
    lost = [place_of(None, [[*place, 0] for place in places], item.image.size) for places in strays.values()]
    labelled = [person.box for person in people if person.labelled.any()]
    others = [(label, box) for label, box, parent in item.boxes if label != category and not parent]
    ignore = [(label, box) for label, box in others if not covers(labelled, box)]
    for name, count in Counter(label for label, _ in others).items():
        ignored = sum(label == name for label, _ in ignore)
        reason = f"{counted(count, 'box', 'boxes')} skipped: not a {category}"
        problems.note(f"label {name!r}", f"{reason}; {IGNORED}" if ignored else reason, ignored)
    everything.found.extend(problems.found)
    image = item.image
    return AnnotatedImage(
        image.path, image.size, tuple(people), image.image_id, (*lost, *(box for _, box in ignore)), image.split
    )


def _box_around(point: _Point, boxes: Mapping[str, Region]) -> str | None:
    """Name of the smallest box that a point lies in, both as the file counts them."""
    x, y = point.xy
    around = [
        ((x1 - x0) * (y1 - y0), name) for name, (x0, y0, x1, y1) in boxes.items() if x0 <= x <= x1 and y0 <= y <= y1
    ]
    return min(around)[1] if around else None


def _joints(points: Iterable[_Point], skeleton: Skeleton, problems: Problems) -> tuple[Any, Any]:
    xy = np.full((len(skeleton), 2), np.nan)
    labels = np.zeros(len(skeleton), np.uint8)
    taken = set()
    for point in points:
        name = point.name if point.name in skeleton.keypoints else canonical(point.name)
        index = skeleton.index(name)
        if index in taken:
            problems.note(point.place, f"the person has a point {point.name!r} already")
            continue
        taken.add(index)
        labels[index] = point.label
        if point.label != Label.UNLABELLED:
            xy[index] = point.xy
    return xy, labels


# --- writing ---------------------------------------------------------------------------------------------------------


def write_dataloop(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as Dataloop items: labels in ``json/``, pictures in ``items/``.

    Dataloop has no crowds (they are left out), no ignore regions, no areas and no absent keypoints (they become
    unlabelled). Lines between keypoints are kept in Dataloop's own recipe, not in items. See
    :func:`posecore.data.coco.write_coco` for the arguments.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    (root / _LABELS).mkdir()
    for image in dataset:
        target = carrier.bring(image.path, root / _PICTURES)
        entry = _item_entry(image, target.name, dataset.skeleton)
        (root / _LABELS / f"{target.stem}.json").write_text(json.dumps(entry, allow_nan=False, indent=1), "utf-8")
        advance()
    return root


def _item_entry(image: AnnotatedImage, name: str, skeleton: Skeleton) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for person in image.people:
        if not person.crowd:
            annotations.extend(_annotations_of(person, f"{image.image_id:012x}{len(annotations):012x}", skeleton))
    metadata: dict[str, Any] = {"system": {"width": image.size[0], "height": image.size[1]}}
    if image.split:
        metadata["user"] = {_SPLIT: image.split}
    return {
        "id": f"{image.image_id:024x}",
        "filename": f"/{_PICTURES}/{name}",
        "name": name,
        "type": "file",
        "metadata": metadata,
        "annotations": annotations,
        "annotationsCount": len(annotations),
    }


def _annotations_of(person: Person, number: str, skeleton: Skeleton) -> Iterable[dict[str, Any]]:
    """A pose, its box, and a point for every joint; unlabelled joints are points without visibility."""
    x0, y0, x1, y1 = person.box
    child = {"system": {"parentId": number}}
    coordinates = {"templateId": skeleton.name, "instanceId": number}
    yield {"id": number, "type": "pose", "label": person.category, "attributes": [], "coordinates": coordinates}
    corners = [{"x": float(x), "y": float(y), "z": 0} for x, y in ((x0, y0), (x1, y1))]
    yield {
        "id": f"{number}-box",
        "type": "box",
        "label": person.category,
        "attributes": [],
        "coordinates": corners,
        "metadata": child,
    }
    words = {Label.VISIBLE: [_VISIBLE], Label.HIDDEN: [_HIDDEN]}
    for index, name in enumerate(skeleton.keypoints):
        x, y = person.keypoints[index] if person.labelled[index] else (0.0, 0.0)
        yield {
            "id": f"{number}-{index}",
            "type": "point",
            "label": name,
            "attributes": words.get(Label(int(person.labels[index])), []),
            "coordinates": {"x": float(x), "y": float(y), "z": 0},
            "metadata": child,
        }
