"""One set of labelled pictures that posecore keeps: read quickly, changed safely.

A set is a folder that any reader of COCO understands: ``annotations.json`` and ``images/``, and beside them
``dataset.json`` with what COCO has no place for (title, where the set came from, what could not be used). Labels that
were just saved stand in a journal beside ``annotations.json`` (:mod:`posecore.data.journal`) until they are folded in.
"""

from __future__ import annotations

import filecmp
import functools
import hashlib
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from posecore.data.annotations import AnnotatedImage, Person, PoseDataset, Problem, Remark, whole
from posecore.data.batches import PackSettings
from posecore.data.checks import EntryError, load_json
from posecore.data.coco import coco_dict, load_coco, people_change, read_coco
from posecore.data.detect import WRITERS, Format
from posecore.data.held import Memo
from posecore.data.journal import Journal, cancel_folding, fold_soon
from posecore.data.left_out import as_values, from_values
from posecore.data.operations import mapped, mapped_as, split_by_ratio
from posecore.data.pictures import PictureCarrier, picture_size
from posecore.data.source import SetMark, Source, Sources
from posecore.errors import DataError
from posecore.skeleton import Skeleton, SkeletonMapping
from posecore.storage import DraftFolder, Stamp, stamp, write_json, writing
from posecore.words import counted

#: Files of a set.
LABELS, PICTURES, NOTE = "annotations.json", "images", "dataset.json"
#: What the name of a folder begins with in which changes are folded in.
FOLDING = ".folding-"
#: Folder beside the sets in which their locks lie.
LOCKS = ".locks"
#: Seconds to wait for another process that is writing the same set.
_PATIENCE = 30.0
#: Fewest labelled keypoints of people to learn from, where training's usual number is too many for the skeleton.
_USUAL, _SHARE = 5, 3
#: How a set stands after a change that failed.
UNCHANGED = "Nothing was changed."


@dataclass(frozen=True)
class Note:
    """What ``dataset.json`` says.

    Attributes:
        title: Words for people.
        origin: Format the set came in, in words.
        created: Seconds since 1970.
        problems: Entries that were left out when the set was added; files relative to what was added.
        remarks: What was odd in it and read all the same.
    """

    title: str
    origin: str
    created: float
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def write(self, folder: Path) -> None:
        """Write the file."""
        values = {"title": self.title, "origin": self.origin, "created": self.created}
        write_json(folder / NOTE, {**values, **as_values(self.problems, self.remarks)})

    @classmethod
    def read(cls, folder: Path) -> Note:
        """Read the file; a set without a usable one is still a set, for its labels are elsewhere."""
        try:
            values = load_json(folder / NOTE)
            return cls(str(values["title"]), str(values["origin"]), float(values["created"]), *from_values(values))
        except (DataError, AttributeError, KeyError, TypeError, ValueError):
            return cls(folder.name, "put there by hand", _changed(folder))


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


@functools.lru_cache(maxsize=16)
def _content_hash(path: Path, now: Stamp | None) -> str:
    """Hash of a file's bytes; ``now`` is its :func:`stamp`, so that an unchanged file is read once."""
    if now is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


