"""An LMDB of OpenPose's training as a folder of pictures with one file of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.checks import Problems
from posecore.data.coco import write_coco_json
from posecore.data.left_out import write_left_out
from posecore.data.openpose_lmdb.record import Record, read_record
from posecore.data.people import without_twins
from posecore.data.pictures import new_folder
from posecore.errors import DataError
from posecore.extras import require
from posecore.skeleton import COCO_17

_FILE = "data.mdb"


def lmdb_file(place: Path) -> Path | None:
    """The file of an LMDB that is a folder with ``data.mdb``, or that file itself; None for anything else."""
    if place.suffix.lower() in (".mdb", ".lmdb") and place.is_file():
        return place
    return place / _FILE if (place / _FILE).is_file() else None


def unpack_lmdb(source: Path, folder: Path) -> Path:
    """Write the pictures of an LMDB as PNG, and its people and ignore regions as COCO, into a new or empty folder.

    Records come one at a time. A picture that several records hold, one for each main person, is written once, with
    all people. Pictures are told apart by their pixels. A record that cannot be used is left out and said.

    Args:
        source: The LMDB, see :func:`lmdb_file`.
        folder: Where to.

    Returns:
        ``folder``.

    Raises:
        DataError: When the file is no LMDB or damaged, or no record can be used.
        MissingExtraError: Without the package ``lmdb``.
    """
    require("lmdb")
    place = new_folder(folder)
    (place / "images").mkdir()
    problems = Problems(source)
    images: dict[bytes, AnnotatedImage] = {}
    count = 0
    for key, value in _records(lmdb_file(source) or source):
        count += 1
        name = key.decode("ascii", "replace")
        with problems.skipping(f"record {name}"):
            _keep(read_record(value, problems.remark), place / "images", images)
    if not images:
        why = f"the first is left out because {problems.found[0].reason}" if count else "it is empty"
        raise DataError(f"{source} holds no record of OpenPose's training that can be read: {why}.")
    found = tuple(images.values())
    if not any(image.split == "val" for image in found):
        found = tuple(replace(image, split=None) for image in found)
    write_coco_json(PoseDataset(source.stem, COCO_17, found), place / "annotations.json")
    write_left_out(place, problems.found, problems.remarks)
    return place


def _keep(record: Record, folder: Path, images: dict[bytes, AnnotatedImage]) -> None:
    """Add a record to the pictures that there are, and write its picture unless it is among them."""
    shape = str(record.picture.shape).encode()
    mark = hashlib.blake2b(shape + record.picture.tobytes(), digest_size=16).digest()
    image = images.get(mark)
    if image is None:
        path = folder / f"{len(images):07d}.png"
        Image.fromarray(record.picture).save(path, compress_level=1)
        size = (record.picture.shape[1], record.picture.shape[0])
        split = "val" if record.validation else "train"
        images[mark] = AnnotatedImage(path, size, record.people, len(images), record.ignore, split)
        return
    everybody = ((None, person) for person in (*image.people, *record.people))
    ignore = tuple(dict.fromkeys((*image.ignore, *record.ignore)))
    images[mark] = replace(image, people=without_twins(everybody, lambda what: None), ignore=ignore)


def _records(file: Path) -> Iterator[tuple[bytes, memoryview]]:
    """Keys and values in the order of the keys; a value is gone when the next one is asked for."""
    import lmdb

    try:
        with lmdb.open(str(file), subdir=False, readonly=True, lock=False, readahead=False, create=False) as opened:
            needed = (opened.info()["last_pgno"] + 1) * opened.stat()["psize"]
            if file.stat().st_size < needed:
                raise DataError(f"{file} is cut off: {needed} bytes belong to it; copy or fetch it again.")
            with opened.begin(buffers=True) as transaction, transaction.cursor() as cursor:
                for key, value in cursor:
                    yield bytes(key), memoryview(value)
    except lmdb.Error as error:
        raise DataError(f"{file} cannot be read as LMDB: {error!s:.200}.") from error
