"""Fair timing of alternatives: they take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(
    alternatives: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median milliseconds of each alternative over ``rounds`` turns, after one untimed turn.

    ``clock`` is the time on the wall unless said; ``time.process_time`` leaves out what other programs took of it.
    """
    return {name: statistics.median(values) for name, values in turns(alternatives, rounds, clock).items()}


def turns(
    alternatives: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Milliseconds of every turn; the least of them is what a busy machine disturbed least."""
    spent: dict[str, list[float]] = {name: [] for name in alternatives}
    for turn in range(-1, rounds):
        for name, function in alternatives.items():
            start = clock()
            function()
            if turn >= 0:
                spent[name].append(1000 * (clock() - start))
    return spent
