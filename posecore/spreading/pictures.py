"""Finding people in many pictures: what a worker does, and the run that hands out the work and keeps the results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecore.drawing.overlay import DrawingOptions
from posecore.errors import PosecoreError
from posecore.fields import Fields
from posecore.imaging import Picture, read_image
from posecore.model import PoseModel, usual_batch
from posecore.poses import Poses
from posecore.result_folder import OF_PICTURES, ResultWriter, files_of
from posecore.spreading.handing_out import hand_out
from posecore.spreading.packing import PackedModel, pack, settled
from posecore.spreading.parts import PartFolder, Seen, facts_with, list_failures, locked
from posecore.spreading.sources import contents
from posecore.spreading.workers import Lost, Workers

#: Fewest and most pictures of a part; in between there are so many parts.
_LEAST, _MOST, _PARTS = 8, 1024, 64

#: Fields of pictures, given their sources and pixels.
FieldsOf = Callable[[Sequence[str], Sequence[Picture]], Sequence[Fields]]


@dataclass(frozen=True, eq=False)
class Look:
    """A picture that a network looked at."""

    source: str
    picture: Picture
    fields: Fields


@dataclass(frozen=True)
class Unseen:
    """A picture that could not be looked at, and why."""

    source: str
    error: str


def look_at(sources: Iterable[str], fields_of: FieldsOf, batch: int) -> Iterator[Look | Unseen]:
    """Look at pictures, ``batch`` at a time; what cannot be read, or taken by the network, costs none of the others.

    Args:
        sources: Paths and addresses.
        fields_of: What looks at some pictures, given their sources as well.
        batch: Most pictures that it gets at once.
    """
    waiting: list[tuple[str, Picture]] = []
    for source in sources:
        try:
            waiting.append((source, read_image(contents(source))))
        except (PosecoreError, OSError) as error:
            yield Unseen(source, str(error))
        if len(waiting) == batch:
            yield from _analysed(waiting, fields_of)
            waiting = []
    yield from _analysed(waiting, fields_of)


def _analysed(some: Sequence[tuple[str, Picture]], fields_of: FieldsOf) -> Iterator[Look | Unseen]:
    if not some:
        return
    try:
        fields = fields_of([source for source, _ in some], [picture for _, picture in some])
    except PosecoreError as error:
        if len(some) == 1:
            yield Unseen(some[0][0], str(error))
            return
        for one in some:
            yield from _analysed([one], fields_of)
        return
    for (source, picture), one_fields in zip(some, fields, strict=True):
        yield Look(source, picture, one_fields)


@dataclass(frozen=True)
class Order:
    """What is to be done with pictures; a job for workers.

    Attributes:
        model: What looks at them.
        network, decode: All settings.
        formats: Files that are made of each, of :data:`posecore.result_folder.OF_PICTURES`.
        drawing: How they are drawn.
        batch: Pictures that go through the network together; 0 for what suits the device.
    """

    model: PackedModel
    network: Mapping[str, Any]
    decode: Mapping[str, Any]
    formats: frozenset[str] = frozenset()
    drawing: DrawingOptions = field(default_factory=DrawingOptions)
    batch: int = 0

    def open(self) -> Callable[[Sequence[str]], list[Seen]]:
        """Load the model."""
        loaded = self.model.unpack()
        batch = self.batch or usual_batch(loaded.device)

        def fields_of(sources: Sequence[str], pictures: Sequence[Picture]) -> Sequence[Fields]:
            return loaded.fields(list(pictures), **self.network)

        return lambda sources: [self._seen(loaded, look) for look in look_at(sources, fields_of, batch)]

    def _seen(self, model: PoseModel, look: Look | Unseen) -> Seen:
        if isinstance(look, Unseen):
            return Seen(look.source, None, look.error)
        try:
            poses: Poses = model.decode(look.fields, **self.decode)
        except PosecoreError as error:
            return Seen(look.source, None, str(error))
        files = files_of(self.formats, self.drawing, look.picture, look.fields, poses)
        return Seen(look.source, poses, files=files)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        pictures: How many were looked at, now or before.
        people: How many are in them.
        before: How many of the pictures had been looked at before.
        failures: Pictures that could not be looked at, and why.
    """

    pictures: int
    people: int
    before: int
    failures: Sequence[tuple[str, str]]


