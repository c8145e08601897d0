"""Label files of a YOLO set: which belongs to which picture, and what their lines say."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Label, Person
from posecore.data.checks import EntryError, Problems, is_file, load_text, shown
from posecore.data.people import (
    IGNORED,
    NO_POSITION,
    ODD_BOX,
    TWINS,
    fitting_box,
    labels_from_flags,
    make_person,
    without_placeholders,
)
from posecore.data.resolving import folded_parts
from posecore.data.yolo.layout import Layout
from posecore.errors import DataError
from posecore.imaging import Region

#: Positions may lie this many pictures outside the picture; pixels in place of parts are far beyond.
_MARGIN = 1.0
#: Numbers that networks write after the keypoints: a score and a track.
_EXTRAS = (1, 2)
_IMAGES, _LABELS = "images", "labels"
#: Text files beside labels that are none.
_NO_LABELS = ("classes", "readme", "license", "notes")


class LabelFiles:
    """The text files of a set by the pictures whose labels they are.

    The last folder ``images`` of a picture's path is ``labels`` there; names are compared without regard to case, and
    labels beside their picture, or elsewhere when nothing else has their name, are found too.

    Args:
        root: Folder of the set.
        files: All files in it.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._root = root
        self._known: dict[tuple[str, ...], Path] = {}
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in files:
            if path.suffix.lower() == ".txt":
                key = self._key(path)
                self._known.setdefault(key, path)
                self._by_stem[key[-1]].append(path)

    def _key(self, path: Path) -> tuple[str, ...]:
        return folded_parts(path.relative_to(self._root).with_suffix("").parts)

    def of(self, pictures: Sequence[Path]) -> dict[Path, Path | None]:
        """Picture → its label file, or None where there is none."""
        found = {picture: self._usual(picture) for picture in pictures}
        used = {path for path in found.values() if path is not None}
        claims: dict[Path, list[Path]] = defaultdict(list)
        for picture in (picture for picture, path in found.items() if path is None):
            if (path := self._likeliest(picture, used)) is not None:
                claims[path].append(picture)
        return found | {claimants[0]: path for path, claimants in claims.items() if len(claimants) == 1}

    def _likeliest(self, picture: Path, used: set[Path]) -> Path | None:
        """The label file of a picture's name that nobody uses, the one in folders of the same names of several."""
        key = self._key(picture)
        ranks: dict[int, list[Path]] = defaultdict(list)
        for path in self._by_stem.get(key[-1], ()):
            if path not in used:
                ranks[_same_ends(key, self._key(path))].append(path)
        best = ranks[max(ranks)] if ranks else []
        return best[0] if len(best) == 1 else None

    def _usual(self, picture: Path) -> Path | None:
        parts = list(picture.parts[:-1])
        if _IMAGES in parts:
            parts[len(parts) - 1 - parts[::-1].index(_IMAGES)] = _LABELS
        if is_file(path := Path(*parts, f"{picture.stem}.txt")):
            return path
        key = self._key(picture)
        spots = [(*key[:at], _LABELS, *key[at + 1 :]) for at in reversed(range(len(key))) if key[at] == _IMAGES]
        spots += [(*key[:at], _LABELS, *key[at:]) for at in reversed(range(len(key)))]
        whole = (*key[:-1], *folded_parts([picture.name]))  # a.jpg.txt
        spots += [(*spot[:-1], whole[-1]) for spot in spots] + [key, whole]
        return next((self._known[spot] for spot in spots if spot in self._known), None)

    def without_picture(self, used: set[Path]) -> list[Path]:
        """Label files that no picture has: those in the folders of others that some have, or in one called labels."""
        folders = {path.parent for path in used}
        return sorted(
            path
            for path in self._known.values()
            if path not in used
            and path.stem.lower() not in _NO_LABELS
            and (path.parent in folders or _LABELS in self._key(path)[:-1])
        )


