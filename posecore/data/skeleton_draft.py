"""A skeleton while somebody edits it as tables: it may be incomplete or contradict itself until it is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from posecore.data.augment import check_pairs
from posecore.data.naming import mirror_pairs, suggested_names, tells_sides
from posecore.errors import SkeletonError
from posecore.skeleton import DEFAULT_SIGMA, Skeleton, SkeletonMapping, map_skeleton

#: Rows of a table of two columns.
Rows = tuple[tuple[str | None, str | None], ...]


@dataclass(frozen=True)
class SkeletonDraft:
    """Tables of a skeleton, by keypoints' names.

    Attributes:
        origin: The skeleton that is edited.
        names: Keypoints in order; empty where a new one has no name yet.
        places: Index in ``origin`` of each keypoint, or None for a new one.
        lines: Keypoints (from, to) to join.
        pairs: Mirror images (left, right).
        sides_known: True once somebody has said that the pairs are all there are, even where there are none.
    """

    origin: Skeleton
    names: tuple[str, ...]
    places: tuple[int | None, ...]
    lines: Rows = field(default=())
    pairs: Rows = field(default=())
    sides_known: bool = True

    @classmethod
    def of(cls, skeleton: Skeleton) -> SkeletonDraft:
        """A skeleton as it is."""
        names = skeleton.keypoints
        lines, pairs = (tuple((names[a], names[b]) for a, b in some) for some in (skeleton.edges, skeleton.flip_pairs))
        return cls(skeleton, names, tuple(range(len(names))), lines, pairs, skeleton.sides_known)

    def with_names(self, names: Sequence[str], places: Sequence[int | None]) -> SkeletonDraft:
        """Other keypoints; lines and pairs follow those that were renamed and lose those that are gone."""
        before = {place: name for place, name in zip(self.places, self.names, strict=True) if place is not None}
        after = {place: name for place, name in zip(places, names, strict=True) if place is not None}
        new = {name: after.get(place) for place, name in before.items()}

        def follow(rows: Rows) -> Rows:
            moved = (tuple(new.get(name, name) if name else name for name in row) for row in rows)
            kept = [
                row
                for row, old in zip(moved, rows, strict=True)
                if all(n or not o for n, o in zip(row, old, strict=True))
            ]
            return tuple((row[0], row[1]) for row in kept)

        return replace(
            self, names=tuple(names), places=tuple(places), lines=follow(self.lines), pairs=follow(self.pairs)
        )

    def paired_by_names(self) -> SkeletonDraft:
        """With the mirror images that names such as ``left_hip`` and ``hip_r`` tell."""
        return replace(self, pairs=tuple((self.names[a], self.names[b]) for a, b in mirror_pairs(self.names)))

    def with_known_names(self) -> SkeletonDraft:
        """With COCO's names for keypoints that are only spelled differently."""
        new = suggested_names(self.names)
        return self.with_names([new.get(name, name) for name in self.names], self.places)

    def with_sides_known(self) -> SkeletonDraft:
        """With the answer that the pairs are all the mirror images there are."""
        return replace(self, sides_known=True)

    @property
    def tells_sides(self) -> bool:
        """False while nobody has said which keypoints are each other's mirror image: neither pairs nor names tell."""
        before = self.origin.keypoints
        renamed = not any(
            place is not None and name == before[place] for name, place in zip(self.names, self.places, strict=True)
        )
        paired = bool(self.pairs) and self.pairs != SkeletonDraft.of(self.origin).pairs
        return self.sides_known or paired or (renamed and tells_sides(self.names, ()))

    def skeleton(self) -> Skeleton:
        """The skeleton that the tables describe; its sides stay unknown as long as nothing tells them.

        Raises:
            SkeletonError: Saying what is missing or contradicts itself.
            DataError: When a pair contradicts the keypoints' names.
        """
        if missing := [number for number, name in enumerate(self.names, 1) if not name]:
            raise SkeletonError(f"Keypoint {missing[0]} has no name; write one, or delete its row.")
        edges, flips = (self._indices(rows, what) for rows, what in ((self.lines, "line"), (self.pairs, "pair")))
        both = {frozenset(edge) for edge in edges}
        if len(both) < len(edges):
            twice = next(edge for i, edge in enumerate(edges) if frozenset(edge) in map(frozenset, edges[:i]))
            raise SkeletonError(f"{self._words(twice)} are joined by two lines; delete one of them.")
        sigmas = tuple(DEFAULT_SIGMA if place is None else self.origin.sigmas[place] for place in self.places)
        used = [index for pair in flips for index in pair]
        if again := [index for index in used if used.count(index) > 1]:
            name = self.names[again[0]]
            raise SkeletonError(f"{name!r} stands in two left/right pairs; a keypoint has one mirror image only.")
        made = Skeleton(self.origin.name, self.names, edges, flips, sigmas, self.tells_sides)
        check_pairs(made)
        return made

    def mapping(self) -> SkeletonMapping:
        """Where the labels of each keypoint come from: its own place, whatever its name is now.

        A new one takes those of a deleted one of its name, or of the middle that it is by name.

        Raises:
            SkeletonError, DataError: As :meth:`skeleton`.
        """
        made = self.skeleton()
        by_name = map_skeleton(self.origin, made).sources
        kept = {(place,) for place in self.places if place is not None}
        sources = tuple(
            (place,) if place is not None else () if found in kept else found
            for place, found in zip(self.places, by_name, strict=True)
        )
        return SkeletonMapping(self.origin, made, sources)

    def _words(self, pair: tuple[int, int]) -> str:
        return f"{self.names[pair[0]]!r} and {self.names[pair[1]]!r}"

    def _indices(self, rows: Rows, what: str) -> tuple[tuple[int, int], ...]:
        found = []
        for number, (first, second) in enumerate(rows, 1):
            if not first or not second:
                raise SkeletonError(f"The {what} in row {number} lacks an end; choose a keypoint, or delete the row.")
            if first == second:
                raise SkeletonError(f"The {what} in row {number} leads from {first!r} to itself; choose another end.")
            for name in (first, second):
                if name not in self.names:
                    raise SkeletonError(f"The {what} in row {number} names {name!r}, which is no keypoint.")
            found.append((self.names.index(first), self.names.index(second)))
        return tuple(found)


def edited_rows(
    base: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]
) -> list[tuple[int | None, dict[str, Any]]]:
    """Rows of a table after somebody edited it.

    Args:
        base: Rows that the table began with.
        changes: ``edited_rows``, ``added_rows`` and ``deleted_rows`` as Streamlit's data editor reports them.

    Returns:
        Each row with its index in ``base``, None for added ones.
    """
    deleted = {int(index) for index in changes.get("deleted_rows", ())}
    edits = {int(index): values for index, values in changes.get("edited_rows", {}).items()}
    kept: list[tuple[int | None, dict[str, Any]]] = [
        (index, {**row, **edits.get(index, {})}) for index, row in enumerate(base) if index not in deleted
    ]
    empty = dict.fromkeys(base[0]) if base else {}
    return kept + [(None, {**empty, **row}) for row in changes.get("added_rows", ())]
