"""YOLO-pose folders: ``data.yaml``, pictures in ``images`` and a text file per picture in ``labels``.

A line is ``class cx cy width height`` and then x, y (and visibility) of every keypoint, all positions as parts of the
picture's width and height. A position of 0 is the picture's left or top edge pixel, 1 is its width or height.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.checks import (
    EntryError,
    Problems,
    a_dict,
    a_list,
    a_text,
    an_id,
    as_data_error,
    inside,
    is_file,
    labels_from_flags,
    load_text,
    make_person,
    shown,
    texts,
)
from posecore.data.naming import mirror_pairs, skeleton_of, unnamed_skeleton
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder, picture_size, pictures_in
from posecore.errors import DataError
from posecore.skeleton import Edge, Skeleton

#: The names data.yaml has for its parts, the split each is, and the folder of each that is usual.
SPLITS = {"train": ("train", "train"), "val": ("val", "valid"), "test": ("test", "test")}
#: Most keypoints that are believed.
MAX_KEYPOINTS = 1000
#: Positions may lie this many pictures outside the picture; pixels in place of parts are far beyond.
_MARGIN = 1.0
#: A data.yaml is short; a long one is something else.
_MAX_YAML = 1_000_000


# --- reading ---------------------------------------------------------------------------------------------------------


def read_yolo(path: str | Path) -> PoseDataset:
    """Read a YOLO-pose set with any number of keypoints.

    Visibility 0 is *unlabelled*. Without visibilities (``kpt_shape: [K, 2]``) keypoints at 0, 0 or with a negative
    position are unlabelled and the others visible. A picture without a label file has nobody on it, as is usual with
    YOLO. Names come from ``kpt_names``; without it 17 keypoints are COCO's and others are numbered.

    Args:
        path: ``data.yaml``, or the folder it is in. Pictures are looked for only in that folder and below.

    Raises:
        DataError: When ``data.yaml`` is missing or wrong, or names no folder with pictures.
    """
    file = Path(path)
    if file.is_dir():
        file = find_yaml(file) or file / "data.yaml"
    with as_data_error(file):
        layout = _Layout.of(load_yaml(file), file)
    problems = Problems(file)
    images: list[AnnotatedImage] = []
    for split, (folder, pictures) in layout.parts(file, problems).items():
        labels = [_label_file(picture) for picture in pictures]
        for picture, label in zip(pictures, labels, strict=True):
            with problems.skipping(picture.name):
                size = picture_size(picture)
                people = _read_labels(label, layout, size, problems)
                images.append(AnnotatedImage(picture, size, tuple(people), len(images), (), split))
        _note_orphans(folder, labels, problems)
    if not images and not problems.found:
        raise DataError(f"{file} names no folder with pictures; there should be train, val or test.")
    return PoseDataset(file.parent.name, layout.skeleton, tuple(images), tuple(problems.found))


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: nobody needs them here, and a few lines of them can mean gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported")
        return super().compose_node(parent, index)


def load_yaml(path: Path) -> dict[str, Any]:
    """Content of a small YAML file with named fields; raises ``DataError``."""
    text = load_text(path)
    if len(text) > _MAX_YAML:
        raise DataError(f"{path} has {len(text)} characters, too many to describe a data set.")
    try:
        data = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise DataError(f"{path} is not valid YAML: {reason}.") from error
    if not isinstance(data, dict):
        raise DataError(f"{path} has no named fields; data.yaml should have kpt_shape, names and train.")
    return data


def find_yaml(folder: Path) -> Path | None:
    """The YAML file in ``folder`` that describes keypoints, ``data.yaml`` before others."""
    candidates = [folder / "data.yaml", *sorted(folder.glob("*.y*ml"))]
    for path in candidates:
        try:
            if is_file(path) and "kpt_shape" in load_yaml(path):
                return path
        except DataError:
            continue
    return None


@dataclass(frozen=True)
class _Layout:
    """What ``data.yaml`` says.

    Attributes:
        skeleton: Meaning of the keypoints.
        dimensions: Numbers per keypoint: 2 or 3.
        classes: Class id → name.
        entries: Split → folders or lists of pictures, as written.
    """

    skeleton: Skeleton
    dimensions: int
    classes: dict[int, str]
    entries: dict[str, list[str]]

    @classmethod
    def of(cls, data: dict[str, Any], file: Path) -> _Layout:
        shape = a_list(data.get("kpt_shape"), "kpt_shape")
        if len(shape) != 2 or shape[1] not in (2, 3) or not 1 <= an_id(shape[0], "kpt_shape") <= MAX_KEYPOINTS:
            raise EntryError(f"kpt_shape must be [number of keypoints, 2 or 3], not {shown(shape)}")
        entries = {}
        for key, (split, _) in SPLITS.items():
            value = data.get(key)
            if value is not None:
                entries[split] = list(texts(value if isinstance(value, list) else [value], key))
        return cls(_skeleton(data, shape[0], file.parent.name or "yolo"), shape[1], _classes(data), entries)

    def parts(self, file: Path, problems: Problems) -> dict[str, tuple[Path, list[Path]]]:
        """Split → folder and pictures; the usual folders where an entry leads nowhere."""
        root, found = file.parent, {}
        for split, usual in SPLITS.values():
            names = self.entries.get(split, [])
            place = next((p for p in (_resolve(root, name) for name in names) if p is not None), None)
            if place is None:
                spots = (f"{usual}/images", f"{split}/images", f"images/{split}", usual, split)
                place = next((root / spot for spot in spots if (root / spot).is_dir()), None)
            if place is None:
                if names:
                    problems.note(split, f"there is no folder {names[0]!r} in {root}")
                continue
            places = [p for p in (_resolve(root, name) for name in names) if p is not None] or [place]
            pictures = [picture for one in places for picture in _pictures_at(one, root, problems)]
            found[split] = (place if place.is_dir() else place.parent, pictures)
        return found


def _resolve(root: Path, name: str) -> Path | None:
    """The folder or list that ``name`` means inside ``root``.

    Exports are moved about, so that leading folders of the name may not exist here any more; they are left off one by
    one. What leads upwards or starts at the root of the file system is never followed.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        try:
            place = root / inside("/".join(parts[start:]))
            if place.is_dir() or (place.suffix == ".txt" and is_file(place)):
                return place
        except (EntryError, OSError, ValueError):
            continue
    return None


