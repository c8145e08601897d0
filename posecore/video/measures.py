"""What people measure on moving bodies: joint angles, lengths, speeds and distances.

A measure is a short text of a kind and the names of keypoints of the skeleton:

=====================  ==============================================================================  ========
``angle:A-B-C``        angle at B between the lines to A and to C: 0 folded, 180 straight              degrees
``angle:B``            the same at a shoulder, elbow, hip or knee between its usual neighbours          degrees
``rate:A-B-C``         how fast that angle changes, below 0 while it closes; ``rate:B`` likewise        degrees/s
``tilt:A-B``           how far the line from A to B is from pointing straight up: 0 up, 90 level      degrees
``length:A-B``         distance between two keypoints                                                   px
``distance:A``         way a keypoint has gone since it was first seen                                  px
``speed:A``            how fast a keypoint moves                                                        px/s
``x:A``, ``y:A``       where a keypoint is                                                              px
=====================  ==============================================================================  ========

Keypoints that a skeleton lacks but that others define as a middle (``neck``, ``mid_hip``) may be named as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SettingsError
from posecore.skeleton import DERIVED, Skeleton
from posecore.video.repetitions import Repetitions, RepetitionSettings, count_repetitions
from posecore.video.sequence import PoseSequence, Track
from posecore.video.smoothing import runs
from posecore.words import closest

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Kind → number of keypoints it needs and its unit.
KINDS: dict[str, tuple[int, str]] = {
    "angle": (3, "deg"),
    "rate": (3, "deg/s"),
    "tilt": (2, "deg"),
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


class Moving(Protocol):
    """Keypoints over time: a track in the picture, or a person in the room."""

    @property
    def times(self) -> Array:
        """``(T,)`` seconds."""

    @property
    def keypoints(self) -> Array:
        """``(T, K, D)`` positions; NaN where missing."""


@dataclass(frozen=True)
class Measure:
    """Something to measure, ready to be applied to tracks of one skeleton. Made by :func:`parse_measure`.

    Attributes:
        text: Its text form, complete.
        kind: One of ``KINDS``.
        names: The keypoints as they are named in ``text``.
        keypoints: For each place the keypoints whose mean it is.
        unit: Unit of its values.
    """

    text: str
    kind: str
    names: tuple[str, ...]
    keypoints: tuple[tuple[int, ...], ...]
    unit: str

    @property
    def is_usual(self) -> bool:
        """Whether it is about a joint's angle between its usual neighbours."""
        names = tuple(_plain(name) for name in self.names)
        return len(names) == 3 and JOINT_ANGLES.get(names[1]) == names

    def values(self, track: Moving) -> Array:
        """``(T,)`` values over the frames of a track; NaN where a keypoint is missing.

        Of people in the room, lengths are in metres and x and y are theirs.
        """
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
    names = (count == 3 and _joint_angle(rest, skeleton)) or _split(text, rest, kind, skeleton)
    keypoints = tuple(_indices(name, skeleton) for name in names)
    return Measure(f"{kind}:{'-'.join(names)}", kind, names, keypoints, unit)


def _joint_angle(name: str, skeleton: Skeleton) -> tuple[str, ...] | None:
    """The three keypoints of a joint's usual angle, as the skeleton writes them; None for any other text."""
    known = {_plain(one): one for one in skeleton.keypoints}
    usual = JOINT_ANGLES.get(_plain(name))
    return None if usual is None else tuple(known.get(one, one) for one in usual)


