"""Shards as a folder of pictures with one file of labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from posecore.data.checks import EntryError, Problems, a_dict, a_side
from posecore.data.coco.write import category_entry
from posecore.data.left_out import write_left_out
from posecore.data.pictures import PictureCarrier, new_folder, picture_size
from posecore.data.webdataset.samples import ShardSample, read_samples
from posecore.errors import DataError
from posecore.skeleton import COCO_17
from posecore.storage import write_json


class _Labels:
    """The labels of many samples as one COCO file."""

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.categories: dict[str, dict[str, Any]] = {}
        self._taken: set[int] = set()

    def add(self, sample: ShardSample, name: str, size: tuple[int, int]) -> None:
        """Add a picture of ``size`` (width, height) under the file name ``name``, with its people."""
        entry = _image_entry(sample.labels)
        number = entry.get("id")
        if not isinstance(number, int) or isinstance(number, bool) or number < 0 or number in self._taken:
            number = max(self._taken, default=-1) + 1
        numbers = self._category_numbers(sample.labels.get("categories"))
        people = []
        for person in sample.labels["annotations"]:
            a_dict(person, "an annotation")
            category = numbers.get(repr(person.get("category_id"))) or min(numbers.values())
            people.append({**person, "image_id": number, "category_id": category})
        self._taken.add(number)
        width, height = size
        self.images.append({**entry, "id": number, "file_name": name, "width": width, "height": height})
        self.annotations += [{**person, "id": len(self.annotations) + at} for at, person in enumerate(people, 1)]

    def _category_numbers(self, entries: Any) -> Mapping[str, int]:
        """Number in the whole of every category of a sample, by its number there."""
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries) or not entries:
            entries = [category_entry(1, "person", COCO_17)]
        found = {}
        for entry in entries:
            mark = json.dumps({**entry, "id": 0}, sort_keys=True)
            known = self.categories.setdefault(mark, {**entry, "id": len(self.categories) + 1})
            found[repr(entry.get("id"))] = int(known["id"])
        return found

    def content(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "annotations": self.annotations,
            "categories": list(self.categories.values()),
        }


def unpack_shards(
    shards: Sequence[str], folder: Path, name: str, most: int | None = None, *, pictures: bool = True
) -> Path:
    """Write the samples of shards as pictures and one COCO file into a new or empty folder.

    Shards are read from front to back; labels of all samples are in memory, pictures one at a time. Samples that cannot
    be used are left out and said.

    Args:
        shards: Files and addresses.
        folder: Where to.
        name: What the shards are called together, for people.
        most: Bytes of pictures that are taken.
        pictures: False writes labels alone.

    Returns:
        ``folder``.

    Raises:
        DataError: When a shard cannot be opened, no sample can be used, or there are more bytes than allowed.
    """
    root = new_folder(folder)
    place = root / "images"
    place.mkdir()
    problems, labels, carrier = Problems(Path(name)), _Labels(), PictureCarrier()
    left = math.inf if most is None else most
    for shard in shards:
        for sample in read_samples(shard, problems, pictures=pictures):
            left -= len(sample.picture)
            if left < 0:
                raise DataError(f"{name} would unpack to more than the {(most or 0) / 1e6:.0f} MB that are allowed.")
            with problems.skipping(f"{shard}: {sample.key}"):
                _keep(sample, place, labels, carrier, pictures)
    if not labels.images:
        why = problems.found[0].reason if problems.found else "they hold no picture with labels"
        raise DataError(
            f"No sample of {name} can be used: {why.rstrip('.')}. A sample is a picture and a JSON of one name; a set "
            "that was packed as a tar has to be unpacked first."
        )
    write_json(root / "annotations.json", labels.content())
    write_left_out(root, problems.found, problems.remarks)
    return root


def _keep(sample: ShardSample, place: Path, labels: _Labels, carrier: PictureCarrier, pictures: bool) -> None:
    stem = PurePosixPath(sample.key).name
    if not stem or "\0" in stem or "\\" in stem or len(stem) > 200:
        raise EntryError("its name cannot be that of a file")
    path = place / carrier.free_name(Path(stem + sample.suffix), place)
    if not pictures:
        labels.add(sample, path.name, _stated_size(sample.labels) or (1, 1))
        return
    path.write_bytes(sample.picture)
    try:
        labels.add(sample, path.name, _stated_size(sample.labels) or picture_size(path))
    except EntryError:
        path.unlink()
        raise


def _image_entry(labels: Mapping[str, Any]) -> dict[str, Any]:
    images = labels.get("images")
    if isinstance(images, list) and images and isinstance(images[0], dict):
        return images[0]
    return {key: labels[key] for key in ("id", "width", "height", "split", "ignore") if key in labels}


def _stated_size(labels: Mapping[str, Any]) -> tuple[int, int] | None:
    entry = _image_entry(labels)
    if entry.get("width") is None or entry.get("height") is None:
        return None
    return a_side(entry["width"], "the width"), a_side(entry["height"], "the height")
