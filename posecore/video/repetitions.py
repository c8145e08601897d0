"""Repetitions of a movement, counted from one measured value over time.

The curve is cut into swings between turning points, each of which goes back by more than the noise of this very curve,
by more than a body has to move, and by a fair share of this clip's own swings. What counts is therefore how far a value
goes from where it just was, not how often it is there: one squat in half an hour is one squat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import median_filter

from posecore.settings import Settings

Array = NDArray[np.float64]

#: Standard deviations between the lowest and the highest of some thousand values of pure noise.
_NOISE_SPAN = 8.0
#: Share of the span of all values that is taken for noise at most, where noise and movement look alike.
_NOISE_SHARE = 0.4
#: Share of the way to or from the far end at which a movement has left its rest or is back there.
_NEAR_REST = 0.75
#: Share of the time that must be spent on the other side before the side that a clip begins on is not its rest.
_MOSTLY = 0.6
#: Largest coefficient of variation of the time from turn to turn of a regular movement.
_REGULAR = 0.35


class RepetitionSettings(Settings):
    """What counts as one repetition of a movement."""

    min_amplitude: float = Field(
        default=30.0,
        ge=1,
        le=360,
        title="Smallest turn",
        description="Degrees between the two ends of a movement that counts; of other measures see the next two.",
    )
    min_rate: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        title="Smallest change of rate",
        description="The same for rates of angles, in degrees per second from the fastest way out to the fastest back.",
    )
    min_travel: float = Field(
        default=0.1,
        ge=0.01,
        le=2,
        title="Smallest way",
        description="The same for lengths, positions and speeds, as a share of the person's own size (per second).",
        json_schema_extra={"step": 0.01},
    )
    min_share: float = Field(
        default=0.4,
        ge=0,
        le=0.9,
        title="Share of the usual movement",
        description="How large a movement must be beside the large ones of the same clip: higher ignores wobble.",
        json_schema_extra={"step": 0.05},
    )
    min_seconds: float = Field(
        default=0.3,
        ge=0,
        le=60,
        title="Shortest repetition",
        description="Seconds from one repetition to the next at least; what takes less than half of it is passed over "
        "as bad frames.",
        json_schema_extra={"step": 0.1},
    )


@dataclass(frozen=True, eq=False)
class Repetitions:
    """Repetitions found.

    Attributes:
        starts: ``(R,)`` seconds at which each left the resting side.
        turns: ``(R,)`` seconds at which each reached its far end.
        ends: ``(R,)`` seconds at which each was back; NaN for the last one when the video ends before.
        rest, far: Median values at the two ends of the movement; NaN when nothing moves.
    """

    starts: Array
    turns: Array
    ends: Array
    rest: float = np.nan
    far: float = np.nan

    @property
    def count(self) -> int:
        """How often the far end was reached."""
        return len(self.turns)

    @property
    def completed(self) -> int:
        """How many of them came back to rest."""
        return int(np.isfinite(self.ends).sum())

    @property
    def regular(self) -> bool:
        """Whether three or more follow each other at about the same pace, as those of an exercise do."""
        pace = np.diff(self.turns)
        return self.completed >= 3 and bool(np.std(pace) <= _REGULAR * np.mean(pace))


def count_repetitions(
    times: Array, values: Array, settings: RepetitionSettings | None = None, smallest: float | None = None
) -> Repetitions:
    """Count how often a value went from one side to the other and back.

    The resting side is the one that the values begin and end on; where these differ, the first one, unless the values
    are on the other for most of the time.

    Args:
        times: ``(T,)`` seconds.
        values: ``(T,)`` for example an angle in degrees; NaN is passed over.
        settings: What counts.
        smallest: How far a movement goes that counts, in the unit of ``values``; ``min_amplitude`` of the settings
            unless it is said.
    """
    settings = settings or RepetitionSettings()
    smallest = settings.min_amplitude if smallest is None else smallest
    known = np.isfinite(values)
    times, values = np.asarray(times, np.float64)[known], np.asarray(values, np.float64)[known]
    values, noise = _without_bad_frames(times, values, settings.min_seconds)
    smallest = max(smallest, noise)
    ends = _turning_points(values, smallest)
    ends = _turning_points(values, max(smallest, settings.min_share * _usual_swing(values[ends])))
    if len(ends) < 2:
        return Repetitions(np.zeros(0), np.zeros(0), np.zeros(0))
    rest = _resting_side(times, values, ends)
    found: list[tuple[float, float, float]] = []
    for place in range(1, len(ends)):
        before, turn = ends[place - 1], ends[place]
        after = ends[place + 1] if place + 1 < len(ends) else None
        if rest * (values[before] - values[turn]) < 0 or (found and times[turn] - found[-1][1] < settings.min_seconds):
            continue
        start, back = _edges(values, before, turn, after)
        if after == ends[-1] and abs(values[after] - values[turn]) < _NEAR_REST * abs(values[before] - values[turn]):
            back = None
        found.append((times[start], times[turn], np.nan if back is None else times[back]))
    starts, turns, backs = np.array(found, np.float64).reshape(-1, 3).T
    high = values[ends][0 if values[ends[0]] > values[ends[1]] else 1 :: 2]
    low = values[ends][1 if values[ends[0]] > values[ends[1]] else 0 :: 2]
    far, home = (low, high) if rest > 0 else (high, low)
    return Repetitions(starts, turns, backs, float(np.median(home)), float(np.median(far)))


def _without_bad_frames(times: Array, values: Array, seconds: float) -> tuple[Array, float]:
    """The values without excursions of less than half of ``seconds``, and the span that noise alone has in them."""
    steps = np.diff(times)
    # Frames that were passed over make the steps longer; while nobody is seen nothing is known of them.
    steps = steps[steps <= max(seconds, float(np.median(steps)) if len(steps) else 0.0)]
    if len(values) < 3 or not len(steps):
        return values, 0.0
    frames = int(seconds / max(float(np.mean(steps)), 1e-6) + 1e-6)
    frames = min(frames, len(values)) - 1 | 1
    # Second differences of a smooth movement are small; those of noise have √6 times its standard deviation.
    noise = float(np.median(np.abs(np.diff(values, 2)))) / 0.6745 / np.sqrt(6)
    if frames < 3:
        # Between frames this far apart a movement bends like noise: what seems noise may be most of what there is.
        return values, min(_NOISE_SPAN * noise, _NOISE_SHARE * float(np.ptp(np.percentile(values, [5, 95]))))
    smooth = np.asarray(median_filter(values, frames, mode="nearest"))
    return smooth, _NOISE_SPAN * noise * np.sqrt(np.pi / 2 / frames)


def _turning_points(values: Array, smallest: float) -> list[int]:
    """Indices of alternating highs and lows, neighbours at least ``smallest`` apart; none when nothing moves so far."""
    found: list[int] = []
    low = high = 0
    way = 0
    for index, value in enumerate(values.tolist()):
        low = index if value < values[low] else low
        high = index if value > values[high] else high
        if way >= 0 and values[high] - value >= smallest:
            found.append(high)
            way, low = -1, index
        elif way <= 0 and value - values[low] >= smallest:
            found.append(low)
            way, high = 1, index
        if way < 0:
            high = low
        elif way > 0:
            low = high
    return [*found, low if way < 0 else high] if way else []


def _usual_swing(turns: Array) -> float:
    """How far the larger swings go: the third largest, as one wild excursion makes two; the largest of very few."""
    swings = np.sort(np.abs(np.diff(turns)))
    if not len(swings):
        return 0.0
    return float(swings[-3] if len(swings) > 3 else swings[-1])


def _resting_side(times: Array, values: Array, ends: list[int]) -> int:
    """+1 when the movement rests at its highs, -1 at its lows."""
    first = 1 if values[ends[0]] > values[ends[1]] else -1
    if len(ends) % 2:
        return first
    low, high = sorted((float(np.median(values[ends[::2]])), float(np.median(values[ends[1::2]]))))
    there = first * (values - (low + high) / 2) > 0
    return first if np.mean(there) > 1 - _MOSTLY else -first


def _edges(values: Array, before: int, turn: int, after: int | None) -> tuple[int, int | None]:
    """Where a movement leaves the rest ``before`` its ``turn``, and where it is back; None when it is not."""
    way = np.abs(values - values[turn])
    left = np.flatnonzero(way[before:turn] >= _NEAR_REST * way[before])
    start = before + int(left[-1])
    if after is None:
        return start, None
    returned = np.flatnonzero(way[turn : after + 1] >= _NEAR_REST * min(way[before], way[after]))
    return start, turn + int(returned[0])
