"""Reading a YOLO-pose set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.checks import Problems, as_data_error
from posecore.data.folders import files_in, set_root
from posecore.data.pictures import stored_picture
from posecore.data.resolving import PathResolver
from posecore.data.yolo.labels import LabelFiles, expected_place, read_labels
from posecore.data.yolo.layout import Layout, Part, bases_of, parts_of
from posecore.data.yolo.yaml_files import find_yaml, load_yaml
from posecore.errors import DataError
from posecore.picture_files import upright_size
from posecore.words import counted

_TURNED = (
    "a picture that is seen turned or mirrored (its EXIF orientation says so); its labels were taken as labels of what "
    "is seen, though as parts of the sides they fit its stored pixels as well; look whether they lie right"
)


def read_yolo(path: str | Path) -> PoseDataset:
    """Read a YOLO-pose set with any number of keypoints.

    Visibility 0 is *unlabelled*. Without visibilities (``kpt_shape: [K, 2]``) keypoints at 0, 0 or with a negative
    position are unlabelled and the others visible. A picture without a label file has nobody on it, as is usual with
    YOLO; pictures of a split of which not one has labels wait for them. Names come from ``kpt_names``; without it 17
    keypoints are COCO's and others are numbered.

    Args:
        path: ``data.yaml``, or the folder it is in or below. Pictures are looked for only in that folder and below.

    Raises:
        DataError: When ``data.yaml`` is missing or wrong, or names no folder with pictures.
    """
    root, file = _places(Path(path))
    problems = Problems(file)
    with as_data_error(file):
        layout = Layout.of(load_yaml(file), file.parent.name or "yolo", problems)
    resolver = PathResolver(root, bases_of(file, layout.path, root))
    parts = parts_of(layout, resolver, problems)
    labels = LabelFiles(root, files_in(root))
    found = labels.of([picture for part in parts for picture in part.pictures])
    images: list[AnnotatedImage] = []
    for part in parts:
        unlabelled = _note_unlabelled(part, found, problems)
        for picture in part.pictures:
            with problems.skipping(picture.name):
                image = _read_image(picture, found[picture], layout, len(images), problems)
                ignore = ((0.0, 0.0, float(image.size[0]), float(image.size[1])),) if unlabelled else image.ignore
                images.append(replace(image, split=part.split, ignore=ignore))
    for orphan in labels.without_picture({path for path in found.values() if path is not None}):
        problems.note(orphan.name, "there is no picture for these labels")
    if not images and not problems.found:
        raise DataError(f"{file} names no folder with pictures; there should be train, val or test.")
    return PoseDataset(file.parent.name, layout.skeleton, tuple(images), tuple(problems.found), problems.remarks)


def _places(path: Path) -> tuple[Path, Path]:
    """Folder of the whole set, and its ``data.yaml``."""
    path = path.absolute()
    if not path.is_dir():
        return set_root(path), path
    return path, find_yaml(path) or path / "data.yaml"


def _note_unlabelled(part: Part, found: dict[Path, Path | None], problems: Problems) -> bool:
    """True, and a problem, when not one picture of a part has a label file: they are missing rather than empty."""
    if not part.pictures or any(found[picture] is not None for picture in part.pictures):
        return False
    pictures = counted(len(part.pictures), "picture")
    problems.note(
        part.split or part.place,
        f"none of {pictures} has a label file in {expected_place(part.pictures[0])}; they wait for labels",
    )
    return True


def _read_image(picture: Path, labels: Path | None, layout: Layout, number: int, problems: Problems) -> AnnotatedImage:
    stored, orientation = stored_picture(picture)
    size = upright_size(stored, orientation)
    people, regions = read_labels(labels, layout, size, problems) if labels is not None else ([], [])
    if orientation != 1 and people:
        problems.remark(_TURNED)
    return AnnotatedImage(picture, size, tuple(people), number, tuple(regions))
