"""JSON, YAML and arrays that nobody has vouched for: what they hold, or one short reason why they cannot be read."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import yaml

from posecore.errors import PosecoreError

#: YAML describes runs and sets in a few lines; more is something else.
MAX_YAML = 1_000_000


class MalformedError(ValueError):
    """Text that is not what it should be; the message is a clause that says why and where."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: nobody needs them here, and a few lines of them can mean gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise MalformedError("aliases (*name) are not supported")
        return super().compose_node(parent, index)


def parse_json(text: str | bytes, finite: bool = False) -> Any:
    """What JSON holds.

    Args:
        text: The JSON; bytes are UTF-8, -16 or -32.
        finite: Refuse NaN and Infinity, which are not JSON but which Python writes.

    Raises:
        MalformedError: For anything else.
    """
    try:
        return json.loads(text, parse_constant=_refuse if finite else None)
    except json.JSONDecodeError as error:
        raise MalformedError(f"{error.msg} in line {error.lineno}") from error
    except RecursionError as error:
        raise MalformedError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedError(f"it is not text in UTF-8: {error.reason} at byte {error.start}") from error
    except MalformedError:
        raise
    except ValueError as error:  # whole numbers of thousands of digits
        raise MalformedError("it holds a number that is too long to be read") from error


def read_json(path: Path, what: str, kind: type[PosecoreError]) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        what: What it should hold, in the plural, for the message.
        kind: Raised when it cannot be read.
    """
    try:
        return parse_json(path.read_bytes())
    except MalformedError as error:
        raise kind(f"{path}: no {what} can be read: {error}.") from error
    except OSError as error:
        raise kind(f"{path}: {error.strerror or error}.") from error


def _refuse(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not a number")


def parse_yaml(text: str) -> Any:
    """What a short YAML text without aliases holds; raises ``MalformedError`` for anything else."""
    if len(text) > MAX_YAML:
        raise MalformedError(f"it has {len(text)} characters, more than the {MAX_YAML} that are read")
    try:
        return yaml.load(text, _PlainLoader)
    except MalformedError:
        raise
    except yaml.MarkedYAMLError as error:
        problem = f"{error.problem or 'it cannot be understood'}"
        advice = "; write Windows paths with / or without quotes" if "escape" in problem else ""
        place = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        raise MalformedError(f"{problem:.200}{place}{advice}") from error
    except RecursionError as error:
        raise MalformedError("it is nested too deeply") from error
    except Exception as error:
        # PyYAML's constructors raise whatever a value makes them: AttributeError, IndexError, OverflowError, …
        raise MalformedError(f"it holds a value that cannot be read ({shown(str(error))})") from error


def shown(value: Any) -> str:
    """A value as a message can show it, shortened."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**18:
        return "a number of very many digits"
    # Not repr: values may be nested or long without limit.
    text = reprlib.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


@contextmanager
def open_arrays(path: str | Path) -> Iterator[Any]:
    """An ``.npz`` file by the names of its arrays, of which nothing is executed; closed also where it is damaged.

    Raises:
        Exception: zipfile, zlib and NumPy raise a dozen kinds for damaged files, and none is promised.
    """
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        yield archive
