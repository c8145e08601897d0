"""How much of the server's disk visitors may fill together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from posecore.errors import StorageError
from posecore.storage import gigabytes
from posecore.ui.shared.visitors import is_local

#: Gigabytes of all sets together that others than those at the machine may fill, and of all visitors' files together.
SETS_VARIABLE, FILES_VARIABLE = "POSECORE_SETS_GB", "POSECORE_UPLOADS_GB"
_SETS, _FILES = 50.0, 20.0


def check_room(folder: Path) -> None:
    """Go on while the sets in ``folder`` leave room for another one; raises ``StorageError`` when they do not."""
    if is_local() and not os.environ.get(SETS_VARIABLE):
        return
    limit = gigabytes(SETS_VARIABLE, _SETS)
    _check([folder], limit, "All sets together", f"Delete some, or start the server with a larger {SETS_VARIABLE}.")


def check_files(folders: Iterable[Path]) -> None:
    """Go on while all visitors' ``folders`` leave room for a file; raises ``StorageError`` when they do not."""
    limit = gigabytes(FILES_VARIABLE, _FILES)
    _check(folders, limit, "The files of all visitors together", "Remove some of yours.")


def _check(folders: Iterable[Path], limit: float, what: str, way_on: str) -> None:
    held = sum(_bytes(folder) for folder in folders)
    if held >= limit:
        raise StorageError(f"{what} take {held / 1e9:.1f} GB, and {limit / 1e9:g} GB is the limit here. {way_on}")


def _bytes(folder: Path) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(where, name).lstat().st_size
    return total
