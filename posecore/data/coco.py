"""COCO keypoint JSON, and Roboflow's dialect of it.

Positions are taken as they stand: COCO counts pixels from 0 as posecore does. Four fields are posecore's own, which
other readers pass over: ``images[].ignore`` (boxes x, y, width, height in which unlabelled people may be),
``images[].split``, ``annotations[].absent`` (indices of keypoints known not to be in the picture; COCO itself cannot
tell them from unlabelled ones, both have visibility 0) and ``categories[].posecore`` (name, pairs ``flip_pairs`` of
indices from 0 and ``sigmas`` of a skeleton that its keypoints' names do not tell).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
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
    counted,
    inside,
    labels_from_flags,
    load_json,
    make_person,
    numbers,
    shown,
    texts,
)
from posecore.data.merging import merged
from posecore.data.naming import skeleton_of, unnamed_skeleton
from posecore.data.pictures import PictureCarrier, PictureMode, find_picture, new_folder, picture_size
from posecore.errors import DataError
from posecore.imaging import Region
from posecore.skeleton import Skeleton

#: Name of the labels in every folder of a Roboflow export.
ROBOFLOW_FILE = "_annotations.coco.json"
#: Roboflow's folders, and the split each one is.
ROBOFLOW_SPLITS = {"train": "train", "valid": "val", "test": "test"}


# --- reading ---------------------------------------------------------------------------------------------------------


def read_coco(
    annotations: str | Path,
    images: str | Path | None = None,
    *,
    category: str | int | None = None,
    pictures: bool = True,
    split: str | None = None,
) -> PoseDataset:
    """Read COCO keypoint JSON with any skeleton.

    All categories that share the chosen skeleton are read; the chosen one is that of ``category``, else that with the
    most annotations among those with keypoints.

    Args:
        annotations: The JSON file.
        images: Folder that file names are relative to; looked for beside the JSON file when None.
        category: Name or id of the category whose skeleton is wanted.
        pictures: Leave out (and report) images whose file is missing. False keeps them and looks for no file.
        split: Split of images that do not name their own.

    Returns:
        The set; what was skipped is in its ``problems``.

    Raises:
        DataError: When the file cannot be read at all, naming the reason.
    """
    path = Path(annotations)
    with as_data_error(path):
        data = a_dict(load_json(path), "the file")
        image_entries = a_list(data.get("images"), '"images"')
        person_entries = a_list(data.get("annotations", []), '"annotations"')
    problems = Problems(path)
    with as_data_error(path):
        categories = _Categories.of(data.get("categories"), person_entries, category)
    categories.note_others(problems)
    folder = Path(images) if images is not None else _image_folder(path, image_entries)
    if pictures and not folder.is_dir():
        raise DataError(f"There is no folder {folder} with the pictures of {path}; name it.")
    found = _read_images(image_entries, folder, pictures, split, problems)
    people = _read_people(person_entries, categories, found, problems)
    complete = tuple(replace(image, people=tuple(people[image.image_id])) for image in found.values() if image)
    return PoseDataset(path.stem, categories.skeleton, complete, tuple(problems.found))


def read_roboflow(folder: str | Path, *, pictures: bool = True) -> PoseDataset:
    """Read Roboflow's COCO export: ``train``, ``valid`` and ``test``, each with its labels and pictures together.

    Raises:
        DataError: When there are no such files or their skeletons differ.
    """
    root = Path(folder)
    files = [(root / name / ROBOFLOW_FILE, split) for name, split in ROBOFLOW_SPLITS.items()]
    if (root / ROBOFLOW_FILE).is_file():
        files.insert(0, (root / ROBOFLOW_FILE, ""))
    parts = [
        read_coco(file, file.parent, pictures=pictures, split=split or None) for file, split in files if file.is_file()
    ]
    if not parts:
        raise DataError(f"{root} holds no {ROBOFLOW_FILE}, neither itself nor in train, valid or test.")
    return merged(root.name, parts)


@dataclass(frozen=True)
class _Categories:
    """The categories of a file: which are read, and how often the others occur."""

    skeleton: Skeleton
    chosen: Mapping[int, str]
    others: Mapping[int, tuple[str, int, str]]

    @classmethod
    def of(cls, entries: Any, annotations: Sequence[Any], wanted: str | int | None) -> _Categories:
        """Choose among the file's categories; raises ``EntryError`` when none has keypoints."""
        names, skeletons = {}, {}
        for entry in a_list([] if entries is None else entries, '"categories"'):
            number = an_id(a_dict(entry, "a category").get("id"), "a category's id")
            names[number] = a_text(entry.get("name"), "a category's name")
            if entry.get("keypoints"):
                skeletons[number] = _category_skeleton(entry)
        used = Counter(a["category_id"] for a in annotations if _has_category(a))
        if not skeletons:
            unnamed = _unnamed(names, annotations)
            skeletons = dict.fromkeys(names, unnamed)
        best = _wanted(wanted, names, skeletons) if wanted is not None else max(skeletons, key=lambda i: (used[i], -i))
        chosen = {i: names[i] for i, skeleton in skeletons.items() if skeleton.keypoints == skeletons[best].keypoints}
        others = {
            i: (name, used[i], "keypoints of another skeleton" if i in skeletons else "no keypoints")
            for i, name in names.items()
            if i not in chosen
        }
        return cls(skeletons[best], chosen, others)

    def note_others(self, problems: Problems) -> None:
        """One problem for every category that is not read though it occurs."""
        for name, count, reason in self.others.values():
            if count:
                skipped = f"{counted(count, 'annotation')} skipped"
                problems.note(f"category {name!r}", f"{skipped}: the category has {reason}")


