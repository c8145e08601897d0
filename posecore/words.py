"""Counting and naming things in words, in one way everywhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: 1 picture, 2 pictures, 1,000 pictures."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def closest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that ``name`` was probably meant to be, however it is capitalised."""
    spelled = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name.lower(), spelled, 1, cutoff)
    return spelled[found[0]] if found else None


def meant(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What to say after an unknown name: which one was probably meant, else which there are."""
    candidates = list(known)
    found = closest(name, candidates, cutoff)
    return f"did you mean {found!r}?" if found else f"there are {', '.join(candidates) or 'none'}."


def unused_name(wanted: str, taken: Collection[str], between: str = "-") -> str:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3``, … that is not taken; capitals make no difference."""
    used = {name.lower() for name in taken}
    names = (wanted if number == 1 else f"{wanted}{between}{number}" for number in range(1, len(used) + 2))
    return next(name for name in names if name.lower() not in used)
