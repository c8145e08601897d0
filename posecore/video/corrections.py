"""What people correct of who is who in a video: the tracker takes one for two, or exchanges two who crossed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from posecore.errors import VideoError
from posecore.video.sequence import PoseSequence

#: Seconds by which a moment may be off: people read them to a hundredth.
_READ = 0.0051


CorrectionKind = Literal["merge", "swap", "remove"]


@dataclass(frozen=True)
class Correction:
    """One thing that was wrong.

    Attributes:
        kind: ``merge``: ``person`` is ``other``; ``swap``: the two are each other; ``remove``: ``person`` is nobody.
        person: Identity of somebody who was followed.
        since: Second of the video from which on it holds.
        other: Identity of the other one; 0 where there is none.
    """

    kind: CorrectionKind
    person: int
    since: float
    other: int = 0

    @property
    def words(self) -> str:
        """It as a sentence without its full stop."""
        said: dict[CorrectionKind, str] = {
            "merge": f"Person {self.person} is person {self.other}",
            "swap": f"Persons {self.person} and {self.other} are exchanged",
            "remove": f"Person {self.person} is left out",
        }
        return f"{said[self.kind]} from {self.since:.2f} s on"


def corrected(sequence: PoseSequence, corrections: Iterable[Correction]) -> PoseSequence:
    """The people of ``sequence`` as they are after one correction after the other.

    Of two who become one, the surer one stays in frames that have both.

    Raises:
        VideoError: When a correction would change nobody.
    """
    for correction in corrections:
        sequence = _apply(sequence, correction)
    return sequence


def _apply(sequence: PoseSequence, correction: Correction) -> PoseSequence:
    person, other, ids = correction.person, correction.other, sequence.track_ids
    if person == other:
        raise VideoError(f"Person {person} is person {other} already: choose two people.")
    later = sequence.times[sequence.frames] >= correction.since - _READ
    is_person, is_other = later & (ids == person), later & (ids == other)
    if not is_person.any() and not (correction.kind == "swap" and is_other.any()):
        raise VideoError(f"Person {person} is not seen from {correction.since:.2f} s on: choose an earlier second.")
    if correction.kind == "remove":
        return sequence.rows(~is_person)
    if correction.kind == "swap":
        return sequence.with_ids(np.where(is_person, other, np.where(is_other, person, ids)))
    return sequence.with_ids(np.where(is_person, other, ids)).rows(~_doubles(sequence, is_person | is_other))


def _doubles(sequence: PoseSequence, one: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(N,)`` rows of ``one`` who is there twice in a frame, but for the surest of each frame."""
    rows = np.flatnonzero(one)
    best_first = rows[np.lexsort((-sequence.scores[rows], sequence.frames[rows]))]
    _, firsts = np.unique(sequence.frames[best_first], return_index=True)
    doubles = one.copy()
    doubles[best_first[firsts]] = False
    return doubles
