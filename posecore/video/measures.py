"""What people measure on moving bodies: joint angles, lengths, speeds, distances and repetitions.

A measure is a short text of a kind and the names of keypoints of the skeleton:

=====================  ==============================================================================  ========
``angle:A-B-C``        angle at B between the lines to A and to C, unwrapped over time                  degrees
``angle:B``            the same at a shoulder, elbow, hip or knee between its usual neighbours          degrees
``rate:A-B-C``         how fast that angle changes; ``rate:B`` likewise                                 degrees/s
``length:A-B``         distance between two keypoints                                                   px
``distance:A``         way a keypoint has gone since it was first seen                                  px
``speed:A``            how fast a keypoint moves                                                        px/s
``x:A``, ``y:A``       where a keypoint is                                                              px
=====================  ==============================================================================  ========

Keypoints that a skeleton lacks but that others define as a middle (``neck``, ``mid_hip``) may be named as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from posecore.errors import SettingsError
from posecore.settings import Settings
from posecore.skeleton import DERIVED, Skeleton
from posecore.video.sequence import PoseSequence, Track
from posecore.video.smoothing import runs

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Kind → number of keypoints it needs and its unit.
KINDS: dict[str, tuple[int, str]] = {
    "angle": (3, "deg"),
    "rate": (3, "deg/s"),
    "length": (2, "px"),
    "distance": (1, "px"),
    "speed": (1, "px/s"),
    "x": (1, "px"),
    "y": (1, "px"),
}
#: Joints with an angle of their own, between the neighbours of the same side.
JOINT_ANGLES: dict[str, tuple[str, str, str]] = {
    f"{side}_{joint}": (f"{side}_{before}", f"{side}_{joint}", f"{side}_{after}")
    for side in ("left", "right")
    for before, joint, after in (
        ("hip", "shoulder", "elbow"),
        ("shoulder", "elbow", "wrist"),
        ("shoulder", "hip", "knee"),
        ("hip", "knee", "ankle"),
    )
}


@dataclass(frozen=True)
class Measure:
    """Something to measure, ready to be applied to tracks of one skeleton. Made by :func:`parse_measure`.

    Attributes:
        text: Its text form, complete.
        kind: One of ``KINDS``.
        keypoints: For each place the keypoints whose mean it is.
        unit: Unit of its values.
    """

    text: str
    kind: str
    keypoints: tuple[tuple[int, ...], ...]
    unit: str

    def values(self, track: Track) -> Array:
        """``(T,)`` values over the frames of a track; NaN where a keypoint is missing."""
        places = [track.keypoints[:, list(group)].mean(1) for group in self.keypoints]
        return _VALUES[self.kind](track.times, places)


def parse_measure(text: str, skeleton: Skeleton) -> Measure:
    """A measure from its text.

    Raises:
        SettingsError: For a kind or keypoint that does not exist (naming the nearest) or the wrong number of keypoints.
    """
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        # A joint alone, as in "left_knee", means its angle.
        kind, rest = "angle", kind
    if kind not in KINDS:
        raise SettingsError(f"There is no measure {kind!r}{_nearest(kind, KINDS)}; write for example angle:left_knee.")
    count, unit = KINDS[kind]
    names = [name.strip() for name in rest.split("-")]
    if count == 3 and len(names) == 1:
        if names[0] not in JOINT_ANGLES:
            raise SettingsError(
                f"{names[0]!r} has no angle of its own{_nearest(names[0], JOINT_ANGLES)}; name three keypoints, as in "
                "angle:left_hip-left_knee-left_ankle."
            )
        names = list(JOINT_ANGLES[names[0]])
    if len(names) != count:
        raise SettingsError(f"{text!r} names {len(names)} keypoints; {kind} needs {count}, joined by '-'.")
    return Measure(f"{kind}:{'-'.join(names)}", kind, tuple(_indices(name, skeleton) for name in names), unit)


def _indices(name: str, skeleton: Skeleton) -> tuple[int, ...]:
    """The keypoints whose mean ``name`` is."""
    if name in skeleton.keypoints:
        return (skeleton.index(name),)
    parts = DERIVED.get(name, ())
    if parts and all(part in skeleton.keypoints for part in parts):
        return tuple(skeleton.index(part) for part in parts)
    hint = _nearest(name, skeleton.keypoints)
    raise SettingsError(
        f"Skeleton {skeleton.name!r} has no keypoint {name!r}{hint}; it has {', '.join(skeleton.keypoints)}."
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _angle(times: Array, places: Sequence[Array]) -> Array:
    """Signed angle at the second place, unwrapped, in degrees.

    A bent joint shows the same side for a while, so the sign is chosen to make the angle mostly positive; then it reads
    like the usual 0 … 180 degrees, but goes on past 180 where a limb straightens and bends the other way instead of
    folding back.
    """
    first, second = places[0] - places[1], places[2] - places[1]
    angle = np.arctan2(
        first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0], first[:, 0] * second[:, 0] + first[:, 1] * second[:, 1]
    )
    # Two keypoints in one place have no direction.
    known = np.isfinite(angle) & (np.hypot(*first.T) > 0) & (np.hypot(*second.T) > 0)
    result = np.full(len(angle), np.nan)
    if known.any():
        unwrapped = np.degrees(np.unwrap(angle[known]))
        unwrapped -= 360 * np.round(np.median(unwrapped) / 360)
        result[known] = unwrapped if np.median(unwrapped) >= 0 else -unwrapped
    return result


def _rate(times: Array, places: Sequence[Array]) -> Array:
    return _slope(times, _angle(times, places)[:, None])[:, 0]


def _length(times: Array, places: Sequence[Array]) -> Array:
    shift = places[0] - places[1]
    return np.asarray(np.hypot(shift[:, 0], shift[:, 1]))


def _distance(times: Array, places: Sequence[Array]) -> Array:
    """Length of the way gone; across a gap it is a straight line."""
    there = np.isfinite(places[0]).all(1)
    result = np.full(len(times), np.nan)
    if there.any():
        steps = np.diff(places[0][there], axis=0)
        result[there] = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    return result


def _speed(times: Array, places: Sequence[Array]) -> Array:
    slope = _slope(times, places[0])
    return np.asarray(np.hypot(slope[:, 0], slope[:, 1]))


def _slope(times: Array, values: Array) -> Array:
    """Change per second of ``(T, D)`` values, each stretch without gaps by itself; NaN for a lone frame."""
    result = np.full_like(values, np.nan)
    for run in runs(np.isfinite(values.sum(1))):
        if run.stop - run.start > 1:
            result[run] = np.gradient(values[run], times[run], axis=0)
    return result


_VALUES: dict[str, Callable[[Array, Sequence[Array]], Array]] = {
    "angle": _angle,
    "rate": _rate,
    "length": _length,
    "distance": _distance,
    "speed": _speed,
    "x": lambda times, places: places[0][:, 0],
    "y": lambda times, places: places[0][:, 1],
}


def measure_table(sequence: PoseSequence, measures: Iterable[str | Measure]) -> pd.DataFrame:
    """Tidy table: frame, time, track_id, measure, value, unit; a row per followed person, frame and measure."""
    import pandas as pd

    wanted = [parse_measure(one, sequence.skeleton) if isinstance(one, str) else one for one in measures]
    parts = [
        pd.DataFrame(
            {
                "frame": track.frames,
                "time": track.times,
                "track_id": number,
                "measure": measure.text,
                "value": measure.values(track),
                "unit": measure.unit,
            }
        )
        for number, track in sequence.tracks().items()
        for measure in wanted
    ]
    columns = ["frame", "time", "track_id", "measure", "value", "unit"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


class RepetitionSettings(Settings):
    """What counts as one repetition of a movement."""

    min_amplitude: float = Field(
        default=30.0,
        ge=1,
        le=360,
        title="Smallest movement",
        description="Degrees (or pixels) between the two ends of a movement that counts.",
    )
    hysteresis: float = Field(
        default=0.4,
        ge=0,
        le=0.9,
        title="Hysteresis",
        description="Share of the whole range, around its middle, in which nothing is decided: higher ignores wobble.",
        json_schema_extra={"step": 0.05},
    )
    min_seconds: float = Field(
        default=0.3,
        ge=0,
        le=60,
        title="Shortest repetition",
        description="Seconds from one repetition to the next at least.",
        json_schema_extra={"step": 0.1},
    )


@dataclass(frozen=True, eq=False)
class Repetitions:
    """Repetitions found.

    Attributes:
        starts: ``(R,)`` seconds at which each left the resting side.
        turns: ``(R,)`` seconds at which each reached its far end.
        ends: ``(R,)`` seconds at which each was back; NaN for the last one when the video ends before.
        rest, far: The value beyond which one is back, and beyond which a movement counts; NaN when nothing moves.
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


