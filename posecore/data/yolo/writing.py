"""Writing a YOLO-pose set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from posecore.data.annotations import AnnotatedImage, Person, PoseDataset
from posecore.data.naming import known_skeleton
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder
from posecore.data.yolo.layout import SPLITS
from posecore.data.yolo.yaml_files import PlainDumper


def write_yolo(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as a YOLO-pose folder with ``train``, ``valid`` and ``test``; pictures without a split go to train.

    YOLO has no crowds (they are left out), no ignore regions, no areas and no absent keypoints (they become
    unlabelled).

    Args:
        dataset: The set.
        folder: A new or empty folder.
        pictures: What to do with the pictures.
        quality: JPEG quality when they are saved anew.
        advance: Called after every picture.

    Raises:
        DataError: When the folder holds something or a picture cannot be brought there.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    classes = _class_names(person for image in dataset for person in image.people)
    for image in dataset:
        place = root / _folder_of(image)
        target = carrier.bring(image.path, place / "images")
        lines = [_line(person, image.size, classes) for person in image.people if not person.crowd]
        (place / "labels").mkdir(exist_ok=True)
        (place / "labels" / f"{target.stem}.txt").write_text("".join(lines), "utf-8")
        advance()
    used = {_folder_of(image) for image in dataset}
    skeleton = dataset.skeleton
    content: dict[str, Any] = {
        **{key: f"{usual}/images" for key, (_, usual) in SPLITS.items() if usual in used},
        "kpt_shape": [len(skeleton), 3],
        **({"flip_idx": [int(index) for index in skeleton.flip_permutation]} if skeleton.sides_known else {}),
        "nc": len(classes),
        "names": {number: name for name, number in classes.items()},
    }
    # Names that were a guess would be taken for what the file says.
    if skeleton.sides_known or known_skeleton(skeleton.keypoints) is None:
        content["kpt_names"] = {number: list(skeleton.keypoints) for number in classes.values()}
    (root / "data.yaml").write_text(
        yaml.dump(content, Dumper=PlainDumper, sort_keys=False, allow_unicode=True), "utf-8"
    )
    return root


def _class_names(people: Iterable[Person]) -> dict[str, int]:
    names = {person.category for person in people} or {"person"}
    return {name: number for number, name in enumerate(sorted(names, key=lambda n: (n != "person", n)))}


def _folder_of(image: AnnotatedImage) -> str:
    return next((usual for split, usual in SPLITS.values() if split == image.split), "train")


def _line(person: Person, size: tuple[int, int], classes: dict[str, int]) -> str:
    x0, y0, x1, y1 = person.box
    box = [(x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1], (x1 - x0) / size[0], (y1 - y0) / size[1]]
    joints = [
        f"{x / size[0]:.7f} {y / size[1]:.7f} {label}" if known else "0 0 0"
        for (x, y), label, known in zip(person.keypoints, person.labels, person.labelled, strict=True)
    ]
    return " ".join([str(classes[person.category]), *(f"{value:.7f}" for value in box), *joints]) + "\n"
