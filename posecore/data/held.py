"""Kept sets as they were read, followed as they change: nothing that did not change is read again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from posecore.data.annotations import AnnotatedImage, PoseDataset
from posecore.data.checks import as_data_error
from posecore.data.coco import changed_image, read_coco, with_change
from posecore.data.journal import Journal, Place
from posecore.errors import DataError
from posecore.skeleton import Skeleton
from posecore.storage import Stamp, stamp


class Held:
    """A set as it was read, kept up to date by what changed since.

    Args:
        labels: The COCO file.
        pictures: Folder of the pictures.
        name: The set's name.

    Attributes:
        used: When it was last looked into, on a clock that only goes on; 0 before it was read.
    """

    def __init__(self, labels: Path, pictures: Path, name: str) -> None:
        self.used = 0.0
        self._journal = Journal(labels)
        self._pictures, self._name = pictures, name
        self._lock = threading.RLock()
        self._stamp: Stamp | None = None
        self._place = Place(0, 0)
        self._images: dict[int, AnnotatedImage] = {}
        self._dataset: PoseDataset | None = None
        self._base: PoseDataset

    def dataset(self) -> PoseDataset:
        """All pictures; raises ``DataError`` when they cannot be read."""
        with self._lock:
            self._refresh()
            if self._dataset is None:
                self._dataset = replace(self._base, images=tuple(self._images.values()))
            return self._dataset

    def image(self, image_id: int) -> AnnotatedImage | None:
        """One picture; raises ``DataError`` when the set cannot be read."""
        with self._lock:
            self._refresh()
            return self._images.get(image_id)

    def skeleton(self) -> Skeleton:
        """Meaning of the keypoints; raises ``DataError`` when the set cannot be read."""
        with self._lock:
            self._refresh()
            return self._base.skeleton

    def _refresh(self) -> None:
        self.used = time.monotonic()
        file, now = stamp(self._journal.file), self._journal.place()
        if file is None:
            raise DataError(f"{self._journal.file} is missing; put it back, or remove the set {self._name!r}.")
        # A journal that begins anew counts as another one, whatever number the system gives it.
        if file != self._stamp or now.end < self._place.end or (self._place.end and now.file != self._place.file):
            base = replace(read_coco(self._journal.file, self._pictures), name=self._name)
            self._base, self._dataset = base, base
            self._images = {image.image_id: image for image in base}
            # Putting in once more what was read with the file changes nothing.
            self._stamp, self._place = file, Place(now.file, 0)
        self._follow(now)

    def folded(self, before: Stamp | None, end: int) -> None:
        """The file is another by now, and says the same: changes up to byte ``end`` are in it."""
        with self._lock:
            if self._stamp == before and self._place.end >= end:
                self._stamp = stamp(self._journal.file)
                self._place = Place(self._journal.place().file, self._place.end - end)

    def _follow(self, now: Place) -> None:
        if now.end == self._place.end:
            return
        changes, end = self._journal.read(self._place.end)
        with as_data_error(self._journal.path):
            for change in changes:
                image = self._images.get(changed_image(change))
                if image is not None:
                    self._images[image.image_id] = with_change(image, change, self._base.skeleton)
                    self._dataset = None
        self._place = Place(now.file, end)


@dataclass
class Memo:
    """Sets that were read, until their files change; shared by all :class:`StoredSet` of a library.

    Sets that were merely listed push none out that was read.

    Attributes:
        most: Sets that are remembered.
    """

    most: int = 8
    _held: dict[Path, Held] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def held(self, labels: Path, pictures: Path, name: str) -> Held:
        """What is known of a set."""
        with self._lock:
            held = self._held.get(labels)
            if held is None:
                held = self._held[labels] = Held(labels, pictures, name)
            read = sorted((one.used, path) for path, one in self._held.items() if one.used and one is not held)
            for _, path in read[: max(len(read) - self.most, 0)]:
                del self._held[path]
        return held
