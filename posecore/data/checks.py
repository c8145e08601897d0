"""Checks that every reader of labels needs: values in files that nobody has vouched for.

A broken *entry* raises :class:`EntryError`; the reader catches it, notes a ``Problem`` and goes on. A broken *file*
raises ``DataError``.
"""

from __future__ import annotations

import codecs
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from posecore.data.annotations import Problem, Remark
from posecore.errors import DataError, SkeletonError
from posecore.parsing import MalformedError, parse_json
from posecore.parsing import shown as shown

#: Largest coordinate that is believed, in pixels: far beyond any picture, and exact in float32 to a tenth of a pixel.
MAX_COORDINATE = 1e6
#: Most problems that are kept one by one; a file that is wrong throughout says the same thing again and again.
MAX_PROBLEMS = 10_000
#: How files begin that Git LFS keeps elsewhere.
_LFS = "version https://git-lfs"


class EntryError(ValueError):
    """One entry of a file is wrong; the message says how, without file and place."""


class IgnoredError(EntryError):
    """One person in a file is wrong, and their place became an ignore region."""


@dataclass
class Problems:
    """Collects what was skipped while one file is read, and what was odd and read all the same.

    Attributes:
        file: The file being read.
        found: What was skipped so far.
        odd: How often each thing was odd; see :class:`Remark`.
    """

    file: Path
    found: list[Problem] = field(default_factory=list)
    odd: Counter[str] = field(default_factory=Counter)

    def note(self, place: str, reason: str, ignored: int = 0) -> None:
        """Note an entry that is skipped, and how many people in it became ignore regions."""
        if len(self.found) < MAX_PROBLEMS:
            # What is quoted from a file may be long without limit.
            self.found.append(Problem(self.file, f"{place:.200}", f"{reason:.600}", ignored))
        elif len(self.found) == MAX_PROBLEMS:
            self.found.append(Problem(self.file, "from here on", f"more than {MAX_PROBLEMS} problems, not listed"))

    def remark(self, what: str) -> None:
        """Count something that is odd but costs nothing."""
        self.odd[what] += 1

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was odd."""
        return tuple(Remark(what, count) for what, count in self.odd.items())

    @contextmanager
    def skipping(self, place: str) -> Iterator[None]:
        """Turn what is wrong with one entry into a problem at ``place``."""
        try:
            yield
        except EntryError as error:
            self.note(place, str(error), ignored=int(isinstance(error, IgnoredError)))


def beginning_of(path: Path, size: int) -> bytes:
    """The first ``size`` bytes of a file, to see what it is: text of UTF-16 too as UTF-8, without a mark."""
    with path.open("rb") as file:
        content = file.read(size)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="ignore").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def load_text(path: Path) -> str:
    """Text of a file; raises ``DataError`` when it is missing, unreadable or not UTF-8."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        how = _encoding(content)
        where = f"{how} (byte {error.start} cannot be UTF-8)"
        raise DataError(f"{path} is not a text file in UTF-8 but {where}; save it anew as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if text.startswith(_LFS):
        raise DataError(f"{path} is only Git LFS's pointer to the file; fetch the file itself with “git lfs pull”.")
    if "\0" in text[:4]:  # every other byte of UTF-16 without its mark
        raise DataError(f"{path} is not a text file in UTF-8 but {_encoding(content)}; save it anew as UTF-8.")
    return text


def _encoding(content: bytes) -> str:
    """What a file that is not UTF-8 seems to be in."""
    if content.startswith(b"\x1f\x8b"):
        return "packed by gzip"
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "in UTF-32"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        return "in UTF-16"
    return "binary" if b"\0" in content[:1000] else "in another encoding, such as Latin-1 or Windows-1252"


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


def number_of(value: Any) -> float | None:
    """A finite number, also one that was written as text or stands for true and false; None for anything else."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def an_id_of(value: Any, what: str) -> int | str:
    """What entries refer to each other by: a whole number from 0 however it is written (1, 1.0, "1"), else as text."""
    if isinstance(value, str) and value.strip():
        text = value.strip()
        whole = text.removesuffix(".0")
        return int(whole) if whole.isascii() and whole.isdigit() and len(whole) < 19 else text
    if isinstance(value, float) and value.is_integer() and 0 <= value < 2**53:
        return int(value)
    if type(value) is int and not 0 <= value < 2**63:
        return str(value) if abs(value) < 10**100 else f"{value:x}"  # Python refuses decimals of thousands of digits
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return an_id(value, what)


def a_side(value: Any, what: str) -> int:
    """Width or height of a picture in pixels."""
    number = a_number(value, what)
    if number < 1 or number != int(number):
        raise EntryError(f"{what} must be a whole number of pixels, not {shown(value)}")
    return int(number)


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


@contextmanager
def as_data_error(path: Path) -> Iterator[None]:
    """Turn an entry without which the file is useless (its categories, say) into a ``DataError`` naming the file."""
    try:
        yield
    except (EntryError, SkeletonError) as error:
        raise DataError(f"{path} cannot be used: {str(error).rstrip('.')}.") from error


def texts(values: Any, what: str) -> Sequence[str]:
    """A list of texts."""
    return [a_text(value, what) for value in a_list(values, what)]
