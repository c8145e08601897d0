"""One record of the LMDBs that CMU made to train OpenPose: a picture, its people, and where nothing is to be learnt.

A record is a ``Datum`` of Caffe (``channels`` = 1, ``height`` = 2, ``width`` = 3, ``data`` = 4, ``encoded`` = 7 of
`caffe.proto <https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto>`_) whose bytes are planes of
``height × width``, one after the other:

====  =========================================================================================================
0–2   the picture, blue, green, red; a narrow one is padded with grey on the right
3     *metadata*: rows that each begin with what is listed below; the rest of a row is 0
4     ``mask_miss``: 0 where people are whom nobody labelled, 255 elsewhere
5     ``mask_all``: all people; not in newer files, and not needed here
====  =========================================================================================================

Rows of metadata; numbers are little-endian 32-bit floats unless they are bytes:

=======  ======================================================================================================
0        name of the set in ASCII, ``COCO`` or one that begins so, then a 0
1        height and width of the picture without padding
2        counts, see below
3        ``objpos``: x and y of the middle of the main person's box
4        ``scale_provided``: the box's height divided by 368
5–7      ``joint_self``: x of all joints, y of all joints, flags of all joints
8 …      ``objpos_other``: a row with x and y for each of the n other people
8 + n    ``scale_provided_other``: n numbers in one row
9 + n …  ``joint_others``: three rows each, as ``joint_self``
=======  ======================================================================================================

Row 2 is, in files of 2017, the bytes ``isValidation``, n and ``people_index`` and the numbers ``annolist_index``,
``writeCount`` and ``totalWriteCount``; newer files leave the first byte out. A record's numbers are whole in only one
of the two readings, which tells them apart.

Joints are COCO's 17 in COCO's order, in sets with feet followed by those, which are left out. Their positions are
COCO's own, although the training code takes one pixel off them. A flag is 1 for visible, 0 for hidden, anything else
for unlabelled.

Sources: ``genLMDB.py`` and ``genJSON.m`` of
`Realtime_Multi-Person_Pose_Estimation <https://github.com/ZheC/Realtime_Multi-Person_Pose_Estimation>`_, and
``generateLmdbFile`` of `openpose_train <https://github.com/CMU-Perceptual-Computing-Lab/openpose_train>`_.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, to_edges
from posecore.data.annotations import Label, Person
from posecore.data.checks import MAX_COORDINATE, EntryError
from posecore.data.people import Remark, labels_from_flags, make_person
from posecore.data.regions import regions_of
from posecore.errors import WeightsError
from posecore.picture_files import Picture
from posecore.protobuf import Message
from posecore.skeleton import COCO_17

_CHANNELS, _HEIGHT, _WIDTH, _DATA, _ENCODED = 1, 2, 3, 4, 7
_META, _MISS = 3, 4
_JOINTS = len(COCO_17)
#: What scales are relative to, in pixels.
_SCALE = 368.0
#: The first row of the other people.
_OTHERS = 8
#: Whole numbers beyond this are not exact as 32-bit floats.
_MOST = 2.0**24


@dataclass(frozen=True, eq=False)
class Record:
    """What a record holds.

    Attributes:
        picture: ``(H, W, 3)`` uint8 RGB, without padding.
        people: The main person first.
        ignore: Boxes around those whom nobody labelled.
        validation: True for a picture that was kept for validation.
    """

    picture: Picture
    people: tuple[Person, ...]
    ignore: tuple[Region, ...]
    validation: bool


def read_record(value: memoryview, remark: Remark) -> Record:
    """A record from its bytes.

    Args:
        value: A serialised ``Datum``.
        remark: Called with what is odd.

    Raises:
        EntryError: When it is damaged, or no record of people of COCO.
    """
    planes = _planes(value)
    rows = planes[_META]
    name = rows[0].tobytes().split(b"\0")[0].decode("ascii", "replace")
    if not name.startswith("COCO"):
        raise EntryError(f"its set is called {name[:40]!r}; only people of COCO can be read")
    sides = _numbers(rows, 1, 2)
    if not ((sides >= 1) & (sides <= planes.shape[1:]) & (sides == np.floor(sides))).all():
        raise EntryError("its metadata are damaged: the size of the picture cannot be right")
    height, width = sides.astype(int)
    validation, others = _counts(rows)
    if _OTHERS + bool(others) + 4 * others > len(rows):
        raise EntryError(f"its metadata are damaged: {others} other people do not fit into {len(rows)} rows")
    people = [_person(rows, 3, float(_numbers(rows, 4, 1)[0]), 5, remark)]
    if others:
        scales = _numbers(rows, _OTHERS + others, others)
        first = _OTHERS + others + 1
        people += [_person(rows, _OTHERS + at, float(scales[at]), first + 3 * at, remark) for at in range(others)]
    picture = np.ascontiguousarray(planes[2::-1, :height, :width].transpose(1, 2, 0))
    return Record(picture, tuple(people), regions_of(planes[_MISS, :height, :width] == 0), validation)


def _planes(value: memoryview) -> NDArray[np.uint8]:
    """``(C, H, W)`` of a ``Datum``."""
    try:
        datum = Message(value, "the record")
        channels, height, width = (datum.integer(field) for field in (_CHANNELS, _HEIGHT, _WIDTH))
        data = (datum.spans(_DATA) or [memoryview(b"")])[-1]
        encoded = datum.integer(_ENCODED)
    except WeightsError as error:
        raise EntryError(str(error).rstrip(".")) from error
    if encoded:
        raise EntryError("it holds a compressed picture, as OpenPose's records never do")
    if not (channels > _MISS and min(height, width) > 0 and channels * height * width == len(data)):
        raise EntryError(f"it is no record of OpenPose: {channels} × {height} × {width} values in {len(data)} bytes")
    if width < 4 * _JOINTS or height < _OTHERS:
        raise EntryError(f"{width} × {height} pixels have no room for metadata")
    return np.frombuffer(data, np.uint8).reshape(channels, height, width)


def _numbers(rows: NDArray[np.uint8], row: int, count: int, start: int = 0) -> NDArray[np.float32]:
    """``(count,)`` floats that begin at byte ``start`` of a row."""
    found = rows[row, start : start + 4 * count].tobytes()
    if len(found) < 4 * count:
        raise EntryError(f"its metadata are damaged: row {row} has no room for {count} numbers")
    return np.frombuffer(found, "<f4")


def _counts(rows: NDArray[np.uint8]) -> tuple[bool, int]:
    """Whether the picture was kept for validation, and how many other people there are."""
    for first in (1, 0):
        index, written, total = _numbers(rows, 2, 3, first + 2)
        if (
            all(0 <= value < _MOST and value == np.floor(value) for value in (index, written, total))
            and written < total
        ):
            return bool(first and rows[2, 0]), int(rows[2, first])
    raise EntryError("its metadata are damaged: counts that are not whole")


def _person(rows: NDArray[np.uint8], centre: int, scale: float, joints: int, remark: Remark) -> Person:
    """A person whose box has its middle in row ``centre`` and whose joints begin in row ``joints``."""
    xy = np.stack([_numbers(rows, joints, _JOINTS), _numbers(rows, joints + 1, _JOINTS)], 1).astype(np.float64)
    flags = _numbers(rows, joints + 2, _JOINTS)
    seen = np.select([flags == 1, flags == 0], [Label.VISIBLE, Label.HIDDEN], Label.UNLABELLED)
    labels = labels_from_flags(seen.astype(np.float64), xy, remark)
    if not ((labels == Label.VISIBLE) | (labels == Label.HIDDEN)).any():
        raise EntryError("somebody has no labelled keypoint, so that its metadata are damaged")
    return make_person(xy, labels, _box(_numbers(rows, centre, 2), scale, xy[labels > 0]))


def _box(middle: NDArray[np.float32], scale: float, xy: NDArray[np.float64]) -> Region | None:
    """A box of the height and middle that are given, as wide as the joints ``xy`` need; None without a height."""
    x, y = (float(value) for value in middle)
    half = scale * _SCALE / 2
    if not (0 < half < MAX_COORDINATE and max(abs(x), abs(y)) < MAX_COORDINATE):
        return None
    across = max(float(np.abs(to_edges(xy)[:, 0] - x).max()), 0.5)
    return x - across, y - half, x + across, y + half
