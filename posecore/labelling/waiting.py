"""Proposals that wait to be confirmed, kept in a file of their own beside a set's labels.

Labels are what training, measures and exports read. What a model proposes is none until somebody says so, and so it
lies elsewhere: nothing that reads labels can take it for one by mistake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.annotations import Label
from posecore.data.checks import EntryError, a_dict, a_list, a_number, a_text, load_json
from posecore.data.people import make_person, numbers
from posecore.data.stored import UNCHANGED, locked
from posecore.errors import DataError
from posecore.labelling.proposals import Proposal
from posecore.storage import write_json, writing

log = logging.getLogger(__name__)

#: The file's name.
PROPOSALS = "proposals.json"

Waiting = Mapping[int, tuple[Proposal, ...]]


class WaitingProposals:
    """The proposals of one set, by number of the picture.

    Args:
        folder: The set's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: tuple[Any, int, Waiting] | None = None

    def all(self, keypoints: int) -> Waiting:
        """Everything that waits; proposals of another number of keypoints than ``keypoints`` are left out.

        A damaged file is as good as none: a model can propose again.
        """
        stamp = self._stamp()
        if stamp is None:
            return {}
        if self._read is None or self._read[:2] != (stamp, keypoints):
            self._read = (stamp, keypoints, self._load(keypoints))
        return self._read[2]

    def change(self, keypoints: int, change: Callable[[dict[int, tuple[Proposal, ...]]], None]) -> None:
        """Let ``change`` alter what waits, while nobody else does.

        Raises:
            DataError: When the file cannot be written; it is as it was then.
        """
        with writing(self._folder, DataError, UNCHANGED), locked(self._folder):
            before = self.all(keypoints)
            after = dict(before)
            change(after)
            after = {picture: proposals for picture, proposals in after.items() if proposals}
            if after != dict(before):
                content = {str(picture): [_entry(one) for one in proposals] for picture, proposals in after.items()}
                write_json(self._folder / PROPOSALS, {"format": "posecore.proposals", "pictures": content})

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = (self._folder / PROPOSALS).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _load(self, keypoints: int) -> Waiting:
        try:
            pictures = a_dict(a_dict(load_json(self._folder / PROPOSALS), "the file").get("pictures"), "pictures")
            return {
                int(picture): tuple(_proposal(entry, keypoints) for entry in a_list(entries, "proposals"))
                for picture, entries in pictures.items()
            }
        except (DataError, EntryError, ValueError) as error:
            log.warning("The proposals in %s are left out: %s", self._folder, error)
            return {}


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