def order_of(
    model: PoseModel,
    device: str,
    network: Mapping[str, Any],
    decode: Mapping[str, Any],
    formats: Iterable[str] = (),
    drawing: DrawingOptions | None = None,
    batch: int = 0,
) -> tuple[Order, dict[str, Any]]:
    """An order for workers, and how its results are made, as :class:`PartFolder` wants to know it.

    Raises:
        SettingsError: When a setting is unknown or out of range.
    """
    drawing = drawing or DrawingOptions()
    network = settled(model, network)
    resolved = model.decode_settings(**decode).model_dump()
    of_pictures = frozenset(formats) & set(OF_PICTURES)
    files = {"formats": sorted(of_pictures), **({"drawing": drawing.model_dump(mode="json")} if of_pictures else {})}
    facts = {**facts_with(model, network, resolved), "files": files}
    return Order(pack(model, device), network, resolved, of_pictures, drawing, batch), facts


def spread_pictures(
    sources: Sequence[str],
    folder: Path,
    facts: Mapping[str, Any],
    writer: ResultWriter | None,
    workers_for: Callable[[int], Workers[str, Seen]],
    progress: Callable[[int], object] = lambda done: None,
) -> Outcome:
    """Look at pictures with workers; what was done before in the same folder is not done again.

    Args:
        sources: The pictures.
        folder: Where parts of the results go, see :mod:`posecore.spreading.parts`.
        facts: How they are made, as :func:`order_of` says it.
        writer: Writes files of pictures and of all pictures; None for the parts alone.
        workers_for: Workers for so many pieces of work; called when there is any, and closed in the end.
        progress: Told how many of the pictures are done.

    Raises:
        StorageError: When another run writes to the folder.
        DataError: When the folder holds results that were made otherwise.
    """
    with locked(folder):
        return _spread(sources, PartFolder(folder, facts), writer, workers_for, progress)


def _spread(
    sources: Sequence[str],
    parts: PartFolder,
    writer: ResultWriter | None,
    workers_for: Callable[[int], Workers[str, Seen]],
    progress: Callable[[int], object],
) -> Outcome:
    left = [source for source in sources if source not in parts.done]
    before = done = len(sources) - len(left)
    progress(done)
    has_files = writer is not None and bool(set(OF_PICTURES) & writer.formats)
    if writer is not None and has_files:
        writer.claim()
    with closing(_parts_of(left, len(sources), parts, workers_for)) as found:
        for number, task, results in found:
            seen = [
                Seen(source, None, one.reason) if isinstance(one, Lost) else one
                for source, one in zip(task, results, strict=True)
            ]
            if writer is not None:
                for one in seen:
                    if one.files:
                        writer.store(one.source, one.files)
            parts.add(number, seen)
            done += len(seen)
            progress(done)
    wanted = set(sources)
    if writer is not None:
        if has_files:
            for source, poses in parts.rows(wanted):
                writer.note(source, poses)
        writer.close(_Named(parts, wanted, writer))
    failures = parts.failures()
    list_failures(parts.folder, failures)
    return Outcome(*parts.totals(wanted), before, failures)


def _parts_of(
    left: Sequence[str], total: int, parts: PartFolder, workers_for: Callable[[int], Workers[str, Seen]]
) -> Generator[tuple[int, Sequence[str], list[Seen | Lost]], None, None]:
    """Number, pictures and results of one part after another.

    How many pictures make a part depends on how many there are in all, so that going on makes the same parts.
    """
    if not left:
        return
    size = min(max(-(-total // _PARTS), _LEAST), _MOST)
    numbers: dict[int, int] = {}

    def tasks() -> Iterator[Sequence[str]]:
        for index, start in enumerate(range(0, len(left), size)):
            numbers[index] = parts.next_number()
            yield left[start : start + size]

    with closing(workers_for(-(-len(left) // size))) as workers:
        for index, task, results in hand_out(workers, tasks()):
            yield numbers.pop(index), task, results


class _Named:
    """Names and poses of all pictures that are wanted; may be gone through again and again."""

    def __init__(self, parts: PartFolder, wanted: set[str], writer: ResultWriter) -> None:
        self._parts, self._wanted, self._writer = parts, wanted, writer

    def __iter__(self) -> Iterator[tuple[str, Poses]]:
        return ((self._writer.name_of(source), poses) for source, poses in self._parts.rows(self._wanted))
