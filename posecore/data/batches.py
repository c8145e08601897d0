"""Annotated pictures as arrays: square cut-outs packed once, labels beside them, and labels of a training batch.

Training reads the same people many times. Decoding pictures each time would cost more than the network, so the
cut-outs are resampled once into one uint8 array that is memory-mapped afterwards. Coordinates are (x, y) with the
centre of the top-left pixel at (0, 0), in pixels of the cut-out or of the network's input, as stated.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from posecore.boxes import Region, full_region, square_around_box, to_positions
from posecore.data import disk_cache
from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.operations import mapped
from posecore.data.pictures import read_labelled
from posecore.errors import DataError, ImageError
from posecore.imaging import Picture, sample, stretch
from posecore.settings import Settings
from posecore.skeleton import Skeleton
from posecore.storage import DraftFolder, touch

log = logging.getLogger(__name__)

#: Raised when the layout of packed files changes, so that old ones are not read.
LAYOUT = 2


class PackSettings(Settings):
    """How pictures are cut and packed."""

    cut: Literal["people", "pictures"] = Field(
        "people",
        title="Cut",
        description="people: one square around each person that has enough keypoints; pictures: each whole picture.",
    )
    side: int = Field(224, title="Side", ge=32, le=2048, description="Side of the packed squares in pixels.")
    expand: float = Field(
        1.6,
        title="Expand",
        ge=1,
        le=5,
        description="Side of a person's square as a multiple of the box's longer side; leaves room for augmentation.",
    )
    min_keypoints: int = Field(
        5, title="Fewest keypoints", ge=1, le=1000, description="People with fewer labelled keypoints get no square."
    )
    min_size: float = Field(
        40.0,
        title="Smallest person",
        ge=0,
        le=10000,
        description="People whose box's longer side has fewer picture pixels get no square.",
    )
    max_people: int = Field(
        12,
        title="Most people",
        ge=1,
        le=200,
        description="People kept per square, largest first; where the others are, nothing is learnt.",
    )
    outside: float | None = Field(
        None,
        title="Outside",
        ge=0,
        le=255,
        description="Grey level of what lies outside the picture; unless given, its edge is repeated. Best is what the "
        "network will see there in use: MoveNet pads with 0, PoseNet repeats the edge, OpenPose pads with 128.",
    )


@dataclass(frozen=True, eq=False)
class Pack:
    """N square cut-outs with everybody in them.

    Attributes:
        pixels: ``(N, S, S, 3)`` uint8 RGB, possibly memory-mapped.
        keypoints: ``(N, P, K, 2)`` float32 (x, y) in packed pixels; NaN unless labelled and inside.
        labels: ``(N, P, K)`` uint8 of :class:`Label`; ABSENT throughout for empty places.
        boxes: ``(N, P, 4)`` float32 (x0, y0, x1, y1) in packed pixels; NaN for empty places.
        focus: ``(N, P)`` bool: people that a training crop may be centred on.
        ignore: ``(N, R, 4)`` float32 boxes in which nothing is known (crowds, people beyond P, ignore regions), R as
            many as the fullest square has; NaN for empty places.
    """

    pixels: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    labels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    focus: NDArray[np.bool_]
    ignore: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """S, in pixels."""
        return int(self.pixels.shape[1])

    def subset(self, rows: NDArray[np.intp]) -> Pack:
        """The cut-outs ``rows``, copied into memory."""
        return Pack(*(np.asarray(getattr(self, item.name)[rows]) for item in fields(self)))


@dataclass(frozen=True)
class Cut:
    """One square to pack: which picture, where, and the person it was made for (None: everybody)."""

    image: AnnotatedImage
    region: Region
    person: int | None


def cuts_of(dataset: PoseDataset, settings: PackSettings) -> Iterator[Cut]:
    """The squares that ``settings`` asks for, in the order of the data set."""
    for image in dataset:
        worth = [index for index, person in enumerate(image.people) if _worth_a_square(person, settings)]
        if settings.cut == "people":
            for index in worth:
                yield Cut(image, square_around_box(image.people[index].box, settings.expand), index)
        elif worth:
            yield Cut(image, square_around_box(full_region(image.size), 1.0), None)


def _worth_a_square(person: Person, settings: PackSettings) -> bool:
    x0, y0, x1, y1 = person.box
    big = max(x1 - x0, y1 - y0) >= settings.min_size
    # All of them where the skeleton has fewer.
    fewest = min(settings.min_keypoints, len(person.labels))
    return not person.crowd and big and int(person.labelled.sum()) >= fewest


def pack(dataset: PoseDataset, skeleton: Skeleton, settings: PackSettings, folder: Path | None = None) -> Pack:
    """Cut and resample every square of a data set, labels expressed in ``skeleton``.

    Args:
        dataset: Annotated pictures with any skeleton.
        skeleton: Skeleton of the labels that come out; keypoints that the data set does not know are UNLABELLED.
        settings: What to cut.
        folder: Where packed arrays are kept and found again; None keeps them in memory.

    Raises:
        DataError: When no square could be made.
    """
    cuts = list(cuts_of(mapped(dataset, skeleton), settings))
    if not cuts:
        raise DataError(nobody_left(mapped(dataset, skeleton), settings))
    if folder is None:
        return _make(cuts, settings, None)

    def write(draft: Path) -> Iterable[Path]:
        write_pack(cuts, settings, draft)
        return (cut.image.path.parent for cut in cuts)

    return kept_pack(folder / _key(cuts, settings), write)


def kept_pack(place: Path, write: Callable[[Path], Iterable[Path]]) -> Pack:
    """The pack that is kept in a folder, made first where there is none.

    Args:
        place: The folder.
        write: Writes the pack into a draft of the folder; returns the folders that its pictures came from.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with disk_cache.lock_of(place):
        if not place.exists():
            # Written beside and renamed when complete, so that an interrupted run leaves no half-packed folder.
            with DraftFolder(disk_cache.DRAFT, place.parent) as draft:
                disk_cache.note(draft, write(draft))
                draft.rename(place)
        touch(place)
        return _load(place)