def _same_ends(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths share from their end."""
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((count for count, (a, b) in pairs if a != b), min(len(one), len(other)))


def expected_place(picture: Path) -> str:
    """Name of the folder in which the labels of a picture should be."""
    parts = [_LABELS if part.lower() == _IMAGES else part for part in picture.parent.parts[-2:]]
    return "/".join(parts)


# --- lines -----------------------------------------------------------------------------------------------------------


def read_labels(
    path: Path, layout: Layout, size: tuple[int, int], problems: Problems
) -> tuple[list[Person], list[Region]]:
    """People of one file, and regions of those whose line cannot be used, so that they are not taken for background.

    Raises:
        EntryError: When the file cannot be read.
    """
    try:
        lines = load_text(path).splitlines()
    except DataError as error:
        raise EntryError(str(error)) from error
    people, regions = [], []
    seen: set[tuple[str, ...]] = set()
    for number, line in enumerate(lines, 1):
        words = _words(line, layout)
        if words in seen:
            problems.remark(TWINS)
        if not words or words in seen:
            continue
        seen.add(words)
        place = f"{path.name} line {number}"
        try:
            people.append(_Line(words, layout, size).person(problems))
        except EntryError as error:
            problems.note(place, f"{error}; {IGNORED}", ignored=1)
            regions.append(_region(words, size))
    return people, regions


def _words(line: str, layout: Layout) -> tuple[str, ...]:
    """The class and the numbers of a line, whatever is between them; nothing for a comment.

    Commas with blanks between the words are decimal ones.
    """
    text = line.strip()
    if text.startswith("#"):
        return ()
    spaced = next((name for name in layout.classes.values() if " " in name and text.startswith(f"{name} ")), "")
    text = text.removeprefix(spaced)
    words = text.split()
    if len(words) > 4 and not any(word.endswith((",", ";")) for word in words):
        words = [word.replace(",", ".") if "," in word and "." not in word else word for word in words]
    elif "," in text or ";" in text:
        words = [word for word in re.split(r"[,;\s]+", text) if word]
    return (spaced, *words) if spaced else tuple(words)


class _Line:
    """One line, its numbers taken apart; those that are none are NaN."""

    def __init__(self, words: Sequence[str], layout: Layout, size: tuple[int, int]) -> None:
        count = len(layout.skeleton)
        self._size = size
        self._category = _category(words[0], layout)
        dimensions = _dimensions(len(words) - 5, count, layout.dimensions)
        values = np.array([_number(word) for word in words[1 : 5 + count * dimensions]])
        self._box = values[:4]
        self._xy = np.full((count, 2), np.nan)
        self._flags: NDArray[np.float64] | None = None
        if dimensions:
            self._xy = values[4:].reshape(count, dimensions)[:, :2]
            self._flags = values[4:].reshape(count, dimensions)[:, 2] if dimensions == 3 else None

    def person(self, problems: Problems) -> Person:
        """The person; keypoints without a sound position are unlabelled, a bad box comes from the others.

        Raises:
            EntryError: When nothing of them can be used.
        """
        given = _corners(self._box, (1, 1))
        labels = without_placeholders(self._xy, self._labels(problems), given, problems.remark)
        labelled = labels != Label.UNLABELLED
        far = labelled & ((self._xy < -_MARGIN) | (self._xy > 1 + _MARGIN)).any(1)
        if 2 * far.sum() > labelled.sum():
            raise EntryError("positions must be parts of the picture's size, from 0 to 1; these look like pixels")
        for index in np.flatnonzero(far):
            problems.remark(NO_POSITION)
            labels[index] = Label.UNLABELLED
        box = fitting_box(_corners(self._box, self._size), self._xy * self._size, labels, problems.remark)
        if box is None and not (labels != Label.UNLABELLED).any():
            raise EntryError("there is neither a box inside the picture nor a labelled keypoint")
        if _corners(self._box, self._size) is None:
            problems.remark(ODD_BOX)
        return make_person(self._xy * self._size, labels, box, category=self._category)

    def _labels(self, problems: Problems) -> NDArray[np.uint8]:
        if self._flags is not None:
            return labels_from_flags(self._flags, self._xy, problems.remark)
        given = (self._xy > 0).any(1) & (self._xy >= 0).all(1)
        return np.where(given, Label.VISIBLE, Label.UNLABELLED).astype(np.uint8)


def _category(word: str, layout: Layout) -> str:
    """The class that a line begins with: its number, or its name."""
    number = _number(word)
    if math.isfinite(number) and number == int(number) and number >= 0:
        if name := layout.classes.get(int(number)):
            return name
        if not layout.classes:
            return "person" if number == 0 else f"class {int(number)}"
    elif word in layout.classes.values():
        return word
    raise EntryError(f"class {shown(word)} is not among the names ({', '.join(layout.classes.values())})")


def _dimensions(numbers: int, count: int, expected: int) -> int:
    """Numbers per keypoint that a line of so many numbers after its box has; 0 for a box alone."""
    if numbers == 0:
        return 0
    for extra in (0, *_EXTRAS):
        for dimensions in (expected, 5 - expected):
            if numbers == count * dimensions + extra:
                return dimensions
    raise EntryError(f"there should be {5 + count * expected} numbers, not {numbers + 5}")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _corners(box: NDArray[np.float64], size: tuple[int, int]) -> Region | None:
    """Corners in pixels of a box of centre and extent, or None when it is none."""
    if not np.isfinite(box).all() or (box < -_MARGIN).any() or (box > 1 + _MARGIN).any() or (box[2:] <= 0).any():
        return None
    centre, extent = box[:2] * size, box[2:] * size
    (x0, y0), (x1, y1) = (centre - extent / 2).tolist(), (centre + extent / 2).tolist()
    return x0, y0, x1, y1


def _region(words: Sequence[str], size: tuple[int, int]) -> Region:
    """Where somebody is whose line cannot be used: their box, or anywhere in the picture.

    Pairs of numbers may be the outline of a segment instead, whose place is added.
    """
    numbers = np.array([_number(word) for word in words[1:]])
    places = [_corners(numbers[:4], size)] if len(numbers) >= 4 else []
    if len(numbers) >= 6 and len(numbers) % 2 == 0 and ((numbers >= 0) & (numbers <= 1)).all():
        outline = numbers.reshape(-1, 2) * size
        places.append((*outline.min(0).tolist(), *outline.max(0).tolist()))
    corners = np.array([place for place in places if place is not None])
    if not len(corners):
        return 0.0, 0.0, float(size[0]), float(size[1])
    (x0, y0), (x1, y1) = corners[:, :2].min(0).tolist(), corners[:, 2:].max(0).tolist()
    return x0, y0, x1, y1
