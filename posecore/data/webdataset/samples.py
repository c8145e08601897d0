"""The samples of a shard, one after the other."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from posecore.data.checks import EntryError, Problems, a_dict, a_list
from posecore.data.webdataset.shards import opened
from posecore.parsing import MalformedError, parse_json
from posecore.picture_files import IMAGE_SUFFIXES

#: Most bytes of a picture, and of the labels of one.
_MOST_PICTURE, _MOST_LABELS = 200_000_000, 20_000_000


@dataclass(frozen=True, eq=False)
class ShardSample:
    """A picture with its labels.

    Attributes:
        key: Its name in the shard.
        suffix: Ending of the picture's name, with its dot.
        picture: The picture file; empty when only labels are read.
        labels: The JSON; its ``annotations`` are a list.
    """

    key: str
    suffix: str
    picture: bytes
    labels: dict[str, Any]


def read_samples(shard: str, problems: Problems, *, pictures: bool = True) -> Iterator[ShardSample]:
    """All samples of a shard that can be used, in its order; one at a time is in memory.

    Samples that lack a picture or labels, or have labels that are no JSON, and the rest of a shard that is cut off, are
    noted in ``problems``.

    Args:
        shard: File or address.
        problems: Takes what is left out.
        pictures: False passes over the bytes of pictures.

    Raises:
        DataError: When it cannot be opened at all.
    """
    parts: dict[str, bytes] = {}
    current = None
    with opened(shard) as file:
        members = _members(shard, file, problems, pictures)
        for key, suffix, content in members:
            if key != current and current is not None:
                yield from _sample(shard, current, parts, problems)
                parts = {}
            current = key
            parts[suffix] = content
        if current is not None:
            yield from _sample(shard, current, parts, problems)


def _members(shard: str, file: Any, problems: Problems, pictures: bool) -> Iterator[tuple[str, str, bytes]]:
    """Key, ending and content of every picture and JSON."""
    name = ""
    try:
        with tarfile.open(fileobj=file, mode="r:*") as tar:
            for member in tar:
                # Without this the tar remembers all of them.
                tar.members = []  # type: ignore[attr-defined]
                name = member.name
                key, suffix = _key(name)
                is_picture = suffix in IMAGE_SUFFIXES
                if not member.isfile() or not (is_picture or suffix == ".json"):
                    continue
                if member.size > (_MOST_PICTURE if is_picture else _MOST_LABELS):
                    problems.note(f"{shard}: {name}", f"it has {member.size} bytes, more than any such file")
                    continue
                if is_picture and not pictures:
                    yield key, suffix, b""
                    continue
                content = tar.extractfile(member)
                assert content is not None
                yield key, suffix, content.read()
            # A tar ends with blocks of zeros; where a header is cut off, tarfile only stops.
            assert tar.fileobj is not None
            tar.fileobj.seek(tar.offset)
            if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise EOFError("its end is missing")
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError) as error:
        where = f"after {name}" if name else "at its first member"
        why = str(error).split("\n")[0].rstrip(":")
        problems.note(shard, f"it is damaged or cut off {where} ({why:.100}); what follows is left out")


def _key(name: str) -> tuple[str, str]:
    """What belongs together has the same path up to the first dot of the last part; the rest is the kind."""
    path = PurePosixPath(name)
    stem, _, _ = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, path.suffix.lower()


def _sample(shard: str, key: str, parts: dict[str, bytes], problems: Problems) -> Iterator[ShardSample]:
    suffix = next((suffix for suffix in parts if suffix in IMAGE_SUFFIXES), None)
    with problems.skipping(f"{shard}: {key}"):
        if suffix is None or ".json" not in parts:
            raise EntryError("its picture is missing" if suffix is None else "it has no labels (.json)")
        try:
            labels = parse_json(parts[".json"])
        except MalformedError as error:
            raise EntryError(f"its labels are not valid JSON: {error}") from error
        a_list(a_dict(labels, "its labels").get("annotations"), '"annotations"')
        yield ShardSample(key, suffix, parts[suffix], labels)
