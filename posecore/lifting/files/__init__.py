"""People in the room as files for other programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from posecore.errors import DataError, SettingsError, StorageError
from posecore.extras import require
from posecore.lifting.files.bvh import write_bvh
from posecore.lifting.files.c3d import write_c3d
from posecore.lifting.files.mot import write_mot
from posecore.lifting.files.tables import position_table, room_json
from posecore.lifting.files.trc import write_trc
from posecore.lifting.room_poses import RoomPoses
from posecore.results import safe_table
from posecore.storage import replacing, writing
from posecore.words import meant

#: Formats with one file for everybody.
TOGETHER = ("csv", "json")
#: Formats with a file for each person.
EACH = ("bvh", "trc", "mot", "c3d")
FORMATS = (*TOGETHER, *EACH)


def room_endings(formats: Collection[str]) -> list[str]:
    """What :func:`save_room` puts after the stem; ``*`` stands for a person's number.

    Raises:
        SettingsError: For an unknown format.
        MissingExtraError: For a format whose library is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise SettingsError(f"There is no format {name!r} for people in space; {meant(name, FORMATS)}")
    if "c3d" in formats:
        require("c3d")
    return [f".3d.{name}" if name in TOGETHER else f".person*.{name}" for name in FORMATS if name in formats]


def save_room(people: Sequence[RoomPoses], stem: Path, formats: Collection[str]) -> tuple[list[Path], list[str]]:
    """Write people next to each other.

    Args:
        people: The people; their frame numbers and seconds stand in the files.
        stem: Path without ending: ``clips/out`` gives ``clips/out.3d.csv``, ``clips/out.person1.bvh`` and so on.
        formats: Of ``FORMATS``.

    Returns:
        The files written, and a sentence for each that could not be, because a format cannot hold a person.

    Raises:
        SettingsError: For an unknown format.
        StorageError: When they cannot be written.
    """
    room_endings(formats)
    written: list[Path] = []
    refused: list[str] = []
    for name in (one for one in TOGETHER if one in formats):
        path = stem.with_name(f"{stem.name}.3d.{name}")
        with writing(path, StorageError), replacing(path) as part:
            _write_together(people, name, part)
        written.append(path)
    for name in (one for one in EACH if one in formats):
        for person in people:
            path = stem.with_name(f"{stem.name}.person{person.track_id or 0}.{name}")
            try:
                with writing(path, StorageError), replacing(path) as part:
                    write_person(person, name, part, path.name)
                written.append(path)
            except DataError as error:
                refused.append(f"{path.name} was not written: {error}")
    return written, refused


def _write_together(people: Sequence[RoomPoses], name: str, path: Path) -> None:
    if name == "json":
        _write(room_json(people), path)
        return
    tables = [position_table(person) for person in people]
    empty = pd.DataFrame(columns=["frame", "time", "track_id", "keypoint", "x", "y", "z", "score"])
    safe_table(pd.concat(tables) if tables else empty).to_csv(path, index=False)


def write_person(person: RoomPoses, name: str, path: Path, title: str) -> None:
    """Write one person.

    Args:
        person: The person.
        name: The format, of ``EACH``.
        path: Where to.
        title: Name of the file, for formats that say it within.

    Raises:
        DataError: When the format cannot hold the person.
        MissingExtraError: When the format's library is not installed.
    """
    if name == "c3d":
        write_c3d(person, path)
        return
    pieces: dict[str, Callable[[], Iterator[str]]] = {
        "bvh": lambda: write_bvh(person),
        "trc": lambda: write_trc(person, title),
        "mot": lambda: write_mot(person, title),
    }
    _write(pieces[name](), path)


def _write(pieces: Iterable[str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