def packed_cuts(dataset: PoseDataset, settings: PackSettings, folder: Path) -> list[Cut]:
    """The squares that :func:`pack` makes of a data set in its own skeleton, row by row: not of unreadable pictures.

    Pictures are opened where no packed arrays in ``folder`` say that all of them can be read.
    """
    cuts = list(cuts_of(dataset, settings))
    try:
        packed = len(np.load(folder / _key(cuts, settings) / "labels.npy", mmap_mode="r"))
    except OSError:
        packed = 0
    return cuts if packed == len(cuts) else [cut for cut, _ in _opened(cuts)]


def write_pack(cuts: Sequence[Cut], settings: PackSettings, folder: Path) -> None:
    """Make a pack in a folder; raises ``DataError`` when no picture can be read."""
    _save(_make(cuts, settings, folder / "pixels.npy"), folder)


def nobody_left(dataset: PoseDataset, settings: PackSettings) -> str:
    """Why nobody of a set can be learnt from, and what to do, as a sentence."""
    people = [person for image in dataset for person in image.people if person.labelled.any() and not person.crowd]
    if not people:
        return f"{dataset.name}: nobody has a labelled keypoint that would be learnt; label some people first."
    keypoints = max(int(person.labelled.sum()) for person in people)
    longest = max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (person.box for person in people))
    return (
        f"{dataset.name}: nobody has both {settings.min_keypoints} labelled keypoints and a box of "
        f"{settings.min_size:g} pixels; the most are {keypoints} keypoints and {longest:.0f} pixels. Lower "
        "min_keypoints or min_size under pack, or label more of each person."
    )


