"""Which shards a name means, and opening them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from posecore.addresses import is_address, reaching, spelled, system_of
from posecore.data.folders import check_place, reading
from posecore.errors import DataError

_TAR = (".tar", ".tar.gz", ".tgz")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_GLOB = re.compile(r"[*?\[]")
_MOST = 100_000


def names_shards(place: str | Path) -> bool:
    """True for a tar, a pattern or a range of tars, and a folder of nothing else."""
    text = spelled(place)
    if text.lower().endswith(_TAR):
        return is_address(text) or not Path(text).is_dir()
    some = False
    try:
        for entry in Path(text).iterdir():
            if not entry.name.startswith("."):
                some = True
                if not entry.name.lower().endswith(_TAR):
                    return False
    except OSError:
        return False
    return some


def find_shards(place: str | Path) -> list[str]:
    """Files and addresses of all shards, in order.

    Args:
        place: A tar; a folder of them; a name with ``*`` or ``?``, or with ranges as in ``train-{0000..0146}.tar``; any
            of these as a path, or as an address of a kind that fsspec knows (``s3://``, ``gs://``, ``https://``).

    Raises:
        DataError: When there is none, a file of a range is missing, or an address cannot be reached.
    """
    text = spelled(place)
    if is_address(text):
        return [found for name in _expanded(text) for found in (_listed(name) if _GLOB.search(name) else [name])]
    folder = Path(text)
    if folder.is_dir():
        return sorted(str(entry) for entry in folder.iterdir() if entry.name.lower().endswith(_TAR))
    found = []
    for name in _expanded(text):
        path = Path(name)
        if not path.exists() and _GLOB.search(path.name):
            with reading(path.parent):
                matching = sorted(str(entry) for entry in path.parent.glob(path.name))
            if not matching:
                raise DataError(f"There is no file {path}.")
            found += matching
        else:
            check_place(path)
            found.append(name)
    return found


def _expanded(text: str) -> list[str]:
    """All names of one with ranges."""
    parts = _RANGE.split(text)
    ranges = [
        [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
        for first, last in zip(parts[1::3], parts[2::3], strict=True)
        if int(last) - int(first) < _MOST
    ]
    if len(ranges) < len(parts) // 3 or not 1 <= math.prod(map(len, ranges)) <= _MOST:
        raise DataError(f"{text} names no shard, or more than {_MOST:,}; mend its range, for example {{0000..0009}}.")
    between = parts[::3]
    return [
        "".join(itertools.chain.from_iterable(zip(between, (*numbers, ""), strict=True)))
        for numbers in itertools.product(*ranges)
    ]


def _listed(pattern: str) -> list[str]:
    with reaching(pattern):
        system, path = system_of(pattern)
        found = sorted(system.unstrip_protocol(name) for name in system.glob(path))
    if not found:
        raise DataError(f"There is no file {pattern}.")
    return found


def stamp_of(name: str) -> list[str | int]:
    """What changes when a file or what an address leads to does.

    Raises:
        DataError: When it cannot be reached.
    """
    if not is_address(name):
        with reading(Path(name)):
            status = Path(name).stat()
        return [str(Path(name).resolve()), status.st_size, status.st_mtime_ns]
    with reaching(name):
        system, path = system_of(name)
        info = system.info(path)
    changed = next((info[key] for key in ("mtime", "LastModified", "updated", "ETag") if info.get(key)), "")
    return [name, int(info.get("size") or 0), str(changed)]


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A file, or what an address leads to, to read; raises ``DataError`` when it cannot be opened."""
    if not is_address(name):
        with reading(Path(name)), Path(name).open("rb") as file:
            yield file
        return
    import fsspec

    with reaching(name), fsspec.open(name, "rb") as file:
        yield file
