"""Rates of events that go on, averaged over the last of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

#: Seconds over which rates and times are averaged; longer when fewer pictures than these come in that time.
_WINDOW, _FEW, _OLD = 2.0, 4, 10.0
#: Stamps that are kept for that; a camera gives no more than this in the time.
STAMPS = 240


def recent(stamps: Sequence[float], now: float) -> int:
    """How many of the last stamps count for averages."""
    in_window = sum(now - stamp <= _WINDOW for stamp in stamps)
    return max(in_window, sum(now - stamp <= _OLD for stamp in list(stamps)[-_FEW:]))


def rate(stamps: deque[float], now: float) -> float:
    """Events per second of late."""
    count = recent(stamps, now)
    return (count - 1) / (stamps[-1] - stamps[-count]) if count > 1 and stamps[-1] > stamps[-count] else 0.0
