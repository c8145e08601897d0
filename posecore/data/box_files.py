"""Boxes around people that some other program or person made, and which pictures they are of.

Read are COCO's annotations (``images``, ``annotations``, perhaps ``categories``), COCO's detection results (a list of
``{"image_id", "category_id", "bbox": [x, y, w, h], "score"}``, https://cocodataset.org/#format-results), and tables
(CSV, Parquet, or a JSON list of rows) with the columns picture, x, y, w, h and perhaps score. Boxes count from edges of
pixels: (0, 0) is the outer corner of the first one.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.boxes import Region, clipped, full_region
from posecore.data.annotations import Problem, Remark
from posecore.data.checks import (
    MAX_COORDINATE,
    EntryError,
    Problems,
    a_dict,
    a_list,
    an_id_of,
    load_json,
    load_text,
    number_of,
    shown,
)
from posecore.data.resolving import folded_parts
from posecore.errors import DataError
from posecore.words import counted

#: What the columns of tables may be called.
_COLUMNS = {
    "picture": ("picture", "file_name", "filename", "image", "path", "image_id"),
    "x": ("x", "x0", "left"),
    "y": ("y", "y0", "top"),
    "w": ("w", "width"),
    "h": ("h", "height"),
    "score": ("score", "confidence"),
}
#: What people's class is called, and its number in COCO.
_PERSON, _PERSON_ID = "person", 1
_TABLES, _PARQUET = (".csv", ".tsv", ".txt"), (".parquet", ".pq")
#: What files of boxes may end in.
BOX_SUFFIXES = (".json", *_TABLES, *_PARQUET)
#: The number at the end of names such as COCO_val2014_000000000042.jpg.
_NUMBER = re.compile(r"(?:^|[_-])(\d{1,18})$")
_HOW = (
    "boxes are COCO annotations, COCO detection results, or rows of picture, x, y, w, h and perhaps score (CSV, "
    "Parquet)"
)

_TOO_SURE = "a score above 1; it counts as 1"
_NO_SCORE = "a score that is no number; the box counts as sure"
_BELOW = "a score below 0; it counts as 0"
_CROWD = "a box around a crowd: left out"
_CLASS = "a box of another class than person: left out"


@dataclass(frozen=True)
class Box:
    """A box around a person.

    Attributes:
        region: (x0, y0, x1, y1) in source pixels, possibly reaching outside the picture.
        score: How sure it is that a person is there, 0 … 1.
    """

    region: Region
    score: float = 1.0


@dataclass(frozen=True)
class PlacedBoxes:
    """Boxes of some pictures.

    Attributes:
        file: Where they come from.
        boxes: Those of each picture that has some.
        problems: Boxes that were left out.
        odd: What was odd, and which boxes are of pictures that were not given.
        bare: Pictures that there are no boxes of.
    """

    file: Path
    boxes: Mapping[Path, Sequence[Box]]
    problems: tuple[Problem, ...] = ()
    odd: tuple[Remark, ...] = ()
    bare: tuple[Path, ...] = ()

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was odd, and what there are no boxes or no pictures of."""
        if not self.bare:
            return self.odd
        example = f"no boxes of a picture, such as {self.bare[0].name}: nobody is there"
        return *self.odd, Remark(example, len(self.bare))

    def inside(self, picture: Path, size: tuple[int, int]) -> tuple[list[Box], int]:
        """The boxes of a picture of ``size`` (width, height), and how many more lie outside it."""
        return boxes_inside(self.boxes.get(picture, ()), size)


@dataclass(frozen=True, eq=False)
class GivenBoxes:
    """The boxes of a file.

    Attributes:
        file: The file.
        boxes: By the picture as the file names it: a name, or a number.
        problems: Entries that were left out.
        remarks: What was odd and read all the same.
    """

    file: Path
    boxes: Mapping[str | int, Sequence[Box]]
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.boxes.values()))

    def placed(self, pictures: Sequence[Path], numbers: Sequence[int] | None = None) -> PlacedBoxes:
        """Which boxes are of which of some pictures.

        A name means the picture whose name it is; of several, the one in the folders that it says too. A number means
        the picture with that number, else the one whose name ends in it, as those of COCO do.

        Args:
            pictures: The pictures.
            numbers: Their ``image_id``, where they have one.

        Raises:
            DataError: When none of the boxes is of any of them.
        """
        index = _Index(pictures, numbers)
        problems = Problems(self.file, list(self.problems))
        placed: defaultdict[Path, list[Box]] = defaultdict(list)
        elsewhere: list[str | int] = []
        for name, boxes in self.boxes.items():
            with problems.skipping(f"picture {name}"):
                picture = index.find(name)
                if picture is None:
                    elsewhere.append(name)
                else:
                    placed[picture] += boxes
        if not placed and len(elsewhere) == len(self.boxes):
            raise DataError(
                f"{self.file}: none of {counted(len(self), 'box', 'boxes')} is of a picture that was given: the file "
                f"speaks of {shown(elsewhere[0])}, the first picture is {pictures[0].name if pictures else 'none'}. "
                "Name pictures in the file as they are called."
            )
        odd = list(self.remarks)
        if elsewhere:
            example = f"boxes of pictures that were not given, such as {shown(elsewhere[0])}: left out"
            odd.append(Remark(example, sum(len(self.boxes[name]) for name in elsewhere)))
        bare = [picture for picture in dict.fromkeys(pictures) if picture not in placed]
        return PlacedBoxes(self.file, dict(placed), tuple(problems.found), tuple(odd), tuple(bare))


