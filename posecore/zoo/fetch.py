"""Downloading single files from their publishers, or from a mirror of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

import pooch
import requests
import urllib3.exceptions
from pooch.core import stream_download

from posecore.errors import WeightsError

#: Seconds to wait for a connection, and for the next piece of data.
TIMEOUT = (10.0, 60.0)
#: More attempts after a transfer that broke off or a server that failed.
RETRIES = 2
#: Longest file that is accepted where the size is not known beforehand: descriptions, and one shard of several.
MAX_UNKNOWN_SIZE = 256 * 2**20
_CHUNK = 2**16

WAYS_ON = (
    "Shipped models still work without a network. You can set POSECORE_WEIGHTS_MIRROR to a folder or server that has "
    "the file, or name a file of your own as weights."
)


class Progress(Protocol):
    """Told how a download is going."""

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """``done_bytes`` of ``total_bytes`` (None: not known) are here."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a publisher.

    Attributes:
        url: The publisher's address, whatever mirror is used.
        size: Bytes, where known.
        sha256: Checksum, where known.
    """

    url: str
    size: int | None = None
    sha256: str | None = None


def sibling(url: str, name: str) -> str:
    """Address of the file ``name`` in the folder of ``url``; the query stays."""
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{folder}/{quote(name)}"))


def location(url: str) -> str | Path:
    """Where to get ``url`` from: itself, or the same path under ``POSECORE_WEIGHTS_MIRROR`` (a folder or an address).

    The mirror takes the place of scheme and host; the path is kept and the query dropped.
    """
    mirror = os.environ.get("POSECORE_WEIGHTS_MIRROR")
    if not mirror:
        return url
    path = urlsplit(url).path.lstrip("/")
    parts = urlsplit(mirror)
    if parts.scheme in ("http", "https"):
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}", query="", fragment=""))
    folder = url2pathname(parts.path) if parts.scheme == "file" else mirror
    return Path(folder).expanduser() / unquote(path)


def download(remote: RemoteFile, target: Path, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """Fetch one file; ``target`` appears only when it is complete and right.

    Args:
        remote: What to fetch.
        target: Where to put it.
        on_bytes: Told the number of bytes of this file so far.

    Returns:
        SHA-256 of the file.

    Raises:
        WeightsError: When it cannot be fetched or is not what it should be; says why and what to do.
        OSError: When it cannot be written.
    """
    source = location(remote.url)
    if isinstance(source, Path):
        _copy(source, target, remote, on_bytes)
    else:
        _get(source, target, remote, on_bytes)
    return _checked(remote, target, source)


class _Counted:
    """An open file that counts what is written to it, and stops what is longer than it may be."""

    def __init__(self, file: BinaryIO, remote: RemoteFile, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._limit = remote.size or MAX_UNKNOWN_SIZE
        self._url = remote.url
        self._on_bytes = on_bytes
        self._done = 0

    def write(self, data: bytes) -> int:
        self._done += len(data)
        if self._done > self._limit:
            raise WeightsError(f"{self._url} is longer than the {self._limit} bytes expected of it. {WAYS_ON}")
        self._on_bytes(self._done)
        return self._file.write(data)

    def flush(self) -> None:
        """pooch flushes after every piece; the file is complete only at the end anyway."""


def _copy(source: Path, target: Path, remote: RemoteFile, on_bytes: Callable[[int], None]) -> None:
    """Copy from a mirror that is a folder."""
    try:
        stream = source.open("rb")
    except OSError as error:
        raise WeightsError(
            f"{source} cannot be read ({error.strerror}); POSECORE_WEIGHTS_MIRROR names a folder that does not have "
            "this file. Correct or unset it, or name a file of your own as weights; shipped models work in any case."
        ) from error
    with stream, target.open("wb") as output:
        shutil.copyfileobj(stream, _Counted(output, remote, on_bytes), _CHUNK)


def _get(url: str, target: Path, remote: RemoteFile, on_bytes: Callable[[int], None]) -> None:
    """Download over HTTP, trying again where that may help."""
    get = pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=TIMEOUT)

    def attempt(address: str, output: str, owner: Any) -> None:
        try:
            with Path(output).open("wb") as file:
                get(address, _Counted(file, remote, on_bytes), owner)
        except requests.exceptions.RequestException as error:
            if _is_final(error):
                raise WeightsError(_sentence(address, error)) from error
            raise

    try:
        stream_download(url, target, None, attempt, retry_if_failed=RETRIES)
    except requests.exceptions.RequestException as error:
        raise WeightsError(_sentence(url, error)) from error


def _is_final(error: requests.exceptions.RequestException) -> bool:
    """True where another attempt would meet the same answer: no connection at all, or a refusal by the server."""
    if isinstance(error, requests.exceptions.HTTPError):
        return error.response is not None and 400 <= error.response.status_code < 500
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.exceptions.ConnectTimeout) or isinstance(
        reason, urllib3.exceptions.NewConnectionError
    )


def _sentence(url: str, error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.HTTPError) and error.response is not None:
        reason = f"the server answered {error.response.status_code} {error.response.reason}"
    elif isinstance(error, requests.exceptions.Timeout):
        reason = "the server did not answer in time"
    elif _is_final(error):
        reason = f"there is no connection to {urlsplit(url).netloc}"
    else:
        reason = f"the connection failed ({type(error).__name__})"
    return f"{url} could not be fetched: {reason}. {WAYS_ON}"


def _checked(remote: RemoteFile, target: Path, source: str | Path) -> str:
    """SHA-256 of a fetched file after checking size and checksum; a wrong file is removed."""
    size = target.stat().st_size
    with target.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if remote.size is not None and size != remote.size:
        problem = f"has {size} bytes instead of {remote.size}"
    elif remote.sha256 is not None and sha256 != remote.sha256:
        problem = f"has checksum {sha256[:12]}… instead of {remote.sha256[:12]}…"
    else:
        return sha256
    target.unlink()
    raise WeightsError(f"{source} {problem}: it is damaged, or not the file that was published. {WAYS_ON}")
