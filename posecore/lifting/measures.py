"""What is measured on people in the room: the measures of videos in metres, and how somebody walks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import find_peaks, savgol_filter

from posecore.lifting.body import ROOT
from posecore.lifting.room_poses import RoomPoses
from posecore.skeleton import Skeleton
from posecore.video.measures import Measure, joint_angles, parse_measure

Array = NDArray[np.float64]

_UP = np.array([0.0, 1.0, 0.0])
#: Seconds from one contact of a foot to its next, at least and at most.
_STRIDES = (0.6, 2.5)
#: Metres that a foot swings back and forth under the hips, at least.
_SWING = 0.2
#: Measures that add up or differentiate places, so that these should not tremble.
_WAYS = ("speed", "distance")
#: How far the hips get from frame to frame at most: metres, and metres a second.
_LEAP = (0.5, 10.0)
#: Seconds over which ways and speeds of the whole body are smoothed: depth trembles from frame to frame.
_SMOOTH = 0.4
#: Seconds over which the feet's swing is smoothed.
_TREMBLE = 0.1
#: Contacts of a foot that are needed.
_FEWEST = 2


def in_metres(measure: Measure) -> Measure:
    """A measure as it is of people in the room: what is pixels in the picture is metres."""
    return replace(measure, unit=measure.unit.replace("px", "m"))


def room_measures(skeleton: Skeleton) -> list[Measure]:
    """What is usually measured in the room: angles of joints, then speed and way of the hips."""
    texts = [measure.text for measure in joint_angles(skeleton)] + ["speed:mid_hip", "distance:mid_hip", "y:mid_hip"]
    return [in_metres(parse_measure(text, skeleton)) for text in texts]


def most_moving(person: RoomPoses) -> Measure:
    """The joint angle that changes most, between its 10th and 90th percentile."""

    def moved(measure: Measure) -> float:
        values = measure.values(person)
        values = values[np.isfinite(values)]
        return float(np.ptp(np.percentile(values, [10, 90]))) if len(values) else -1.0

    return max((one for one in room_measures(person.skeleton) if one.kind == "angle"), key=moved)


def room_table(people: Iterable[RoomPoses], measures: Sequence[Measure]) -> pd.DataFrame:
    """Tidy table: frame, time, track_id, measure, value, unit; a row per person, frame and measure."""
    parts = [
        pd.DataFrame(
            {
                "frame": person.frames,
                "time": person.times,
                "track_id": person.track_id,
                "measure": measure.text,
                "value": np.round(room_values(measure, person), 4),
                "unit": measure.unit,
            }
        )
        for person in people
        for measure in measures
    ]
    columns = ["frame", "time", "track_id", "measure", "value", "unit"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def room_values(measure: Measure, person: RoomPoses) -> Array:
    """``(T,)`` a measure of somebody in the room: ways and speeds of calm places, never across a cut."""
    if measure.kind not in _WAYS:
        return measure.values(person)
    parts = [measure.values(calmed(person.select(part))) for part in _scenes(person)]
    if measure.kind == "distance":
        gone = np.cumsum([0.0, *(float(np.nanmax(part, initial=0.0)) for part in parts[:-1])])
        parts = [part + before for part, before in zip(parts, gone, strict=True)]
    return np.concatenate(parts)


def calmed(person: RoomPoses) -> RoomPoses:
    """The same person smoothed over time, for ways and speeds; not across a cut."""
    parts = [_even(person.keypoints[part], person.rate, _SMOOTH) for part in _scenes(person)]
    return person.moved(np.where(person.present[..., None], np.concatenate(parts), np.nan))


def _scenes(person: RoomPoses) -> list[slice]:
    """Stretches in which nobody leaps through the room as nobody can."""
    roots = person.places()[ROOT]
    known = np.flatnonzero(np.isfinite(roots).all(1))
    steps = np.linalg.norm(np.diff(roots[known], axis=0), axis=1)
    cuts = known[1:][steps > _LEAP[0] + _LEAP[1] * np.diff(person.times[known])]
    return [slice(start, stop) for start, stop in pairwise([0, *cuts.tolist(), len(person)]) if stop > start]


def way(person: RoomPoses) -> Array:
    """``(T, 2)`` metres (x, z): the way of the middle of the hips over the floor, smoothed."""
    return np.asarray(calmed(person).places()[ROOT][:, [0, 2]])


@dataclass(frozen=True)
class Walking:
    """How somebody walks, as far as lifted poses tell.

    Contacts and ends of contact are where each ankle is farthest before and behind the hips (Zeni, Richards and
    Higginson 2008), so that they need neither the floor nor the way through the room and hold on treadmills as well.

    Attributes:
        steps: Contacts of both feet.
        cadence: Steps per minute.
        step_lengths: Side → metres between the ankles along the way when that side's foot touches, mean of all steps.
        stance: Side → share of a stride for which the foot stands, 0 … 1, mean of all strides.
        speed: Metres per second: two mean steps in the time of a stride.
    """

    steps: int
    cadence: float
    step_lengths: dict[str, float]
    stance: dict[str, float]
    speed: float

    def __str__(self) -> str:
        """All of it in one line."""
        lengths = ", ".join(f"{side} {metres:.2f}" for side, metres in self.step_lengths.items())
        stance = ", ".join(f"{side} {100 * share:.0f}" for side, share in self.stance.items())
        return (
            f"{self.steps} steps, {self.cadence:.0f} a minute, {self.speed:.2f} m/s; step length in m: {lengths}; "
            f"stance in % of the stride: {stance}"
        )


def walking(person: RoomPoses) -> Walking | str:
    """Measure how somebody walks; a sentence that says why not where nothing regular is found."""
    if len(person) < 3:
        return "One picture does not show how somebody walks."
    forward, ahead = _ahead(person)
    contacts = {side: _extremes(values, person.rate) for side, values in ahead.items()}
    ends = {side: _extremes(-values, person.rate) for side, values in ahead.items()}
    if min(len(found) for found in contacts.values()) < _FEWEST:
        return "No walking was found: each foot has to touch the floor at least twice."
    strides = np.concatenate([np.diff(person.times[found]) for found in contacts.values()])
    if not _alternate(contacts) or not (_STRIDES[0] <= np.median(strides) <= _STRIDES[1]):
        return "No walking was found: feet do not take turns evenly."
    places = person.places()
    apart = (places["left_ankle"] - places["right_ankle"]) * forward
    lengths = {side: abs(float(np.nanmean(apart[found].sum(1)))) for side, found in contacts.items()}
    stride = float(np.median(strides))
    return Walking(
        steps=sum(len(found) for found in contacts.values()),
        cadence=120 / stride,
        step_lengths=lengths,
        stance={side: _stance(person.times[contacts[side]], person.times[ends[side]]) for side in contacts},
        speed=sum(lengths.values()) / stride,
    )


def _ahead(person: RoomPoses) -> tuple[Array, dict[str, Array]]:
    """``(T, 3)`` the way a person faces, over the floor; side → ``(T,)`` metres of the ankle before the hips."""
    places = person.places()
    across = places["left_hip"] - places["right_hip"] + places["left_shoulder"] - places["right_shoulder"]
    across = _even(across * (1 - _UP), person.rate, 1.0)
    forward = np.cross(across, _UP)
    forward /= np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
    return forward, {
        side: _even(((places[f"{side}_ankle"] - places[ROOT]) * forward).sum(1), person.rate, _TREMBLE)
        for side in ("left", "right")
    }


def _even(values: Array, rate: float, seconds: float) -> Array:
    """Values ``(T, …)`` smoothed over so many seconds; unknown ones are filled in between and stay as at the ends."""
    flat = values.reshape(len(values), -1).copy()
    frames = np.arange(len(flat))
    for column in flat.T:
        known = np.isfinite(column)
        column[:] = np.interp(frames, frames[known], column[known]) if known.any() else 0.0
    window = min(round(seconds * rate) | 1, (len(flat) - 1) | 1)
    if not 3 <= window <= len(flat):
        return flat.reshape(values.shape)
    # A moving mean that goes on in a straight line at both ends.
    return np.asarray(savgol_filter(flat, window, 1, axis=0)).reshape(values.shape)


def _extremes(values: Array, rate: float) -> NDArray[np.int64]:
    """Frames in which a foot is farthest ahead."""
    apart = max(_STRIDES[0] * rate * 0.8, 1)
    found, _ = find_peaks(values, distance=apart, prominence=_SWING)
    return np.asarray(found, np.int64)


def _alternate(contacts: dict[str, NDArray[np.int64]]) -> bool:
    """Whether the feet touch in turns, but for one time in five."""
    order = sorted((frame, side) for side, frames in contacts.items() for frame in frames.tolist())
    turns = [before[1] != after[1] for before, after in pairwise(order)]
    return sum(turns) >= 0.8 * len(turns)


def _stance(contacts: Array, ends: Array) -> float:
    """Share of the strides for which a foot stands: from its contact to the end of contact that follows."""
    shares = [
        (after[0] - start) / (stop - start)
        for start, stop in pairwise(contacts)
        if len(after := ends[(ends > start) & (ends < stop)])
    ]
    return float(np.mean(shares)) if shares else float("nan")