def _has_category(annotation: Any) -> bool:
    return isinstance(annotation, dict) and type(annotation.get("category_id")) is int


def _category_skeleton(entry: Mapping[str, Any]) -> Skeleton:
    """A category's skeleton; its lines count keypoints from 1."""
    names = texts(entry["keypoints"], "a category's keypoints")
    edges = []
    for pair in a_list(entry.get("skeleton") or [], "a category's skeleton"):
        a, b = (an_id(end, "an end of a skeleton's line") for end in _two(pair))
        if a != b and (a - 1, b - 1) not in edges:
            edges.append((a - 1, b - 1))
    if entry.get("posecore") is None:
        return skeleton_of(entry["name"], names, edges)
    own = a_dict(entry["posecore"], "a category's posecore")
    pairs = [_two(pair) for pair in a_list(own.get("flip_pairs"), "flip_pairs")]
    sigmas = [a_number(value, "a sigma") for value in a_list(own.get("sigmas"), "sigmas")]
    flips = tuple((an_id(a, "a flip pair's end"), an_id(b, "a flip pair's end")) for a, b in pairs)
    return Skeleton(a_text(own.get("name"), "a skeleton's name"), tuple(names), tuple(edges), flips, tuple(sigmas))


def _two(pair: Any) -> list[Any]:
    if len(a_list(pair, "a skeleton's line")) != 2:
        raise EntryError(f"a skeleton's line must have two ends, not {len(pair)}")
    return list(pair)


