"""Boxes of COCO files, with or without keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posecore.data.checks import EntryError, an_id_of
from posecore.data.coco.categories import category_of
from posecore.data.coco.write import category_entry
from posecore.skeleton import PERSON_BOX
from posecore.words import counted, meant


def boxes_alone(data: Mapping[str, Any], class_names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """A file's content as if it had been labelled with boxes of some classes alone.

    Args:
        data: Content of a COCO file.
        class_names: Names of the classes; capitals make no difference.

    Returns:
        The content, all its categories in ``PERSON_BOX``; and what was left out, as a clause, or nothing.

    Raises:
        EntryError: When the file has no class of such a name.
    """
    names = _names(data.get("categories"))
    wanted = {name.strip().lower() for name in class_names}
    spelled = {name.lower(): name for name in names.values()}
    for name in class_names:
        if name.strip().lower() not in spelled:
            raise EntryError(f"there is no class {name!r}; {meant(name, list(spelled.values()))}")
    chosen = {number: name for number, name in names.items() if name.lower() in wanted}
    entries = data["annotations"]
    kept = [_bare(entry) for entry in entries if (number := category_of(entry)) is None or number in chosen]
    others = len(entries) - len(kept)
    said = f"{counted(others, 'box', 'boxes')} of other classes; left out" if others else ""
    categories = [category_entry(number, name, PERSON_BOX) for number, name in chosen.items()]
    return {**data, "categories": categories, "annotations": kept}, said


def _names(categories: Any) -> dict[int | str, str]:
    """Names of classes by id; odd ones have none."""
    names = {}
    for entry in categories if isinstance(categories, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            names[an_id_of(entry.get("id"), "a category's id")] = entry["name"].strip()
    return names


def _bare(entry: Any) -> Any:
    """An annotation without its keypoints."""
    if not isinstance(entry, dict):
        return entry
    return {name: value for name, value in entry.items() if name not in ("keypoints", "num_keypoints", "absent")}
