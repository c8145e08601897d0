"""CVAT's own XML, version 1.1, for images and for video: skeletons, and points and boxes that groups tie together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from posecore.data.annotations import PoseDataset
from posecore.data.checks import MAX_COORDINATE, EntryError, beginning_of, load_text, number_of, shown
from posecore.data.folders import ending_of, split_of
from posecore.data.translated.shapes import Area, Drawn, Point, around, people_in
from posecore.data.translated.translation import Translation
from posecore.errors import DataError
from posecore.skeleton import Edge

_PERSON = "person"
#: Bytes of a file that are looked at to see what it is.
_LOOK = 20_000
#: How pictures of a video are called that CVAT writes beside its labels, whatever their ending.
_FRAME = "frame_{:06d}"
_GROUPS = ("", "0")
_REGIONS = ("box", "polygon", "ellipse", "mask")
_NODE = re.compile(r"<circle\b[^>]*>")
_LINE = re.compile(r"<line\b[^>]*>")
_FIELD = re.compile(r"""([\w-]+)\s*=\s*["']([^"']*)["']""")

Element = ElementTree.Element


def is_cvat(path: Path) -> bool:
    """Whether a file is labels of CVAT, by its beginning."""
    if ending_of(path.name) != ".xml":
        return False
    beginning = beginning_of(path, _LOOK)
    return b"<annotations" in beginning and any(word in beginning for word in (b"<meta", b"<image", b"<track"))


def read_cvat(path: Path, images: str | Path | None = None, *, pictures: bool = True) -> PoseDataset:
    """Read an XML file of CVAT, or all those of a folder and below.

    Skeletons are people: points that are ``outside`` are unlabelled, ``occluded`` ones hidden. Points on their own
    belong together by CVAT's groups, else by the boxes that they lie in. Pictures of a video have the names that CVAT
    gives them, ``frame_000000`` and so on.

    Args:
        path: File or folder.
        images: Folder of the pictures; looked for in the set when None.
        pictures: Leave out (and report) pictures whose file is missing. False looks for no file.

    Raises:
        DataError: When no file can be read or none has keypoints.
    """
    told = Translation(path)
    told.read(told.files(is_cvat), _read_file)
    return told.dataset(images, pictures=pictures)


def _read_file(told: Translation, file: Path) -> None:
    root = _tree(file)
    _name_keypoints(told, root)
    for picture in _Picture.all_in(root):
        try:
            picture.tell(told, file)
        except EntryError as error:
            told.left_out(file, picture.name, str(error))


def _tree(file: Path) -> Element:
    text = load_text(file)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{file} has definitions of its own (DOCTYPE), which CVAT's files have not; it is not read.")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{file} is not valid XML: {error}.") from error


# --- what keypoints there are ----------------------------------------------------------------------------------------


def _name_keypoints(told: Translation, root: Element) -> None:
    """Keypoints of skeletons in the order of their labels, with the lines of their drawing."""
    labels = list(root.iter("label"))
    for label in labels:
        name = _text(label, "name")
        if _text(label, "type") != "skeleton" or not name:
            continue
        parts = [_text(one, "name") for one in labels if _text(one, "parent") == name]
        parts = [part for part in parts if part]
        told.name_keypoints(name, parts, _edges(_text(label, "svg"), parts))


def _edges(svg: str, names: list[str]) -> list[Edge]:
    """Lines of a skeleton's drawing that join two keypoints."""
    nodes = {}
    for node in _NODE.findall(svg):
        fields = dict(_FIELD.findall(node))
        nodes[fields.get("data-node-id", "")] = fields.get("data-label-name", "")
    ends = [dict(_FIELD.findall(line)) for line in _LINE.findall(svg)]
    pairs = [[nodes.get(line.get(f"data-node-{end}", "")) for end in ("from", "to")] for line in ends]
    return [(names.index(a), names.index(b)) for a, b in pairs if a in names and b in names and a != b]


def _text(element: Element, field: str) -> str:
    return (element.findtext(field) or "").strip()


# --- pictures --------------------------------------------------------------------------------------------------------