def _pictures_at(place: Path, root: Path, problems: Problems) -> list[Path]:
    """Pictures in a folder, or those that a text file lists."""
    if place.is_dir():
        return pictures_in(place)
    pictures = []
    for number, line in enumerate(load_text(place).splitlines(), 1):
        if line.strip():
            with problems.skipping(f"{place.name} line {number}"):
                picture = root / inside(line.strip().removeprefix("./"))
                if not is_file(picture):
                    raise EntryError(f"there is no picture {line.strip()}")
                pictures.append(picture)
    return pictures


def _skeleton(data: dict[str, Any], count: int, name: str) -> Skeleton:
    names = data.get("kpt_names")
    if isinstance(names, dict):  # Ultralytics: class id → names; all classes share the shape.
        names = next(iter(names.values()), None)
    pairs = _flip_pairs(data["flip_idx"], count) if data.get("flip_idx") else None
    if names is None:
        return unnamed_skeleton(name, count, pairs)
    given = texts(names, "kpt_names")
    if len(given) != count:
        raise EntryError(f"kpt_names must have {count} names, not {len(given)}")
    by_name = mirror_pairs(given)
    if pairs is not None:
        pairs = tuple((b, a) if (b, a) in by_name else (a, b) for a, b in pairs)
    return skeleton_of(name, given, (), pairs)


def _flip_pairs(flip: Any, count: int) -> tuple[Edge, ...]:
    """Pairs that swap; ``flip_idx`` does not say which is left, so the first is taken to be."""
    order = [an_id(index, "flip_idx") for index in a_list(flip, "flip_idx")]
    if sorted(order) != list(range(count)) or any(order[order[index]] != index for index in range(count)):
        raise EntryError(f"flip_idx must list every keypoint from 0 to {count - 1} once and swap them in pairs")
    return tuple((index, twin) for index, twin in enumerate(order) if index < twin)


def _classes(data: dict[str, Any]) -> dict[int, str]:
    names = data.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if names is None:
        names = {0: "person"}
    return {
        an_id(number, "a class id"): a_text(name, "a class name") for number, name in a_dict(names, "names").items()
    }


def _label_file(picture: Path) -> Path:
    """Where the labels of a picture are: the last folder ``images`` of its path is ``labels`` there."""
    parts = list(picture.parts[:-1])
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        parts[last] = "labels"
    return Path(*parts, picture.stem + ".txt")


def _note_orphans(folder: Path, labels: Sequence[Path], problems: Problems) -> None:
    """Report label files whose picture is missing."""
    place = _label_file(folder / "any").parent
    if "images" not in folder.parts or not place.is_dir():
        return
    known = set(labels)
    for path in sorted(place.rglob("*.txt")):
        if path not in known:
            problems.note(path.name, "there is no picture for these labels")


