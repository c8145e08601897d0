"""What was left out, and what was odd, when a packed set was unpacked: told again whenever the folder is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posecore.data.annotations import Problem, Remark
from posecore.data.checks import load_json
from posecore.errors import DataError
from posecore.storage import write_json

#: Beside the labels.
_FILE = "left-out.json"


def write_left_out(folder: Path, problems: Sequence[Problem], remarks: Sequence[Remark]) -> None:
    """Note it in a folder that is unpacked."""
    content = {
        "problems": [[str(problem.file), problem.place, problem.reason] for problem in problems],
        "remarks": [[remark.what, remark.count] for remark in remarks],
    }
    write_json(folder / _FILE, content)


def read_left_out(folder: Path) -> tuple[tuple[Problem, ...], tuple[Remark, ...]]:
    """What is noted in a folder; nothing for one that was not unpacked."""
    try:
        content = load_json(folder / _FILE)
        problems = tuple(Problem(Path(file), str(place), str(reason)) for file, place, reason in content["problems"])
        return problems, tuple(Remark(str(what), int(count)) for what, count in content["remarks"])
    except (DataError, LookupError, TypeError, ValueError):
        return (), ()