def _plain(name: str) -> str:
    """A name in small letters with underscores alone: ``Left-Knee`` and ``left knee`` are ``left_knee``."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def joint_angles(skeleton: Skeleton) -> list[Measure]:
    """The usual angles of all joints that ``skeleton`` has with their neighbours."""
    found = [(joint, _joint_angle(joint, skeleton)) for joint in JOINT_ANGLES]
    return [parse_measure(joint, skeleton) for joint, names in found if names and set(names) <= set(skeleton.keypoints)]


def _split(text: str, names: str, kind: str, skeleton: Skeleton) -> tuple[str, ...]:
    """The keypoints that ``names``, joined by ``-``, stands for; names may have hyphens of their own."""
    count = KINDS[kind][0]
    parts = [part.strip() for part in names.split("-")]
    cuts = combinations(range(1, len(parts)), count - 1)
    groups = [["-".join(parts[i:j]) for i, j in pairwise((0, *cut, len(parts)))] for cut in cuts]
    known = [tuple(group) for group in groups if all(_is_known(name, skeleton) for name in group)]
    if len(known) > 1:
        ways = " or ".join(" and ".join(group) for group in known)
        raise SettingsError(f"{text!r} can be read as {ways}; rename these keypoints without hyphens.")
    if known:
        return known[0]
    if len(parts) == 1 and count == 3:
        raise SettingsError(
            f"{parts[0]!r} has no angle of its own{_nearest(parts[0], JOINT_ANGLES)}; name three keypoints, as in "
            "angle:left_hip-left_knee-left_ankle."
        )
    if len(parts) < count or (len(parts) > count and all(_is_known(part, skeleton) for part in parts)):
        raise SettingsError(f"{text!r} names {len(parts)} keypoints; {kind} needs {count}, joined by '-'.")
    # As many as possible are known in the best of the ways, whose unknown one is then named.
    return tuple(max(groups, key=lambda group: sum(_is_known(name, skeleton) for name in group)))


def _is_known(name: str, skeleton: Skeleton) -> bool:
    return name in skeleton.keypoints or bool(_parts(name, skeleton))


def _parts(name: str, skeleton: Skeleton) -> tuple[str, ...]:
    """The keypoints that a derived one is the middle of; none when the skeleton lacks one of them."""
    parts = DERIVED.get(name, ())
    return parts if all(part in skeleton.keypoints for part in parts) else ()


def _indices(name: str, skeleton: Skeleton) -> tuple[int, ...]:
    """The keypoints whose mean ``name`` is."""
    if name in skeleton.keypoints:
        return (skeleton.index(name),)
    if parts := _parts(name, skeleton):
        return tuple(skeleton.index(part) for part in parts)
    hint = _nearest(name, skeleton.keypoints)
    raise SettingsError(
        f"Skeleton {skeleton.name!r} has no keypoint {name!r}{hint}; it has {', '.join(skeleton.keypoints)}."
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    found = closest(name, known)
    return f" (did you mean {found!r}?)" if found else ""


def _angle(times: Array, places: Sequence[Array]) -> Array:
    """Angle at the second place in degrees, 0 … 180, whichever side is shown and whichever way a joint bends.

    Each frame counts by itself, so that neither a bad frame nor somebody who turns round changes those after it.
    """
    first, second = places[0] - places[1], places[2] - places[1]
    lengths = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    across = np.linalg.norm(first * lengths[1][:, None] - second * lengths[0][:, None], axis=1)
    along = np.linalg.norm(first * lengths[1][:, None] + second * lengths[0][:, None], axis=1)
    angle = np.degrees(2 * np.arctan2(across, along))
    # Two keypoints in one place have no direction.
    return np.where((lengths[0] > 0) & (lengths[1] > 0), angle, np.nan)


def _rate(times: Array, places: Sequence[Array]) -> Array:
    return _slope(times, _angle(times, places)[:, None])[:, 0]


def _tilt(times: Array, places: Sequence[Array]) -> Array:
    """Angle of the line from the first place to the second to straight up, 0 … 180: y grows downwards in a picture."""
    up = np.array([0.0, -1.0] if places[0].shape[1] == 2 else [0.0, 1.0, 0.0])
    return _angle(times, [places[0] + up, places[0], places[1]])


def _length(times: Array, places: Sequence[Array]) -> Array:
    return np.asarray(np.linalg.norm(places[0] - places[1], axis=1))


def _distance(times: Array, places: Sequence[Array]) -> Array:
    """Length of the way gone; across a gap it is a straight line."""
    there = np.isfinite(places[0]).all(1)
    result = np.full(len(times), np.nan)
    if there.any():
        steps = np.diff(places[0][there], axis=0)
        result[there] = np.concatenate([[0.0], np.cumsum(np.linalg.norm(steps, axis=1))])
    return result


def _speed(times: Array, places: Sequence[Array]) -> Array:
    return np.asarray(np.linalg.norm(_slope(times, places[0]), axis=1))


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
    "tilt": _tilt,
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
                "frame": sequence.numbers[track.frames],
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


def most_changing(measures: Iterable[Measure], track: Track, least: float = 0.0) -> Measure | None:
    """The measure that changes most for how much it trembles: what somebody's exercise is about.

    Args:
        measures: Of one unit.
        track: Who moves.
        least: What changes by less, from its 10th to its 90th percentile, does not count.

    Returns:
        One of ``measures``; None when nothing changes.
    """
    most = 0.0
    chosen: Measure | None = None
    for measure in measures:
        values = measure.values(track)
        there = values[np.isfinite(values)]
        if len(there) < 2:
            continue
        low, high = np.percentile(there, [10, 90])
        bends = np.abs(np.diff(values, 2))
        trembling = float(np.nanmedian(bends)) if np.isfinite(bends).any() else 0.0
        # A limb that is often not seen is a poor witness, and its wild frames look like movement.
        moved = float(high - low) / (1 + trembling) * (len(there) / len(values)) ** 4
        if high - low >= least and moved > most:
            most, chosen = moved, measure
    return chosen


def count_track(track: Track, measure: Measure, settings: RepetitionSettings | None = None) -> Repetitions:
    """Count the repetitions of a movement of one person; lengths and places are judged by the size of that person."""
    settings = settings or RepetitionSettings()
    smallest = {"deg": settings.min_amplitude, "deg/s": settings.min_rate}.get(measure.unit)
    if smallest is None:
        smallest = settings.min_travel * track.size()
    return count_repetitions(track.times, measure.values(track), settings, smallest)
