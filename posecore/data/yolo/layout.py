"""What ``data.yaml`` says of a YOLO set, and which pictures its splits hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.data.checks import EntryError, Problems, a_list, an_id, an_id_of, load_text, shown, texts
from posecore.data.folders import is_picture_name
from posecore.data.naming import mirror_pairs, skeleton_of, unnamed_skeleton
from posecore.data.pictures import pictures_in
from posecore.data.resolving import PathResolver
from posecore.errors import SkeletonError
from posecore.skeleton import Edge, Skeleton
from posecore.words import counted

#: The names data.yaml has for its parts, the split each is, and the folder of each that is usual.
SPLITS = {"train": ("train", "train"), "val": ("val", "valid"), "test": ("test", "test")}
#: Most keypoints that are believed.
MAX_KEYPOINTS = 1000
#: Fields with the names of the keypoints; the first that says something counts.
_NAME_FIELDS = ("kpt_names", "keypoint_names", "kpt_labels", "keypoints")
#: Other names of parts.
_ALIASES = {"val": ("val", "valid", "validation")}


@dataclass(frozen=True)
class Layout:
    """What ``data.yaml`` says.

    Attributes:
        skeleton: Meaning of the keypoints.
        dimensions: Numbers per keypoint: 2 or 3.
        classes: Class id → name; empty when it names none.
        entries: Split → folders or lists of pictures, as written.
        path: Folder that they are relative to, as written.
    """

    skeleton: Skeleton
    dimensions: int
    classes: Mapping[int, str]
    entries: Mapping[str, list[str]]
    path: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any], name: str, problems: Problems) -> Layout:
        """Understand the fields; one that only adorns the keypoints is noted and passed over when it is wrong.

        Raises:
            EntryError: When the number of keypoints is not to be understood.
        """
        count, dimensions = _shape(data.get("kpt_shape"))
        entries: dict[str, list[str]] = {}
        for key, (split, _) in SPLITS.items():
            value = next((data[alias] for alias in _ALIASES.get(key, (key,)) if data.get(alias)), None)
            if value is not None:
                entries[split] = list(texts(value if isinstance(value, list) else [value], key))
        path = data.get("path")
        skeleton = _skeleton(data, count, name, problems)
        return cls(skeleton, dimensions, _classes(data), entries, path if isinstance(path, str) and path else None)


def _shape(value: Any) -> tuple[int, int]:
    """Number of keypoints and of numbers each; a single number is that of keypoints, and lines tell the other."""
    if isinstance(value, str):
        value = re.findall(r"\d{1,9}", value)
    elif isinstance(value, dict):
        value = list(value.values())
    elif isinstance(value, int):
        value = [value]
    shape = [an_id_of(number, "kpt_shape") for number in a_list(value, "kpt_shape")]
    if len(shape) == 1:
        shape.append(3)
    count, dimensions = shape if len(shape) == 2 else (0, 0)
    if not isinstance(count, int) or not 1 <= count <= MAX_KEYPOINTS or dimensions not in (2, 3):
        raise EntryError(f"kpt_shape must be [number of keypoints, 2 or 3], not {shown(value)}")
    return count, int(dimensions)


def _skeleton(data: Mapping[str, Any], count: int, name: str, problems: Problems) -> Skeleton:
    pairs: tuple[Edge, ...] | None = None
    if data.get("flip_idx"):
        with _remarking(problems, "flip_idx"):
            pairs = _flip_pairs(data["flip_idx"], count)
    names = _keypoint_names(data)
    told = isinstance(names, list) and mirror_pairs([str(one) for one in names])
    if pairs == () and count > 1 and (told or "roboflow" in data):
        problems.remark("flip_idx: it swaps nothing, as programs write that do not know; mirror images go by names")
        pairs = None
    if names:
        with _remarking(problems, "kpt_names"):
            return _named(name, [str(one) if _is_number(one) else one for one in a_list(names, "it")], count, pairs)
    return unnamed_skeleton(name, count, pairs, problems.remark)


def _keypoint_names(data: Mapping[str, Any]) -> Any:
    """What stands for the names of the keypoints: a list; one text and fields by class or by keypoint become one."""
    names = next((data[field] for field in _NAME_FIELDS if data.get(field)), None)
    if isinstance(names, dict):  # Ultralytics: class id → names; all classes share the shape.
        inner = next(iter(names.values()))
        names = inner if isinstance(inner, (list, dict)) else list(names.values())
    return [part.strip() for part in names.split(",")] if isinstance(names, str) else names


@contextmanager
def _remarking(problems: Problems, field: str) -> Iterator[None]:
    """Remark on a field that is wrong and that the keypoints do without."""
    try:
        yield
    except EntryError as error:
        problems.remark(f"{field}: {error}")


def _named(name: str, names: list[Any], count: int, pairs: tuple[Edge, ...] | None) -> Skeleton:
    given = texts(names, "a name")
    if len(given) != count:
        raise EntryError(f"there should be {counted(count, 'name')}, not {len(given)}; keypoints are numbered instead")
    by_name = mirror_pairs(given)
    if pairs is not None:
        pairs = tuple((b, a) if (b, a) in by_name else (a, b) for a, b in pairs)
    try:
        return skeleton_of(name, given, (), pairs)
    except SkeletonError as error:
        raise EntryError(f"{str(error).rstrip('.')}; keypoints are numbered instead") from error


def _flip_pairs(flip: Any, count: int) -> tuple[Edge, ...]:
    """Pairs that swap; ``flip_idx`` does not say which is left, so the first is taken to be."""
    entries = a_list(re.findall(r"\d{1,9}", flip) if isinstance(flip, str) and "," in flip else flip, "it")
    order = list(range(count))
    if entries and all(isinstance(entry, list) for entry in entries):
        swaps = [[an_id(end, "an index") for end in entry] for entry in entries]
        if any(len(swap) != 2 or max(swap) >= count for swap in swaps):
            raise EntryError(f"a pair must be two keypoints from 0 to {count - 1}; mirror images go by names instead")
        for a, b in swaps:
            order[a], order[b] = b, a
    else:
        order = [an_id(an_id_of(index, "an index"), "an index") for index in entries]
    if sorted(order) != list(range(count)) or any(order[order[index]] != index for index in range(count)):
        raise EntryError(
            f"it must list every keypoint from 0 to {count - 1} once and swap them in pairs; mirror images go by names "
            "instead"
        )
    return tuple((index, twin) for index, twin in enumerate(order) if index < twin)


def _classes(data: Mapping[str, Any]) -> dict[int, str]:
    """Class id → name; what names the classes may be a list, fields by id, or one text."""
    names = data.get("names")
    if isinstance(names, str):
        names = [part.strip() for part in names.split(",")]
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        count = data.get("nc")
        names = dict.fromkeys(range(count)) if type(count) is int and 0 < count <= MAX_KEYPOINTS else {}
        return {number: "person" if len(names) == 1 else f"class {number}" for number in names}
    if all(type(number) is int for number in names.values()) and not any(_is_id(key) for key in names):
        names = {number: name for name, number in names.items()}
    return {int(key): _word(name, int(key)) for key, name in names.items() if _is_id(key)}


def _is_id(key: Any) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", str(key)) is not None and not isinstance(key, float)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _word(name: Any, number: int) -> str:
    """A name as text; YAML reads some as numbers, dates or truth."""
    text = "" if name is None or isinstance(name, (dict, list)) else shown(name) if _is_number(name) else str(name)
    return " ".join(text.split())[:200] or f"class {number}"


# --- pictures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Pictures of one split.

    Attributes:
        split: ``train``, ``val``, ``test`` or None.
        place: Where they are, for people.
        pictures: The files.
    """

    split: str | None
    place: str
    pictures: list[Path]