def _unnamed(names: dict[int, str], annotations: Sequence[Any]) -> Skeleton:
    """A skeleton for a file whose categories name no keypoints though its annotations have some."""
    for annotation in annotations:
        values = annotation.get("keypoints") if isinstance(annotation, dict) else None
        if isinstance(values, list) and len(values) >= 3 and len(values) % 3 == 0 and _has_category(annotation):
            names.setdefault(annotation["category_id"], "person")
            return unnamed_skeleton("unnamed", len(values) // 3)
    raise EntryError("no category and no annotation has keypoints")


def _wanted(wanted: str | int, names: Mapping[int, str], skeletons: Mapping[int, Skeleton]) -> int:
    for number in skeletons:
        if wanted in (number, names[number]) or wanted == str(number):
            return number
    raise EntryError(f"no category {wanted!r} has keypoints; there are {', '.join(names[i] for i in skeletons)}")


def _image_folder(path: Path, entries: Sequence[Any]) -> Path:
    """The likeliest folder of the pictures: the first beside the JSON file that holds one of the first few."""
    split = path.stem.rsplit("_", 1)[-1]
    above = path.parent.parent
    candidates = [path.parent, path.parent / "images", above / "images", above / split, above]
    for folder in candidates:
        for entry in entries[:20]:
            try:
                names = _file_names(a_dict(entry, "an image"))
            except EntryError:
                continue
            if find_picture(folder, names):
                return folder
    return path.parent


def _file_names(entry: Mapping[str, Any]) -> list[PurePosixPath]:
    """Names under which a picture may be there: its own, then the one it had before it was uploaded to Roboflow."""
    names = [inside(entry.get("file_name"))]
    extra = entry.get("extra")
    if isinstance(extra, dict) and isinstance(extra.get("name"), str):
        names.append(inside(extra["name"], "the original file name"))
    return names


def _read_images(
    entries: Sequence[Any], folder: Path, pictures: bool, split: str | None, problems: Problems
) -> dict[int, AnnotatedImage | None]:
    """Images by id, without people yet; None for those that were skipped, so that their people are not reported too."""
    found: dict[int, AnnotatedImage | None] = {}
    for position, entry in enumerate(entries):
        with problems.skipping(f"images[{position}]"):
            number = an_id(a_dict(entry, "an image").get("id"), "the id")
            if found.get(number) is not None:
                raise EntryError(f"another image has the id {number} already")
            found[number] = None
            found[number] = _read_image(number, entry, folder, pictures, split)
    return found


def _read_image(
    number: int, entry: Mapping[str, Any], folder: Path, pictures: bool, split: str | None
) -> AnnotatedImage:
    names = _file_names(entry)
    path = find_picture(folder, names) if pictures else None
    if path is None:
        if pictures:
            raise EntryError(f"the picture {names[0]} is missing in {folder}")
        path = folder / names[0]
    if entry.get("width") is None and entry.get("height") is None:
        size = picture_size(path)
    else:
        size = a_side(entry.get("width"), "the width"), a_side(entry.get("height"), "the height")
        # Found under another name than its own, it may be another picture.
        if pictures and path != folder / names[0] and picture_size(path) != size:
            raise EntryError(f"{path.name} is not {size[0]} × {size[1]} pixels, for which the labels were made")
    ignore = tuple(box_xywh(box) for box in a_list(entry.get("ignore", []), "ignore"))
    own = entry.get("split")
    return AnnotatedImage(path, size, (), number, ignore, own if isinstance(own, str) and own else split)


def _read_people(
    entries: Sequence[Any], categories: _Categories, images: Mapping[int, AnnotatedImage | None], problems: Problems
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
                people[number].append(_read_person(entry, categories.skeleton, categories.chosen[category]))
    return people


def _read_person(entry: Mapping[str, Any], skeleton: Skeleton, category: str) -> Person:
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


# --- writing ---------------------------------------------------------------------------------------------------------


def write_coco(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as COCO: pictures in ``images/``, labels in ``annotations.json`` (one file per split when split).

    Args:
        dataset: The set.
        folder: A new or empty folder.
        pictures: What to do with the pictures.
        quality: JPEG quality when they are saved anew.
        advance: Called after every picture.

    Raises:
        DataError: When the folder holds something or a picture cannot be brought there.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    names = {}
    for image in dataset:
        names[image.image_id] = carrier.bring(image.path, root / "images").name
        advance()
    splits = sorted({image.split or "" for image in dataset})
    if splits in ([], [""]):
        write_coco_json(dataset, root / "annotations.json", names)
        return root
    (root / "annotations").mkdir()
    for split in splits:
        part = replace(dataset, images=tuple(image for image in dataset if (image.split or "") == split))
        write_coco_json(part, root / "annotations" / f"{split or 'unsplit'}.json", names)
    return root


def write_roboflow(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as Roboflow's COCO export: a folder per split with pictures and labels together.

    Category 0 is the group of categories, as Roboflow writes it. Pictures without a split go to ``train``. See
    :func:`write_coco` for the arguments.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    for directory, split in ROBOFLOW_SPLITS.items():
        images = tuple(image for image in dataset if (image.split or "train") == split)
        if not images:
            continue
        names = {}
        for image in images:
            names[image.image_id] = carrier.bring(image.path, root / directory).name
            advance()
        part = replace(dataset, images=images)
        data = coco_dict(part, names)
        group = {"id": 0, "name": "objects", "supercategory": "none"}
        data["categories"] = [group, *({**category, "supercategory": "objects"} for category in data["categories"])]
        for entry, image in zip(data["images"], images, strict=True):
            entry["extra"] = {"name": image.path.name}
        _dump(data, root / directory / ROBOFLOW_FILE)
    return root


def write_coco_json(dataset: PoseDataset, path: str | Path, names: Mapping[int, str] | None = None) -> None:
    """Write the labels alone; ``names`` gives each image's ``file_name`` by id, the picture's own name unless given."""
    _dump(coco_dict(dataset, names), Path(path))


def _dump(data: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, allow_nan=False), "utf-8")


def coco_dict(dataset: PoseDataset, names: Mapping[int, str] | None = None) -> dict[str, Any]:
    """A set as the content of a COCO file; positions, boxes and areas rounded to a thousandth of a pixel."""
    categories = _category_numbers(person for image in dataset for person in image.people)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in dataset:
        name = image.path.name if names is None else names[image.image_id]
        entry: dict[str, Any] = {
            "id": image.image_id,
            "file_name": name,
            "width": image.size[0],
            "height": image.size[1],
        }
        if image.ignore:
            entry["ignore"] = [_xywh(region) for region in image.ignore]
        if image.split:
            entry["split"] = image.split
        images.append(entry)
        for person in image.people:
            number = len(annotations) + 1
            annotations.append(_person_entry(person, number, image.image_id, categories[person.category]))
    return {
        "info": {"description": dataset.name},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [_category_entry(number, name, dataset.skeleton) for name, number in categories.items()],
    }


def _category_entry(number: int, name: str, skeleton: Skeleton) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": number,
        "name": name,
        "supercategory": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }
    if replace(_category_skeleton(entry), name=skeleton.name) != skeleton:
        own = {"name": skeleton.name, "flip_pairs": [list(pair) for pair in skeleton.flip_pairs]}
        entry["posecore"] = {**own, "sigmas": list(skeleton.sigmas)}
    return entry


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
        kept.append(_read_person(entry, skeleton, person.category))
        entries.append(entry)
    others = [entry for entry in data["annotations"] if entry.get("image_id") != image_id]
    data["annotations"] = [*others, *entries]
    data["categories"] += [_category_entry(categories[name], name, skeleton) for name in added]
    image.pop("ignore", None)
    if ignore:
        image["ignore"] = [_xywh(region) for region in ignore]
    return tuple(kept)


def _checked_entry(person: Person, number: int, image_id: int, category: int, count: int) -> dict[str, Any]:
    if person.keypoints.shape != (count, 2) or person.labels.shape != (count,):
        raise EntryError(f"a person has {len(person.labels)} keypoints, the set {count}")
    if not np.isfinite(person.keypoints[person.labelled]).all():
        raise EntryError("a labelled keypoint has no position")
    return _person_entry(person, number, image_id, category)


def _category_numbers(people: Iterable[Person]) -> dict[str, int]:
    """Ids from 1 by name, ``person`` first."""
    names = {person.category for person in people} or {"person"}
    return {name: number for number, name in enumerate(sorted(names, key=lambda n: (n != "person", n)), 1)}


def _xywh(region: Region) -> list[float]:
    x0, y0, x1, y1 = region
    return [round(float(value), 3) for value in (x0, y0, x1 - x0, y1 - y0)]


def _person_entry(person: Person, number: int, image_id: int, category: int) -> dict[str, Any]:
    flags = np.where(person.labelled, person.labels, 0)
    triples = np.column_stack([np.where(person.labelled[:, None], person.keypoints, 0), flags])
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "iscrowd": int(person.crowd),
        "keypoints": [round(float(value), 3) if place % 3 < 2 else int(value) for place, value in _flat(triples)],
        "num_keypoints": int(person.labelled.sum()),
        "bbox": _xywh(person.box),
        "area": round(float(person.area), 3),
    }
    absent = np.flatnonzero(person.labels == Label.ABSENT)
    if len(absent):
        entry["absent"] = absent.tolist()
    return entry


def _flat(values: Any) -> Iterable[tuple[int, float]]:
    return enumerate(values.ravel())
