"""The people of a COCO file, and the places of those who cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from posecore.data.annotations import AnnotatedImage, Label, Person
from posecore.data.checks import EntryError, IgnoredError, Problems, a_dict, an_id_of, shown
from posecore.data.coco.categories import Categories, Id
from posecore.data.people import (
    IGNORED,
    Remark,
    covers,
    fitting_box,
    make_person,
    place_of,
    read_area,
    read_box,
    read_crowd,
    read_keypoints,
    without_placeholders,
    without_twins,
)
from posecore.imaging import Region
from posecore.skeleton import Skeleton

CORNERS = "a box of two corners in place of x, y, width and height; read as such"
PARTS = "a person whose keypoints are parts of the picture's sides in place of pixels; read as such"
#: Pixels that boxes may lie beyond their picture.
_SLACK = 2.0


def with_people(
    images: Mapping[Id, AnnotatedImage | None],
    entries: Sequence[Any],
    categories: Categories,
    problems: Problems,
) -> tuple[AnnotatedImage, ...]:
    """Pictures with their people; an ignore region stands where somebody is who is left out.

    Args:
        images: By id; None for those that were left out, whose people are left out silently.
        entries: The file's annotations.
        categories: Which of them are read.
        problems: Takes what is left out and what is odd.
    """
    people: dict[Id, list[tuple[Any, Person]]] = {number: [] for number, image in images.items() if image}
    ignore: dict[Id, list[Region]] = {number: [] for number in people}
    others: list[tuple[Id, Id, Mapping[str, Any]]] = []
    firsts = _firsts(images, problems.remark)
    entries = _with_sides(entries, images, problems.remark)
    for position, entry in enumerate(entries):
        with problems.skipping(f"annotations[{position}]"):
            number = an_id_of(a_dict(entry, "an annotation").get("image_id"), "the image id")
            if number not in images:
                raise EntryError(f"there is no image {number}")
            number = firsts.get(number, number)
            image = images[number]
            if image is None:
                continue
            try:
                category = categories.find(entry, problems.remark)
                if category in categories.others:
                    others.append((category, number, entry))
                    continue
                name = categories.chosen[category]
                person = read_person(entry, categories.skeleton, name, problems.remark)
                person = _in_pixels(person, entry, image.size, problems.remark)
                people[number].append((entry.get("id"), person))
            except EntryError as error:
                if not entry.get("bbox") and not entry.get("keypoints"):
                    raise
                ignore[number].append(place_of(entry.get("bbox"), entry.get("keypoints"), image.size))
                raise IgnoredError(f"{error}; {IGNORED}") from error
    _ignore_others(images, people, ignore, others, categories, problems)
    return tuple(
        replace(
            image,
            people=without_twins(people[number], problems.remark),
            ignore=tuple(dict.fromkeys((*image.ignore, *ignore[number]))),
        )
        for number, image in images.items()
        if image is not None and firsts[number] == number
    )


def _with_sides(entries: Sequence[Any], images: Mapping[Id, AnnotatedImage | None], remark: Remark) -> Sequence[Any]:
    """The annotations with boxes of x, y, width, height, where all of the file are of two corners instead.

    That is certain when every box can be two corners, which hold the keypoints, and at least half of them would reach
    beyond their picture as x, y, width, height.
    """
    boxed: list[tuple[dict[str, Any], Region]] = []
    beyond = 0
    for entry in entries:
        box = read_box(entry.get("bbox")) if isinstance(entry, dict) else None
        image = images.get(_image_of(entry)) if box is not None else None
        if box is None or image is None:
            continue
        boxed.append((entry, box))
        (x0, y0, right, bottom), (width, height) = box, image.size
        x1, y1 = right - x0, bottom - y0
        if not (x0 < x1 <= width + _SLACK and y0 < y1 <= height + _SLACK):
            return entries
        if right > width + _SLACK or bottom > height + _SLACK:
            placed = entry.get("keypoints") and place_of(None, entry["keypoints"], image.size, around=0)
            if placed and not covers([(x0, y0, x1, y1)], placed):
                return entries
            beyond += 1
    if not beyond or 2 * beyond < len(boxed):
        return entries
    corners = {id(entry): [x0, y0, right - 2 * x0, bottom - 2 * y0] for entry, (x0, y0, right, bottom) in boxed}
    for _ in corners:
        remark(CORNERS)
    return [{**entry, "bbox": corners[id(entry)]} if id(entry) in corners else entry for entry in entries]


def _image_of(entry: Mapping[str, Any]) -> Id:
    """The id of an annotation's picture; one that no picture has where it has none that can be read."""
    try:
        return an_id_of(entry.get("image_id"), "the image id")
    except EntryError:
        return ""


