"""Walking folders that nobody has vouched for, and what the names of folders and files say about a set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posecore.errors import DataError
from posecore.picture_files import IMAGE_SUFFIXES

#: More files than any set has; whoever names the folder of a whole disk is told so.
MAX_FILES = 1_000_000
#: Folders inside folders that are looked into.
_DEPTH = 24
#: Words in the names of folders that hold labels and have their pictures beside them.
_LABEL_WORDS = {
    "annotations",
    "annotation",
    "labels",
    "label",
    "anno",
    "annos",
    "anns",
    "ann",
    "json",
    "jsons",
    "cfg",
    "config",
}
_PICTURE_FOLDER = "images"
_SPLIT_WORDS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """Turn failures of the system to read ``place`` into ``DataError`` sentences."""
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{error.filename or place} may not be read; change its permissions.") from error
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror or error}.") from error


def check_place(place: Path) -> None:
    """Raise ``DataError`` unless ``place`` is a folder or an ordinary file: pipes and devices may never end."""
    with reading(place):
        if not place.exists():
            raise DataError(f"{place} does not exist.")
        if not place.is_dir() and not place.is_file():
            raise DataError(f"{place} is neither a folder nor an ordinary file; name one of these.")


def inner_folder(folder: Path) -> Path:
    """Step into folders that hold nothing but another folder, as zips often do."""
    for _ in range(8):
        with reading(folder):
            entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir():
            break
        folder = entries[0]
    return folder


def files_in(folder: Path) -> list[Path]:
    """All ordinary files in a folder and the folders below, sorted; hidden ones and linked folders are passed over.

    Raises:
        DataError: When the folder cannot be read or holds more files than a set can have.
    """
    if folder.absolute() == Path(folder.absolute().anchor):
        raise DataError(f"{folder} is a whole disk; name the folder of one set.")
    with reading(folder):
        waiting = [(folder, 0)] if next(folder.iterdir(), None) is not None else []
    found: list[Path] = []
    while waiting:
        place, depth = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith((".", "__MACOSX")):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting += [(Path(entry.path), depth + 1)] if depth < _DEPTH else []
                    elif entry.is_file():
                        found.append(Path(entry.path))
        except OSError:
            continue
        if len(found) + len(waiting) > MAX_FILES:
            raise DataError(f"{folder} holds more than {MAX_FILES:,} files; name the folder of one set.")
    return sorted(found)


def ending_of(name: str) -> str:
    """The ending of a file's name in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - called for every file of a set, where Path takes long


def is_picture_name(name: str) -> bool:
    """True for names with the ending of a picture."""
    return ending_of(name) in IMAGE_SUFFIXES


def set_root(labels: Path) -> Path:
    """The folder of the set that a file of labels belongs to: its own, or the one above.

    It is the one above where the file's own is called as folders of labels are, or holds no pictures and either its
    name has such a word or a folder ``images`` is beside it.
    """
    folder = labels.absolute().parent
    above = folder.parent
    if above == Path(above.anchor) or above == Path.home():
        return folder
    if folder.name.lower() in _LABEL_WORDS:
        return above
    if above.name.lower() in _LABEL_WORDS and above.parent != Path(above.anchor) and not _has_pictures(folder):
        return above.parent
    with reading(above):
        beside = any(entry.name.lower() == _PICTURE_FOLDER for entry in above.iterdir())
    outside = beside or _words(folder.name) & _LABEL_WORDS
    return above if outside and not _has_pictures(folder) else folder


def _has_pictures(folder: Path) -> bool:
    return any(is_picture_name(path.name) for path in files_in(folder))


def split_of(name: str) -> str | None:
    """The split (``train``, ``val`` or ``test``) that the name of a file or folder says, or None.

    ``person_keypoints_train2017`` is ``train``; a name with words of two splits says none.
    """
    words = _words(name)
    found = [split for split, spellings in _SPLIT_WORDS.items() if words & set(spellings)]
    return found[0] if len(found) == 1 else None


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))