def count_repetitions(times: Array, values: Array, settings: RepetitionSettings | None = None) -> Repetitions:
    """Count how often a value went from one side to the other and back.

    The resting side is the one that the value is on first. A movement counts when it passes the far threshold; the next
    one can only begin after the resting one was passed. Both lie around the middle of the value's range (its
    5 … 95 %), so that a wild frame moves them little.

    Args:
        times: ``(T,)`` seconds.
        values: ``(T,)`` for example an angle in degrees; NaN is passed over.
        settings: What counts.
    """
    settings = settings or RepetitionSettings()
    known = np.isfinite(values)
    times, values = np.asarray(times, np.float64)[known], np.asarray(values, np.float64)[known]
    low, high = np.percentile(values, [5, 95]) if len(values) else (0.0, 0.0)
    if high - low < settings.min_amplitude:
        return Repetitions(np.zeros(0), np.zeros(0), np.zeros(0))
    middle, half = (low + high) / 2, settings.hysteresis * (high - low) / 2
    # +1 and -1 on the sides, 0 where nothing is decided.
    side = np.where(values > middle + half, 1, np.where(values < middle - half, -1, 0))
    rest = int(side[np.flatnonzero(side)[0]])
    found: list[tuple[float, float, float]] = []
    for leave, back in _visits(side, rest):
        turn = leave + int((rest * values[leave:back]).argmin())
        if not found or times[turn] - found[-1][1] >= settings.min_seconds:
            found.append((times[leave], times[turn], times[back] if back < len(times) else np.nan))
    starts, turns, ends = np.array(found, np.float64).reshape(-1, 3).T
    return Repetitions(starts, turns, ends, float(middle + rest * half), float(middle - rest * half))


def _visits(side: NDArray[np.signedinteger], rest: int) -> list[tuple[int, int]]:
    """(last frame at rest, first frame at rest again) of every visit to the other side; the end where there is none."""
    visits: list[tuple[int, int]] = []
    resting, away = int(np.flatnonzero(side == rest)[0]), False
    for index, here in enumerate(side.tolist()):
        if here == rest:
            if away:
                visits.append((resting, index))
            resting, away = index, False
        elif here == -rest:
            away = True
    return [*visits, (resting, len(side))] if away else visits
