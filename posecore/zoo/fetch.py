"""Where published files are fetched from: their publishers and copies of them, or one mirror of all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

#: Longest file that is accepted where the size is not known beforehand: descriptions, and one shard of several.
MAX_UNKNOWN_SIZE = 256 * 2**20

_OTHER_WAYS = "name a file of your own as weights; shipped models still work without a network."


class Progress(Protocol):
    """Told how a download is going."""

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """``done_bytes`` of ``total_bytes`` (None: not known) are here."""

    def say(self, text: str) -> None:
        """Something that a person should know before it is done, as a sentence."""


def mirror() -> str:
    """``POSECORE_WEIGHTS_MIRROR``: the folder or address that stands for all publishers; empty without one."""
    return os.environ.get("POSECORE_WEIGHTS_MIRROR", "")


def ways_on() -> str:
    """What can be done without a download, as a sentence or two."""
    if mirror():
        kind = "an address" if urlsplit(mirror()).scheme in ("http", "https") else "a folder"
        return (
            f"POSECORE_WEIGHTS_MIRROR names {kind} that does not have this file. Correct or unset it, or {_OTHER_WAYS}"
        )
    return f"Set POSECORE_WEIGHTS_MIRROR to a folder or server that has the file, or {_OTHER_WAYS}"


def file_name(url: str) -> str:
    """Name of the file that an address leads to."""
    return unquote(urlsplit(url).path.rpartition("/")[2])


def sibling(url: str, name: str) -> str:
    """Address of the file ``name`` in the folder of ``url``; the query stays."""
    parts = urlsplit(url)
    folder = parts.path.rpartition("/")[0]
    return urlunsplit(parts._replace(path=f"{folder}/{quote(name)}"))


def location(url: str) -> str | Path:
    """Where to get ``url`` from: itself, or the same path under ``POSECORE_WEIGHTS_MIRROR`` (a folder or an address).

    The mirror takes the place of scheme and host; the path is kept and the query dropped.
    """
    if not mirror():
        return url
    path = urlsplit(url).path.lstrip("/")
    parts = urlsplit(mirror())
    if parts.scheme in ("http", "https"):
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}", query="", fragment=""))
    folder = url2pathname(parts.path) if parts.scheme == "file" else mirror()
    return Path(folder).expanduser() / unquote(path)
