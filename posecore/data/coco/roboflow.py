"""Roboflow's dialect of COCO: a folder per split, with its pictures and labels together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import PoseDataset
from posecore.data.coco.read import read_coco
from posecore.data.coco.several import read_alike
from posecore.data.coco.write import coco_dict
from posecore.data.folders import files_in, split_of
from posecore.data.merging import merged
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder
from posecore.errors import DataError
from posecore.storage import write_json

#: Name of the labels in every folder of a Roboflow export.
ROBOFLOW_FILE = "_annotations.coco.json"
#: Roboflow's folders, and the split each one is.
ROBOFLOW_SPLITS = {"train": "train", "valid": "val", "test": "test"}


def read_roboflow(folder: str | Path, *, pictures: bool = True) -> PoseDataset:
    """Read Roboflow's COCO export: ``train``, ``valid`` and ``test``, each with its labels and pictures together.

    Raises:
        DataError: When there are no such files, or no category is labelled in all of them.
    """
    root = Path(folder)
    files = roboflow_files(files_in(root))
    if not files:
        raise DataError(f"{root} holds no {ROBOFLOW_FILE}, neither itself nor in train, valid or test.")

    def read(file: Path, category: str | None = None) -> PoseDataset:
        split = split_of(file.parent.name) if file.parent != root else None
        return read_coco(file, file.parent, category=category, pictures=pictures, split=split)

    order = [*ROBOFLOW_SPLITS.values(), None]
    files.sort(key=lambda file: order.index(split_of(file.parent.name)))
    return merged(root.name, read_alike({file: read(file) for file in files}, read))


def roboflow_files(files: Iterable[Path]) -> list[Path]:
    """Those of ``files`` that are Roboflow's labels."""
    return [file for file in files if file.name.lower() == ROBOFLOW_FILE]


def write_roboflow(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as Roboflow's COCO export: a folder per split with pictures and labels together.

    Category 0 is the group of categories, as Roboflow writes it. Pictures without a split go to ``train``. See
    :func:`write_coco` for the arguments.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    for directory, split in ROBOFLOW_SPLITS.items():
        images = tuple(image for image in dataset if (image.split or "train") == split)
        if not images:
            continue
        names = {}
        for image in images:
            names[image.image_id] = carrier.bring(image.path, root / directory).name
            advance()
        part = replace(dataset, images=images)
        data = coco_dict(part, names)
        group = {"id": 0, "name": "objects", "supercategory": "none"}
        data["categories"] = [group, *({**category, "supercategory": "objects"} for category in data["categories"])]
        for entry, image in zip(data["images"], images, strict=True):
            entry["extra"] = {"name": image.path.name}
        write_json(root / directory / ROBOFLOW_FILE, data)
    return root
