"""A COCO file's content with changes of single pictures in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from posecore.data.checks import a_dict, a_list, a_text, an_id


def changed_image(change: Mapping[str, Any]) -> int:
    """The picture that a change is about."""
    return an_id(change.get("image"), "a change's picture")


def apply_changes(data: dict[str, Any], changes: Iterable[Mapping[str, Any]]) -> None:
    """Put changes into a COCO file's content, in place; the rest stays as it is.

    A change of a picture that is not there is passed over.

    Raises:
        EntryError: When a change cannot be understood.
    """
    last = {changed_image(change): change for change in changes}
    images = {number: entry for entry in data["images"] if (number := _number(entry, "id")) is not None}
    if not (last := {number: change for number, change in last.items() if number in images}):
        return
    kept = [entry for entry in data["annotations"] if _number(entry, "image_id") not in last]
    free = max((number for entry in kept if (number := _number(entry, "id")) is not None), default=0)
    for number, change in last.items():
        for entry in people_of(change):
            free += 1
            values = {name: value for name, value in entry.items() if name != "category"}
            own = {"id": free, "image_id": number, "category_id": _category_number(data, category_of(entry))}
            kept.append({**own, **values})
        images[number].pop("ignore", None)
        if ignore := ignored_by(change):
            images[number]["ignore"] = list(ignore)
    data["annotations"] = kept


def _number(entry: Any, key: str) -> int | None:
    number = entry.get(key) if isinstance(entry, dict) else None
    return number if type(number) is int else None


def people_of(change: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The people of a change, unchecked."""
    return [a_dict(entry, "a person") for entry in a_list(change.get("people"), "people")]


def ignored_by(change: Mapping[str, Any]) -> list[Any]:
    """The regions of a change, unchecked."""
    return a_list(change.get("ignore"), "ignore")


def category_of(entry: Mapping[str, Any]) -> str:
    """The category of a person in a change."""
    return a_text(entry.get("category"), "the category")


def _category_number(data: dict[str, Any], name: str) -> int:
    """The id of a category; one that is not there yet is made like the one with keypoints."""
    known: dict[str, int] = {entry["name"]: entry["id"] for entry in data["categories"]}
    if name not in known:
        known[name] = max(known.values(), default=0) + 1
        like: dict[str, Any] = next((entry for entry in data["categories"] if entry.get("keypoints")), {})
        data["categories"].append({**like, "id": known[name], "name": name})
    return known[name]
