"""Writing a set as shards."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.coco.write import coco_dict
from posecore.data.pictures import PictureCarrier, PictureMode, new_folder, save_jpeg
from posecore.errors import DataError, ImageError
from posecore.imaging import read_image

#: A shard is full with so many pictures, or so many bytes.
_PICTURES, _BYTES = 1000, 1_000_000_000


def write_webdataset(
    dataset: PoseDataset,
    folder: str | Path,
    pictures: PictureMode = "copy",
    quality: int = 90,
    advance: Callable[[], object] = lambda: None,
) -> Path:
    """Write a set as WebDataset: ``NAME-000000.tar`` and on, named after their split, else ``set``.

    A shard holds at most 1,000 pictures and about a gigabyte, so that it is read at once and shards can be shuffled.
    The same set makes the same bytes. Nothing that the set holds is lost.

    Args:
        dataset: The set.
        folder: A new or empty folder.
        pictures: ``reencode`` saves them anew as JPEG; otherwise their files go in as they are.
        quality: JPEG quality when they are saved anew.
        advance: Called after every picture.

    Raises:
        DataError: When the folder holds something or a picture cannot be read.
    """
    root = new_folder(Path(folder))
    carrier = PictureCarrier(pictures, quality)
    for split in dict.fromkeys(image.split for image in dataset):
        shards = _Shards(root, split or "set")
        try:
            for image in (image for image in dataset if image.split == split):
                name = carrier.free_name(_named(image.path), root)
                labels = coco_dict(replace(dataset, images=(image,)), {image.image_id: name})
                shards.add(name, _content(image, carrier), json.dumps(labels, allow_nan=False).encode())
                advance()
        finally:
            shards.close()
    return root


def _named(path: Path) -> Path:
    """A picture's name without what ends a key or means a folder."""
    return Path(re.sub(r"[^\w-]", "_", path.stem) + path.suffix.lower())


def _content(image: AnnotatedImage, carrier: PictureCarrier) -> bytes:
    try:
        if carrier.mode != "reencode":
            return image.path.read_bytes()
        file = io.BytesIO()
        save_jpeg(file, read_image(image.path), carrier.quality)
        return file.getvalue()
    except ImageError as error:
        raise DataError(f"{image.path}: {error}") from error
    except OSError as error:
        raise DataError(f"{image.path} cannot be read: {error.strerror or error}.") from error


class _Shards:
    """Tars of one name, begun anew when one is full."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._number = self._pictures = self._bytes = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, name: str, picture: bytes, labels: bytes) -> None:
        if self._tar is None or self._pictures >= _PICTURES or self._bytes >= _BYTES:
            self.close()
            self._tar = tarfile.TarFile(self._folder / f"{self._name}-{self._number:06d}.tar", "w")
            self._number, self._pictures, self._bytes = self._number + 1, 0, 0
        for member, content in ((name, picture), (f"{Path(name).stem}.json", labels)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            self._tar.addfile(info, io.BytesIO(content))
        self._tar.members = []  # type: ignore[attr-defined]
        self._pictures, self._bytes = self._pictures + 1, self._bytes + len(picture)

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None
