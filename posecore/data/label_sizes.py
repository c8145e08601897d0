"""Labels that were made for another size or orientation of their picture: seen, mended where it is certain, and said.

Pictures are turned by their EXIF orientation or made smaller after they were labelled, and tools differ in whether they
label the pixels that are stored or the picture that is seen. A width and height beside the labels, and labels that lie
beyond a picture, give that away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, to_edges, to_positions
from posecore.data.annotations import AnnotatedImage, Person, PoseDataset, Problem, Remark
from posecore.data.checks import EntryError
from posecore.data.pictures import stored_picture
from posecore.picture_files import upright_size

Size = tuple[int, int]

#: How far labels may lie beyond a picture, relative to its sides and in pixels: people draw boxes generously.
_SLACK, _SLACK_PIXELS = 0.02, 2.0
#: Sides that differ by less are those of a picture that was scaled.
_ROUNDING = 1.0


class _Made(Enum):
    """What a picture's labels were made for."""

    UPRIGHT = "the picture as it is seen"
    STORED = "the pixels as they are stored"
    EITHER = "either"
    NEITHER = "neither"


@dataclass(frozen=True)
class _Candidate:
    """A picture whose labels may need mending.

    Attributes:
        image: Its labels, scaled to the sides of the picture.
        before: (width, height) that the labels said.
        stored: (width, height) as it is stored.
        orientation: EXIF orientation, 1 … 8.
        made: What its labels were made for, judged by itself.
    """

    image: AnnotatedImage
    before: Size
    stored: Size
    orientation: int
    made: _Made

    @property
    def upright(self) -> Size:
        return upright_size(self.stored, self.orientation)

    @property
    def is_alike(self) -> bool:
        """True for a picture that is turned or mirrored into the same sides: its labels fit both, whatever they say."""
        labelled = bool(self.image.people or self.image.ignore)
        return self.made is _Made.UPRIGHT and self.orientation != 1 and self.upright == self.stored and labelled


def fit_labels(dataset: PoseDataset) -> PoseDataset:
    """The set with all labels in pixels of its pictures as they are seen.

    Labels made for the same picture at another scale are scaled, those made for the stored pixels of a picture that is
    turned by its EXIF orientation are turned. Where labels fit both ways, the others of the set decide; where nobody
    does and the picture has the same sides either way, they are taken as those of the picture as it is seen. Pictures
    whose header cannot be read, or whose labels fit in no way that is certain, are left out: ``problems`` says which,
    and ``remarks`` what was put right or taken for certain.

    Args:
        dataset: A set whose pictures are there. Only their headers are read.
    """
    problems = list(dataset.problems)
    candidates: list[_Candidate] = []
    for image in dataset:
        try:
            candidates.append(_judged(image))
        except EntryError as error:
            problems.append(Problem(image.path, "the picture", str(error)))
    sideways = [one for one in candidates if one.stored != one.upright]
    common, alike = _common(one for one in sideways if one.image.size == one.stored), _common(sideways)
    images: list[AnnotatedImage] = []
    mended: dict[str, list[_Candidate]] = {}
    for one in candidates:
        made = common if one.made is _Made.EITHER else one.made
        if one.is_alike and alike is _Made.STORED:
            made = alike
        if made in (_Made.EITHER, _Made.NEITHER):
            problems.append(Problem(one.image.path, "the picture", _left_out(one)))
            continue
        image = _turned(one) if made is _Made.STORED else replace(one.image, size=one.upright)
        images.append(image)
        for change in _changes(one, made, alike):
            mended.setdefault(change, []).append(one)
    remarks = (*dataset.remarks, *_said(mended))
    return replace(dataset, images=tuple(images), problems=tuple(problems), remarks=remarks)


def _judged(image: AnnotatedImage) -> _Candidate:
    """What one picture's labels were made for; raises ``EntryError`` for a picture whose header cannot be read."""
    stored, orientation = stored_picture(image.path)
    upright = upright_size(stored, orientation)
    scaled = _scaled_to(image, (upright, stored))
    if scaled is None:
        swapped = image.size == upright[::-1] and _inside(image, upright) and not _inside(image, image.size)
        # The width and height of the file are in the other's place; its labels are not.
        return _Candidate(image, image.size, stored, orientation, _Made.UPRIGHT if swapped else _Made.NEITHER)
    return _Candidate(scaled, image.size, stored, orientation, _made_for(scaled, stored, upright))


def _made_for(image: AnnotatedImage, stored: Size, upright: Size) -> _Made:
    """What labels of a picture of these sides were made for."""
    in_upright, in_stored = _inside(image, upright), _inside(image, stored)
    if stored == upright:
        # People may reach beyond a picture, but not most of them: these are labels of another.
        return _Made.UPRIGHT if in_upright or _mostly_inside(image, upright) else _Made.NEITHER
    if in_upright != in_stored:
        return _Made.UPRIGHT if in_upright else _Made.STORED
    if image.size == upright:
        return _Made.UPRIGHT if in_upright or _mostly_inside(image, upright) else _Made.NEITHER
    return _Made.EITHER if in_upright else _Made.NEITHER


def _common(candidates: Iterable[_Candidate]) -> _Made:
    """What those of some pictures were labelled as whose labels fit one way only; ``EITHER`` where they differ."""
    certain = {one.made for one in candidates} & {_Made.UPRIGHT, _Made.STORED}
    return certain.pop() if len(certain) == 1 else _Made.EITHER


