"""Which files are meant by folders, patterns, lists and addresses, and reading them, wherever they lie."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from posecore.addresses import is_address, reaching, system_of
from posecore.errors import PosecoreError
from posecore.storage import DraftFolder

#: Ending of a file that lists others, one a line.
LIST = ".txt"


def find_sources(texts: Iterable[str], recursive: bool, suffixes: Collection[str], what: str) -> list[str]:
    """Files named by files, folders, patterns, lists and addresses, in order, each once.

    Args:
        texts: Paths, folders, patterns such as ``shots/*.jpg``, text files (``.txt``) that name one of these a line,
            beside themselves or absolute, or addresses that fsspec reads (``s3://``, ``gs://``, ``https://`` …).
        recursive: Look into folders inside folders.
        suffixes: Endings of the files that folders are searched for, in small letters.
        what: What such a file is.

    Raises:
        PosecoreError: When a text names nothing, or its address cannot be looked at.
    """
    found: dict[str, None] = {}
    for text in _unlisted(texts):
        files = _remote(text, recursive, suffixes) if is_address(text) else _local(text, recursive, suffixes)
        if not files:
            raise PosecoreError(
                f"{text!r} names no {what}; give {what} files, folders that hold some, a pattern, a list (.txt) or an "
                "address."
            )
        found.update(dict.fromkeys(files))
    return list(found)


def files_in(text: str, recursive: bool, suffixes: Collection[str]) -> list[Path]:
    """Files of this machine that a file, a folder or a pattern names, in order; none where there is nothing."""
    path = Path(text)
    if path.is_dir():
        inside = sorted(path.rglob("*") if recursive else path.iterdir())
        return [file for file in inside if file.suffix.lower() in suffixes and file.is_file()]
    if path.exists():
        return [path]
    return [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 - absolute patterns


def _unlisted(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        path = Path(text)
        if is_address(text) or path.suffix.lower() != LIST or not path.is_file():
            yield text
            continue
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PosecoreError(f"{path} is not a list of files in UTF-8: {error}.") from error
        for line in map(str.strip, lines):
            if line and not line.startswith("#"):
                yield line if is_address(line) else str(path.parent / line)


def _local(text: str, recursive: bool, suffixes: Collection[str]) -> list[str]:
    return [str(path.absolute()) for path in files_in(text, recursive, suffixes)]


def _remote(address: str, recursive: bool, suffixes: Collection[str]) -> list[str]:
    with reaching(address):
        system, place = system_of(address)
        if any(letter in address for letter in "*["):
            names = system.glob(place)
        elif _suffix(address) in suffixes or not system.isdir(place):
            return [address]
        else:
            names = system.find(place, maxdepth=None if recursive else 1)
        return [system.unstrip_protocol(name) for name in sorted(names) if _suffix(name) in suffixes]


def _suffix(name: str) -> str:
    return Path(name.partition("?")[0]).suffix.lower()


def contents(source: str) -> bytes | Path:
    """What a source holds: a path of this machine as it is, else the bytes that lie at the address.

    Raises:
        PosecoreError: When the address cannot be read.
    """
    if not is_address(source):
        return Path(source)
    with reaching(source):
        system, place = system_of(source)
        data: bytes = system.cat_file(place)
        return data


@contextmanager
def local_copy(source: str) -> Iterator[Path]:
    """A source as a file of this machine: itself, or a copy of what lies at the address for as long as it is needed."""
    if not is_address(source):
        yield Path(source)
        return
    with DraftFolder("posecore-copy-") as folder:
        with reaching(source):
            system, place = system_of(source)
            copy = folder / Path(place).name
            system.get_file(place, str(copy))
        yield copy