class StoredSet:
    """One set of labelled pictures in a library.

    Args:
        folder: The set's folder; its name is the set's name.
        memo: What was read before.

    Attributes:
        name: The set's name, for configurations and commands.
        folder: Its folder.
        title: Words for people.
        origin: Format it came in, in words.
        created: Seconds since 1970.
    """

    def __init__(self, folder: Path, memo: Memo | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self._held = (memo or Memo()).held(self.labels, self.pictures, self.name)
        self._journal = Journal(self.labels)
        self._note = Note.read(folder)
        self.title, self.origin, self.created = self._note.title, self._note.origin, self._note.created

    @property
    def labels(self) -> Path:
        """The COCO file."""
        return self.folder / LABELS

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return self.folder / PICTURES

    @property
    def broken(self) -> str:
        """Why the set cannot be read at all; empty when it can."""
        try:
            self.dataset()
        except DataError as error:
            return str(error)
        return ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was left out when the set was added, and what cannot be used of it now."""
        if reason := self.broken:
            return (*self._note.problems, Problem(self.labels, "the set", reason))
        return (*self._note.problems, *self.dataset().problems)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What was odd when the set was added and read all the same."""
        return self._note.remarks

    @property
    def skeleton(self) -> Skeleton:
        """Meaning of the keypoints."""
        return self._held.skeleton()

    def dataset(self) -> PoseDataset:
        """All pictures with their people; ``split`` is ``train``, ``val``, ``test`` or None.

        No picture is opened, and a file that did not change is not read again.

        Raises:
            DataError: When the set's files cannot be read.
        """
        return self._held.dataset()

    def image(self, image_id: int) -> AnnotatedImage:
        """One picture by its number; raises ``DataError`` when there is none."""
        found = self._held.image(image_id)
        if found is None:
            raise DataError(f"The set {self.name!r} has no picture {image_id}.")
        return found

    def parts(self) -> dict[str, int]:
        """Pictures in each part (``train``, ``val``, ``test``); empty for a set without a split."""
        return dict(sorted(Counter(image.split for image in self.dataset() if image.split).items()))

    def labelled(self) -> int:
        """Pictures that somebody has labelled, those known to have nobody on them included."""
        return sum(not image.waits for image in self.dataset())

    @property
    def mark(self) -> SetMark:
        """Which set this is and what its labels are now, for runs to remember."""
        # So that the file itself says all, and the same labels have the same hash.
        with suppress(DataError):
            self.fold()
        return SetMark(name=self.name, content=_content_hash(self.labels, stamp(self.labels)))

    def sources(self) -> Sources:
        """What there is to train on and to validate with; all paths are absolute.

        Without a split everything is to train on and ``validation`` is empty; so it is when nobody is labelled in the
        part for validation. Training then holds some people back by itself.
        """
        keypoints = len(self.skeleton)
        few = {"min_keypoints": max(keypoints // _SHARE, 1)} if keypoints < _USUAL * _SHARE else {}
        base = Source(
            annotations=str(self.labels),
            images=str(self.pictures),
            format="coco",
            pack=PackSettings(**few),
            stored=self.mark,
        )
        if not self.parts():
            return Sources((base,))
        useful = {image.split for image in self.dataset() if any(p.labelled.any() for p in image.people)}
        train, validation = (
            (base.model_copy(update={"split": part}),) if part in useful else () for part in ("train", "val")
        )
        return Sources(train, validation)

    # --- changing ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes this set meanwhile; failures to write become sentences."""
        with writing(self.folder, DataError, UNCHANGED), locked(self.folder):
            yield

    def _content(self) -> dict[str, Any]:
        """All labels, folded in; only while nobody else writes."""
        end = self._journal.place().end
        data = load_coco(self.labels)
        if end:
            write_json(self.labels, data)
            self._journal.drop(end)
        return data

    def fold(self) -> None:
        """Put the changes that stand beside the labels' file into it; others may go on reading and saving meanwhile.

        Raises:
            DataError: When it cannot be written; the changes stay where they are.
        """
        cancel_folding(self.labels)
        before, end = stamp(self.labels), self._journal.place().end
        if not end:
            return
        with writing(self.folder, DataError, UNCHANGED), DraftFolder(FOLDING, self.folder) as draft:
            folded = draft / LABELS
            write_json(folded, load_coco(self.labels))
            shutil.copymode(self.labels, folded)
            with locked(self.folder):
                # Somebody else may have folded, or written another file.
                if stamp(self.labels) == before:
                    folded.replace(self.labels)
                    self._journal.drop(end)
                    self._held.folded(before, end)

    def set_title(self, title: str) -> None:
        """Give the set other words for people; its name stays, for runs and files refer to it."""
        words = " ".join(title.split())
        if not words:
            raise DataError("A title needs at least one letter.")
        with self._alone():
            self._note = replace(self._note, title=words[:200])
            self._note.write(self.folder)
        self.title = self._note.title

    def set_split(self, val: float, seed: int, test: float = 0.0) -> None:
        """Distribute whole pictures at random over ``train``, ``val`` and ``test``.

        Labelled pictures and those that wait for labels are distributed apart, so that each part gets its share of
        both.

        Args:
            val: Share for validation, 0 … 0.9.
            seed: The same seed gives the same parts.
            test: Share that is kept for a last measurement.

        Raises:
            DataError: When the shares leave nothing to train on, or a part asked for would get no picture.
        """
        if min(val, test) < 0 or val + test > 0.9:
            raise DataError("Validation and test may take 0 to 90 % together; the rest is to train on.")
        shares = {"train": 1 - val - test, "val": val, "test": test}
        shares = {name: share for name, share in shares.items() if share > 0}
        with self._alone():
            data, dataset = self._content(), self._readable()
            chosen: dict[int, str] = {}
            for waiting in (False, True):
                images = tuple(image for image in dataset if image.waits == waiting)
                for name, part in split_by_ratio(replace(dataset, images=images), shares, seed).items():
                    chosen.update({image.image_id: name for image in part})
            if missing := sorted(set(shares) - set(chosen.values())):
                many = counted(len(dataset), "picture")
                raise DataError(f"With {many}, {missing[0]} would get none; choose other shares or add pictures.")
            for entry in data["images"]:
                if entry.get("id") in chosen:
                    entry["split"] = chosen[entry["id"]]
            write_json(self.labels, data)

    def set_skeleton(self, skeleton: Skeleton | SkeletonMapping) -> None:
        """Give the keypoints other names, lines, mirror images or sigmas.

        Args:
            skeleton: The new one, with where the labels of each keypoint come from. Without that each keypoint keeps
                its place and so its labels, whatever its name is now, as long as the number is the same. With another
                number, labels go by name: new keypoints are unlabelled, and labels of names that are gone are dropped.

        Raises:
            DataError: When no keypoint is kept, or the set's skeleton is not the one that the mapping begins with.
        """
        with self._alone():
            # Changes of the old skeleton must not stand beside labels of the new one.
            self._content()
            dataset = self._readable()
            if isinstance(skeleton, SkeletonMapping):
                changed = _mapped_as(dataset, skeleton)
            elif len(skeleton) == len(dataset.skeleton):
                changed = replace(dataset, skeleton=skeleton)
            else:
                changed = mapped(dataset, skeleton)
            names = {image.image_id: image.path.relative_to(self.pictures).as_posix() for image in dataset}
            write_json(self.labels, coco_dict(changed, names))

    def _readable(self) -> PoseDataset:
        """The set as its labels tell it, pictures that are not there included, lest rewriting forgets them."""
        return replace(read_coco(self.labels, self.pictures, pictures=False), name=self.name)

    def set_people(self, image_id: int, people: Sequence[Person], *, done: bool = True) -> None:
        """Replace all people on one picture; saved when this returns.

        Args:
            image_id: The picture.
            people: Everybody on it; none for a picture known to have nobody on it.
            done: False keeps the picture among those that wait for labels: nothing is learnt from it yet.

        Raises:
            DataError: When there is no such picture, or a person does not fit the set's skeleton.
        """
        self.change_people(image_id, lambda image: (people, done))

    def change_people(
        self, image_id: int, change: Callable[[AnnotatedImage], tuple[Sequence[Person], bool]]
    ) -> AnnotatedImage:
        """Replace all people on one picture by what ``change`` makes of those that are there, while nobody else does.

        Args:
            image_id: The picture.
            change: Given the picture; returns everybody on it and ``done``, see :meth:`set_people`.

        Returns:
            The picture as it is now.

        Raises:
            DataError: As :meth:`set_people`.
        """
        with self._alone():
            image, skeleton = self.image(image_id), self.skeleton
            people, done = change(image)
            ignore = tuple(region for region in image.ignore if region != whole(image.size))
            if not done:
                ignore = (whole(image.size), *ignore)
            try:
                self._journal.append(people_change(image_id, people, skeleton, ignore))
            except EntryError as error:
                raise DataError(f"These labels of picture {image_id} cannot be saved: {error}.") from error
        fold_soon(self.labels, self.fold)
        return self.image(image_id)

    def add_pictures(self, pictures: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> int:
        """Keep copies of more pictures, which wait for labels; in a set with parts they are to train on.

        A picture that is there already, of the same name and content, is not added again.

        Args:
            pictures: The files.
            progress: Called with (done, count) after each file.

        Returns:
            How many were added.

        Raises:
            DataError: When one is no picture, or cannot be kept; nothing is changed then.
        """
        new: list[AnnotatedImage] = []
        with self._alone():
            data, dataset = self._content(), self._readable()
            carrier = PictureCarrier(taken={self.pictures: {path.stem.lower() for path in self.pictures.iterdir()}})
            number = max((image.image_id for image in dataset), default=0)
            part = "train" if any(image.split for image in dataset) else None
            try:
                for done, picture in enumerate(pictures, 1):
                    if not _is_same(picture, self.pictures / picture.name):
                        size = picture_size(picture)
                        kept = carrier.bring(picture, self.pictures)
                        new.append(AnnotatedImage(kept, size, (), number + len(new) + 1, (whole(size),), part))
                    if progress is not None:
                        progress(done, len(pictures))
                names = {image.image_id: image.path.name for image in new}
                data["images"] += coco_dict(replace(dataset, images=tuple(new)), names)["images"]
                write_json(self.labels, data)
            except BaseException as error:
                for image in new:
                    image.path.unlink(missing_ok=True)
                if isinstance(error, EntryError):
                    raise DataError(f"A picture cannot be added: {error}. {UNCHANGED}") from error
                raise
        return len(new)

    # --- writing elsewhere -------------------------------------------------------------------------------------------

    def export(self, path: Path, format: Format, progress: Callable[[int, int], None] | None = None) -> Path:
        """Write the set in another format.

        Args:
            path: A ``.zip``, which is replaced, or a new or empty folder.
            format: The format.
            progress: Called with (done, count) after each file that is packed; what it raises breaks off.

        Returns:
            ``path``.
        """
        dataset = replace(self.dataset(), name=self.title)
        with writing(path, DataError, "Nothing was written."):
            if path.suffix.lower() != ".zip":
                return WRITERS[format](dataset, path, "copy")
            with DraftFolder(".exporting-", path.parent) as draft:
                folder = WRITERS[format](dataset, draft / "set", "symlink")
                packed = draft / "set.zip"
                _zip(folder, packed, progress)
                shutil.move(packed, path)
        return path


def _is_same(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _mapped_as(dataset: PoseDataset, mapping: SkeletonMapping) -> PoseDataset:
    if mapping.source.keypoints != dataset.skeleton.keypoints:
        raise DataError("The keypoints of this set were changed meanwhile; begin again from what is saved now.")
    if not mapping.known.any():
        raise DataError("No keypoint is kept, so that all labels would be lost; keep or rename one.")
    return mapped_as(dataset, mapping)


def _zip(folder: Path, target: Path, progress: Callable[[int, int], None] | None) -> None:
    """Everything below ``folder``; pictures, which are compressed already, as they are."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w") as out:
        for done, file in enumerate(files, 1):
            small = file.suffix.lower() in (".json", ".yaml", ".txt")
            out.write(file, file.relative_to(folder), zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED)
            if progress is not None:
                progress(done, len(files))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that writes a set; raises ``DataError`` when another one does not finish."""
    place = folder.parent / LOCKS
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / f"{folder.name}.lock", timeout=_PATIENCE):
            yield
    except Timeout as error:
        raise DataError(f"Another process is writing the set {folder.name!r}; try again when it is done.") from error


def new_note(title: str, origin: str, problems: Sequence[Problem] = (), remarks: Sequence[Remark] = ()) -> Note:
    """A note for a set that is made now."""
    return Note(title, origin, time.time(), tuple(problems), tuple(remarks))
