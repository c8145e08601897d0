"""Pictures without labels, and telling them from pictures whose labels are of a format that is not known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import AnnotatedImage, PoseDataset, Problem, whole
from posecore.data.checks import EntryError, beginning_of
from posecore.data.folders import files_in, is_picture_name
from posecore.data.foreign import foreign_labels
from posecore.data.pictures import picture_size
from posecore.errors import DataError
from posecore.skeleton import Skeleton

#: Files that hold fields or tables, and files that nothing but labels or results are kept in.
_FIELDS, _TABLES = (".json", ".xml", ".yaml", ".yml"), (".txt", ".csv", ".tsv")
_ARRAYS = (".mat", ".h5", ".slp", ".pkl", ".npz")
#: Words in files of labels, whatever the format.
_WORDS = re.compile(rb"keypoint|key_point|landmark|annotation|\bjoints?\b|\bpoints?\b|shapes|regions|bbox|bndbox", re.I)
#: Fewest numbers in a line of labels: two positions.
_NUMBERS = 4
#: Bytes of a file that are looked at.
_LOOK = 200_000


def bare_pictures(folder: Path, skeleton: Skeleton) -> PoseDataset | None:
    """The pictures of a folder as a set that waits for labels; None where there are no pictures.

    Raises:
        DataError: When a file looks like labels of a format that is not known, or no picture can be used.
    """
    files = files_in(folder)
    pictures = [path for path in files if is_picture_name(path.name)]
    if not pictures:
        return None
    if (labels := _unknown_labels(files, pictures)) is not None:
        what = foreign_labels([labels]) or (
            f"{labels} looks like labels of a format that is not known; convert them to COCO JSON or YOLO (with a "
            "data.yaml that has kpt_shape)."
        )
        raise DataError(f"{what} To label the pictures anew, take the file away.")
    dataset = waiting_set(pictures, skeleton)
    zips = [Problem(path, "the zip", "not opened; add it by itself") for path in files if path.suffix.lower() == ".zip"]
    return replace(dataset, problems=(*dataset.problems, *zips))


def waiting_set(pictures: Sequence[Path], skeleton: Skeleton) -> PoseDataset:
    """Pictures that wait for labels; files that are none are in ``problems``.

    Raises:
        DataError: When none can be used.
    """
    images, problems = [], []
    for number, path in enumerate(pictures, 1):
        try:
            size = picture_size(path)
        except EntryError as error:
            problems.append(Problem(path, "the picture", str(error)))
            continue
        images.append(AnnotatedImage(path, size, (), number, (whole(size),)))
    if not images:
        why = problems[0].reason if problems else "there is no file"
        raise DataError(f"None of the files is a picture that can be used: {why}. Give JPEG, PNG or WebP files.")
    return PoseDataset("pictures", skeleton, tuple(images), tuple(problems))


def _unknown_labels(files: Iterable[Path], pictures: Iterable[Path]) -> Path | None:
    """The first file that looks like labels: fields with their words, or a table of numbers about the pictures."""
    stems = {path.stem.lower() for path in pictures}
    for path in files:
        suffix = path.suffix.lower()
        if suffix in _ARRAYS:
            return path
        if suffix in _FIELDS and _WORDS.search(beginning_of(path, _LOOK)):
            return path
        if suffix in _TABLES and _tells_positions(beginning_of(path, _LOOK), path.stem.lower() in stems, stems):
            return path
    return None


def _tells_positions(content: bytes, of_a_picture: bool, stems: set[str]) -> bool:
    """True when a line has numbers enough and the table is about a picture, or the line names one."""
    for line in content.decode("utf-8", "replace").splitlines():
        words = re.split(r"[\s,;/\\\"]+", line.strip())
        about = of_a_picture or any(is_picture_name(word) and Path(word).stem.lower() in stems for word in words)
        numbers = sum(_is_number(word) for word in words)
        if about and numbers >= max(_NUMBERS, len(words) / 2):
            return True
    return False


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
