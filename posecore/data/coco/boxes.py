"""Boxes of COCO files, with or without keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from posecore.data.checks import EntryError, an_id_of
from posecore.data.coco.categories import category_of
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
    chosen = {number for number, name in names.items() if name.lower() in wanted}
    categories = [
        {
            "id": number,
            "name": names[number],
            "keypoints": list(PERSON_BOX.keypoints),
            "skeleton": [[a + 1, b + 1] for a, b in PERSON_BOX.edges],
            "posecore": {
                "name": PERSON_BOX.name,
                "flip_pairs": [list(pair) for pair in PERSON_BOX.flip_pairs],
                "sigmas": list(PERSON_BOX.sigmas),
                "sides_known": True,
            },
        }
        for number in chosen
    ]
    entries = data["annotations"]
    of_others = [entry for entry in entries if (number := category_of(entry)) is not None and number not in chosen]
    left_out = {id(entry) for entry in of_others}
    kept = [_bare(entry) for entry in entries if id(entry) not in left_out]
    said = f"{counted(len(of_others), 'box', 'boxes')} of other classes; left out" if of_others else ""
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
