"""What somebody does over time: smoothed probabilities, states that do not flicker, and how often each begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: A state begins when its probability passes the first and ends when it falls below the second.
ENTER, LEAVE = 0.7, 0.4
#: Seconds over which probabilities are averaged.
SECONDS = 0.25


@dataclass(frozen=True, eq=False)
class States:
    """The states of one person.

    Attributes:
        probabilities: ``(T, C)`` smoothed.
        state: ``(T,)`` class at each moment; -1 before the first is sure.
        begun: ``(C,)`` how often each class began.
    """

    probabilities: NDArray[np.float64]
    state: NDArray[np.intp]
    begun: NDArray[np.intp]


def states_of(times: NDArray[np.float64], probabilities: NDArray[np.floating], seconds: float = SECONDS) -> States:
    """States from the probabilities of one person.

    A class becomes the state when it passes 0.7, and stays until it falls below 0.4 and another passes 0.7.

    Args:
        times: ``(T,)`` seconds, increasing.
        probabilities: ``(T, C)``.
        seconds: Width of the window over which probabilities are averaged; 0 takes them as they are.
    """
    given = np.asarray(probabilities, np.float64)
    low = np.searchsorted(times, times - seconds / 2, "left")
    high = np.searchsorted(times, times + seconds / 2, "right")
    sums = np.concatenate([np.zeros((1, given.shape[1])), given.cumsum(0)])
    smooth = (sums[high] - sums[low]) / np.maximum(high - low, 1)[:, None]
    state = np.full(len(smooth), -1, np.intp)
    begun = np.zeros(given.shape[1], np.intp)
    now = -1
    for moment, row in enumerate(smooth):
        best = int(row.argmax())
        if best != now and row[best] >= ENTER and (now < 0 or row[now] < LEAVE):
            now = best
            begun[now] += 1
        state[moment] = now
    return States(smooth, state, begun)
