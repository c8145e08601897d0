"""One set on the desk: what is drawn on each picture, what is done, and in which order to look at the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posecore.data.annotations import AnnotatedImage, Person
from posecore.data.stored import StoredSet
from posecore.labelling.edits import Drawn, Sheet
from posecore.labelling.merging import Merged, merge
from posecore.labelling.proposals import Proposal
from posecore.labelling.waiting import WaitingProposals

Status = Literal["unlabelled", "unconfirmed", "done"]
Order = Literal["least sure first", "as in the set"]
ORDERS: tuple[Order, ...] = ("least sure first", "as in the set")

_RANK: dict[Status, int] = {"unlabelled": 0, "unconfirmed": 1, "done": 2}


@dataclass(frozen=True)
class Progress:
    """How far a set is.

    Attributes:
        pictures: All pictures.
        done: Those that count.
        unconfirmed: Those with proposals.
        proposals: People who are proposed and not confirmed.
    """

    pictures: int
    done: int
    unconfirmed: int
    proposals: int


class LabelDesk:
    """A set's labels together with the proposals that wait to be confirmed.

    Args:
        stored: The set.
    """

    def __init__(self, stored: StoredSet) -> None:
        self.stored = stored
        self._waiting = WaitingProposals(stored.folder)

    @property
    def identity(self) -> str:
        """Tells the set from any other, one of the same name that was removed included."""
        return f"{self.stored.name} {self.stored.created}"

    def _proposals(self) -> Mapping[int, tuple[Proposal, ...]]:
        return self._waiting.all(len(self.stored.skeleton))

    def images(self) -> tuple[AnnotatedImage, ...]:
        """All pictures."""
        return self.stored.dataset().images

    def sheet(self, image: AnnotatedImage) -> Sheet:
        """What is drawn on a picture: its labels, then its proposals."""
        labels = tuple(Drawn(person) for person in image.people if not person.crowd)
        waiting = self._waiting.of(image.image_id, len(self.stored.skeleton))
        proposals = tuple(Drawn(one.person, True, one.sureness) for one in waiting)
        return Sheet((*labels, *proposals), not proposals and not image.waits)

    def save(self, image_id: int, sheet: Sheet, base: Sheet | None = None) -> Merged:
        """Keep what was drawn on a picture; crowds, which are not drawn, stay.

        Args:
            image_id: The picture.
            sheet: What is drawn on it.
            base: What was drawn on it when this change began: what others saved since then stays. None: all of it is
                replaced.

        Returns:
            What is drawn on the picture now.

        Raises:
            DataError: When it cannot be saved; nothing is changed then.
        """
        merged = Merged(sheet)

        def change(image: AnnotatedImage) -> tuple[list[Person], bool]:
            nonlocal merged
            if base is not None:
                merged = merge(base, sheet, self.sheet(image), self.stored.skeleton, image.size)
            drawn = merged.sheet
            labels = [one.person for one in drawn.people if drawn.done or not one.proposed]
            return [*labels, *(person for person in image.people if person.crowd)], drawn.done

        # Labels first: should the second step fail, nobody is lost, somebody is merely proposed once more.
        self.stored.change_people(image_id, change)
        proposals = tuple(
            Proposal(drawn.person, drawn.sureness or 0.0)
            for drawn in merged.sheet.people
            if drawn.proposed and not merged.sheet.done
        )
        self._waiting.change(len(self.stored.skeleton), {image_id: proposals})
        return merged

    def propose(self, image_id: int, proposals: Sequence[Proposal]) -> None:
        """Lay proposals on a picture, in place of older ones that nobody confirmed."""
        self._waiting.change(len(self.stored.skeleton), {image_id: tuple(proposals)})

    def confirm(self, image_ids: Iterable[int] | None = None) -> int:
        """Make proposals labels, on some pictures or on all; returns how many people that were."""
        wanted = None if image_ids is None else set(image_ids)
        people = 0
        for image in self.images():
            sheet = self.sheet(image)
            if sheet.proposals and (wanted is None or image.image_id in wanted):
                self.save(image.image_id, Sheet(tuple(Drawn(drawn.person) for drawn in sheet.people), done=True))
                people += sheet.proposals
        return people

    def discard(self) -> int:
        """Throw all proposals away that nobody confirmed; returns how many people that were."""
        people = self.progress().proposals
        self._waiting.change(len(self.stored.skeleton), dict.fromkeys(self._proposals(), ()))
        return people

    # --- what is to do -----------------------------------------------------------------------------------------------

    def status(self, image_id: int) -> Status:
        """How far one picture is; raises ``DataError`` when there is none."""
        waiting = self._waiting.of(image_id, len(self.stored.skeleton))
        return _status(self.stored.image(image_id), bool(waiting))

    def statuses(self) -> dict[int, Status]:
        """Number of a picture → how far it is."""
        proposals = self._proposals()
        return {image.image_id: _status(image, image.image_id in proposals) for image in self.images()}

    def progress(self) -> Progress:
        """How far the set is."""
        counts = Counter(self.statuses().values())
        people = sum(len(some) for some in self._proposals().values())
        return Progress(counts.total(), counts["done"], counts["unconfirmed"], people)

    def order(self, order: Order) -> list[int]:
        """Numbers of all pictures.

        ``least sure first``: pictures without labels, then those with proposals, the one with the lowest
        :func:`sureness` first, then those that are done.
        """
        if order == "as in the set":
            return [image.image_id for image in self.images()]
        statuses, proposals = self.statuses(), self._proposals()
        return sorted(statuses, key=lambda picture: (_RANK[statuses[picture]], sureness(proposals.get(picture, ()))))


def sureness(proposals: Sequence[Proposal]) -> float:
    """How sure a model is of a picture: the sureness of the person it is least sure of; 0 without anybody."""
    return min((one.sureness for one in proposals), default=0.0)


def _status(image: AnnotatedImage, proposed: bool) -> Status:
    if proposed:
        return "unconfirmed"
    return "unlabelled" if image.waits else "done"
