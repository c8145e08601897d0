"""Points and regions that people drew one by one, as people: by what groups them, else by what lies in what.

Nobody is guessed: where points could be several people's, the whole picture is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from posecore.data.checks import EntryError
from posecore.data.naming import canonical
from posecore.data.translated.translation import Keypoint
from posecore.imaging import Region

#: What regions are called in which nothing is to be learnt.
_IGNORED = {"ignore", "ignored", "ignoreregion", "crowd", "dontcare"}
#: Words that say that a keypoint is covered by something.
_HIDDEN = {"occluded", "hidden", "invisible", "notvisible", "occlusion"}
#: Pixels that a point may lie beyond the region that it belongs to.
_SLACK = 2.0


@dataclass(frozen=True)
class Point:
    """A keypoint: its name, x, y and visibility, and what groups it with others; None for nothing."""

    name: str
    keypoint: Keypoint
    group: object = None


@dataclass(frozen=True)
class Area:
    """A region (x0, y0, x1, y1) with its label, and what groups it with others; None for nothing."""

    label: str
    region: Region
    group: object = None

    @property
    def ignored(self) -> bool:
        """Whether it says that nothing is to be learnt in it."""
        return canonical(self.label).replace("_", "") in _IGNORED


@dataclass
class Drawn:
    """Somebody as they were drawn.

    Attributes:
        place: Words for where they stand.
        keypoints: By name.
        box: Around them, if one was drawn.
    """

    place: str
    keypoints: dict[str, Keypoint] = field(default_factory=dict)
    box: Region | None = None

    def add(self, point: Point) -> None:
        """Take a keypoint; raises ``EntryError`` when there is one of its name."""
        if canonical(point.name) in map(canonical, self.keypoints):
            raise EntryError(
                f"{self.place}: two points are called {point.name!r}; give each person's points a group of their own"
            )
        self.keypoints[point.name] = point.keypoint


def is_hidden(words: Iterable[str]) -> bool:
    """Whether one of the words says that a keypoint is covered."""
    return any(canonical(word).replace("_", "") in _HIDDEN for word in words)


def around(points: Sequence[tuple[float, float]]) -> Region:
    """The box around positions; raises ``EntryError`` without any."""
    if not points:
        raise EntryError("it has no positions")
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def people_in(points: Sequence[Point], areas: Sequence[Area], known: Sequence[Drawn] = ()) -> list[Drawn]:
    """People from what was drawn on one picture; areas that are to be ignored are none of theirs.

    What has a group belongs together. A point without one belongs to the only region that it lies in; without regions,
    all of them are one person. A region without points is somebody of whom nothing is labelled.

    Args:
        points: Keypoints.
        areas: Regions around people.
        known: People who are whole; a region around one of them alone is their box.

    Raises:
        EntryError: When points could be several people's.
    """
    areas = [area for area in areas if not area.ignored]
    people = [*known, *_grouped(points, areas)]
    loose = [point for point in points if point.group is None]
    free = [area for area in areas if area.group is None]
    found = [Drawn(f"{area.label} {number}", box=area.region) for number, area in enumerate(free, 1)]
    if loose and not free:
        found = [Drawn("the points without a group")]
    for point in loose:
        _home(point, found).add(point)
    return [*people, *(one for one in found if one.keypoints or not _is_box_of_known(one, people))]


def _grouped(points: Sequence[Point], areas: Sequence[Area]) -> list[Drawn]:
    groups: dict[object, Drawn] = {}
    for group in (*(point.group for point in points), *(area.group for area in areas)):
        if group is not None:
            groups.setdefault(group, Drawn(f"group {group}"))
    for point in points:
        if point.group is not None:
            groups[point.group].add(point)
    boxes: dict[object, list[Region]] = defaultdict(list)
    for area in areas:
        if area.group is not None:
            boxes[area.group].append(area.region)
    for group, regions in boxes.items():
        corners = [corner for x0, y0, x1, y1 in regions for corner in ((x0, y0), (x1, y1))]
        groups[group].box = around(corners)
    return list(groups.values())


def _home(point: Point, people: Sequence[Drawn]) -> Drawn:
    """Who a point without a group belongs to."""
    if len(people) == 1:
        return people[0]
    holding = [one for one in people if one.box is not None and _holds(one.box, point.keypoint)]
    if len(holding) != 1:
        where = "lies in no region" if not holding else f"lies in {len(holding)} regions"
        raise EntryError(f"the point {point.name!r} {where}; give the points and the box of each person a group")
    return holding[0]


def _holds(region: Region, keypoint: Keypoint) -> bool:
    (x0, y0, x1, y1), (x, y, _) = region, keypoint
    return x0 - _SLACK <= x <= x1 + _SLACK and y0 - _SLACK <= y <= y1 + _SLACK


def _is_box_of_known(empty: Drawn, people: Sequence[Drawn]) -> bool:
    """Whether a region without points is around one of the people alone; it is then their box."""
    assert empty.box is not None
    inside = [one for one in people if one.keypoints and all(_holds(empty.box, k) for k in one.keypoints.values())]
    if len(inside) != 1 or inside[0].box is not None:
        return False
    inside[0].box = empty.box
    return True
