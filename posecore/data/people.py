"""People from what files say about them: the door that the labels of every format come through.

What only describes a person or can be told from something else (box, area, crowd, visibility) never costs one: a value
that cannot be right is left out, derived or read for what it must mean, and *remarked* on. Somebody whose keypoints
cannot be read at all raises ``EntryError``; :func:`place_of` then says which part of the picture is to be ignored, so
that nobody who is there is learnt as background.

Positions are (x, y) in picture pixels, boxes (x0, y0, x1, y1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, area_of, shared_area, to_edges
from posecore.data.annotations import Label, Person
from posecore.data.checks import MAX_COORDINATE, EntryError, a_list, a_number, number_of, shown
from posecore.data.keypoint_values import flag_of, items_of, triples

#: Area of a person relative to their box where a file does not give it.
AREA_OF_BOX = 0.53
#: Largest area that is believed, in square pixels.
_MAX_AREA = 1e12
#: What is written for true and false.
_TRUTHS = {"true": 1, "false": 0}
#: Fields of a box that is an object.
_SIDES = (("x",), ("y",), ("width", "w"), ("height", "h"))
#: Around the positions of somebody who cannot be read, this part of their extent is ignored too, on every side.
_AROUND = 0.5

#: Called with what is odd.
Remark = Callable[[str], object]

ODD_AREA = "an area that is no positive number; that of the box is taken"
ODD_BOX = "a box that is flat or cannot be read; it is drawn around the labelled keypoints"
BOX_ELSEWHERE = "a box in which none of the person's keypoints lies; it is drawn around them"
ODD_CROWD = "iscrowd that is neither 0 nor 1; it is no crowd"
ODD_FLAG = "a visibility other than 0, 1 and 2; more than 0 is visible"
NO_FLAG = "a keypoint without a visibility that can be read; it is visible when it has a position"
SCORES = "a person with confidences in place of visibilities; more than 0 is visible"
NO_POSITION = "a keypoint marked as labelled that has no position; it is unlabelled"
#: What is said of somebody whose place became an ignore region.
IGNORED = "the place is ignored, not learnt as background"
TWINS = "a person who stands twice; read once"


def numbers(values: Any, count: int, what: str) -> NDArray[np.float64]:
    """``(count,)`` finite numbers from a list of exactly that length."""
    items = a_list(values, what)
    if len(items) != count:
        raise EntryError(f"{what} must have {count} numbers, not {len(items)}")
    found = _at_once(items)
    return np.array([a_number(item, what) for item in items], np.float64) if found is None else found


def _at_once(items: Sequence[Any]) -> NDArray[np.float64] | None:
    """Numbers when all of them are sound, which is quickly seen; large sets have millions."""
    if set(map(type, items)) <= {int, float}:
        with suppress(OverflowError):
            values = np.array(items, np.float64)
            if (np.abs(values) <= MAX_COORDINATE).all():
                return values
    return None


# --- keypoints -------------------------------------------------------------------------------------------------------


def read_keypoints(values: Any, names: Sequence[str], remark: Remark) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Keypoints from x, y, visibility of each, see :func:`triples`; nothing at all is nobody labelled.

    Visibility is 0 unlabelled, 1 hidden, 2 visible; where all are from 0 to 1 and not whole they are confidences, as
    models propose labels. Positions of unlabelled keypoints are not looked at.

    Args:
        values: As it stands in the file; numbers may be written as text.
        names: Of the skeleton's keypoints.
        remark: Called with what is odd.

    Returns:
        ``(K, 2)`` positions, NaN unless labelled, and ``(K,)`` of :class:`Label`.

    Raises:
        EntryError: When there are too many or too few, or positions are given and none can be read.
    """
    count = len(names)
    if not values:
        return np.full((count, 2), np.nan), np.zeros(count, np.uint8)
    items = triples(values, names)
    sound = _at_once(items)
    if sound is not None and set(items[2::3]) <= {0, 1, 2}:
        table = sound.reshape(count, 3)
        labels = table[:, 2].astype(np.uint8)
        return np.where(labels[:, None] > 0, table[:, :2], np.nan), labels
    numbers_read = [(flag_of if at % 3 == 2 else number_of)(item) for at, item in enumerate(items)]
    table = np.array([math.nan if value is None else value for value in numbers_read]).reshape(count, 3)
    labels = labels_from_flags(table[:, 2], table[:, :2], remark)
    if not labels.any() and (table[:, 2] > 0).any():
        raise EntryError(f"no position of its keypoints can be read, for example {shown(items[:2])}")
    return np.where(labels[:, None] > 0, table[:, :2], np.nan), labels


