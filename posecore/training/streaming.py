"""Training from shards that do not fit on a disk together: their cut-outs are made as they are needed, and go again.

Every epoch takes the shards in another order, a *window* of a few at a time. Cut-outs of a window are shuffled with
each other and with those of other sources, and mosaics and pasted people come from the same window. What a batch holds
depends on seed, epoch and step alone, as with any other source.

On the disk are the cut-outs of the window, of the next one, which a thread reads meanwhile, and of as many others as
``POSECORE_DISK_CACHE_GB`` allows; in memory is what the system maps of them. Counting the people takes one pass over
the labels, whose result is kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.addresses import is_address
from posecore.data.annotations import PoseDataset
from posecore.data.batches import LAYOUT, Cut, Pack, cuts_of, kept_pack, write_pack
from posecore.data.checks import load_json
from posecore.data.coco import read_coco
from posecore.data.disk_cache import DRAFT, SHARD, drop_shards
from posecore.data.label_sizes import fit_labels
from posecore.data.operations import mapped
from posecore.data.source import Source
from posecore.data.webdataset import find_shards, unpack_shards
from posecore.data.webdataset.shards import stamp_of
from posecore.errors import DataError
from posecore.skeleton import Skeleton
from posecore.storage import DraftFolder, write_json
from posecore.training.sources import with_names

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ShardPack:
    """The cut-outs of one shard, which are made when they are asked for.

    Attributes:
        shard: File or address.
        source: What the shard belongs to.
        skeleton: What will be learnt.
        folder: Where cut-outs are kept.
        count: Cut-outs that its labels promise.
        sides_known: As :class:`posecore.skeleton.Skeleton`, of its labels.
    """

    shard: str
    source: Source
    skeleton: Skeleton
    folder: Path
    count: int = 0
    sides_known: bool = True

    def __len__(self) -> int:
        return self.count

    @cached_property
    def place(self) -> Path:
        """Where its cut-outs are kept; raises ``DataError`` when the shard cannot be reached."""
        return self.folder / f"{SHARD}{_key([self.shard], self.source, self.skeleton)}"

    def open(self) -> Pack | None:
        """Its cut-outs; None, and a warning, when none can be made."""
        try:
            return kept_pack(self.place, self._write)
        except DataError as error:
            log.warning("%s is left out: %s", self.shard, error)
            return None

    def counted(self) -> ShardPack:
        """The same with what its labels promise; nothing when they cannot be read."""
        try:
            with DraftFolder(DRAFT, self.folder) as draft:
                dataset = self.dataset(draft / "set", pictures=False)
                count = sum(1 for _ in cuts_of(dataset, self.source.pack))
                return replace(self, count=count, sides_known=dataset.skeleton.sides_known)
        except DataError as error:
            log.warning("%s is left out: %s", self.shard, error)
            return self

    def dataset(self, folder: Path, *, pictures: bool = True) -> PoseDataset:
        """Its pictures, unpacked into a new folder, in the skeleton that will be learnt.

        Raises:
            DataError: When nothing in it can be used.
        """
        place = unpack_shards([self.shard], folder, self.shard, pictures=pictures)
        read = read_coco(place / "annotations.json", place / "images", pictures=pictures)
        return self.as_learnt(fit_labels(read) if pictures else read)

    def as_learnt(self, read: PoseDataset) -> PoseDataset:
        """What is read of it in the skeleton that will be learnt, of the split that is wanted."""
        dataset = with_names(read, self.source, self.skeleton)
        if (split := self.source.split) is not None:
            dataset = replace(dataset, images=tuple(image for image in dataset if image.split == split))
        return mapped(dataset, self.skeleton)

    def _write(self, draft: Path) -> Iterable[Path]:
        with DraftFolder(DRAFT, self.folder) as unpacked:
            cuts: list[Cut] = list(cuts_of(self.dataset(unpacked / "set"), self.source.pack))
            if not cuts:
                raise DataError("nobody in it can be learnt from.")
            write_pack(cuts, self.source.pack, draft)
        return [] if is_address(self.shard) else [Path(self.shard).parent]


def _key(shards: Sequence[str], source: Source, skeleton: Skeleton) -> str:
    """Hash of all that the cut-outs of shards depend on."""
    said = source.model_dump(mode="json", include={"names", "split", "pack"})
    content = json.dumps([LAYOUT, [stamp_of(shard) for shard in shards], said, repr(skeleton)], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def shard_packs(source: Source, place: Path, skeleton: Skeleton, folder: Path) -> list[ShardPack]:
    """All shards of a source that hold somebody.

    Args:
        source: The source.
        place: What names its shards.
        skeleton: What will be learnt.
        folder: Where cut-outs are kept.

    Raises:
        DataError: When there are no shards, or nobody can be learnt from in any.
    """
    shards = find_shards(place)
    folder.mkdir(parents=True, exist_ok=True)
    packs = [ShardPack(shard, source, skeleton, folder) for shard in shards]
    note = folder / f"{_key(shards, source, skeleton)}.counts.json"
    with suppress(DataError, LookupError, TypeError, ValueError):
        packs = [
            replace(pack, count=int(count), sides_known=bool(known))
            for pack, (count, known) in zip(packs, load_json(note), strict=True)
        ]
        return [pack for pack in packs if pack.count]
    log.info("counting people in %d shards", len(shards))
    packs = [pack.counted() for pack in packs]
    if not any(packs):
        raise DataError(
            f"{place}: nobody in {len(shards)} shards has {source.pack.min_keypoints} labelled keypoints and a box of "
            f"{source.pack.min_size:g} pixels; lower min_keypoints or min_size under pack, or inspect the set first."
        )
    write_json(note, [[pack.count, pack.sides_known] for pack in packs])
    return [pack for pack in packs if pack.count]


AnyPack = Pack | ShardPack


def windows_of(packs: Sequence[AnyPack], generator: np.random.Generator) -> NDArray[np.intp]:
    """``(P,)``: in which window of an epoch each pack takes part; -1 for those that always do."""
    windows = np.full(len(packs), -1)
    shards = [number for number, pack in enumerate(packs) if isinstance(pack, ShardPack)]
    mixed = max((pack.source.mixed for pack in packs if isinstance(pack, ShardPack)), default=1)
    for place, number in enumerate(generator.permutation(shards)):
        windows[number] = place // mixed
    return windows


def in_windows(items: NDArray[np.intp], windows: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.intp]:
    """An epoch's ``(N, 2)`` items, one window after the other; what always takes part is spread over all windows."""
    if (windows < 0).all():
        return items
    at = windows[items[:, 0]]
    at = np.where(at < 0, generator.integers(windows.max() + 1, size=len(items)), at)
    return items[np.argsort(at, kind="stable")]


