"""The sets of labelled pictures that posecore keeps: one folder each under ``POSECORE_HOME/datasets``.

Whatever format a set came in, it is kept as COCO with its pictures beside it (see :mod:`posecore.data.stored`), so that
commands and training read its folder as they read any other.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from posecore.data.annotations import PoseDataset, Problem
from posecore.data.archives import ZipLimits
from posecore.data.bare import bare_pictures, waiting_set
from posecore.data.checks import EntryError
from posecore.data.coco import read_coco, write_coco_json
from posecore.data.detect import UnknownLabelsError, detect_format, open_dataset
from posecore.data.disk_cache import forget
from posecore.data.folders import check_place, files_in, inner_folder, reading, split_of
from posecore.data.held import Memo
from posecore.data.packed import packing_of, unpack
from posecore.data.pictures import PictureCarrier, picture_size
from posecore.data.stored import FOLDING, LABELS, PICTURES, StoredSet, locked, new_note
from posecore.data.synthetic import write_dataset
from posecore.data.unpacked import sweep_unpacked
from posecore.errors import DataError, SettingsError
from posecore.home import home
from posecore.skeleton import COCO_17, Skeleton
from posecore.storage import DraftFolder, sweep, writing
from posecore.words import counted, unused_name

__all__ = ["Library", "StoredSet"]

#: Called with (done, count) after each picture.
Progress = Callable[[int, int], None]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DRAFT, _GONE = ".adding-", ".removed-"
#: Bytes that are left free on the disk.
_RESERVE = 50_000_000
#: Bytes that a drawn picture takes, about.
_DRAWN = 80_000
_NOTHING = "Nothing was added."
_ORIGINS = {
    "coco": "COCO",
    "roboflow": "Roboflow COCO",
    "yolo": "YOLO-pose",
    "dataloop": "Dataloop",
    "labelme": "labelme",
    "cvat": "CVAT",
    "deeplabcut": "DeepLabCut",
}


class Library:
    """The sets in one folder.

    A library remembers what it read as long as the files do not change: keep one per process where sets are large.

    Args:
        folder: Where the sets are; ``POSECORE_HOME/datasets`` unless given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home() / "datasets").resolve()
        self._memo = Memo()

    def all(self) -> list[StoredSet]:
        """All sets, newest first; one that cannot be read is among them and says so in ``broken``."""
        if not self.folder.is_dir():
            return []
        folders = [entry for entry in self.folder.iterdir() if entry.is_dir() and _NAME.fullmatch(entry.name)]
        return sorted((StoredSet(folder, self._memo) for folder in folders), key=lambda s: (-s.created, s.name))

    def get(self, name: str) -> StoredSet:
        """The set of this name; raises ``DataError`` naming those that there are."""
        if not _NAME.fullmatch(name) or not (self.folder / name).is_dir():
            known = ", ".join(stored.name for stored in self.all()) or "none yet"
            raise DataError(f"There is no set {name!r}; there are: {known}.")
        return StoredSet(self.folder / name, self._memo)

    def add(
        self,
        name: str,
        source: Path,
        *,
        images: Path | None = None,
        limits: ZipLimits | None = None,
        skeleton: Skeleton = COCO_17,
        progress: Progress | None = None,
    ) -> StoredSet:
        """Keep a copy of labelled pictures of any known format.

        A folder or zip of nothing but pictures becomes a set whose pictures wait for labels. Pictures that are missing,
        no pictures, or of another size than their labels say are left out and listed in the set's ``problems``.

        Args:
            name: Letters, digits, ``.``, ``_`` and ``-``; no other set's.
            source: COCO, Dataloop or labelme JSON, ``data.yaml``, CVAT's XML, DeepLabCut's CSV, a folder, a zip of a
                folder, an LMDB of OpenPose, or tars of WebDataset.
            images: Folder of the pictures where the labels are elsewhere.
            limits: What a zip may hold.
            skeleton: Of pictures without labels.
            progress: Called after each picture.

        Raises:
            DataError: When the name is taken, nothing known or usable is found, or there is no room; nothing is left
                behind then.
        """
        with self._draft(name) as draft:
            packing = packing_of(source)
            place = source if packing is None else unpack(source, draft / "unpacked", limits)
            try:
                with reading(place):
                    dataset, origin = _opened(place, images, skeleton)
                    checked = _checked(dataset, place if place.is_dir() else place.parent)
                self._keep(checked, draft, packing is not None, progress)
            except DataError as error:
                raise DataError(_without(str(error), draft / "unpacked", source)) from error
            shutil.rmtree(draft / "unpacked", ignore_errors=True)
            if packing is not None:
                origin = f"{origin}, zip" if packing == "zip" else packing
            problems = [
                replace(problem, reason=_without(problem.reason, draft / "unpacked", source))
                for problem in checked.problems
            ]
            new_note(name, origin, problems, checked.remarks).write(draft)
        return self.get(name)

    def create(
        self,
        name: str,
        pictures: Iterable[Path],
        skeleton: Skeleton,
        *,
        origin: str = "pictures without labels",
        progress: Progress | None = None,
    ) -> StoredSet:
        """Keep copies of pictures that are to be labelled; ``origin`` says in words where they come from.

        Raises:
            DataError: As :meth:`add`; files that are no pictures are listed in ``problems`` unless all are.
        """
        with self._draft(name) as draft:
            dataset = _checked(waiting_set(list(pictures), skeleton), Path())
            self._keep(dataset, draft, False, progress)
            new_note(name, origin, dataset.problems).write(draft)
        return self.get(name)

    def add_synthetic(self, name: str, count: int, seed: int, *, progress: Progress | None = None) -> StoredSet:
        """Draw people with exact keypoints, to try everything without pictures of one's own.

        Args:
            name: As in :meth:`add`.
            count: Number of pictures.
            seed: The same seed draws the same pictures.
            progress: Called after each picture.
        """
        with self._draft(name) as draft:
            self._check_room(count * _DRAWN)
            try:
                write_dataset(draft, count, seed, progress=progress)
            except SettingsError as error:
                raise DataError(str(error)) from error
            drawn = read_coco(draft / LABELS, draft / PICTURES)
            write_coco_json(drawn, draft / LABELS)
            new_note(name, f"drawn by posecore, seed {seed}").write(draft)
        return self.get(name)

    def unused_name(self, text: str) -> str:
        """A name for a new set made from a file's name or a title: safe, and no other set's."""
        words = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:56] or "pictures"
        taken = {stored.name.lower() for stored in self.all()}
        return unused_name(words, taken)

    def remove(self, name: str) -> None:
        """Delete a set and its pictures; raises ``DataError`` when there is none of this name."""
        stored = self.get(name)
        gone = self.folder / f"{_GONE}{name}-{time.time_ns()}"
        with writing(stored.folder, DataError, "The set is still there."), locked(stored.folder):
            stored.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        # Its pictures are not to live on in what was made from them.
        forget(stored.folder)

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A folder on the library's disk for files that a set is made from; it goes with all that is in it."""
        with writing(self.folder, DataError, _NOTHING):
            self.folder.mkdir(parents=True, exist_ok=True)
            with DraftFolder(_DRAFT, self.folder) as folder:
                try:
                    yield folder
                except DataError as error:
                    # The folder means nothing to whoever gave the file.
                    raise DataError(str(error).replace(f"{folder}/", "")) from error

    # --- making ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        """A folder that becomes the set ``name`` when all goes well and vanishes otherwise."""
        self.check_name(name)
        with writing(self.folder, DataError, _NOTHING):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.sweep()
            with DraftFolder(_DRAFT, self.folder) as draft:
                yield draft
                with locked(self.folder / name):
                    self.check_name(name)
                    draft.rename(self.folder / name)

    def check_name(self, name: str) -> None:
        """Raise ``DataError`` when a new set cannot be called so."""
        if not _NAME.fullmatch(name):
            raise DataError(
                f"A set cannot be called {name!r:.80}; use letters, digits, dots, - and _, a letter or digit first, "
                "at most 64 in all."
            )
        taken = {entry.name.lower() for entry in self.folder.iterdir()} if self.folder.is_dir() else set()
        if name.lower() in taken:
            raise DataError(f"There is a set {name!r} already; choose another name, or remove it first.")

    def sweep(self) -> None:
        """Remove what killed processes left and zips that are gone, and fold in changes of labels that lie beside."""
        sweep(self.folder, _DRAFT, _GONE)
        sweep_unpacked()
        for stored in self.all():
            sweep(stored.folder, FOLDING)
            with suppress(DataError):
                stored.fold()

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if needed + _RESERVE > free:
            raise DataError(
                f"The set needs {needed / 1e6:.0f} MB and the disk that holds {self.folder} has {free / 1e6:.0f} MB "
                f"left; free some space, or set POSECORE_HOME to a folder on another disk. {_NOTHING}"
            )

    def _keep(self, dataset: PoseDataset, draft: Path, move: bool, progress: Progress | None) -> None:
        """Bring a set's pictures and labels into ``draft``; ``move`` pictures that lie there already, copy others."""
        if not move:
            with reading(dataset.images[0].path.parent):
                needed = sum(image.path.stat().st_size for image in dataset)
            self._check_room(needed)
        folder = draft / PICTURES
        folder.mkdir()
        carrier = PictureCarrier()
        names: dict[int, str] = {}
        moved: dict[Path, Path] = {}
        for done, image in enumerate(dataset, 1):
            if move and image.path not in moved:
                moved[image.path] = folder / carrier.free_name(image.path, folder)
                image.path.rename(moved[image.path])
                names[image.image_id] = moved[image.path].name
            else:
                # Two entries may share a picture.
                names[image.image_id] = carrier.bring(moved.get(image.path, image.path), folder).name
            if progress is not None:
                progress(done, len(dataset))
        write_coco_json(dataset, draft / LABELS, names)