def _read_labels(path: Path, layout: _Layout, size: tuple[int, int], problems: Problems) -> list[Person]:
    if not is_file(path):
        return []
    people = []
    try:
        lines = load_text(path).splitlines()
    except DataError as error:
        raise EntryError(str(error)) from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            with problems.skipping(f"{path.name} line {number}"):
                people.append(_read_line(line, layout, size))
    return people


def _read_line(line: str, layout: _Layout, size: tuple[int, int]) -> Person:
    count, dimensions = len(layout.skeleton), layout.dimensions
    words = line.split()
    if len(words) != 5 + count * dimensions:
        raise EntryError(f"there should be {5 + count * dimensions} numbers, not {len(words)}")
    values = [_parsed(word) for word in words]
    category = layout.classes.get(int(values[0])) if values[0] == int(values[0]) else None
    if category is None:
        raise EntryError(f"class {words[0]} is not among the names ({', '.join(layout.classes.values())})")
    keypoints = np.array(values[5:]).reshape(count, dimensions)
    positions = np.concatenate([values[1:5], keypoints[:, :2].ravel()])
    if (positions < -_MARGIN).any() or (positions > 1 + _MARGIN).any():
        raise EntryError("positions must be parts of the picture's size, from 0 to 1; these look like pixels")
    centre, extent = positions[:2] * size, positions[2:4] * size
    if (extent <= 0).any():
        raise EntryError("the box must be wider and higher than 0")
    if dimensions == 3:
        labels = labels_from_flags(keypoints[:, 2])
    else:
        given = (keypoints > 0).any(1) & (keypoints >= 0).all(1)
        labels = np.where(given, Label.VISIBLE, Label.UNLABELLED).astype(np.uint8)
    (x0, y0), (x1, y1) = (centre - extent / 2).tolist(), (centre + extent / 2).tolist()
    return make_person(keypoints[:, :2] * size, labels, (x0, y0, x1, y1), category=category)


def _parsed(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise EntryError(f"{shown(word)} is not a number") from None
    if not math.isfinite(value):
        raise EntryError(f"{word} is not a finite number")
    return value


# --- writing ---------------------------------------------------------------------------------------------------------


def write_yolo(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as a YOLO-pose folder with ``train``, ``valid`` and ``test``; pictures without a split go to train.

    YOLO has no crowds (they are left out), no ignore regions, no areas and no absent keypoints (they become
    unlabelled).

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
    classes = _class_names(person for image in dataset for person in image.people)
    for image in dataset:
        place = root / _folder_of(image)
        target = carrier.bring(image.path, place / "images")
        lines = [_line(person, image.size, classes) for person in image.people if not person.crowd]
        (place / "labels").mkdir(exist_ok=True)
        (place / "labels" / f"{target.stem}.txt").write_text("".join(lines), "utf-8")
        advance()
    used = {_folder_of(image) for image in dataset}
    skeleton = dataset.skeleton
    content = {
        **{key: f"{usual}/images" for key, (_, usual) in SPLITS.items() if usual in used},
        "kpt_shape": [len(skeleton), 3],
        "flip_idx": [int(index) for index in skeleton.flip_permutation],
        "nc": len(classes),
        "names": {number: name for name, number in classes.items()},
        "kpt_names": {number: list(skeleton.keypoints) for number in classes.values()},
    }
    (root / "data.yaml").write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True), "utf-8")
    return root


class _Dumper(yaml.SafeDumper):
    """Writes lists that occur twice in full, as :class:`_PlainLoader` reads them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _class_names(people: Iterable[Person]) -> dict[str, int]:
    names = {person.category for person in people} or {"person"}
    return {name: number for number, name in enumerate(sorted(names, key=lambda n: (n != "person", n)))}


def _folder_of(image: AnnotatedImage) -> str:
    return next((usual for split, usual in SPLITS.values() if split == image.split), "train")


def _line(person: Person, size: tuple[int, int], classes: dict[str, int]) -> str:
    x0, y0, x1, y1 = person.box
    box = [(x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1], (x1 - x0) / size[0], (y1 - y0) / size[1]]
    joints = [
        f"{x / size[0]:.7f} {y / size[1]:.7f} {label}" if known else "0 0 0"
        for (x, y), label, known in zip(person.keypoints, person.labels, person.labelled, strict=True)
    ]
    return " ".join([str(classes[person.category]), *(f"{value:.7f}" for value in box), *joints]) + "\n"
