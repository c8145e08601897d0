"""Checks that every reader of labels needs: values in files that nobody has vouched for.

A broken *entry* raises :class:`EntryError`; the reader catches it, notes a ``Problem`` and goes on. A broken *file*
raises ``DataError``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.data.annotations import Label, Person, Problem
from posecore.errors import DataError, SkeletonError
from posecore.imaging import Region
from posecore.parsing import MalformedError, parse_json
from posecore.parsing import shown as shown

#: Largest coordinate that is believed, in pixels: far beyond any picture, and exact in float32 to a tenth of a pixel.
MAX_COORDINATE = 1e6
#: Area of a person relative to their box where a file does not give it.
AREA_OF_BOX = 0.53
#: Most problems that are kept one by one; a file that is wrong throughout says the same thing again and again.
MAX_PROBLEMS = 10_000


class EntryError(ValueError):
    """One entry of a file is wrong; the message says how, without file and place."""


@dataclass
class Problems:
    """Collects what was skipped while one file is read.

    Attributes:
        file: The file being read.
        found: What was noted so far.
    """

    file: Path
    found: list[Problem] = field(default_factory=list)

    def note(self, place: str, reason: str) -> None:
        """Note an entry that is skipped."""
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(self.file, place, reason))
        elif len(self.found) == MAX_PROBLEMS:
            self.found.append(Problem(self.file, "from here on", f"more than {MAX_PROBLEMS} problems, not listed"))

    @contextmanager
    def skipping(self, place: str) -> Iterator[None]:
        """Turn what is wrong with one entry into a problem at ``place``."""
        try:
            yield
        except EntryError as error:
            self.note(place, str(error))


def load_text(path: Path) -> str:
    """Text of a file; raises ``DataError`` when it is missing, unreadable or not UTF-8."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file in UTF-8: {error.reason} at byte {error.start}.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def load_json(path: Path) -> Any:
    """Content of a JSON file; raises ``DataError`` naming the line that is not JSON."""
    text = load_text(path)
    try:
        return parse_json(text)
    except MalformedError as error:
        raise DataError(f"{path} is not valid JSON: {error}.") from error


def a_dict(value: Any, what: str) -> dict[str, Any]:
    """``value`` when it is a JSON object."""
    if not isinstance(value, dict):
        raise EntryError(f"{what} must be an object with named fields, not {shown(value)}")
    return value


def a_list(value: Any, what: str) -> list[Any]:
    """``value`` when it is a JSON array."""
    if not isinstance(value, list):
        raise EntryError(f"{what} must be a list, not {shown(value)}")
    return value


def a_text(value: Any, what: str) -> str:
    """``value`` when it is a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise EntryError(f"{what} must be a text, not {shown(value)}")
    return value


def a_number(value: Any, what: str) -> float:
    """A finite number of believable size; true and false are not numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EntryError(f"{what} must be a number, not {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise EntryError(f"{what} is {value}, not a finite number")
    if abs(value) > MAX_COORDINATE:
        raise EntryError(f"{what} is {shown(value)}, more than the {MAX_COORDINATE:g} that can be right")
    return float(value)


def an_id(value: Any, what: str) -> int:
    """A whole number from 0 to 2⁶³ − 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise EntryError(f"{what} must be a whole number from 0, not {shown(value)}")
    return value


def a_side(value: Any, what: str) -> int:
    """Width or height of a picture in pixels."""
    number = a_number(value, what)
    if number < 1 or number != int(number):
        raise EntryError(f"{what} must be a whole number of pixels, not {shown(value)}")
    return int(number)


def numbers(values: Any, count: int, what: str) -> NDArray[np.float64]:
    """``(count,)`` finite numbers from a list of exactly that length."""
    items = a_list(values, what)
    if len(items) != count:
        raise EntryError(f"{what} must have {count} numbers, not {len(items)}")
    # Nearly always all is well, which is quickly seen; large sets have millions of numbers.
    if set(map(type, items)) <= {int, float}:
        with suppress(OverflowError):
            values_at_once = np.array(items, np.float64)
            if (np.abs(values_at_once) <= MAX_COORDINATE).all():
                return values_at_once
    return np.array([a_number(item, what) for item in items], np.float64)


def box_xywh(values: Any) -> Region:
    """(x0, y0, x1, y1) from x, y, width, height."""
    x, y, width, height = (float(value) for value in numbers(values, 4, "the box"))
    if width <= 0 or height <= 0:
        raise EntryError(f"the box must be wider and higher than 0, not {width:g} × {height:g}")
    return x, y, x + width, y + height


def inside(name: Any, what: str = "the file name") -> PurePosixPath:
    """A relative path that stays inside the folder it is relative to; both kinds of slash separate."""
    text = a_text(name, what).replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in text:
        raise EntryError(f"{what} {shown(name)} leads out of the folder of the data")
    return path


def is_file(path: Path) -> bool:
    """True for a file that exists; False for anything else, names that no file can have included."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def labels_from_flags(flags: NDArray[np.float64]) -> NDArray[np.uint8]:
    """COCO's visibility flags as labels: 0 unlabelled, 1 hidden, 2 visible."""
    wrong = ~np.isin(flags, (0, 1, 2))
    if wrong.any():
        raise EntryError(f"visibility must be 0, 1 or 2, not {flags[wrong][0]:g}")
    return flags.astype(np.uint8)


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
    labelled = (labels == Label.HIDDEN) | (labels == Label.VISIBLE)
    if box is None:
        if not labelled.any():
            raise EntryError("there is neither a box nor a labelled keypoint")
        low, high = xy[labelled].min(0), xy[labelled].max(0)
        pad = np.maximum(1 - (high - low), 0) / 2
        low, high = low - pad, high + pad
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    if area is None:
        area = AREA_OF_BOX * (box[2] - box[0]) * (box[3] - box[1])
    keypoints = np.where(labelled[:, None], xy, np.nan).astype(np.float32)
    return Person(keypoints, labels.astype(np.uint8), box, area, crowd, category)


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """Turn an entry without which the file is useless (its categories, say) into a ``DataError`` naming the file."""
    try:
        yield
    except (EntryError, SkeletonError) as error:
        raise DataError(f"{path} cannot be used: {str(error).rstrip('.')}.") from error


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: 1 picture, 2 pictures."""
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def texts(values: Any, what: str) -> Sequence[str]:
    """A list of texts."""
    return [a_text(value, what) for value in a_list(values, what)]