def _key(cuts: Sequence[Cut], settings: PackSettings) -> str:
    """Hash of everything that the packed arrays depend on, pictures by path, size and time of change."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([LAYOUT, settings.model_dump()]).encode())
    for cut in cuts:
        digest.update(repr((str(cut.image.path), stamp(cut.image.path), cut.region, cut.person)).encode())
        digest.update(repr(cut.image.ignore).encode())
        for person in cut.image.people:
            digest.update(person.keypoints.tobytes() + person.labels.tobytes())
            digest.update(repr((person.box, person.crowd)).encode())
    return digest.hexdigest()


def stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change; None for a file that is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _save(packed: Pack, folder: Path) -> None:
    for item in fields(packed):
        if item.name != "pixels":
            np.save(folder / f"{item.name}.npy", getattr(packed, item.name))


def _load(folder: Path) -> Pack:
    arrays: dict[str, Any] = {item.name: np.load(folder / f"{item.name}.npy") for item in fields(Pack)[1:]}
    # Pictures that could not be read leave empty squares at the end of the file.
    return Pack(np.load(folder / "pixels.npy", mmap_mode="r")[: len(arrays["labels"])], **arrays)


def _make(cuts: Sequence[Cut], settings: PackSettings, file: Path | None) -> Pack:
    """Resample all squares; pixels go to ``file`` when given. Unreadable pictures are reported and left out."""
    shape = (len(cuts), settings.side, settings.side, 3)
    pixels: NDArray[np.uint8] = (
        np.empty(shape, np.uint8) if file is None else np.lib.format.open_memmap(file, "w+", np.uint8, shape)
    )
    rows: list[dict[str, NDArray[Any]]] = []
    ignored: list[NDArray[np.float32]] = []
    for cut, picture in _opened(cuts):
        transform = stretch((picture.shape[1], picture.shape[0]), (settings.side,) * 2, cut.region, half_pixel=True)
        pixels[len(rows)] = np.rint(sample(picture, transform, fill=settings.outside, antialias=True))
        row, blank = _labels(cut, settings, transform.to_input)
        rows.append(row)
        ignored.append(blank)
        if len(rows) % 2000 == 0:
            log.info("%d of %d squares packed", len(rows), len(cuts))
    if not rows:
        raise DataError(
            f"None of the pictures of the {len(cuts)} people could be read, for example {cuts[0].image.path}; put them "
            "back where the labels say they are."
        )
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return Pack(pixels[: len(rows)], ignore=_padded(ignored), **arrays)


def _opened(cuts: Sequence[Cut]) -> Iterator[tuple[Cut, Picture]]:
    """The squares whose picture can be read, with it; the others are reported."""
    for _, group in groupby(cuts, key=lambda cut: cut.image.path):
        members = list(group)
        try:
            picture = read_labelled(members[0].image)
        except ImageError as error:
            log.warning("%s is left out: %s", members[0].image.path, error)
            continue
        for cut in members:
            yield cut, picture


def _padded(boxes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """``(N, R, 4)`` of N lists of boxes, R at least 1, NaN where there are fewer than the most."""
    padded = np.full((len(boxes), max(1, *map(len, boxes)), 4), np.nan, np.float32)
    for row, some in zip(padded, boxes, strict=True):
        row[: len(some)] = some
    return padded


def _labels(cut: Cut, settings: PackSettings, to_packed: Any) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
    """Labels of one square as the rows of a :class:`Pack`, and its boxes to ignore."""
    places, keypoints = settings.max_people, len(cut.image.people[0].labels)
    row: dict[str, NDArray[Any]] = {
        "keypoints": np.full((places, keypoints, 2), np.nan, np.float32),
        "labels": np.full((places, keypoints), Label.ABSENT, np.uint8),
        "boxes": np.full((places, 4), np.nan, np.float32),
        "focus": np.zeros(places, bool),
    }
    blank: list[Region] = list(cut.image.ignore)
    order = sorted(range(len(cut.image.people)), key=lambda i: (i != cut.person, -cut.image.people[i].area, i))
    place = 0
    for index in order:
        person = cut.image.people[index]
        extent = _extent(person)
        if not _touches(_to_packed_box(extent, to_packed), settings.side):
            continue
        if person.crowd or place == places:
            blank.append(extent)
            continue
        xy, labels = to_packed(person.keypoints).astype(np.float32), person.labels.copy()
        out = ~((xy >= -0.5) & (xy <= settings.side - 0.5)).all(1) & (labels != Label.UNLABELLED)
        labels[out] = Label.ABSENT
        xy[out] = np.nan
        row["keypoints"][place], row["labels"][place] = xy, labels
        row["boxes"][place] = _to_packed_box(person.box, to_packed)
        row["focus"][place] = index == cut.person if cut.person is not None else _worth_a_square(person, settings)
        place += 1
    boxes = [_to_packed_box(region, to_packed) for region in blank]
    inside = [box for box in boxes if _touches(box, settings.side)]
    return row, np.array(inside, np.float32).reshape(-1, 4)


def _extent(person: Person) -> Region:
    """The box together with the labelled joints, some of which may lie outside it."""
    x0, y0, x1, y1 = person.box
    if not person.labelled.any():
        return x0, y0, x1, y1
    xy = person.keypoints[person.labelled]
    # Joints are centres of pixels, boxes run along their edges.
    (left, top), (right, bottom) = xy.min(0).tolist(), xy.max(0).tolist()
    return min(x0, left), min(y0, top), max(x1, right + 1), max(y1, bottom + 1)


def _to_packed_box(box: Region, to_packed: Any) -> NDArray[np.float32]:
    corners: NDArray[np.float64] = to_packed(to_positions(np.array(box).reshape(2, 2)))
    return corners.reshape(4).astype(np.float32)


def _touches(box: NDArray[np.float32], side: int) -> bool:
    return bool((box[:2] < side).all() and (box[2:] > 0).all())
