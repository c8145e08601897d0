"""Sets that come packed: they are unpacked into a folder, which is then read as any other."""

from __future__ import annotations

from pathlib import Path

from posecore.addresses import is_address, spelled
from posecore.data.archives import ZipLimits, unpack_zip
from posecore.data.folders import check_place, inner_folder
from posecore.data.openpose_lmdb.unpacking import lmdb_file, unpack_lmdb
from posecore.data.webdataset.shards import find_shards, names_shards, stamp_of
from posecore.data.webdataset.unpacking import unpack_shards


def packing_of(place: Path) -> str | None:
    """What a set is packed as, in words; None for a folder or file that is read as it is.

    Raises:
        DataError: When there is nothing, or neither a folder nor an ordinary file.
    """
    if names_shards(place):
        return "WebDataset"
    check_place(place)
    if place.suffix.lower() == ".zip" and not place.is_dir():
        return "zip"
    return None if lmdb_file(place) is None else "LMDB of OpenPose"


def unpack(place: Path, folder: Path, limits: ZipLimits | None = None) -> Path:
    """Unpack a set for which :func:`packing_of` says something.

    Args:
        place: The set.
        folder: A new or empty folder.
        limits: What a zip may hold, and how much shards may.

    Returns:
        ``folder``.

    Raises:
        DataError: When it cannot be unpacked.
        MissingExtraError: When that needs a package that is not installed.
    """
    packing = packing_of(place)
    most = None if limits is None else limits.bytes
    if packing == "WebDataset":
        return unpack_shards(find_shards(place), folder, spelled(place), most)
    if packing != "zip":
        return unpack_lmdb(place, folder)
    packed = inner_folder(unpack_zip(place, folder, limits))
    if names_shards(packed):
        shards = find_shards(packed)
        unpack_shards(shards, folder / "unpacked", place.name, most)
        for shard in shards:
            Path(shard).unlink()
    return folder


def stamps_of(place: Path) -> list[list[str | int]]:
    """What changes when a packed set does: name, size and time of each of its files.

    Raises:
        DataError: When a file is not there.
    """
    if names_shards(place):
        return [stamp_of(name) for name in find_shards(place)]
    return [stamp_of(str(lmdb_file(place) or place))]


def is_current(stamp: list[str | int]) -> bool:
    """True while a file is what it was, as far as can be told without fetching anything.

    Raises:
        DataError: When it is not there.
    """
    name = str(stamp[0])
    return is_address(name) or stamp_of(name) == stamp
