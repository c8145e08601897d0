"""labelme: a JSON file beside each picture, with shapes of which points are keypoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from posecore.data.annotations import PoseDataset
from posecore.data.checks import EntryError, a_list, a_number, a_text, load_json, shown
from posecore.data.folders import ending_of
from posecore.data.translated.shapes import Area, Point, around, is_hidden, people_in
from posecore.data.translated.translation import Translation

_PERSON = "person"
#: Shapes that are regions, by the fewest positions that make one.
_REGIONS = {"rectangle": 2, "polygon": 3, "circle": 2, "mask": 2, "oriented_rectangle": 3}


def is_labelme(data: Any) -> bool:
    """Whether the content of a JSON file is labelme's."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("shapes"), list)
        and bool({"imagePath", "imageData", "imageHeight"} & data.keys())
    )


def read_labelme(path: Path, images: str | Path | None = None, *, pictures: bool = True) -> PoseDataset:
    """Read a file of labelme, or all those of a folder and below.

    Points are keypoints by their labels; what belongs together is said by ``group_id``, else by the rectangles that
    points lie in (:func:`posecore.data.translated.shapes.people_in`). A point with a flag or a description such as
    *occluded* is hidden. Rectangles called *ignore* or *crowd* are ignore regions.

    Args:
        path: File or folder.
        images: Folder of the pictures; looked for in the set when None.
        pictures: Leave out (and report) pictures whose file is missing. False looks for no file.

    Raises:
        DataError: When no file can be read or none has points.
    """
    told = Translation(path)
    told.read(told.files(lambda file: ending_of(file.name) == ".json"), _read_file)
    return told.dataset(images, pictures=pictures)


def _read_file(told: Translation, file: Path) -> None:
    """Take one picture; raises ``EntryError``, and takes nothing, when its people cannot be told apart."""
    data = load_json(file)
    if not is_labelme(data):
        return
    points: list[Point] = []
    areas: list[Area] = []
    for number, shape in enumerate(data["shapes"]):
        try:
            one = _shape(shape)
        except EntryError as error:
            told.left_out(file, f"shapes[{number}]", str(error))
            continue
        if isinstance(one, Point):
            points.append(one)
        elif one is not None:
            areas.append(one)
        else:
            told.problems.remark(
                f"a shape of the type {shown(shape.get('shape_type'))}, which is no keypoint; passed over"
            )
    people = people_in(points, areas)
    name = data.get("imagePath")
    if not isinstance(name, str) or not name.strip():
        # Whatever its ending is.
        name = file.stem
    size = data.get("imageWidth"), data.get("imageHeight")
    picture = told.picture(file, name, size, ignore=[area.region for area in areas if area.ignored])
    for person in people:
        told.person(picture, person.place, _PERSON, person.keypoints, person.box)


def _shape(shape: Any) -> Point | Area | None:
    """A shape; None for one that is neither a point nor a region."""
    if not isinstance(shape, dict):
        raise EntryError(f"a shape must be an object with named fields, not {shown(shape)}")
    kind = shape.get("shape_type") or "polygon"
    if kind != "point" and kind not in _REGIONS:
        return None
    label, group = a_text(shape.get("label"), "the label").strip(), shape.get("group_id")
    if not isinstance(group, int | str | None):
        raise EntryError(f"group_id must be a number, not {shown(group)}")
    places = [_position(place) for place in a_list(shape.get("points"), "points")]
    if kind == "point":
        if len(places) != 1:
            raise EntryError(f"the point {label!r} has {len(places)} positions, not one")
        return Point(label, (*places[0], 1 if is_hidden(_words(shape)) else 2), group)
    if len(places) < _REGIONS[kind]:
        raise EntryError(f"the {kind} {label!r} has too few positions")
    if kind == "circle":
        (x, y), edge = places[:2]
        radius = math.dist((x, y), edge)
        places = [(x - radius, y - radius), (x + radius, y + radius)]
    return Area(label, around(places), group)


def _position(place: Any) -> tuple[float, float]:
    values = a_list(place, "a position")
    if len(values) != 2:
        raise EntryError(f"a position must be x and y, not {shown(place)}")
    return a_number(values[0], "x"), a_number(values[1], "y")


def _words(shape: dict[str, Any]) -> list[str]:
    """What is said of a shape: its flags that are set, and its description."""
    flags = shape.get("flags")
    said = [name for name, value in flags.items() if value is True] if isinstance(flags, dict) else []
    description = shape.get("description")
    return [*said, description] if isinstance(description, str) else said
