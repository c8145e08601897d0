"""Fetching COCO 2017 from its publisher; a transfer that broke off goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import requests

from posecore.data.archives import unpack_zip
from posecore.data.checks import EntryError, a_dict, a_list, an_id, inside, load_json
from posecore.data.pictures import picture_size
from posecore.errors import DataError

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
#: Seconds to connect, and between two pieces of data.
_TIMEOUT = (15.0, 60.0)
#: Bytes written at a time; what is left of a piece when a transfer breaks off is fetched again.
_CHUNK = 1 << 15
_RETRIES = 3

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
    """Fetch one of COCO's zips; a wrong one is removed."""
    fetch_file(url, archive, progress)
    if url.startswith(COCO_URL):
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != _CHECKSUMS[archive.name]:
            archive.unlink()
            raise DataError(f"{url} is not the file that was published: its checksum is another. Try again later.")


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
            fetch_file(f"{base_url}/{pictures.name}/{name}", target, _silent)
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


def fetch_file(url: str, target: Path, progress: Progress = _silent) -> Path:
    """Download one file; ``target`` appears only when it is complete.

    What arrived of a transfer that broke off is kept beside it (``….part``) and continued by an HTTP range request,
    provided that the server still has the same file (its ``ETag`` or date is kept in ``….part.json``).

    Raises:
        DataError: When it cannot be fetched or written.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(_RETRIES):
            try:
                _transfer(url, part, progress)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == _RETRIES - 1:
                    raise
        part.replace(target)
        _mark(part).unlink(missing_ok=True)
    except requests.RequestException as error:
        raise DataError(f"{url} could not be fetched: {_reason(error)}. Run the command again to go on.") from error
    except OSError as error:
        raise DataError(f"{target} could not be written: {error.strerror or error}.") from error
    return target


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    return "there is no connection, or it broke off"


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _transfer(url: str, part: Path, progress: Progress) -> None:
    """Fetch what is missing of ``part``, or all of it when the server cannot or must not continue."""
    have = part.stat().st_size if part.is_file() else 0
    version = _version_of(part) if have else None
    # Without compression: ranges count the bytes of the file itself.
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
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
            for chunk in answer.iter_content(_CHUNK):
                out.write(chunk)
                done += len(chunk)
                progress(part.name.removesuffix(".part"), done, total)
    if total is not None and done != total:
        raise requests.ConnectionError("the transfer broke off")


def _keep_version(part: Path, headers: Mapping[str, str]) -> None:
    """Remember which version of the file this is; a weak ETag may not be used to continue."""
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    _mark(part).write_text(json.dumps({"version": version}), "utf-8")


def _version_of(part: Path) -> str | None:
    try:
        version: Any = json.loads(_mark(part).read_text("utf-8")).get("version")
    except (OSError, ValueError, AttributeError):
        return None
    return version if isinstance(version, str) and version.isprintable() else None


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
