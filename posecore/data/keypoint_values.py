"""Keypoints of one person however a file writes them, as x, y and visibility of each in one list."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from posecore.data.checks import EntryError, a_list, number_of, shown
from posecore.data.naming import canonical

#: Fields of a keypoint that is an object, by the names they go by.
_FLAGS = ("v", "visibility", "visible", "vis", "score", "confidence", "conf")
_NAMES = ("name", "label", "keypoint", "part")
#: Visibilities as words.
_WORDS = {
    0: ("false", "unlabeled", "unlabelled", "not labeled", "not labelled", "outside", "absent", "none"),
    1: ("hidden", "occluded", "invisible", "not visible"),
    2: ("true", "visible"),
}
_BY_WORD = {word: flag for flag, words in _WORDS.items() for word in words}
#: Leaves the values of a list that was written as text.
_NO_BRACKETS = str.maketrans(dict.fromkeys("[](),", " "))


def triples(values: Any, names: Sequence[str]) -> list[Any]:
    """x, y, visibility of each keypoint of a skeleton, as they stand in a file.

    They may be one list, a list or an object for each, objects by the keypoints' names, or text. Without visibilities,
    these are None; keypoints that are not named are None throughout.

    Args:
        values: As it stands in the file.
        names: Of the skeleton's keypoints.

    Returns:
        ``3K`` values of any kind.

    Raises:
        EntryError: When there are too many or too few.
    """
    count = len(names)
    items = _by_name(values.items(), names) if isinstance(values, dict) else items_of(values, "keypoints")
    if len(items) == 1 and count > 1 and isinstance(items[0], list):
        items = items[0]
    if items and all(isinstance(item, dict) for item in items) and (given := _named(items, names)):
        items = _by_name(given, names)
    if len(items) == count and all(item is None or isinstance(item, (list, dict)) for item in items):
        return list(itertools.chain.from_iterable(map(_triple, items)))
    if len(items) == 2 * count:
        return list(itertools.chain.from_iterable((*items[at : at + 2], None) for at in range(0, len(items), 2)))
    if len(items) != 3 * count:
        raise EntryError(f"keypoints must have {3 * count} numbers, not {len(items)}")
    return items


def items_of(values: Any, what: str) -> list[Any]:
    """A list, also one that was written as text."""
    if not isinstance(values, str):
        return a_list(values, what)
    return values.translate(_NO_BRACKETS).split()


def flag_of(value: Any) -> float | None:
    """What stands for a visibility as a number: also a word, and true for visible; None for anything else."""
    if isinstance(value, bool):
        return 2.0 if value else 0.0
    if (
        isinstance(value, str)
        and (flag := _BY_WORD.get(" ".join(re.split(r"[\s_-]+", value.strip().lower())))) is not None
    ):
        return float(flag)
    return number_of(value)


def _named(items: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[tuple[str, Any]] | None:
    """Objects with the keypoint that each names; None unless all of them name one."""
    given = [(next((item[field] for field in _NAMES if isinstance(item.get(field), str)), ""), item) for item in items]
    known = {canonical(name) for name in names}
    return given if all(canonical(name) in known for name, _ in given) else None


def _by_name(given: Iterable[tuple[Any, Any]], names: Sequence[str]) -> list[Any]:
    """What each keypoint has, by its name or its number from 0; None for those that are not there."""
    found = {canonical(str(name)): value for name, value in given}
    keys = [canonical(name) for name in names]
    if not found.keys() & set(keys):
        keys = [str(index) for index in range(len(names))]
    if strange := [name for name in found if name not in keys]:
        raise EntryError(f"there is no keypoint {shown(strange[0])}")
    return [found.get(key) for key in keys]


def _triple(item: list[Any] | dict[str, Any] | None) -> list[Any]:
    if item is None or item == []:
        return [None, None, 0]
    if isinstance(item, dict):
        return [item.get("x"), item.get("y"), next((item[field] for field in _FLAGS if field in item), None)]
    if len(item) not in (2, 3):
        raise EntryError(f"a keypoint must be x, y and visibility, not {shown(item)}")
    return [*item, None][:3]
