"""What visitors of this server may do, and who of them sits at the machine itself.

``POSECORE_VISITORS`` says what everybody may do:

- ``all``: everything, as on a machine of one's own; the default.
- ``use``: try models on pictures and videos of one's own and fetch published models. Nothing that is kept for others is
  changed: no training, no labelling, no adding, changing or deleting of sets, runs and models.
- ``view``: look at what is here. No files are taken, and nothing is fetched or worked on in the background.

Asked where things are done, so that it does not matter which buttons a page shows.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import streamlit as st

from posecore.errors import PosecoreError

Rights = Literal["view", "use", "all"]

VARIABLE = "POSECORE_VISITORS"
#: Environment variable that lets everybody who reaches the app name folders of the machine it runs on.
FOLDERS_VARIABLE = "POSECORE_ALLOW_FOLDERS"
_LEVELS: tuple[Rights, ...] = ("view", "use", "all")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
#: Cookie by which a browser is known again: a random value that says nothing about anybody.
COOKIE = "posecore_visitor"
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{32,64}")
#: Headers of requests that came through something in between.
_FORWARDED = ("forwarded", "via", "x-real-ip")
_FORWARDED_PREFIX = "x-forwarded-"


class NotAllowedError(PosecoreError):
    """Something that visitors of this server may not do."""


def rights() -> Rights:
    """What visitors may do. A word that is not known allows least."""
    asked = os.environ.get(VARIABLE, "").strip().lower() or "all"
    return next((level for level in _LEVELS if level == asked), "view")


def require(level: Rights, doing: str) -> None:
    """Go on only when visitors may do as much as ``level``.

    Args:
        level: What is needed.
        doing: What was asked for, as the beginning of a sentence: "Deleting sets".

    Raises:
        NotAllowedError: When they may not.
    """
    if _LEVELS.index(rights()) < _LEVELS.index(level):
        raise NotAllowedError(
            f"{doing} is not allowed to visitors of this server. Whoever runs it can allow it by starting it with "
            f"{VARIABLE}={level}."
        )


def is_local_name(host: str | None) -> bool:
    """True for the value of a ``Host`` header that names the machine itself."""
    try:
        name = urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return False
    return name in _LOCAL_NAMES or name.endswith(".localhost")


def is_local(headers: Mapping[str, str] | None = None) -> bool:
    """True for a visitor who sits at this machine: the server listens to it alone and nothing stands in between.

    Args:
        headers: Of the visitor's connection; by default of the one that is served now.
    """
    said = {name.lower(): value for name, value in (st.context.headers if headers is None else headers).items()}
    forwarded = any(name in _FORWARDED or name.startswith(_FORWARDED_PREFIX) for name in said)
    behind = bool(str(st.get_option("server.baseUrlPath") or "").strip("/"))
    bound = st.get_option("server.address") in _LOCAL_NAMES
    return bound and not forwarded and not behind and ("host" not in said or is_local_name(said["host"]))


def is_cookie(value: object) -> bool:
    """True for a value as this server gives it to browsers."""
    return isinstance(value, str) and _COOKIE_VALUE.fullmatch(value) is not None


def visitor_name() -> str | None:
    """A name for this browser that outlives sessions and servers; None where it keeps no cookies.

    It is a hash, so that whoever reads the names of folders cannot pass for the visitor.
    """
    value = st.context.cookies.get(COOKIE)
    return hashlib.sha256(str(value).encode()).hexdigest()[:32] if is_cookie(value) else None


def shown_path(path: Path) -> str:
    """A path for people; others than those at this machine learn nothing of its folders."""
    return str(path) if is_local() else path.name


def folders_allowed() -> bool:
    """Whether this visitor may name folders of the server's machine.

    Those who sit at it may, unless ``POSECORE_ALLOW_FOLDERS`` says otherwise: 1 for everybody, anything else for
    nobody.
    """
    said = os.environ.get(FOLDERS_VARIABLE, "").strip()
    return said == "1" if said else is_local()