def labels_from_flags(
    flags: NDArray[np.float64], xy: NDArray[np.float64], remark: Remark, limit: float = MAX_COORDINATE
) -> NDArray[np.uint8]:
    """``(K,)`` labels from what stands for visibilities, see :func:`read_keypoints`.

    Args:
        flags: ``(K,)`` numbers, NaN for what is none.
        xy: ``(K, 2)`` positions, NaN likewise; a keypoint without one is unlabelled.
        remark: Called with what is odd.
        limit: Largest coordinate that is believed.
    """
    known = np.isfinite(flags)
    scores = _are_scores(flags[known])
    placed = (np.abs(xy) <= limit).all(1)  # false for NaN
    labels = np.select([flags <= 0, (flags == 1) & (not scores)], [Label.UNLABELLED, Label.HIDDEN], Label.VISIBLE)
    labels = np.where(known, labels, np.where((xy != 0).any(1) & placed, Label.VISIBLE, Label.UNLABELLED))
    lost = (labels > 0) & ~placed
    odd = known & ~np.isin(flags, (0, 1, 2)) & (not scores)
    for what, count in (
        (SCORES, int(scores)),
        (NO_FLAG, (~known).sum()),
        (ODD_FLAG, odd.sum()),
        (NO_POSITION, lost.sum()),
    ):
        for _ in range(int(count)):
            remark(what)
    return np.where(lost, Label.UNLABELLED, labels).astype(np.uint8)


def _are_scores(flags: NDArray[np.float64]) -> bool:
    """True for confidences: numbers from 0 to 1 that are not all whole."""
    return bool(len(flags)) and bool(((flags >= 0) & (flags <= 1)).all()) and bool(((flags > 0) & (flags < 1)).any())


def without_placeholders(
    xy: NDArray[np.float64], labels: NDArray[np.uint8], box: Region | None, remark: Remark
) -> NDArray[np.uint8]:
    """``(K,)`` labels without keypoints at (0, 0) or (-1, -1), where tools put those that nobody placed.

    A single one stays when the person's box reaches there.

    Args:
        xy: ``(K, 2)`` positions.
        labels: ``(K,)`` of :class:`Label`.
        box: Of the person, in the same units.
        remark: Called for each that is left out.
    """
    put = _labelled(labels) & ((xy == 0).all(1) | (xy == -1).all(1))
    count = int(put.sum())
    if not count or (count == 1 and box is not None and max(box[0], box[1]) <= 0):
        return labels
    for _ in range(count):
        remark(NO_POSITION)
    return np.where(put, Label.UNLABELLED, labels).astype(np.uint8)


def _position(x: Any, y: Any) -> tuple[float, float] | None:
    across, down = number_of(x), number_of(y)
    if across is None or down is None or max(abs(across), abs(down)) > MAX_COORDINATE:
        return None
    return across, down


# --- boxes -----------------------------------------------------------------------------------------------------------


def read_box(values: Any, remark: Remark = lambda what: None) -> Region | None:
    """A box from x, y, width, height; None when there is none, or (remarked on) none that can be right."""
    if values is None:
        return None
    corners = _corners(values)
    if corners is None or corners[2] <= corners[0] or corners[3] <= corners[1]:
        remark(ODD_BOX)
        return None
    return corners


def _corners(values: Any) -> Region | None:
    """What stands where x, y, width and height should, as corners, however they lie; None unless these are numbers."""
    if isinstance(values, dict):
        values = [next((values[name] for name in names if name in values), None) for names in _SIDES]
    try:
        items = items_of(values, "the box")
    except EntryError:
        return None
    if len(items) == 1 and isinstance(items[0], list):
        items = items[0]
    if len(items) == 5 and (score := number_of(items[4])) is not None and 0 <= score <= 1:
        items = items[:4]
    found = [number_of(item) for item in items]
    if len(found) != 4 or not all(value is not None and abs(value) <= MAX_COORDINATE for value in found):
        return None
    x, y, width, height = (float(value) for value in found if value is not None)
    return x, y, x + width, y + height


def box_xywh(values: Any) -> Region:
    """A box from x, y, width, height; raises ``EntryError`` unless it is one."""
    x, y, width, height = (float(value) for value in numbers(values, 4, "the box"))
    if width <= 0 or height <= 0:
        raise EntryError(f"the box must be wider and higher than 0, not {width:g} × {height:g}")
    return x, y, x + width, y + height


def fitting_box(
    box: Region | None, xy: NDArray[np.floating], labels: NDArray[np.uint8], remark: Remark
) -> Region | None:
    """``box``, or None when it is flat or so far from the person's keypoints that it cannot be theirs."""
    if box is None:
        return None
    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0):
        remark(ODD_BOX)
        return None
    points = to_edges(xy[_labelled(labels)])
    if not len(points):
        return box
    margin = max(x1 - x0, y1 - y0)
    near = (points >= (x0 - margin, y0 - margin)) & (points <= (x1 + margin, y1 + margin))
    if near.all(1).any():
        return box
    remark(BOX_ELSEWHERE)
    return None


