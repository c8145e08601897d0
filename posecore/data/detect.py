"""Opening labelled pictures of any format: from a file, a folder, a zip, an LMDB or tars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from posecore.data.annotations import PoseDataset, Problem
from posecore.data.checks import beginning_of, load_json
from posecore.data.coco import (
    ROBOFLOW_FILE,
    read_alike,
    read_coco,
    read_roboflow,
    roboflow_files,
    together,
    write_coco,
    write_roboflow,
)
from posecore.data.dataloop import read_dataloop, write_dataloop
from posecore.data.folders import check_place, files_in, inner_folder, reading, set_root, split_of
from posecore.data.foreign import foreign_labels
from posecore.data.label_sizes import fit_labels
from posecore.data.left_out import read_left_out
from posecore.data.merging import merged
from posecore.data.packed import packing_of, unpack
from posecore.data.splits import with_own_splits
from posecore.data.translated import (
    is_cvat,
    is_deeplabcut,
    is_labelme,
    read_cvat,
    read_deeplabcut,
    read_labelme,
)
from posecore.data.unpacked import unpacked
from posecore.data.webdataset import write_webdataset
from posecore.data.yolo import find_yaml, read_yolo, write_yolo
from posecore.errors import DataError

Format = Literal["coco", "roboflow", "yolo", "dataloop", "webdataset"]
#: Formats that are read: those that are written, and labels as other programs keep them.
ReadFormat = Literal[Format, "labelme", "cvat", "deeplabcut"]

#: Writers by format; all take a set, a new folder, what to do with pictures, JPEG quality and a progress function.
WRITERS: dict[Format, Callable[..., Path]] = {
    "coco": write_coco,
    "roboflow": write_roboflow,
    "yolo": write_yolo,
    "dataloop": write_dataloop,
    "webdataset": write_webdataset,
}

#: Readers of a file or folder, by format.
_READERS: dict[ReadFormat, Callable[..., PoseDataset]] = {
    "dataloop": read_dataloop,
    "labelme": read_labelme,
    "cvat": read_cvat,
    "deeplabcut": read_deeplabcut,
}

#: JSON files above this size are not read only to see what they are: a Dataloop item is far smaller, and labelme, which
#: may keep a copy of the picture, begins with the shapes.
_ITEM_BYTES = 20_000_000
_LOOK = 4_000


class UnknownLabelsError(DataError):
    """A file or folder holds no labels of a known format; every file in it could be read."""


def open_dataset(
    path: str | Path,
    format: ReadFormat | None = None,
    images: str | Path | None = None,
    *,
    unpack_to: str | Path | None = None,
    pictures: bool = True,
    class_names: Sequence[str] = (),
) -> PoseDataset:
    """Open labelled pictures.

    Args:
        path: COCO, Dataloop or labelme JSON, ``data.yaml``, CVAT's XML, DeepLabCut's CSV, a folder, a zip of a folder,
            an LMDB that OpenPose was trained from, or shards of WebDataset
            (:func:`posecore.data.webdataset.find_shards`).
        format: The format, or None to find out.
        images: Folder of the pictures where the labels are elsewhere (all but YOLO and Roboflow).
        unpack_to: Where a packed set is unpacked: a new or empty folder. A folder in posecore's home, used again when
            the same one is opened again, when None.
        pictures: Leave out (and report) pictures whose file is missing. False looks for no files (YOLO labels mean
            nothing without their pictures).
        class_names: Read the boxes of these classes alone, in ``PERSON_BOX``, from COCO JSON with or without
            keypoints.

    Returns:
        The set, its labels in pixels of its pictures as they are seen (:mod:`posecore.data.label_sizes`). It has
        the splits that it brings: in its labels, in lists, or in folders of its pictures.

    Raises:
        DataError: When nothing that is known is found, or the labels cannot be read.
    """
    place = Path(path)
    packing = packing_of(place)
    if format == "webdataset":
        if packing != "WebDataset":
            raise DataError(f"{place} is no WebDataset; give its tars or a folder of nothing else.")
        format = None
    if packing is not None:
        place = unpacked(place) if unpack_to is None else unpack(place, Path(unpack_to))
    if place.is_dir():
        place = inner_folder(place)
    found = format or detect_format(place)
    if class_names:
        if found != "coco" or place.is_dir():
            raise DataError(f"{place}: boxes of classes are read from a COCO JSON file; give that, or no class names.")
        return fit_labels(read_coco(place, images, pictures=pictures, class_names=class_names))
    if found == "yolo":
        return read_yolo(place)
    if found == "roboflow":
        dataset = read_roboflow(place if place.is_dir() else place.parent, pictures=pictures)
    else:
        read = _READERS.get(found, _open_coco)
        inside = place if images is None else Path(images)
        root = inside.absolute() if inside.is_dir() else set_root(inside)
        dataset = with_own_splits(read(place, images, pictures=pictures), root)
    return fit_labels(dataset) if pictures else dataset


def detect_format(path: str | Path) -> ReadFormat:
    """The format of a file or folder of labels.

    Raises:
        UnknownLabelsError: When it is none that is known, saying what was looked for.
        DataError: When it is none that is known and a file that may hold the labels cannot be read.
    """
    place = Path(path)
    check_place(place)
    if place.is_dir():
        return _folder_format(place)
    found = "yolo" if place.suffix.lower() in (".yaml", ".yml") else _file_format(place)
    if found is None:
        raise UnknownLabelsError(
            foreign_labels([place])
            or f"{place} is neither JSON of COCO, Dataloop or labelme, data.yaml of YOLO, XML of CVAT, a table of "
            "DeepLabCut, a zip, an LMDB of OpenPose nor a tar of WebDataset."
        )
    return found


def _folder_format(folder: Path) -> ReadFormat:
    files = files_in(folder)
    formats: Sequence[Callable[[], ReadFormat | None]] = (
        lambda: "yolo" if find_yaml(folder, files) else None,
        lambda: "roboflow" if roboflow_files(files) else None,
        *((lambda file=file: _file_format(file)) for file in files),
    )
    unreadable: DataError | None = None
    for detect in formats:
        try:
            if found := detect():
                return found
        except DataError as error:
            unreadable = unreadable or error
    # A file that cannot be read is likelier to hold the labels than those that can and do not.
    raise unreadable or UnknownLabelsError(
        foreign_labels(files)
        or f"{folder} holds no labels that are known: COCO JSON, Roboflow's {ROBOFLOW_FILE}, data.yaml with kpt_shape "
        "(YOLO), Dataloop items, labelme's JSON, CVAT's XML or DeepLabCut's CollectedData….csv."
    )


def _file_format(path: Path) -> ReadFormat | None:
    """What a file holds, if it is labels; raises ``DataError`` when it cannot be read."""
    with reading(path):
        if is_cvat(path):
            return "cvat"
        if is_deeplabcut(path):
            return "deeplabcut"
    return _json_format(path)


def _json_format(path: Path) -> Literal["coco", "dataloop", "labelme"] | None:
    """What a JSON file holds; raises ``DataError`` when it cannot be read."""
    if path.suffix.lower() != ".json":
        return None
    if path.stat().st_size > _ITEM_BYTES:
        beginning = beginning_of(path, _LOOK)
        return "labelme" if b'"shapes"' in beginning and b'"images"' not in beginning else "coco"
    data: Any = load_json(path)
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("images"), list) and isinstance(data.get("annotations"), list):
        return "coco"
    if is_labelme(data):
        return "labelme"
    return "dataloop" if isinstance(data.get("annotations"), list) and "filename" in data else None


def _open_coco(place: Path, images: str | Path | None, *, pictures: bool) -> PoseDataset:
    """A COCO file, or all those of a folder that have keypoints; the others are reported."""
    if not place.is_dir():
        return read_coco(place, images, pictures=pictures)
    left_out, remarks = read_left_out(place)
    problems = list(left_out)
    files: list[Path] = []
    for file in files_in(place):
        try:
            if _json_format(file) == "coco":
                files.append(file)
        except DataError as error:
            problems.append(Problem(file, "the file", str(error)))
    splits = {file: split_of(file.stem) or split_of(file.parent.relative_to(place).as_posix()) for file in files}
    if len({*splits.values()} - {None}) < 2:
        splits = dict.fromkeys(files)

    def read(file: Path, category: str | None = None) -> PoseDataset:
        return read_coco(file, images, category=category, pictures=pictures, split=splits[file], root=place)

    parts: dict[Path, PoseDataset] = {}
    for file in files:
        try:
            parts[file] = read(file)
        except DataError as error:
            problems.append(Problem(file, "the file", str(error)))
    if not parts:
        raise DataError(problems[0].reason if problems else f"{place} holds no COCO JSON.")
    alike = read_alike(parts, read)
    whole = merged(place.name, together(alike) if pictures else alike)
    return replace(whole, problems=(*whole.problems, *problems), remarks=(*whole.remarks, *remarks))