def bases_of(file: Path, path: str | None, root: Path) -> list[Path]:
    """Folders in the set that entries of ``file`` may be relative to, the one that ``path`` means first."""
    bases = [file.parent]
    if path is not None:
        place = Path(os.path.normpath(file.parent / path.replace("\\", "/")))
        named = place if _is_folder(place, root) else PathResolver(root, [file.parent]).folder(path)
        bases = [*([named] if named else []), file.parent]
    return list(dict.fromkeys(base for base in bases if base.is_relative_to(root))) or [root]


def _is_folder(place: Path, root: Path) -> bool:
    try:
        return place.is_relative_to(root) and place.is_dir()
    except (OSError, ValueError):
        return False


def parts_of(layout: Layout, resolver: PathResolver, problems: Problems) -> list[Part]:
    """The splits of a set with their pictures, each picture in one; usual folders where an entry leads nowhere."""
    parts: list[tuple[int, Part]] = []
    for split, usual in SPLITS.values():
        names = layout.entries.get(split, [])
        found = [place for name in names if (place := _entry(name, resolver, split, problems)) is not None]
        if not found and (folder := _usual_folder(split, usual, resolver)):
            found = [(folder, pictures_in(folder))]
        if not found:
            if names:
                problems.note(split, f"there is no folder {shown(names[0])} in {resolver.root}")
            continue
        pictures = list(dict.fromkeys(picture for _, some in found for picture in some))
        depth = max(len(place.parts) if place.is_dir() else 1_000_000 for place, _ in found)
        parts.append((depth, Part(split, str(found[0][0].name), pictures)))
    if not parts and not layout.entries:
        folder = resolver.folder("images", whole=True) or resolver.root
        return [Part(None, folder.name, pictures_in(folder))]
    return _each_once(parts, problems)


