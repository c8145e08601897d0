"""What lies elsewhere and is named by an address that fsspec reads, such as ``s3://bucket/a.jpg``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posecore.errors import DataError

#: ``Path`` leaves one slash of an address.
_ADDRESS = re.compile(r"([a-z][a-z0-9+]+):/+", re.IGNORECASE)


def spelled(place: str | Path) -> str:
    """The name of a file or an address, also of one that went through ``Path``."""
    text = str(place)
    return _ADDRESS.sub(r"\1://", text, count=1) if _ADDRESS.match(text) else text


def is_address(name: str | Path) -> bool:
    """True for what fsspec fetches from elsewhere, such as ``s3://…``."""
    return _ADDRESS.match(str(name)) is not None


def system_of(address: str) -> tuple[Any, str]:
    """The file system that an address is of, and its path there; call it under :func:`reaching`."""
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return system, path


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Turn whatever keeps an address from being read into a sentence, as a ``DataError``."""
    try:
        yield
    except DataError:
        raise
    # Every kind of address has exceptions of its own, and a package that may be missing.
    except Exception as error:
        why = f"{error!s:.200}".rstrip(".") or type(error).__name__
        mend = "; pip install 'posecore[buckets]' brings what it needs" if isinstance(error, ImportError) else ""
        raise DataError(f"{address} cannot be read: {why}{mend}.") from error
