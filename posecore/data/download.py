"""Fetching COCO 2017 from its publisher; a transfer that broke off goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from posecore.data.archives import unpack_zip
from posecore.data.checks import EntryError, a_dict, a_list, an_id, inside, load_json
from posecore.data.pictures import picture_size
from posecore.errors import DataError, TransferError
from posecore.transfer import UNKNOWN, Expected, OnBytes, fetch_file

Subset = Literal["val", "train"]

#: COCO's server by the name that its certificate is for; ``images.cocodataset.org`` answers without encryption only.
COCO_URL = "https://s3.amazonaws.com/images.cocodataset.org"
#: MD5 of what it serves.
_CHECKSUMS = {
    "annotations_trainval2017.zip": "f4bbac642086de4f52a3fdda2de5fa2c",
    "val2017.zip": "442b8da7639aecaf257c1dceb8ba8c80",
    "train2017.zip": "cced6f7f71b7629ddf16f17bbcfab6b2",
}
_ANNOTATIONS = "annotations/annotations_trainval2017.zip"

#: Told bytes so far and in all (None when unknown) of the file with this name.
Progress = Callable[[str, int, int | None], object]


def _silent(name: str, done: int, total: int | None) -> None:
    """No progress."""


def fetch_coco(
    folder: str | Path,
    subset: Subset = "val",
    limit: int | None = None,
    base_url: str = COCO_URL,
    progress: Progress = _silent,
) -> tuple[Path, Path]:
    """Fetch labels and pictures of COCO 2017's person keypoints.

    Args:
        folder: Where to; what is there already is not fetched again.
        subset: ``val`` (5,000 pictures, 0.8 GB) or ``train`` (118,287 pictures, 18 GB).
        limit: Only the first so many pictures on which a person has labelled keypoints, fetched one by one; their
            labels are written to a file of their own.
        base_url: COCO's server, or a copy of it; what COCO's sends is compared with its checksums.
        progress: Told how every file is going.

    Returns:
        (labels, folder of the pictures), as :func:`posecore.data.coco.read_coco` takes them.

    Raises:
        DataError: When something cannot be fetched or is not what it should be.
    """
    root = Path(folder)
    labels = root / "annotations" / f"person_keypoints_{subset}2017.json"
    pictures = root / f"{subset}2017"
    if not labels.is_file():
        archive = root / Path(_ANNOTATIONS).name
        _fetch_zip(f"{base_url}/{_ANNOTATIONS}", archive, progress)
        _extract(archive, f"annotations/{labels.name}", labels)
    if limit is not None:
        return _fetch_some(labels, pictures, limit, base_url, progress), pictures
    if not pictures.is_dir():
        archive = root / f"{subset}2017.zip"
        _fetch_zip(f"{base_url}/zips/{archive.name}", archive, progress)
        _extract_pictures(archive, pictures)
    return labels, pictures


def _fetch_zip(url: str, archive: Path, progress: Progress) -> None:
    """Fetch one of COCO's zips; it is held against its checksum."""
    known = {"md5": _CHECKSUMS[archive.name]} if url.startswith(COCO_URL) else None
    _fetch(url, archive, lambda done, total: progress(archive.name, done, total), Expected(checksums=known))


def _fetch_some(labels: Path, pictures: Path, limit: int, base_url: str, progress: Progress) -> Path:
    """The first ``limit`` pictures with people, and labels for them alone."""
    try:
        data = a_dict(load_json(labels), "the file")
        entries = [a_dict(entry, "an annotation") for entry in a_list(data.get("annotations"), '"annotations"')]
        wanted = {an_id(entry.get("image_id"), "an image id") for entry in entries if entry.get("num_keypoints")}
        images = [a_dict(image, "an image") for image in a_list(data.get("images"), '"images"')]
        chosen = [image for image in images if an_id(image.get("id"), "an id") in wanted][:limit]
        names = [inside(image.get("file_name")) for image in chosen]
    except EntryError as error:
        raise DataError(f"{labels} is not COCO's: {error}.") from error
    for number, name in enumerate(names, 1):
        target = pictures / name
        if not target.is_file():
            _fetch(f"{base_url}/{pictures.name}/{name}", target, lambda done, total: None)
            _check_picture(target)
        progress("pictures", number, len(names))
    kept = {image.get("id") for image in chosen}
    part = {**data, "images": chosen, "annotations": [entry for entry in entries if entry.get("image_id") in kept]}
    path = labels.with_name(f"{labels.stem}_first{len(chosen)}.json")
    path.write_text(json.dumps(part), "utf-8")
    return path


def _check_picture(path: Path) -> None:
    try:
        picture_size(path)
    except EntryError as error:
        path.unlink()
        raise DataError(f"What the server sent as {path.name} is not a picture; try again later.") from error


def _fetch(url: str, target: Path, on_bytes: OnBytes, expected: Expected = UNKNOWN) -> None:
    """Fetch one file; what arrived of it stays for the next time."""
    try:
        fetch_file(url, target, on_bytes, expected)
    except TransferError as error:
        raise DataError(f"{error}. Run the command again to go on.") from error
    except OSError as error:
        raise DataError(f"{target} could not be written: {error.strerror or error}.") from error


def _extract(archive: Path, member: str, target: Path) -> None:
    """Take one file out of a zip; ``target`` appears only when it is complete."""
    try:
        with zipfile.ZipFile(archive) as opened:
            content = opened.read(member)
    except KeyError as error:
        raise DataError(f"{archive} does not hold {member}; delete it and run the command again.") from error
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{archive} is damaged ({error}); delete it and run the command again.") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.write_bytes(content)
    part.replace(target)


def _extract_pictures(archive: Path, pictures: Path) -> None:
    """Unpack the folder of pictures; it appears only when it is complete."""
    aside = pictures.with_name(pictures.name + ".unpacking")
    shutil.rmtree(aside, ignore_errors=True)  # what an interrupted run left
    unpack_zip(archive, aside)
    inner = aside / pictures.name
    (inner if inner.is_dir() else aside).replace(pictures)
    if aside.is_dir():
        aside.rmdir()