class _Picture:
    """One picture and the shapes on it."""

    def __init__(self, name: str, size: tuple[str | None, str | None], split: str = "") -> None:
        self.name, self.split = name, split
        #: Width and height as numbers; what is none stays as it is written, to be judged with all the rest.
        self.size = _side(size[0]), _side(size[1])
        self.shapes: list[Element] = []

    @classmethod
    def all_in(cls, root: Element) -> Iterator[_Picture]:
        """Pictures of a file: those it lists, and the frames of its tracks."""
        for image in root.iter("image"):
            name = image.get("name") or f"image {image.get('id')}"
            found = cls(name, (image.get("width"), image.get("height")), split_of(image.get("subset", "")) or "")
            found.shapes = list(image)
            yield found
        frames: dict[int, list[Element]] = defaultdict(list)
        for track in root.iter("track"):
            for shape in track:
                frame = shape.get("frame", "")
                if frame.isdecimal() and shape.get("outside") != "1":
                    shape.attrib.setdefault("label", track.get("label", ""))
                    shape.attrib.setdefault("group_id", track.get("group_id", ""))
                    frames[int(frame)].append(shape)
        task = next(root.iter("original_size"), None)
        size = (None, None) if task is None else (task.findtext("width"), task.findtext("height"))
        for number, shapes in sorted(frames.items()):
            found = cls(_FRAME.format(number), size)
            found.shapes = shapes
            yield found

    def tell(self, told: Translation, file: Path) -> None:
        """Take it; raises ``EntryError``, and takes nothing, when its people cannot be told apart."""
        points: list[Point] = []
        areas: list[Area] = []
        whole: list[tuple[str, Drawn]] = []
        for number, shape in enumerate(self.shapes, 1):
            try:
                if shape.tag == "skeleton":
                    if (person := _skeleton(shape, number)).keypoints:
                        whole.append((shape.get("label") or _PERSON, person))
                elif shape.tag == "points":
                    points += _points(shape)
                elif shape.tag in _REGIONS:
                    areas.append(Area(shape.get("label") or _PERSON, _region(shape), _group(shape)))
                elif shape.tag != "tag":
                    told.problems.remark(f"a {shape.tag}, which is no keypoint; passed over")
            except EntryError as error:
                told.left_out(file, f"{self.name}, {shape.tag} {number}", str(error))
        people = people_in(points, areas, [one for _, one in whole])
        categories = {id(one): category for category, one in whole}
        # Boxes alone belong to whom the keypoints belong to, where only one kind has any.
        usual = whole[0][0] if whole else _PERSON
        ignored = [area.region for area in areas if area.ignored]
        picture = told.picture(file, self.name, self.size, ignore=ignored, split=self.split)
        for person in people:
            told.person(picture, person.place, categories.get(id(person), usual), person.keypoints, person.box)


def _skeleton(shape: Element, number: int) -> Drawn:
    person = Drawn(f"skeleton {number}")
    for part in shape.iter("points"):
        if part.get("outside") != "1":
            for point in _points(part):
                person.add(point)
    return person


def _points(shape: Element) -> list[Point]:
    """The keypoint of a shape; raises ``EntryError`` for several, which have no names."""
    label, places = shape.get("label", ""), _places(shape.get("points", ""))
    if len(places) != 1 or not label:
        raise EntryError(
            f"{len(places)} points called {label!r}: each needs a name of its own, as a skeleton gives them"
        )
    return [Point(label, (*places[0], 1 if shape.get("occluded") == "1" else 2), _group(shape))]


def _region(shape: Element) -> tuple[float, float, float, float]:
    if shape.tag == "polygon":
        return around(_places(shape.get("points", "")))
    if shape.tag == "box":
        fields: tuple[str, ...] = ("xtl", "ytl", "xbr", "ybr")
        x0, y0, x1, y1 = (_number(shape.get(one)) for one in fields)
        return x0, y0, x1, y1
    if shape.tag == "ellipse":
        x, y, rx, ry = (_number(shape.get(one)) for one in ("cx", "cy", "rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    left, top, width, height = (_number(shape.get(one)) for one in ("left", "top", "width", "height"))
    return left, top, left + width, top + height


def _places(text: str) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in text.split(";") if pair.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise EntryError(f"positions must be “x,y;x,y …”, not {shown(text)}")
    return [(_number(x), _number(y)) for x, y in pairs]


def _number(text: str | None) -> float:
    value = number_of(text)
    if value is None or abs(value) > MAX_COORDINATE:
        raise EntryError(f"a position must be a number of pixels, not {shown(text)}")
    return value


def _side(text: str | None) -> float | str | None:
    value = number_of(text)
    return text if value is None else value


def _group(shape: Element) -> str | None:
    group = shape.get("group_id", "")
    return None if group in _GROUPS else group
