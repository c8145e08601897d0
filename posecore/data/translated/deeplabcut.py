"""DeepLabCut's tables of labels: a row for each picture, columns for the body parts of one animal or of several."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from posecore.data.annotations import PoseDataset
from posecore.data.checks import MAX_COORDINATE, beginning_of, load_text, number_of, shown
from posecore.data.folders import ending_of
from posecore.data.translated.translation import Keypoint, Translation
from posecore.errors import DataError

_HEADS = ("scorer", "individuals", "bodyparts", "coords")
#: Bytes of a file that are looked at to see what it is.
_LOOK = 200_000
#: What body parts are called that belong to none of the animals.
_SINGLE = "single"
_ANIMAL = "individual"
#: Where DeepLabCut keeps copies of its tables, put together for training.
_COPIES = "training-datasets"


def is_deeplabcut(path: Path) -> bool:
    """Whether a file is a table of DeepLabCut, by its beginning."""
    if ending_of(path.name) != ".csv":
        return False
    beginning = beginning_of(path, _LOOK)
    return beginning.startswith(b"scorer,") and b"\nbodyparts," in beginning and b"\ncoords," in beginning


def read_deeplabcut(path: Path, images: str | Path | None = None, *, pictures: bool = True) -> PoseDataset:
    """Read a table of labels (``CollectedData_….csv``), or all those of a folder and below.

    Body parts without a position are unlabelled. A picture of which nothing is labelled waits for labels: it may be one
    that nobody has come to yet.

    Args:
        path: File or folder.
        images: Folder of the pictures; looked for in the set when None.
        pictures: Leave out (and report) pictures whose file is missing. False looks for no file.

    Raises:
        DataError: When no table can be read, or it says what a network found.
    """
    told = Translation(path)
    told.read(_tables(told), _read_table, "the table")
    return told.dataset(images, pictures=pictures)


def _tables(told: Translation) -> Iterator[Path]:
    """Tables in a folder and below, without the copies that a project has of them."""
    tables = [*told.files(is_deeplabcut)]
    own = [one for one in tables if _COPIES not in one.relative_to(told.place).parts] or tables
    for _ in range(len(tables) - len(own)):
        told.problems.remark(f"a table in {_COPIES}, where DeepLabCut keeps copies; passed over")
    yield from own


@dataclass(frozen=True)
class _Column:
    """What a column is about."""

    animal: str
    part: str
    axis: str


def _read_table(told: Translation, file: Path) -> None:
    try:
        rows = list(csv.reader(load_text(file).splitlines()))
    except csv.Error as error:
        raise DataError(f"{file} is no table of comma-separated values: {error}.") from error
    heads = {row[0]: row for row in rows[: len(_HEADS)] if row and row[0] in _HEADS}
    if not {"bodyparts", "coords"} <= heads.keys():
        raise DataError(f"{file} has no rows “bodyparts” and “coords” at its top, as DeepLabCut's labels have.")
    # The picture's name may take three columns: labeled-data, folder, file.
    first = next((at for at, name in enumerate(heads["scorer"]) if at and name), len(heads["scorer"]))
    columns = [
        _Column(animal, part, axis)
        for animal, part, axis in zip(
            heads.get("individuals", [""] * len(heads["coords"]))[first:],
            heads["bodyparts"][first:],
            heads["coords"][first:],
            strict=False,
        )
    ]
    if strange := {column.axis for column in columns} - {"x", "y"}:
        what = ", ".join(sorted(strange))
        raise DataError(f"{file} has columns {what}: it says what a network found; give labels (CollectedData….csv).")
    for column in columns:
        told.name_keypoints(_kind(column.animal), [column.part])
    for number, row in enumerate(rows[len(heads) :], len(heads) + 1):
        if any(row):
            _read_row(told, file, number, row, first, columns)


def _read_row(told: Translation, file: Path, number: int, row: list[str], first: int, columns: list[_Column]) -> None:
    places: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for column, text in zip(columns, row[first:], strict=False):
        value = number_of(text)
        if value is not None and abs(value) <= MAX_COORDINATE:
            places[column.animal, column.part][column.axis] = value
        elif text.strip() and text.strip().lower() != "nan":
            told.left_out(file, f"row {number}", f"{column.part}: {column.axis} must be a number, not {shown(text)}")
    name = "/".join(filter(None, row[:first]))
    if told.has_labels(file, name):
        told.problems.remark("a picture that another row has labels of; the first are taken")
        return
    animals: dict[str, dict[str, Keypoint]] = defaultdict(dict)
    for (animal, part), axes in places.items():
        if len(axes) == 2:
            animals[animal][part] = axes["x"], axes["y"], 2
    picture = told.picture(file, name, labelled=bool(animals))
    for animal, keypoints in animals.items():
        told.person(picture, animal or _ANIMAL, _kind(animal), keypoints)


def _kind(animal: str) -> str:
    return _SINGLE if animal == _SINGLE else _ANIMAL
