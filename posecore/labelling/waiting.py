"""Proposals that wait to be confirmed, kept in a file of their own beside a set's labels.

Labels are what training, measures and exports read. What a model proposes is none until somebody says so, and so it
lies elsewhere: nothing that reads labels can take it for one by mistake.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import Label
from posecore.data.checks import EntryError, a_dict, a_list, a_number, a_text, as_data_error
from posecore.data.journal import Journal, Place, cancel_folding, fold_soon
from posecore.data.people import make_person, numbers
from posecore.data.stored import UNCHANGED, locked
from posecore.errors import DataError
from posecore.labelling.proposals import Proposal
from posecore.storage import Stamp, stamp, write_json, writing

log = logging.getLogger(__name__)

#: The file's name.
PROPOSALS = "proposals.json"

Waiting = Mapping[int, tuple[Proposal, ...]]


class WaitingProposals:
    """The proposals of one set, by number of the picture.

    A change is a line in a journal beside the file (:mod:`posecore.data.journal`), so that it costs the same in every
    set; quiet times fold it in.

    Args:
        folder: The set's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._journal = Journal(folder / PROPOSALS)
        self._lock = threading.RLock()
        self._stamp: Stamp | None = None
        self._place = Place(0, 0)
        self._keypoints = 0
        self._pictures: dict[int, tuple[Proposal, ...]] = {}
        self._damaged = False

    def all(self, keypoints: int) -> Waiting:
        """Everything that waits; proposals of another number of keypoints than ``keypoints`` are left out.

        A damaged file is as good as none: a model can propose again.
        """
        with self._lock:
            self._refresh(keypoints)
            return dict(self._pictures)

    def of(self, picture: int, keypoints: int) -> tuple[Proposal, ...]:
        """What waits on one picture, see :meth:`all`."""
        with self._lock:
            self._refresh(keypoints)
            return self._pictures.get(picture, ())

    def change(self, keypoints: int, changed: Waiting) -> None:
        """Let other proposals wait on some pictures; none where there are none.

        Raises:
            DataError: When it cannot be written; what waits is as it was then.
        """
        before = self.all(keypoints)
        changed = {picture: some for picture, some in changed.items() if some or picture in before}
        if not changed:
            return
        entries = {str(picture): [_entry(one) for one in some] for picture, some in changed.items()}
        with writing(self._folder, DataError, UNCHANGED), locked(self._folder):
            self._begin_anew_if_useless(keypoints)
            self._journal.append({"pictures": entries})
        fold_soon(self._journal.file, self.fold)

    def fold(self) -> None:
        """Put the changes that stand beside the file into it.

        Raises:
            DataError: When it cannot be written; the changes stay where they are.
        """
        cancel_folding(self._journal.file)
        if not self._journal.place().end:
            return
        with writing(self._folder, DataError, UNCHANGED), locked(self._folder), self._lock:
            content, changes, place = self._journal.load()
            with as_data_error(self._journal.file):
                pictures = _pictures(content)
                for change in changes:
                    pictures.update(_pictures(change))
            known = (self._stamp, self._place) == (stamp(self._journal.file), place)
            write_json(self._journal.file, _content({picture: some for picture, some in pictures.items() if some}))
            self._journal.drop(self._journal.place().end)
            if known:
                self._stamp, self._place = stamp(self._journal.file), Place(0, 0)

    def _begin_anew_if_useless(self, keypoints: int) -> None:
        """Have a file that can be read; only while nobody else writes."""
        with self._lock:
            self._refresh(keypoints)
            if self._stamp is None or self._damaged:
                write_json(self._journal.file, _content({}))
                self._journal.drop(self._journal.place().end)

    def _refresh(self, keypoints: int) -> None:
        file, now = stamp(self._journal.file), self._journal.place()
        if file is None:
            self._stamp, self._place, self._pictures = None, Place(0, 0), {}
            return
        # A journal that begins anew counts as another one, whatever number the system gives it.
        other = now.end < self._place.end or (self._place.end > 0 and now.file != self._place.file)
        if other or (file, keypoints) != (self._stamp, self._keypoints):
            self._stamp, self._keypoints, self._pictures = file, keypoints, {}
            self._take(now, self._whole)
        elif now.end != self._place.end:
            self._take(now, lambda: self._journal.read(self._place.end))

    def _whole(self) -> tuple[list[Any], int]:
        content, changes, place = self._journal.load()
        return [content, *changes], place.end

    def _take(self, now: Place, read: Callable[[], tuple[Sequence[Any], int]]) -> None:
        """Take in what ``read`` gives: changes, the file itself being one, and where the next will begin."""
        try:
            changes, end = read()
            for change in changes:
                for picture, entries in _pictures(change).items():
                    self._put(picture, entries)
            self._damaged = False
        except (DataError, EntryError) as error:
            log.warning("The proposals in %s are left out: %s", self._folder, error)
            self._pictures, self._damaged, end = {}, True, now.end
        self._place = Place(now.file, end)

    def _put(self, picture: str, entries: Any) -> None:
        try:
            number = int(picture)
            some = tuple(_proposal(entry, self._keypoints) for entry in a_list(entries, "proposals"))
        except (EntryError, ValueError) as error:
            log.warning("Proposals of picture %s in %s are left out: %s", picture, self._folder, error)
            return
        if some:
            self._pictures[number] = some
        else:
            self._pictures.pop(number, None)


def _pictures(content: Any) -> dict[str, Any]:
    """What the file, or a change to it, says of pictures by number."""
    return a_dict(a_dict(content, "the file").get("pictures"), "pictures")


def _content(pictures: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": "posecore.proposals", "pictures": pictures}


def _entry(proposal: Proposal) -> dict[str, Any]:
    person = proposal.person
    joints = np.column_stack([np.nan_to_num(person.keypoints), person.labels])
    return {
        "joints": [[round(float(value), 3) for value in joint] for joint in joints],
        "box": [round(float(side), 3) for side in person.box],
        "category": person.category,
        "sureness": round(proposal.sureness, 4),
    }


def _proposal(entry: Any, keypoints: int) -> Proposal:
    fields = a_dict(entry, "a proposal")
    joints = a_list(fields.get("joints"), "joints")
    if len(joints) != keypoints:
        raise EntryError(f"there are {len(joints)} joints, the set has {keypoints}")
    values = np.array([numbers(joint, 3, "a joint") for joint in joints]).reshape(keypoints, 3)
    if not np.isin(values[:, 2], tuple(Label)).all():
        raise EntryError("a joint has a label that does not exist")
    x0, y0, x1, y1 = (float(side) for side in numbers(fields.get("box"), 4, "the box"))
    category = a_text(fields.get("category"), "the category")
    person = make_person(values[:, :2], values[:, 2].astype(np.uint8), (x0, y0, x1, y1), category=category)
    return Proposal(person, a_number(fields.get("sureness"), "sureness"))