def _firsts(images: Mapping[Id, AnnotatedImage | None], remark: Remark) -> dict[Id, Id]:
    """The id under which each picture is listed first: one that is listed twice has the people of both."""
    by_file: dict[tuple[Path, tuple[int, int]], Id] = {}
    firsts = {n: by_file.setdefault((image.path, image.size), n) for n, image in images.items() if image}
    for number, first in firsts.items():
        if number != first:
            remark("a picture that is listed under two ids; its people are put together")
    return firsts


def _ignore_others(
    images: Mapping[Id, AnnotatedImage | None],
    people: Mapping[Id, Sequence[tuple[Any, Person]]],
    ignore: Mapping[Id, list[Region]],
    others: Sequence[tuple[Id, Id, Mapping[str, Any]]],
    categories: Categories,
    problems: Problems,
) -> None:
    """Ignore where something of a category is that is not read.

    Something without keypoints inside a labelled person is a part of theirs, or they once more: ignoring that place
    would cost the person's own keypoints.
    """
    skipped: Counter[Id] = Counter()
    ignored: Counter[Id] = Counter()
    for category, number, entry in others:
        image = images[number]
        assert image is not None
        skipped[category] += 1
        if not entry.get("bbox") and not entry.get("keypoints"):
            continue
        region = place_of(entry.get("bbox"), entry.get("keypoints"), image.size)
        labelled = [person.box for _, person in people[number] if person.labelled.any()]
        if categories.others[category].has_keypoints or not covers(labelled, region):
            ignore[number].append(region)
            ignored[category] += 1
    categories.note_others({category: (count, ignored[category]) for category, count in skipped.items()}, problems)


def read_person(entry: Mapping[str, Any], skeleton: Skeleton, category: str, remark: Remark) -> Person:
    """A person from an annotation.

    Raises:
        EntryError: When the keypoints cannot be read, or there is neither a box nor a labelled keypoint.
    """
    xy, labels = read_keypoints(entry.get("keypoints"), skeleton.keypoints, remark)
    given = read_box(entry.get("bbox") or None, remark)
    labels = without_placeholders(xy, labels, given, remark)
    _mark_absent(labels, entry.get("absent"), remark)
    box = fitting_box(given, xy, labels, remark)
    area = read_area(entry.get("area"), remark)
    return make_person(xy, labels, box, area, read_crowd(entry.get("iscrowd"), remark), category)


def _in_pixels(person: Person, entry: Mapping[str, Any], size: tuple[int, int], remark: Remark) -> Person:
    """A person whose keypoints are given as parts of the picture's sides, in pixels; others as they are."""
    points = person.keypoints[person.labelled]
    if len(points) < 2 or points.min() < 0 or points.max() > 1 or (points == points.round()).all():
        return person
    remark(PARTS)
    box = read_box(entry.get("bbox") or None)
    if box is not None and max(box) <= 1:
        box = box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]
    return make_person(person.keypoints * size, person.labels, box, None, person.crowd, person.category)


def _mark_absent(labels: Any, indices: Any, remark: Remark) -> None:
    for index in indices if isinstance(indices, list) else ():
        if type(index) is int and 0 <= index < len(labels) and labels[index] == Label.UNLABELLED:
            labels[index] = Label.ABSENT
        else:
            remark(f"an absent keypoint {shown(index)} that is labelled or does not exist; passed over")
