"""Sets that come packed: they are unpacked into a folder, which is then read as any other."""

from __future__ import annotations

from pathlib import Path

from posecore.data.archives import ZipLimits, unpack_zip
from posecore.data.openpose_lmdb.unpacking import lmdb_file, unpack_lmdb


def packing_of(place: Path) -> str | None:
    """What a set is packed as, in words; None for a folder or file that is read as it is."""
    if place.suffix.lower() == ".zip" and not place.is_dir():
        return "zip"
    return None if lmdb_file(place) is None else "LMDB of OpenPose"


def unpack(place: Path, folder: Path, limits: ZipLimits | None = None) -> Path:
    """Unpack a set for which :func:`packing_of` says something.

    Args:
        place: The set.
        folder: A new or empty folder.
        limits: What a zip may hold.

    Returns:
        ``folder``.

    Raises:
        DataError: When it cannot be unpacked.
        MissingExtraError: When that needs a package that is not installed.
    """
    if packing_of(place) == "zip":
        return unpack_zip(place, folder, limits)
    return unpack_lmdb(place, folder)


def files_of(place: Path) -> list[Path]:
    """The files whose change changes a packed set."""
    return [lmdb_file(place) or place]