def _entry(name: str, resolver: PathResolver, split: str, problems: Problems) -> tuple[Path, list[Path]] | None:
    """Place and pictures of one entry: a folder, a list in a text file, or a single picture."""
    if folder := resolver.folder(name):
        return folder, pictures_in(folder)
    if listing := resolver.listing(name):
        return listing, _listed(listing, resolver, problems)
    if is_picture_name(name) and isinstance(picture := resolver.resolve_all([[name]])[0], Path):
        return picture, [picture]
    return None


def _usual_folder(split: str, usual: str, resolver: PathResolver) -> Path | None:
    spots = (f"{usual}/images", f"{split}/images", f"images/{split}", f"images/{usual}", usual, split)
    return next((folder for spot in spots if (folder := resolver.folder(spot, whole=True))), None)


def _listed(listing: Path, resolver: PathResolver, problems: Problems) -> list[Path]:
    """The pictures that a text file lists."""
    numbered = enumerate(map(str.strip, load_text(listing).split("\n")), 1)
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    pictures = []
    for (number, _), found in zip(lines, resolver.resolve_all([[line] for _, line in lines]), strict=True):
        if isinstance(found, Path):
            pictures.append(found)
        else:
            problems.note(f"{listing.name} line {number}", str(found))
    return pictures


def _each_once(parts: Iterable[tuple[int, Part]], problems: Problems) -> list[Part]:
    """The parts without pictures of another part: a list or the folder further inside says more."""
    owners: dict[Path, str | None] = {}
    chosen: list[Part] = []
    for _, part in sorted(parts, key=lambda entry: -entry[0]):
        twice = [picture for picture in part.pictures if picture in owners]
        mine = [picture for picture in part.pictures if picture not in owners]
        owners.update(dict.fromkeys(mine, part.split))
        if twice:
            other = owners[twice[0]]
            problems.note(str(part.split), f"{counted(len(twice), 'picture')} of {other} too; counted there")
        chosen.append(Part(part.split, part.place, mine))
    order = [split for split, _ in SPLITS.values()]
    return sorted(chosen, key=lambda part: order.index(part.split or "train"))
