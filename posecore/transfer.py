"""Fetching files over HTTP: complete and right, or not there at all; a transfer that broke off goes on.

What arrived of a transfer that broke off lies beside its target (``….part``, and ``….part.json`` with the ``ETag`` or
date of the server's file) and is continued by an HTTP range request, provided that the server still has that file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from posecore.errors import TransferError

#: Seconds to wait for a connection, and for the next piece of data.
TIMEOUT = (10.0, 60.0)
#: Attempts, and seconds before each further one, after a transfer that broke off or a server that failed.
_WAITS = (1.0, 3.0)
#: Bytes written at a time; what is left of a piece when a transfer breaks off is fetched again.
_CHUNK = 1 << 15

#: Told bytes so far and in all (None when unknown).
OnBytes = Callable[[int, int | None], object]


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is fetched.

    Attributes:
        size: Bytes.
        limit: Most bytes that are accepted where the size is not known.
        checksums: Kind (``sha256``, ``md5``, or ``git`` for the id that Git gives its content) → hexadecimal digits.
    """

    size: int | None = None
    limit: int | None = None
    checksums: Mapping[str, str] | None = None

    def problem(self, path: Path) -> str | None:
        """What is wrong with a file, to go behind its name; None when nothing is."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"has {size} bytes instead of {self.size}"
        for kind, wanted in (self.checksums or {}).items():
            found = checksum(path, kind)
            if found != wanted:
                return f"has checksum {found[:12]}… instead of {wanted[:12]}…"
        return None


#: Nothing is known of a file.
UNKNOWN = Expected()


def checksum(path: Path, kind: str = "sha256") -> str:
    """Hexadecimal digits of a file's checksum; ``kind`` as in :class:`Expected`."""
    with path.open("rb") as file:
        if kind != "git":
            return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while piece := file.read(1 << 20):
            digest.update(piece)
        return digest.hexdigest()


def fetch_file(
    source: str | Path, target: Path, on_bytes: OnBytes = lambda done, total: None, expected: Expected = UNKNOWN
) -> Path:
    """Fetch one file; ``target`` appears only when it is complete and right.

    Args:
        source: An address, or a file in a folder that stands for a server.
        target: Where to put it.
        on_bytes: Told how it is going.
        expected: What it has to be.

    Raises:
        TransferError: When it cannot be had or is not what it should be; says why, without what to do about it.
        OSError: When it cannot be written.
    """
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    counted = _Counted(source, expected, on_bytes)
    if isinstance(source, Path):
        _copy(source, part, counted)
    else:
        _get(source, part, counted)
    if problem := expected.problem(part):
        discard(target)
        raise TransferError(f"{source} {problem}: it is damaged, or not the file that was published")
    part.replace(target)
    _mark(part).unlink(missing_ok=True)
    return target


def discard(target: Path) -> None:
    """Remove what arrived of a file whose transfer broke off."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    _mark(part).unlink(missing_ok=True)


class _Counted:
    """Counts what arrives, and stops what is longer than it may be."""

    def __init__(self, source: str | Path, expected: Expected, on_bytes: OnBytes) -> None:
        self._source = source
        self._limit = expected.size or expected.limit
        self._on_bytes = on_bytes

    def arrived(self, done: int, total: int | None) -> None:
        if self._limit is not None and done > self._limit:
            raise TransferError(f"{self._source} is longer than the {self._limit} bytes expected of it")
        self._on_bytes(done, total)


def _copy(source: Path, part: Path, counted: _Counted) -> None:
    try:
        stream = source.open("rb")
    except OSError as error:
        raise TransferError(f"{source} cannot be read ({error.strerror})") from error
    done, total = 0, source.stat().st_size
    with stream, part.open("wb") as out:
        while piece := stream.read(_CHUNK):
            done += len(piece)
            counted.arrived(done, total)
            out.write(piece)


def _get(url: str, part: Path, counted: _Counted) -> None:
    """Fetch over HTTP, again where that may help."""
    for wait in (*_WAITS, None):
        try:
            _transfer(url, part, counted)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if wait is None or _is_final(error):
                raise TransferError(f"{url} could not be fetched: {_reason(url, error)}") from error
            time.sleep(wait)
        else:
            return


def _is_final(error: Exception) -> bool:
    """True where another attempt would meet the same answer: no connection at all, or a refusal by the server."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and 400 <= error.response.status_code < 500
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError
    )


def _reason(url: str, error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if _is_final(error):
        return f"there is no connection to {urlsplit(url).netloc}"
    return f"the connection failed ({type(error).__name__})"


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _transfer(url: str, part: Path, counted: _Counted) -> None:
    """Fetch what is missing of ``part``, or all of it when the server cannot or must not continue."""
    have = part.stat().st_size if part.is_file() else 0
    version = _version_of(part) if have else None
    # Without compression: ranges count the bytes of the file itself.
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise requests.ConnectionError("the partial file does not fit the server's")
        answer.raise_for_status()
        goes_on = answer.status_code == requests.codes.partial_content
        if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise requests.ConnectionError("the server sent another part than asked for")
        done = have if goes_on else 0
        length = answer.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        _keep_version(part, answer.headers)
        with part.open("ab" if goes_on else "wb") as out:
            for piece in answer.iter_content(_CHUNK):
                done += len(piece)
                counted.arrived(done, total)
                out.write(piece)
    if total is not None and done != total:
        raise requests.ConnectionError("the transfer broke off")


def _keep_version(part: Path, headers: Mapping[str, str]) -> None:
    """Remember which version of the file this is; a weak ETag may not be used to continue."""
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    _mark(part).write_text(json.dumps({"version": version}), "utf-8")


def _version_of(part: Path) -> str | None:
    version: Any = None
    with suppress(OSError, ValueError, AttributeError):
        version = json.loads(_mark(part).read_text("utf-8")).get("version")
    return version if isinstance(version, str) and version.isprintable() else None
