"""What was left out, and what was odd, when a set was read: kept as JSON, and told again.

A packed set that is unpacked has it in a file beside the labels, which is read whenever the folder is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posecore.data.annotations import Problem, Remark
from posecore.data.checks import load_json
from posecore.errors import DataError
from posecore.storage import write_json

#: Beside the labels.
_FILE = "left-out.json"


def as_values(problems: Sequence[Problem], remarks: Sequence[Remark]) -> dict[str, Any]:
    """``problems`` and ``remarks`` as JSON has them."""
    return {
        "problems": [{**asdict(problem), "file": problem.file.as_posix()} for problem in problems],
        "remarks": [asdict(remark) for remark in remarks],
    }


def from_values(values: Mapping[str, Any]) -> tuple[tuple[Problem, ...], tuple[Remark, ...]]:
    """What :func:`as_values` made JSON of.

    Raises:
        LookupError, TypeError, ValueError: When it is something else.
    """
    problems = tuple(
        Problem(Path(p["file"]), str(p["place"]), str(p["reason"]), int(p.get("ignored", 0)))
        for p in values["problems"]
    )
    return problems, tuple(Remark(str(r["what"]), int(r["count"])) for r in values.get("remarks", ()))


def write_left_out(folder: Path, problems: Sequence[Problem], remarks: Sequence[Remark]) -> None:
    """Note it in a folder that is unpacked."""
    write_json(folder / _FILE, as_values(problems, remarks))


def read_left_out(folder: Path) -> tuple[tuple[Problem, ...], tuple[Remark, ...]]:
    """What is noted in a folder; nothing for one that was not unpacked."""
    try:
        return from_values(load_json(folder / _FILE))
    except (DataError, LookupError, TypeError, ValueError):
        return (), ()