class _Index:
    """Pictures by what files may call them."""

    def __init__(self, pictures: Sequence[Path], numbers: Sequence[int] | None) -> None:
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)
        self._by_number: defaultdict[int, list[Path]] = defaultdict(list)
        for picture in dict.fromkeys(pictures):
            self._by_name[folded_parts((picture.name,))[0]].append(picture)
            self._by_name[folded_parts((picture.stem,))[0]].append(picture)
            if numbers is None and (found := _NUMBER.search(picture.stem)):
                self._by_number[int(found[1])].append(picture)
        for number, picture in zip(numbers or (), pictures, strict=False):
            self._by_number[number].append(picture)

    def find(self, name: str | int) -> Path | None:
        """The picture that is meant, or None; raises ``EntryError`` when it could be several."""
        number = an_id_of(name, "the picture")
        numbered = self._by_number.get(number, []) if isinstance(number, int) else []
        named = self._named(str(name))
        candidates = numbered or named if isinstance(name, int) else named or numbered
        if len(candidates) > 1:
            places = " or ".join(map(str, candidates[:2]))
            raise EntryError(f"it could be any of {len(candidates)} pictures, {places}; say which by its folder")
        return candidates[0] if candidates else None

    def _named(self, name: str) -> list[Path]:
        """The pictures that fit a name best."""
        parts = folded_parts(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        candidates = self._by_name.get(parts[-1], []) if parts else []
        shared = [_shared(parts, folded_parts(path.absolute().parts)) for path in candidates]
        return [path for path, same in zip(candidates, shared, strict=True) if same == max(shared)]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths have in common before the file's name."""
    same = 0
    for a, b in zip(reversed(one[:-1]), reversed(other[:-1]), strict=False):
        if a != b:
            break
        same += 1
    return same


def boxes_inside(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[list[Box], int]:
    """Those of the boxes of a picture of ``size`` (width, height) that reach into it, and how many do not."""
    seen = [box for box in boxes if clipped(box.region, full_region(size)) is not None]
    return seen, len(boxes) - len(seen)


def read_boxes(path: Path | str) -> GivenBoxes:
    """The boxes around people in a file.

    Boxes of classes other than *person*, where classes have names, and of crowds are left out. Where they have only
    numbers and there are several, *person* is 1, as in COCO.

    Raises:
        DataError: When the file cannot be read or has no box that can be used.
    """
    path = Path(path)
    problems = Problems(path)
    rows = _rows(path)
    found: defaultdict[str | int, list[Box]] = defaultdict(list)
    for place, (picture, row) in rows.items():
        with problems.skipping(place):
            if "odd" in row:
                a_dict(row["odd"], "a box")
            box = Box(region_of(row["bbox"]), _score(row.get("score"), problems))
            found[_picture(picture)].append(box)
    for what, count in rows.left_out.items():
        problems.odd[what] += count
    if not found:
        reasons = [f"{one.place}: {one.reason}" for one in problems.found] or [str(one) for one in problems.remarks]
        why = f", for example {reasons[0]}" if reasons else ""
        raise DataError(f"{path} has no box that can be used{why}; {_HOW}.")
    _check_pixels(path, found.values())
    return GivenBoxes(path, dict(found), tuple(problems.found), problems.remarks)


class _Rows(dict[str, tuple[Any, Mapping[str, Any]]]):
    """Where in the file → what stands for the picture, and x, y, w, h and score. What is not wanted is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out: Counter[str] = Counter()


def _rows(path: Path) -> _Rows:
    suffix = path.suffix.lower()
    if suffix == ".json":
        data = load_json(path)
        if isinstance(data, dict):
            return _coco_rows(path, data)
        if not isinstance(data, list):
            raise DataError(f"{path} holds no boxes but {shown(data)}; {_HOW}.")
        if any(isinstance(entry, dict) and "bbox" in entry for entry in data):
            return _entries(data, "result", {}, {})
        return _table_rows(path, [entry if isinstance(entry, dict) else {} for entry in data], "row", 1)
    if suffix in _TABLES:
        return _csv_rows(path)
    if suffix in _PARQUET:
        return _parquet_rows(path)
    raise DataError(f"{path} ends in {suffix or 'nothing'}, which is not read; {_HOW}.")


def _coco_rows(path: Path, data: Mapping[str, Any]) -> _Rows:
    try:
        annotations = a_list(data.get("annotations"), "annotations")
        images = a_list(data.get("images", []), "images")
        categories = a_list(data.get("categories", []), "categories")
    except EntryError as error:
        raise DataError(f"{path} cannot be used: {error}; {_HOW}.") from error
    names = {
        _key(image.get("id")): image["file_name"]
        for image in images
        if isinstance(image, dict) and isinstance(image.get("file_name"), str)
    }
    classes = {_key(one.get("id")): str(one.get("name")) for one in categories if isinstance(one, dict)}
    return _entries(annotations, "annotation", names, classes)


def _entries(entries: Sequence[Any], what: str, names: Mapping[str, str], classes: Mapping[str, str]) -> _Rows:
    """Rows from COCO's entries, by the pictures' and classes' names where there are such."""
    people = _people(entries, classes)
    rows = _Rows()
    for number, entry in enumerate(entries, 1):
        place = f"{what} {number}"
        if not isinstance(entry, dict):
            rows[place] = None, {"odd": entry}
            continue
        if people is not None and _key(entry.get("category_id")) not in people:
            rows.left_out[_CLASS] += 1
        elif entry.get("iscrowd") == 1:
            rows.left_out[_CROWD] += 1
        else:
            picture = names.get(_key(entry.get("image_id")), entry.get("file_name", entry.get("image_id")))
            rows[place] = picture, {"bbox": entry.get("bbox"), "score": entry.get("score")}
    return rows


def _people(entries: Sequence[Any], classes: Mapping[str, str]) -> set[str] | None:
    """Numbers of the classes that are people; None when all are."""
    if classes:
        named = {number for number, name in classes.items() if name.strip().lower() == _PERSON}
        return None if len(classes) == 1 else named
    used = {_key(entry.get("category_id")) for entry in entries if isinstance(entry, dict)}
    return None if len(used) < 2 else {str(_PERSON_ID)}


def _key(value: Any) -> str:
    """A number or name by which entries refer to each other, however it is written."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _csv_rows(path: Path) -> _Rows:
    import pandas as pd

    text = load_text(path)
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True)
    except ValueError as error:  # of pandas' parsers
        raise DataError(f"{path} is no table that can be read: {str(error).strip()}; {_HOW}.") from error
    return _table_rows(path, table.to_dict("records"), "line", 2)


def _parquet_rows(path: Path) -> _Rows:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow: pip install pyarrow, or give the rows as CSV.") from error
    except OSError as error:  # pyarrow's own errors are such or ValueErrors
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise DataError(f"{path} is no Parquet file that can be read: {error}.") from error
    return _table_rows(path, table.to_dict("records"), "row", 1)


def _table_rows(path: Path, records: Sequence[Mapping[Any, Any]], what: str, first: int) -> _Rows:
    spelled = {str(name).strip().lower(): name for name in dict.fromkeys(name for one in records for name in one)}
    columns = {
        name: next((spelled[known] for known in readings if known in spelled), None)
        for name, readings in _COLUMNS.items()
    }
    missing = [name for name, column in columns.items() if column is None and name != "score"]
    if missing:
        there = f"has {', '.join(map(str, spelled))}" if spelled else "is empty"
        raise DataError(f"{path} {there}: there is no column {' and no column '.join(missing)}; {_HOW}.")
    rows = _Rows()
    for number, record in enumerate(records, first):
        values = {name: _plain(record.get(column)) for name, column in columns.items() if column is not None}
        rows[f"{what} {number}"] = (
            values["picture"],
            {
                "bbox": [values[side] for side in "xywh"],
                "score": values.get("score"),
            },
        )
    return rows


def _plain(value: Any) -> Any:
    """A cell as Python has it; None for an empty one."""
    plain = value.item() if hasattr(value, "item") else value
    return None if plain == "" or plain is None else plain


def _picture(said: Any) -> str | int:
    """What a file calls a picture: a text as it stands, or a number."""
    named = an_id_of(said, "the picture")
    return said.strip() if isinstance(said, str) else named


def region_of(sides: Any) -> Region:
    """x, y, width and height in pixels, as somebody gave them, as a region; ``EntryError`` when they make none."""
    sides = a_list(sides, "bbox")
    if len(sides) != 4:
        raise EntryError(f"bbox must be x, y, width and height, not {shown(sides)}")
    numbers = [number_of(side) for side in sides]
    for name, said, number in zip(("x", "y", "width", "height"), sides, numbers, strict=True):
        if number is None or abs(number) > MAX_COORDINATE:
            raise EntryError(f"its {name} is {'not given' if said is None else shown(said)}, not a number of pixels")
    x, y, width, height = (number or 0.0 for number in numbers)
    if width <= 0 or height <= 0:
        raise EntryError(f"it is {width:g} pixels wide and {height:g} high; both must be more than 0")
    return x, y, x + width, y + height


def _score(said: Any, problems: Problems) -> float:
    if said is None:
        return 1.0
    score = number_of(said)
    if score is None:
        problems.remark(_NO_SCORE)
        return 1.0
    if score > 1:
        problems.remark(_TOO_SURE)
    elif score < 0:
        problems.remark(_BELOW)
    return min(max(score, 0.0), 1.0)


def _check_pixels(path: Path, boxes: Iterable[Sequence[Box]]) -> None:
    """Refuse boxes that can only be parts of the picture's sides."""
    if all(max(box.region) <= 2 for some in boxes for box in some):
        raise DataError(f"{path} gives boxes as parts of the picture's sides; give x, y, w and h in pixels.")
