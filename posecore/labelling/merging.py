"""Bringing together what two people drew on one picture at the same time, so that neither loses anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posecore.boxes import overlap
from posecore.labelling.edits import Drawn, Sheet, read_drawn, to_entry
from posecore.skeleton import Skeleton

#: Shared area of two boxes, as a part of both together, from which on they are taken for one person's.
_SAME_BOX = 0.5


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Attributes:
        sheet: Everybody.
        twice: People whom both changed in the same place; both versions are on the sheet.
    """

    sheet: Sheet
    twice: int = 0


@dataclass(frozen=True)
class _One:
    """A person with what of them is compared."""

    drawn: Drawn
    entry: Mapping[str, Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _One) and self.entry == other.entry

    def likeness(self, other: _One) -> float:
        """How surely two are one person: joints at the same place, else how much the boxes share."""
        pairs = zip(self.entry["joints"], other.entry["joints"], strict=True)
        joints: int = sum(mine == theirs and mine[0] is not None for mine, theirs in pairs)
        shared = overlap(self.drawn.person.box, other.drawn.person.box)
        return joints + (shared if joints or shared >= _SAME_BOX else 0.0)


def merge(base: Sheet, mine: Sheet, theirs: Sheet, skeleton: Skeleton, size: tuple[int, int]) -> Merged:
    """Put the changes that lead from ``base`` to ``mine`` into ``theirs``.

    A joint, a box or a person that only one of the two changed is as they say. Somebody whom one deleted and the other
    changed stays. Where both changed the same thing, the person is on the sheet in both versions.

    Args:
        base: What was drawn when mine began.
        mine: What is to be saved.
        theirs: What was saved by others meanwhile, or ``base``.
        skeleton: Of the set.
        size: (width, height) of the picture.
    """
    before, ours, others = (_ones(sheet, size) for sheet in (base, mine, theirs))
    done = theirs.done if mine.done == base.done else mine.done
    if before == others:
        return Merged(mine)
    to_ours, to_others = _matched(before, ours), _matched(before, others)
    from_others = {index: number for number, index in to_others.items()}
    people: list[Drawn] = []
    twice = 0
    for index, other in enumerate(others):
        number = from_others.get(index)
        if number is None:
            people.append(other.drawn)
        elif number not in to_ours:
            # We deleted them; they stay if somebody changed them meanwhile.
            people += [] if other == before[number] else [other.drawn]
        else:
            merged = _merged(before[number], ours[to_ours[number]], other, skeleton, size)
            twice += len(merged) - 1
            people += merged
    from_ours = {index: number for number, index in to_ours.items()}
    for index, one in enumerate(ours):
        number = from_ours.get(index)
        if number is None:
            people += [] if one in others else [one.drawn]
        elif number not in to_others and one != before[number]:
            people.append(one.drawn)
    waiting = any(drawn.proposed for drawn in people)
    return Merged(Sheet(tuple(people), done and not waiting), twice)


def _ones(sheet: Sheet, size: tuple[int, int]) -> list[_One]:
    entries = [to_entry(drawn, size) for drawn in sheet.people]
    for entry in entries:
        del entry["score"]
    return [_One(drawn, entry) for drawn, entry in zip(sheet.people, entries, strict=True)]


def _matched(before: Sequence[_One], after: Sequence[_One]) -> dict[int, int]:
    """Index of a person before → the same person's index after; the surest pairs first."""
    pairs = [
        (one == other, one.likeness(other), -abs(index - place), index, place)
        for index, one in enumerate(before)
        for place, other in enumerate(after)
    ]
    found: dict[int, int] = {}
    for equal, likeness, _, index, place in sorted(pairs, reverse=True):
        if (equal or likeness) and index not in found and place not in found.values():
            found[index] = place
    return found


def _merged(base: _One, mine: _One, theirs: _One, skeleton: Skeleton, size: tuple[int, int]) -> list[Drawn]:
    """One person of both versions, or both where they contradict each other."""
    if mine in (base, theirs):
        return [theirs.drawn]
    if theirs == base:
        return [mine.drawn]
    joints = [
        _decided(*three)
        for three in zip(base.entry["joints"], mine.entry["joints"], theirs.entry["joints"], strict=True)
    ]
    box, area, category = (
        _decided(base.entry[part], mine.entry[part], theirs.entry[part]) for part in ("box", "area", "category")
    )
    if _Both in (*joints, category):
        return [theirs.drawn, mine.drawn]
    if box is _Both:
        # An editor widens boxes as joints move: nobody need choose between two.
        box = _around(mine.entry["box"], theirs.entry["box"])
    parts = {"box": box, "area": None if area is _Both else area, "category": category}
    proposed = mine.drawn.proposed and theirs.drawn.proposed
    entry = {"joints": joints, **parts, "proposed": proposed, "score": theirs.drawn.sureness}
    drawn = read_drawn(entry, skeleton, size)
    # Each deleted what the other kept: nothing would be left of them.
    return [theirs.drawn, mine.drawn] if drawn is None else [drawn]


class _Both:
    """Stands for what both changed, differently."""


def _decided(base: Any, mine: Any, theirs: Any) -> Any:
    if mine in (base, theirs):
        return theirs
    return mine if theirs == base else _Both


def _around(mine: list[float] | None, theirs: list[float] | None) -> list[float] | None:
    """A box that holds two; None where one of them follows from the joints."""
    if mine is None or theirs is None:
        return None
    return [*map(min, mine[:2], theirs[:2]), *map(max, mine[2:], theirs[2:])]
