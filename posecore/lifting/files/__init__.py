"""People in the room as files for other programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

from posecore.errors import DataError, SettingsError, StorageError
from posecore.extras import require
from posecore.lifting.files.bvh import write_bvh
from posecore.lifting.files.c3d import write_c3d
from posecore.lifting.files.glb import can_move, write_glb
from posecore.lifting.files.mot import write_mot
from posecore.lifting.files.tables import position_table, room_json
from posecore.lifting.files.trc import write_trc
from posecore.lifting.measures import room_table
from posecore.lifting.room_poses import RoomPoses
from posecore.results import safe_table
from posecore.storage import replacing, writing
from posecore.video.measures import Measure
from posecore.words import meant

#: Formats with one file for everybody.
TOGETHER = ("csv", "json", "glb")
#: Formats with a file for each person.
EACH = ("bvh", "trc", "mot", "c3d")
FORMATS = (*TOGETHER, *EACH)


def room_endings(formats: Collection[str], measures: bool) -> list[str]:
    """What :func:`save_room` puts after the stem; ``*`` stands for a person's number.

    Raises:
        SettingsError: For an unknown format.
        MissingExtraError: For a format whose library is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise SettingsError(f"There is no format {name!r} for people in the room; {meant(name, FORMATS)}")
    if "c3d" in formats:
        require("c3d")
    together = [f".3d.{name}" for name in TOGETHER if name in formats]
    measured = [".3d.measures.csv"] * (measures and "csv" in formats)
    return [*together, *measured, *(f".person*.{name}" for name in EACH if name in formats)]


def save_room(
    people: Sequence[RoomPoses], stem: Path, formats: Collection[str], measures: Sequence[Measure] = ()
) -> tuple[list[Path], list[str]]:
    """Write people next to each other.

    Args:
        people: The people; their frame numbers and seconds stand in the files.
        stem: Path without ending: ``clips/out`` gives ``clips/out.3d.csv``, ``clips/out.person1.bvh`` and so on.
        formats: Of ``FORMATS``.
        measures: What to measure; it goes into ``clips/out.3d.measures.csv``, with the format ``csv``.

    Returns:
        The files written, and a sentence for each that could not be, or is without somebody, because a format cannot
        hold a person.

    Raises:
        SettingsError: For an unknown format.
        StorageError: When they cannot be written.
    """
    together: dict[str, Callable[[Path], object]] = {
        ".3d.csv": lambda path: safe_table(position_table(people)).to_csv(path, index=False),
        ".3d.json": lambda path: _write(room_json(people), path),
        ".3d.glb": lambda path: path.write_bytes(write_glb(people)),
        ".3d.measures.csv": lambda path: safe_table(room_table(people, measures)).to_csv(path, index=False),
    }
    written: list[Path] = []
    refused: list[str] = []
    files: list[tuple[Path, Callable[[Path], object]]] = [
        (stem.with_name(stem.name + ending), together[ending])
        for ending in room_endings(formats, bool(measures))
        if ending in together
    ]
    for person, name in ((person, name) for name in EACH if name in formats for person in people):
        path = stem.with_name(f"{stem.name}.{person.label}.{name}")
        files.append((path, partial(_write_one, person, name, path.name)))
    for path, write in files:
        try:
            with writing(path, StorageError), replacing(path) as part:
                write(part)
            written.append(path)
        except DataError as error:
            refused.append(f"{path.name} was not written: {error}")
    if (everybody := stem.with_name(f"{stem.name}.3d.glb")) in written:
        lost = [person.label for person in people if not can_move(person)]
        refused += [f"{everybody.name} is without {label}, whose hips are nowhere known." for label in lost]
    return written, refused


def _write_one(person: RoomPoses, name: str, title: str, path: Path) -> None:
    # All but MOT say a rate, and cameras and phones do not always keep one.
    writers: dict[str, Callable[[], None]] = {
        "bvh": lambda: _write(write_bvh(person.evenly()), path),
        "trc": lambda: _write(write_trc(person.evenly(), title), path),
        "mot": lambda: _write(write_mot(person, title), path),
        "c3d": lambda: write_c3d(person.evenly(), path),
    }
    writers[name]()


def _write(pieces: Iterable[str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