class OpenPacks:
    """The packs that are open while an epoch goes on.

    Args:
        packs: All packs.
        windows: Of each of them, see :func:`windows_of`.
    """

    def __init__(self, packs: Sequence[AnyPack], windows: NDArray[np.intp]) -> None:
        self.packs, self.windows = tuple(packs), windows
        self._open: dict[int, Pack | None] = {}
        self._ahead: threading.Thread | None = None

    def at(self, items: NDArray[np.intp]) -> tuple[list[Pack], NDArray[np.intp]]:
        """The packs that a batch is drawn from, and its ``(B, 2)`` items among these.

        Raises:
            DataError: When no shard can be used at all.
        """
        now = {int(window) for window in self.windows[items[:, 0]]} - {-1}
        numbers = [number for number, window in enumerate(self.windows) if window < 0 or window in now]
        if any(number not in self._open for number in numbers):
            self._turn_to(numbers, max(now, default=-1))
        usable = [number for number in numbers if self._open[number]] or [self._another(max(now))]
        packs = [pack for number in usable if (pack := self._open[number])]
        places = {number: place for place, number in enumerate(usable)}
        # Pictures that cannot be read are known only now: others of the same window take their places.
        chosen = [(places.get(int(number), int(number) % len(packs)), row) for number, row in items]
        return packs, np.array([(place, row % len(packs[place])) for place, row in chosen], np.intp)

    def _another(self, window: int) -> int:
        """A pack that can be used, of the windows after one of which none can."""
        order = np.argsort((self.windows - window) % (self.windows.max() + 1), kind="stable")
        for number in map(int, order):
            if (pack := self._opened(number)) is not None:
                self._open[number] = pack
                return number
        raise DataError("None of the shards can be used any more; the warnings above say why. Mend or replace them.")

    def _turn_to(self, numbers: Sequence[int], window: int) -> None:
        """Open these packs, let go of others, and have the next window's made beside."""
        self._open = {
            number: self._open[number] if number in self._open else self._opened(number) for number in numbers
        }
        following = self._shards(np.flatnonzero(self.windows == window + 1))
        current = self._shards(numbers)
        if current:
            with suppress(DataError):
                drop_shards(current[0].folder, {shard.place for shard in (*current, *following)})
        if following and (self._ahead is None or not self._ahead.is_alive()):
            self._ahead = threading.Thread(target=lambda: [shard.open() for shard in following], daemon=True)
            self._ahead.start()

    def _opened(self, number: int) -> Pack | None:
        pack = self.packs[number]
        return pack.open() if isinstance(pack, ShardPack) else pack

    def _shards(self, numbers: Iterable[int]) -> list[ShardPack]:
        return [pack for number in numbers if isinstance(pack := self.packs[number], ShardPack)]