def _opened(place: Path, images: Path | None, skeleton: Skeleton) -> tuple[PoseDataset, str]:
    """A file or folder as a set, and what it is in words."""
    check_place(place)
    if place.is_dir():
        place = inner_folder(place)
    try:
        found = detect_format(place)
    except UnknownLabelsError:
        if place.is_dir() and (bare := bare_pictures(place, skeleton)) is not None:
            return bare, "pictures without labels"
        if place.is_dir() and (nested := [path for path in files_in(place) if path.suffix.lower() == ".zip"]):
            raise DataError(
                f"{place} holds no labels but another zip, {nested[0].name}; unpack it and give that one."
            ) from None
        raise
    dataset = open_dataset(place, found, images)
    if not len(dataset):
        why = str(dataset.problems[0].reason) if dataset.problems else "no picture is listed"
        raise DataError(f"{place}: none of the labelled pictures can be used: {why.rstrip('.')}.")
    return dataset, _ORIGINS[found]


def _checked(dataset: PoseDataset, base: Path) -> PoseDataset:
    """The set without pictures that are none or not of the size their labels were made for.

    Files in its problems become relative to ``base``; splits become ``train``, ``val`` and ``test``.
    """
    images, problems = [], list(dataset.problems)
    for image in dataset:
        try:
            size = picture_size(image.path)
            if size != image.size:
                labelled = f"{image.size[0]} × {image.size[1]}"
                raise EntryError(f"{size[0]} × {size[1]} pixels, but labelled for {labelled}")
        except EntryError as error:
            problems.append(Problem(image.path, "the picture", str(error)))
            continue
        images.append(image)
    if not images:
        why = str(problems[0].reason).rstrip(".")
        raise DataError(f"None of {counted(len(dataset), 'picture')} can be used: {why}.")
    if any(image.split for image in images):
        images = [replace(image, split=split_of(image.split or "") or "train") for image in images]
    return replace(
        dataset,
        images=tuple(images),
        problems=tuple(replace(problem, file=_relative(problem.file, base)) for problem in problems),
    )


def _relative(file: Path, base: Path) -> Path:
    file, base = file.absolute(), base.absolute()
    return file.relative_to(base) if file.is_relative_to(base) and file != base else Path(file.name)


def _without(message: str, unpacked: Path, source: Path) -> str:
    """A message without the folder that a zip was unpacked to, which means nothing to anybody."""
    return message.replace(f"{unpacked}/", "").replace(str(unpacked), source.name)