def _left_out(one: _Candidate) -> str:
    before, upright = _sides(one.before), _sides(one.upright)
    if one.made is _Made.EITHER:
        return (
            f"its labels are for {before} pixels, as it is stored, but it is seen as {upright} (EXIF orientation "
            f"{one.orientation}), and they fit both; save it upright and label it again"
        )
    if one.before == one.upright:
        return f"most of its labels lie outside of its {upright} pixels; they are another picture's or size's"
    return f"{upright} pixels, but labelled for {before}"


def _sides(size: Size) -> str:
    return f"{size[0]} × {size[1]}"


# --- mending -------------------------------------------------------------------------------------------------------


def _scaled_to(image: AnnotatedImage, sizes: Sequence[Size]) -> AnnotatedImage | None:
    """The labels in the first of ``sizes`` that is a scaled copy of theirs; None when none is."""
    for size in sizes:
        if size == image.size:
            return image
    for size in sizes:
        factors = np.divide(size, image.size)
        rounded = abs(size[0] - image.size[0] * factors[1]) <= _ROUNDING * max(factors[1], 1) or (
            abs(size[1] - image.size[1] * factors[0]) <= _ROUNDING * max(factors[0], 1)
        )
        if rounded and _mostly_inside(image, image.size):
            return _moved(image, size, np.diag(factors), np.zeros(2))
    return None


def _turned(one: _Candidate) -> AnnotatedImage:
    """Labels of stored pixels as labels of the picture as it is seen."""
    width, height = one.stored
    # Rows are x and y of the picture as it is seen, in x and y of the stored one; positions count from its edge.
    axes, corner = {
        2: ([[-1, 0], [0, 1]], (width, 0)),
        3: ([[-1, 0], [0, -1]], (width, height)),
        4: ([[1, 0], [0, -1]], (0, height)),
        5: ([[0, 1], [1, 0]], (0, 0)),
        6: ([[0, -1], [1, 0]], (height, 0)),
        7: ([[0, -1], [-1, 0]], (height, width)),
        8: ([[0, 1], [-1, 0]], (0, width)),
    }[one.orientation]
    return _moved(one.image, one.upright, np.array(axes, np.float64), np.array(corner, np.float64))


def _moved(image: AnnotatedImage, size: Size, axes: NDArray[np.float64], corner: NDArray[np.float64]) -> AnnotatedImage:
    """Labels under ``axes`` · position + ``corner``, positions counting from the picture's edge."""

    def box(region: Region) -> Region:
        ends = np.array(region).reshape(2, 2) @ axes.T + corner
        (x0, y0), (x1, y1) = ends.min(0).tolist(), ends.max(0).tolist()
        return x0, y0, x1, y1

    def person(one: Person) -> Person:
        keypoints = to_positions(to_edges(one.keypoints) @ axes.T + corner)
        area = one.area * abs(float(np.linalg.det(axes)))
        return replace(one, keypoints=keypoints.astype(np.float32), box=box(one.box), area=area)

    people = tuple(person(one) for one in image.people)
    return replace(image, size=size, people=people, ignore=tuple(box(region) for region in image.ignore))


def _changes(one: _Candidate, made: _Made, alike: _Made) -> Iterator[str]:
    if one.before not in (one.stored, one.upright, one.upright[::-1]):
        yield "labels made for the picture at another size were scaled to it"
    if made is _Made.STORED:
        yield "labels made for the stored pixels were turned by the picture's EXIF orientation"
    elif one.is_alike and alike is _Made.EITHER:
        yield (
            f"labels of a picture that is seen turned or mirrored (EXIF orientation {one.orientation}) were taken as "
            "labels of what is seen, though they fit its stored pixels as well; look whether they lie right"
        )
    elif one.before == one.upright[::-1] != one.upright:
        yield "width and height were in each other's place; the labels fit the picture as it is seen"


def _said(mended: dict[str, list[_Candidate]]) -> Iterator[Remark]:
    for change, ones in mended.items():
        first = ones[0]
        sizes = f" from {_sides(first.before)} to {_sides(first.upright)}" if first.before != first.upright else ""
        yield Remark(f"{change}, in {first.image.path.name}{sizes}", len(ones))


# --- where labels lie ----------------------------------------------------------------------------------------------


def _points(image: AnnotatedImage) -> NDArray[np.float64]:
    """``(N, 2)`` labelled keypoints of a picture."""
    found = [person.keypoints[person.labelled] for person in image.people]
    return np.concatenate(found).astype(np.float64) if found else np.zeros((0, 2))


def _outside(points: NDArray[np.float64], size: Size) -> NDArray[np.bool_]:
    sides = np.array(size, np.float64)
    slack = _SLACK * sides + _SLACK_PIXELS
    return np.asarray(((points < -slack) | (points > sides + slack)).any(axis=-1), bool)


def _inside(image: AnnotatedImage, size: Size) -> bool:
    """True when everything that is labelled lies in a picture of ``size``."""
    regions = [*(person.box for person in image.people), *image.ignore]
    corners = np.array(regions, np.float64).reshape(-1, 2)
    return not _outside(np.concatenate([_points(image), corners]), size).any()


def _mostly_inside(image: AnnotatedImage, size: Size) -> bool:
    """True unless most of the labelled keypoints lie outside of a picture of ``size``."""
    counts = Counter(_outside(_points(image), size).tolist())
    return counts[True] <= counts[False]
