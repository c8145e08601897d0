"""How far work is that is not made of equal steps: the part that is done, from 0 to 1.

Whoever works tells it, in rising order; whoever is told may raise, which ends the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Tell = Callable[[float], object]
Item = TypeVar("Item")


def unheard(share: float) -> None:
    """What is told when nobody asks how far the work is."""


def between(tell: Tell, start: float, end: float) -> Tell:
    """For a part of the work, which is told from 0 to 1 as well: all of it goes from ``start`` to ``end``."""
    return lambda share: tell(start + (end - start) * share)


def along(items: Sequence[Item], tell: Tell) -> Iterator[Item]:
    """The items, with the part of them that is done told after each."""
    for done, item in enumerate(items, 1):
        yield item
        tell(done / len(items))
