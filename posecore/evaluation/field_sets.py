"""The fields of a whole set, made once and kept on disk, so that decoding can be tried again and again.

Values are kept as they are, in 32 bits: decoding them is decoding what the network said, to the last bit. Stages that a
decoder does not look at are left out. Files lie under ``POSECORE_HOME/fields``, named by their provenance, and are
found again by whoever asks for the same pictures, weights and network settings; those not used for longest go first
when there are more than ``POSECORE_FIELDS_GB`` (4 unless set).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from posecore.data.annotations import AnnotatedImage, Problem
from posecore.errors import DataError
from posecore.evaluation.predictions import BATCH, NO_SLOT, Protocol, View, answers, looking, note, pictures_of
from posecore.fields import Fields
from posecore.home import home
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.storage import gigabytes, make_room, writing

_LIMIT, _USUAL_LIMIT = "POSECORE_FIELDS_GB", 4.0


class FieldSet:
    """Views of labelled pictures and where their fields are kept.

    Attributes:
        views: What was looked at, picture by picture.
        files: Where the fields of each view are.
        problems: Pictures that could not be used.
    """

    def __init__(self, views: Sequence[View], files: Sequence[Path], problems: Sequence[Problem]) -> None:
        self.views = tuple(views)
        self.files = tuple(files)
        self.problems = tuple(problems)

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[tuple[View, Fields]]:
        for view, file in zip(self.views, self.files, strict=True):
            try:
                fields = Fields.load(file)
            except OSError as error:
                raise DataError(
                    f"What the network said about {view.image.path.name} is not on disk any more: other sets needed "
                    f"the room ({_LIMIT} says how much there is). Let it look at the pictures again."
                ) from error
            yield view, fields

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.files)

    def without(self, images: Container[int], problems: Sequence[Problem]) -> FieldSet:
        """The set without some pictures, named by their ids, and with other problems."""
        left = [(v, f) for v, f in zip(self.views, self.files, strict=True) if v.image.image_id not in images]
        return FieldSet([view for view, _ in left], [file for _, file in left], problems)


def alike(sets: Sequence[FieldSet]) -> list[FieldSet]:
    """Sets of the same pictures, each without those that are missing in any of them; the problems of all in each.

    What is measured on one is then measured on the same pictures as on another.
    """
    counts = Counter(number for one in sets for number in {view.image.image_id for view in one.views})
    missing = {number for number, count in counts.items() if count < len(sets)}
    problems: dict[tuple[Path, str], Problem] = {}
    for problem in (problem for one in sets for problem in one.problems):
        problems.setdefault((problem.file, problem.place), problem)
    return [one.without(missing, list(problems.values())) for one in sets]


def keep_fields(
    model: PoseModel,
    images: Sequence[AnnotatedImage],
    protocol: Protocol,
    network: Mapping[str, Any],
    *,
    folder: FieldFolder | Path | None = None,
    advance: Callable[[], object] = lambda: None,
    slot: AbstractContextManager[object] = NO_SLOT,
) -> FieldSet:
    """Fields of every view; the network runs only for pictures that are not there yet.

    Pictures that it fails on are left out and among the problems.

    Args:
        model: The model.
        images: Labelled pictures.
        protocol: What is looked at, see :mod:`posecore.evaluation.predictions`.
        network: All network settings.
        folder: Where to keep them; else ``POSECORE_HOME/fields``. Sets that are needed together share one
            :class:`FieldFolder`, lest one makes room by removing another.
        advance: Called after every picture.
        slot: Held while the network runs.

    Raises:
        StorageError: When there is no room for them.
        SettingsError: When ``POSECORE_FIELDS_GB`` is no number.
    """
    problems: list[Problem] = []
    looked_at = pictures_of(images, protocol, problems, advance)
    return keep_views(model, looked_at, network, folder=folder, problems=problems, slot=slot)


def keep_views(
    model: PoseModel,
    looked_at: Iterator[tuple[View, Picture, str]],
    network: Mapping[str, Any],
    *,
    folder: FieldFolder | Path | None = None,
    problems: Sequence[Problem] = (),
    slot: AbstractContextManager[object] = NO_SLOT,
) -> FieldSet:
    """:func:`keep_fields` of views with their pictures and the identities of those, wherever they come from.

    ``problems`` may grow until all of ``looked_at`` was asked for.
    """
    place = folder if isinstance(folder, FieldFolder) else FieldFolder(folder)
    views, files = [], []
    failed: list[Problem] = []
    lost: set[int] = set()
    while some := list(islice(looked_at, BATCH)):
        names = [place.file_of(model.provenance(name, view.region, **network).key) for view, _, name in some]
        missing = [index for index, file in enumerate(names) if not place.holds(file)]
        if missing:
            look = looking(model, some, network)
            with slot:
                made = answers(look, missing)
            for index, answer in zip(missing, made, strict=True):
                image = some[index][0].image
                if isinstance(answer, str):
                    note(failed, image, answer)
                    lost.add(image.image_id)
                else:
                    place.keep(decoded_of(answer), names[index])
        views += [view for view, _, _ in some]
        files += names
    place.make_room()
    return FieldSet(views, files, problems).without(lost, [*problems, *failed])


class FieldFolder:
    """Files of fields, named by the keys of their provenance; those that were asked for stay as long as this lives.

    Args:
        folder: Where, made if missing; else ``POSECORE_HOME/fields``.
        in_use: Sets that stay too.

    Raises:
        StorageError: When it cannot be made.
        SettingsError: When ``POSECORE_FIELDS_GB`` is no number.
    """

    def __init__(self, folder: Path | None = None, in_use: Iterable[FieldSet] = ()) -> None:
        self._in_use = {file for fields in in_use for file in fields.files}
        self._most = gigabytes(_LIMIT, _USUAL_LIMIT)
        self._folder = folder or home() / "fields"
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)

    def keys(self) -> frozenset[str]:
        """Keys of what is there, whole or not."""
        return frozenset(file.stem for file in self._folder.glob("*.npz"))

    def file_of(self, key: str) -> Path:
        """Where the fields of a key are kept."""
        file = self._folder / f"{key}.npz"
        self._in_use.add(file)
        return file

    def holds(self, file: Path) -> bool:
        """True when a file is there and whole; it then counts as used now."""
        try:
            Fields.load(file)
            os.utime(file)
        except (OSError, DataError):
            return False
        return True

    def keep(self, fields: Fields, file: Path) -> None:
        """Write fields; they are there as a whole, or not at all."""
        with writing(file):
            fields.save(file, compressed=False)

    def make_room(self) -> None:
        """Remove what was not used for longest when there is too much; what is in use stays."""
        make_room(self._folder.glob("*.npz"), self._most, lambda file: file not in self._in_use and _removed(file))


def decoded_of(fields: Fields) -> Fields:
    """What a decoder looks at: the maps of the last stage."""
    last = max(one.stage for one in fields.maps)
    return replace(fields, maps=tuple(one for one in fields.maps if one.stage == last))


def _removed(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False
    return True
