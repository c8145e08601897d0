"""Opening labelled pictures of any format: from a file, a folder or a zip."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from posecore.data.annotations import PoseDataset, Problem
from posecore.data.archives import unpack_zip
from posecore.data.checks import load_json
from posecore.data.coco import ROBOFLOW_FILE, ROBOFLOW_SPLITS, read_coco, read_roboflow, write_coco, write_roboflow
from posecore.data.dataloop import read_dataloop, write_dataloop
from posecore.data.merging import merged
from posecore.data.yolo import find_yaml, read_yolo, write_yolo
from posecore.errors import DataError
from posecore.home import home

Format = Literal["coco", "roboflow", "yolo", "dataloop"]

#: Writers by format; all take a set, a new folder, what to do with pictures, JPEG quality and a progress function.
WRITERS: dict[Format, Callable[..., Path]] = {
    "coco": write_coco,
    "roboflow": write_roboflow,
    "yolo": write_yolo,
    "dataloop": write_dataloop,
}

#: JSON files above this size are not opened only to see what they are: a Dataloop item is far smaller.
_ITEM_BYTES = 20_000_000


def open_dataset(
    path: str | Path,
    format: Format | None = None,
    images: str | Path | None = None,
    *,
    unpack_to: str | Path | None = None,
    pictures: bool = True,
) -> PoseDataset:
    """Open labelled pictures.

    Args:
        path: COCO or Dataloop JSON, ``data.yaml``, a folder, or a zip of a folder.
        format: The format, or None to find out.
        images: Folder of the pictures where the labels are elsewhere (COCO and Dataloop).
        unpack_to: Where a zip is unpacked: a new or empty folder. A folder in posecore's home, used again when the
            same zip is opened again, when None.
        pictures: Leave out (and report) pictures whose file is missing. False looks for no files (COCO, Roboflow,
            Dataloop; YOLO labels mean nothing without their pictures).

    Raises:
        DataError: When nothing that is known is found, or the labels cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise DataError(f"{place} does not exist.")
    if place.suffix.lower() == ".zip":
        place = _unpacked(place, unpack_to)
    if place.is_dir():
        place = inner_folder(place)
    found = format or detect_format(place)
    if found == "yolo":
        return read_yolo(place)
    if found == "roboflow":
        return read_roboflow(place if place.is_dir() else place.parent, pictures=pictures)
    if found == "dataloop":
        return read_dataloop(place, images, pictures=pictures)
    return _open_coco(place, images, pictures)


def _unpacked(archive: Path, folder: str | Path | None) -> Path:
    if folder is not None:
        return unpack_zip(archive, folder)
    status = archive.stat()
    mark = hashlib.sha256(f"{archive.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:12]
    target = home() / "data" / f"{archive.stem}-{mark}"
    return target if target.is_dir() and any(target.iterdir()) else unpack_zip(archive, target)


def inner_folder(folder: Path) -> Path:
    """Step into folders that hold nothing but another folder, as zips often do."""
    for _ in range(8):
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir():
            break
        folder = entries[0]
    return folder


def detect_format(path: str | Path) -> Format:
    """The format of a file or folder of labels.

    Raises:
        DataError: When it is none that is known, saying what was looked for.
    """
    place = Path(path)
    if not place.is_dir():
        found = "yolo" if place.suffix.lower() in (".yaml", ".yml") else _json_format(place)
        if found is None:
            raise DataError(f"{place} is neither COCO JSON, a Dataloop item, data.yaml of YOLO nor a zip.")
        return found  # type: ignore[return-value]
    if find_yaml(place):
        return "yolo"
    if any((place / name / ROBOFLOW_FILE).is_file() for name in (*ROBOFLOW_SPLITS, ".")):
        return "roboflow"
    files = sorted(place.rglob("*.json"))
    for file in files:
        found = _json_format(file)
        if found is not None:
            return found
    for file in files:
        # A file that cannot be read is likelier to hold the labels than one that can and does not.
        load_json(file)
    raise DataError(
        f"{place} holds no labels that are known: COCO JSON, Roboflow's {ROBOFLOW_FILE}, data.yaml with kpt_shape "
        "(YOLO) or Dataloop items."
    )


def _json_format(path: Path) -> Literal["coco", "dataloop"] | None:
    if path.suffix.lower() != ".json":
        return None
    if path.stat().st_size > _ITEM_BYTES:
        return "coco"
    try:
        data = load_json(path)
    except DataError:
        return None
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        return "coco"
    return "dataloop" if isinstance(data.get("annotations"), list) and "filename" in data else None


def _open_coco(place: Path, images: str | Path | None, pictures: bool) -> PoseDataset:
    """A COCO file, or all those of a folder that have keypoints; the others are reported."""
    if not place.is_dir():
        return read_coco(place, images, pictures=pictures)
    parts: list[PoseDataset] = []
    problems: list[Problem] = []
    for file in sorted(place.rglob("*.json")):
        if _json_format(file) != "coco":
            continue
        try:
            parts.append(read_coco(file, images, pictures=pictures))
        except DataError as error:
            problems.append(Problem(file, "the file", str(error)))
    if not parts:
        raise DataError(problems[0].reason if problems else f"{place} holds no COCO JSON.")
    whole = merged(place.name, parts)
    return replace(whole, problems=(*whole.problems, *problems))