def place_of(box: Any, keypoints: Any, size: tuple[int, int], around: float = _AROUND) -> Region:
    """Where somebody is who cannot be read.

    Args:
        box: What stands for x, y, width, height.
        keypoints: What stands for x, y, visibility of each keypoint.
        size: (width, height) of the picture.
        around: This part of the positions' extent belongs to the place too, on every side.

    Returns:
        The box, else the surroundings of the positions that can be read, else the whole picture.
    """
    corners = _corners(box)
    if corners is not None and corners[0] != corners[2] and corners[1] != corners[3]:
        (xa, ya), (xb, yb) = corners[:2], corners[2:]
        return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)
    points = np.array([point for point in _positions(keypoints) if _inside(point, size)])
    if len(points) < 2:
        return 0.0, 0.0, float(size[0]), float(size[1])
    edges = to_edges(points)
    low, high = edges.min(0), edges.max(0)
    margin = around * float((high - low).max()) + 1
    return low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin


def _positions(values: Any) -> Iterable[tuple[float, float]]:
    """Whatever positions can be read of keypoints of which not even the number is right."""
    try:
        items = items_of(values, "keypoints")
    except EntryError:
        return
    if all(isinstance(item, list) and len(item) >= 2 for item in items):
        items = [value for item in items for value in (item[0], item[1], 0)]
    if len(items) % 3:
        return
    for start in range(0, len(items), 3):
        point = _position(*items[start : start + 2])
        if point is not None:
            yield point


def _inside(point: tuple[float, float], size: tuple[int, int]) -> bool:
    """True inside the picture, its first corner apart: that is where keypoints without a position are put."""
    return any(point) and all(0 <= value <= side for value, side in zip(point, size, strict=True))


def covers(boxes: Iterable[Region], region: Region, part: float = 0.9) -> bool:
    """True when one of the boxes holds at least ``part`` of a region."""
    return any(shared_area(box, region) >= part * area_of(region) for box in boxes)


# --- people ----------------------------------------------------------------------------------------------------------


def read_area(value: Any, remark: Remark) -> float | None:
    """An area in square pixels; None when there is none, or (remarked on) none that can be right."""
    if value is None:
        return None
    area = None if isinstance(value, bool) else number_of(value)
    if area is None or not 0 < area <= _MAX_AREA:
        remark(ODD_AREA)
        return None
    return area


def read_crowd(value: Any, remark: Remark) -> bool:
    """``iscrowd``: 0 or 1, also as text, or true and false; nothing is 0."""
    if isinstance(value, str):
        value = _TRUTHS.get(value.strip().lower(), value)
    number = 0.0 if value is None else number_of(value)
    if number not in (0, 1):
        remark(ODD_CROWD)
    return number == 1


def make_person(
    xy: NDArray[np.floating],
    labels: NDArray[np.uint8],
    box: Region | None = None,
    area: float | None = None,
    crowd: bool = False,
    category: str = "person",
) -> Person:
    """A person, with what a file leaves out filled in: the box from the keypoints, the area from the box.

    Args:
        xy: ``(K, 2)`` picture pixels (x, y); ignored where not labelled.
        labels: ``(K,)`` of :class:`Label`.
        box: (x0, y0, x1, y1), or None for the tight box around the labelled keypoints (at least a pixel wide).
        area: Square pixels, or None for ``AREA_OF_BOX`` of the box.
        crowd: See :class:`Person`.
        category: Class name.

    Raises:
        EntryError: When there is neither a box nor a labelled keypoint.
    """
    labelled = _labelled(labels)
    if box is None:
        if not labelled.any():
            raise EntryError("there is neither a box nor a labelled keypoint")
        corners = to_edges(xy[labelled])
        low, high = corners.min(0), corners.max(0)
        pad = np.maximum(1 - (high - low), 0) / 2
        low, high = low - pad, high + pad
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    if area is None:
        area = AREA_OF_BOX * area_of(box)
    keypoints = np.where(labelled[:, None], xy, np.nan).astype(np.float32)
    return Person(keypoints, labels.astype(np.uint8), box, area, crowd, category)


def _labelled(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    # Not isin, which takes most of the time of reading a large set.
    labelled: NDArray[np.bool_] = (labels == Label.HIDDEN) | (labels == Label.VISIBLE)
    return labelled


def without_twins(people: Iterable[tuple[object, Person]], remark: Remark) -> tuple[Person, ...]:
    """People, each with their id in the file (or None), without those that are one before again, as merges make them.

    The same labels under another id are somebody else.
    """
    seen: set[Any] = set()
    kept = []
    for number, person in people:
        mark = (
            repr(number),
            np.nan_to_num(person.keypoints).tobytes(),
            person.labels.tobytes(),
            tuple(math.floor(value * 100) for value in person.box),
            person.crowd,
            person.category,
        )
        if mark in seen:
            remark(TWINS)
            continue
        seen.add(mark)
        kept.append(person)
    return tuple(kept)
