"""Smoother keypoints: One-Euro while a video runs, zero-phase filtering and repairs when all of it is known.

Every repair takes a :class:`Track` and returns a new one, so that before and after can be laid side by side. Lengths
are judged relative to the person's size and times in seconds, so that the same settings serve every resolution and
frame rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import butter, sosfiltfilt

from posecore.poses import Poses
from posecore.settings import Settings
from posecore.skeleton import Skeleton
from posecore.video.sequence import PoseSequence, Track

Array = NDArray[np.float64]

#: Cut-off of the low-pass on speed inside the One-Euro filter, in Hz (Casiez et al., CHI 2012, use 1 Hz).
_SPEED_CUTOFF = 1.0
#: A keypoint may leave its surroundings by this many robust standard deviations before it counts as an outlier …
_OUTLIER_SIGMAS = 5.0
#: … and never less than this share of the person's size, which is how far keypoints jitter anyway.
_OUTLIER_FLOOR = 0.06
#: Seconds on each side that an outlier is compared with.
_OUTLIER_REACH = 0.2
#: What a frame of swapped sides costs, in sizes: models are right more often than not.
_SWAP_COST = 0.002
#: What beginning or ending to swap costs, in sizes: where two joints all but meet, jitter must not decide.
_TURN_COST = 0.15
#: A jump that costs more than this, in sizes, costs no more: one wild frame shall not decide about its neighbours.
_SWAP_CAP = 0.5


class SmoothingSettings(Settings):
    """How keypoints are smoothed over time."""

    smooth: Literal["none", "live", "offline"] = Field(
        default="live",
        title="Smoothing",
        description="live smooths each frame from those before it; offline looks at the whole video first, repairs it "
        "and smooths without lag.",
        json_schema_extra={"words": {"none": "Off"}},
    )
    min_cutoff: float = Field(
        default=1.5,
        ge=0.05,
        le=30,
        title="Calmness at rest",
        description="Cut-off frequency of the One-Euro filter at rest, in Hz: lower is calmer.",
        json_schema_extra={"step": 0.05, "when": {"smooth": "live"}},
    )
    beta: float = Field(
        default=12.0,
        ge=0,
        le=50,
        title="Quickness in motion",
        description="How much the One-Euro filter opens up with speed, in Hz per size per second: higher lags less.",
        json_schema_extra={"step": 0.1, "when": {"smooth": "live"}},
    )
    cutoff: float = Field(
        default=5.0,
        ge=0.1,
        le=60,
        title="Highest frequency",
        description="Motion faster than this many Hz counts as noise.",
        json_schema_extra={"step": 0.1, "when": {"smooth": "offline"}},
    )
    max_gap: float = Field(
        default=0.5,
        ge=0,
        le=10,
        title="Fill gaps up to",
        description="Seconds that a joint may be missing and still be filled in; 0 fills nothing.",
        json_schema_extra={"step": 0.1, "when": {"smooth": "offline"}},
    )
    repair_outliers: bool = Field(
        default=True,
        title="Repair outliers",
        description="Drop joints that jump away for a moment.",
        json_schema_extra={"when": {"smooth": "offline"}},
    )
    repair_swaps: bool = Field(
        default=True,
        title="Repair swapped sides",
        description="Give left and right joints back where they were mixed up for a while.",
        json_schema_extra={"when": {"smooth": "offline"}},
    )


class OneEuro:
    """The One-Euro filter (Casiez, Roussel, Vogel: CHI 2012) on the keypoints of one person.

    A missing keypoint stays missing; after it, the filter goes on from the last place known while that is recent, and
    begins anew otherwise.

    Args:
        min_cutoff: Hz at rest.
        beta: Hz per (size per second).
        forget: Seconds after which the last place of a keypoint says nothing any more.
    """

    def __init__(self, min_cutoff: float = 1.5, beta: float = 12.0, forget: float = 0.5) -> None:
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.forget = forget
        self._places: Array | None = None
        self._speeds: Array = np.zeros((0, 2))
        self._seen: Array = np.zeros(0)

    def __call__(self, keypoints: NDArray[np.floating], time: float, size: float) -> Array:
        """Smoothed ``(K, 2)`` keypoints.

        Args:
            keypoints: ``(K, 2)`` pixels (x, y); NaN where missing.
            time: Seconds, later than before.
            size: Of the person in pixels.
        """
        new = np.asarray(keypoints, np.float64)
        there = np.isfinite(new[:, 0]) & np.isfinite(new[:, 1])
        if self._places is None:
            self._places = np.full_like(new, np.nan)
            self._speeds = np.zeros_like(new)
            self._seen = np.full(len(new), -np.inf)
        known = there & (time - self._seen <= self.forget) & (time > self._seen)
        step = np.where(known, time - self._seen, 1.0)[:, None]
        old = np.where(known[:, None], self._places, new)
        speeds = self._speeds + _share(_SPEED_CUTOFF, step) * ((new - old) / step / size - self._speeds)
        pace = np.hypot(speeds[:, 0], speeds[:, 1])[:, None]
        places = old + _share(self.min_cutoff + self.beta * pace, step) * (new - old)
        self._places = np.where(there[:, None], places, self._places)
        self._speeds = np.where(known[:, None], speeds, np.where(there[:, None], 0.0, self._speeds))
        self._seen = np.where(there, time, self._seen)
        return np.where(there[:, None], self._places, np.nan)


def _share(cutoff: float | Array, step: Array) -> Array:
    """Weight of a new value in a first-order low-pass sampled every ``step`` seconds."""
    turn = 2 * np.pi * np.asarray(cutoff, np.float64) * step
    return np.asarray(turn / (turn + 1))


class LiveSmoother:
    """Smooths the poses of frame after frame, a filter for every identity.

    Args:
        settings: ``min_cutoff`` and ``beta`` are used.
        forget: Seconds after which somebody out of sight is forgotten.
    """

    def __init__(self, settings: SmoothingSettings | None = None, forget: float = 1.0) -> None:
        self.settings = settings or SmoothingSettings()
        self.forget = forget
        self._filters: dict[int, tuple[OneEuro, float, float]] = {}

    def update(self, poses: Poses, time: float) -> Poses:
        """The same people with smoothed keypoints; ``track_ids`` are needed."""
        if poses.track_ids is None:
            raise ValueError("Smoothing needs track_ids; run the tracker first.")
        self._filters = {key: kept for key, kept in self._filters.items() if time - kept[1] <= self.forget}
        smoothed = poses.keypoints.copy()
        for index, number in enumerate(poses.track_ids.tolist()):
            if not poses.present[index].any():
                continue
            size = _span(poses.keypoints[index])
            fresh = (OneEuro(self.settings.min_cutoff, self.settings.beta), time, size)
            one, _, known_size = self._filters.get(number, fresh)
            # Sizes change slowly; the box of one frame does not.
            size = 0.9 * known_size + 0.1 * size
            smoothed[index] = one(poses.keypoints[index], time, size)
            self._filters[number] = (one, time, size)
        return replace(poses, keypoints=smoothed)


def _span(keypoints: NDArray[np.floating]) -> float:
    """Longer side of a person's box in pixels, at least 1."""
    return max(float((np.nanmax(keypoints, 0) - np.nanmin(keypoints, 0)).max()), 1.0)


@dataclass(frozen=True, eq=False)
class Change:
    """What one step did to one person.

    Attributes:
        step: ``swaps``, ``outliers``, ``gaps`` or ``filter``.
        before, after: The track; same frames.
    """

    step: str
    before: Track
    after: Track

    @property
    def changed(self) -> NDArray[np.bool_]:
        """``(T, K)`` True where a keypoint moved, appeared or went."""
        same = np.isclose(self.before.keypoints, self.after.keypoints, rtol=0, atol=1e-6, equal_nan=True)
        return ~(same[..., 0] & same[..., 1])


def smooth_track(
    track: Track, skeleton: Skeleton, settings: SmoothingSettings | None = None
) -> tuple[Track, tuple[Change, ...]]:
    """Repair and smooth one person over the whole video.

    Returns:
        The smoothed track and what each step that is switched on did, in order.
    """
    settings = settings or SmoothingSettings()
    steps: list[tuple[str, bool, Callable[[Track], Track]]] = [
        ("swaps", settings.repair_swaps, lambda one: repair_swaps(one, skeleton)),
        ("outliers", settings.repair_outliers, repair_outliers),
        ("gaps", settings.max_gap > 0, lambda one: fill_gaps(one, settings.max_gap)),
        ("filter", True, lambda one: zero_phase(one, settings.cutoff)),
    ]
    changes: list[Change] = []
    for name, wanted, step in steps:
        if wanted:
            after = step(track)
            changes.append(Change(name, track, after))
            track = after
    return track, tuple(changes)


def smooth_sequence(
    sequence: PoseSequence, settings: SmoothingSettings | None = None
) -> tuple[PoseSequence, dict[int, tuple[Change, ...]]]:
    """Smooth everybody; also returns what was done to each identity."""
    done = {number: smooth_track(track, sequence.skeleton, settings) for number, track in sequence.tracks().items()}
    changes = {number: steps for number, (_, steps) in done.items()}
    return sequence.with_tracks(track for track, _ in done.values()), changes


def smoothed(sequence: PoseSequence, settings: SmoothingSettings | None = None) -> PoseSequence:
    """Smooth everybody, one after another; what each step did is not kept, so that long videos take little memory."""
    tracks = sequence.tracks().values()
    return sequence.with_tracks(smooth_track(track, sequence.skeleton, settings)[0] for track in tracks)


def runs(there: NDArray[np.bool_]) -> Iterator[slice]:
    """Slices of consecutive True values of a ``(T,)`` mask."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        yield slice(start, stop)


def fill_gaps(track: Track, max_gap: float) -> Track:
    """Fill in missing keypoints between two known ones that lie at most ``max_gap`` seconds apart, in a straight line.

    What is filled in takes the lower of the two scores. Nothing is added before the first or after the last sighting.
    """
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    present = track.present
    for k in range(present.shape[1]):
        for gap in runs(~present[:, k]):
            before, after = gap.start - 1, gap.stop
            if before < 0 or after >= len(track) or track.times[after] - track.times[before] > max_gap + 1e-9:
                continue
            ends = [before, after]
            for axis in range(2):
                keypoints[gap, k, axis] = np.interp(track.times[gap], track.times[ends], keypoints[ends, k, axis])
            scores[gap, k] = scores[ends, k].min()
    return replace(track, keypoints=keypoints, scores=scores)


def repair_outliers(track: Track) -> Track:
    """Take out keypoints that lie far from the median of the moments around them.

    The median of a symmetric window equals the value itself while something moves steadily, so fast motion is no
    outlier; the threshold is a robust standard deviation of the window, and never less than the usual jitter.
    """
    if len(track) < 3:
        return track
    step = float(np.median(np.diff(track.times)))
    reach = min(max(round(_OUTLIER_REACH / step), 2), (len(track) - 1) // 2)
    floor = _OUTLIER_FLOOR * track.size()
    # Joint by joint: the windows of all of them would weigh more than everything else about a long video.
    wild = np.stack([_wild(places, reach, floor) for places in np.moveaxis(track.keypoints, 1, 0)], axis=1)
    return replace(
        track,
        keypoints=np.where(wild[..., None], np.nan, track.keypoints),
        scores=np.where(wild, 0.0, track.scores),
    )


def _wild(places: Array, reach: int, floor: float) -> NDArray[np.bool_]:
    """``(T,)`` True where ``places`` ``(T, 2)`` lies far from the median of the moments around it."""
    around = np.moveaxis(_windows(places, reach), -1, 0)
    median = _median(around)
    away = np.hypot(*np.moveaxis(places - median, -1, 0))
    # 1.4826 makes the median deviation the standard deviation of a normal distribution.
    spread = 1.4826 * _median(np.hypot(*np.moveaxis(around - median, -1, 0)))
    limit = np.maximum(_OUTLIER_SIGMAS * spread, floor)
    return np.asarray(np.nan_to_num(away) > np.nan_to_num(limit, nan=np.inf), bool)


def _windows(values: Array, reach: int) -> Array:
    """``(T, …, 2 · reach + 1)`` the values around each moment; at the ends as far as both sides go, NaN beyond."""
    count = len(values)
    padded = np.concatenate(
        [np.full((reach, *values.shape[1:]), np.nan), values, np.full((reach, *values.shape[1:]), np.nan)]
    )
    windows = sliding_window_view(padded, 2 * reach + 1, axis=0).copy()
    place, offset = np.arange(count)[:, None], np.abs(np.arange(-reach, reach + 1))
    lopsided = offset > np.minimum(place, count - 1 - place)
    windows[np.broadcast_to(np.expand_dims(lopsided, tuple(range(1, values.ndim))), windows.shape)] = np.nan
    return windows


def _median(values: Array) -> Array:
    """Median over the first axis without NaN; NaN where there is nothing else."""
    nothing = np.isnan(values).all(0)
    return np.where(nothing, np.nan, np.nanmedian(np.where(nothing, 0.0, values), 0))


def zero_phase(track: Track, cutoff: float) -> Track:
    """Low-pass every keypoint forwards and backwards (second-order Butterworth), which shifts nothing in time.

    Each stretch without gaps is filtered by itself; one shorter than four frames stays as it is, and so does a video
    with fewer than about two frames per period of ``cutoff`` (Hz). Uneven frames are brought onto even times and back.
    """
    keypoints = track.keypoints.copy()
    present = track.present
    for k in range(present.shape[1]):
        for run in runs(present[:, k]):
            keypoints[run, k] = _low_pass(track.times[run], keypoints[run, k], cutoff)
    return replace(track, keypoints=keypoints)


def _low_pass(times: Array, values: Array, cutoff: float) -> Array:
    """``(T, 2)`` values at increasing ``times``, low-passed without shift."""
    if len(times) < 4:
        return values
    steps = np.diff(times)
    step = float(np.median(steps))
    # Forwards and backwards the power is cut twice; a single pass must reach higher for the pair to meet the cut-off.
    corner = cutoff / (np.sqrt(2) - 1) ** 0.25
    if corner * step * 2 >= 0.98:
        return values
    filtering = butter(2, corner * step * 2, output="sos")
    even = np.abs(steps - step).max() < 0.05 * step
    grid = (
        times if even else np.linspace(times[0], times[-1], max(round((times[-1] - times[0]) / step) + 1, len(times)))
    )
    columns = values if even else np.stack([np.interp(grid, times, column) for column in values.T], axis=1)
    # Enough of a mirrored beginning and end for the filter to settle.
    padding = min(len(grid) - 1, max(9, round(1.5 / (cutoff * step))))
    smooth = sosfiltfilt(filtering, columns, axis=0, padlen=padding)
    return smooth if even else np.stack([np.interp(times, grid, column) for column in smooth.T], axis=1)


def repair_swaps(track: Track, skeleton: Skeleton) -> Track:
    """Give left and right joints back where a model mixed them up for a while.

    For every pair, the sequence of "as found" and "swapped" is chosen whose motion bends least in all (a shortest path
    over pairs of frames). Steady motion is compared, not nearness: legs that pass each other stay what they are.
    """
    keypoints, scores = track.keypoints.copy(), track.scores.copy()
    size = track.size()
    for left, right in skeleton.flip_pairs:
        both = np.flatnonzero(track.present[:, left] & track.present[:, right])
        if len(both) < 4:
            continue
        pair = track.keypoints[both][:, [left, right]] / size
        swapped = both[_swapped(track.times[both], pair)]
        for values in (keypoints, scores):
            values[swapped, left], values[swapped, right] = values[swapped, right], values[swapped, left]
    return replace(track, keypoints=keypoints, scores=scores)


def _swapped(times: Array, pair: Array) -> NDArray[np.bool_]:
    """``(T,)`` True where the two points of ``pair`` ``(T, 2, 2)``, in sizes, are better taken the other way round.

    A state is (last frame swapped, this frame swapped); its cost is how far this frame lies from where the two frames
    before it point to.
    """
    views = np.stack([pair, pair[:, ::-1]], axis=1)  # (T, 2 ways round, 2 points, 2)
    steps = np.diff(times)
    ratio = np.minimum(steps[1:] / steps[:-1], 2.0)[:, None, None, None, None]
    first, second = views[:-2, :, None], views[1:-1, None, :]
    expected = second + ratio * (second - first)  # (T - 2, 2 first, 2 second, …)
    bends = _bend(views[2:, None, None] - expected[:, :, :, None])  # (T - 2, 2 first, 2 second, 2 third)
    price = np.array([0.0, _SWAP_COST])
    turn = _TURN_COST * (1 - np.eye(2))
    # Beginning with a jump must cost as much as a jump anywhere else.
    cost = _bend(views[1, None, :] - views[0, :, None]) * (1 - np.eye(2)) + turn + price[:, None] + price
    cost[1] += _TURN_COST
    came_from = np.zeros((len(bends), 2, 2), np.int64)
    for t, bend in enumerate(bends):
        options = cost[:, :, None] + bend + turn + price
        came_from[t] = options.argmin(0)
        cost = options.min(0)
    before, state = divmod(int(cost.argmin()), 2)
    states = np.zeros(len(times), bool)
    for t in range(len(bends) - 1, -1, -1):
        states[t + 2] = bool(state)
        before, state = int(came_from[t, before, state]), before
    states[:2] = bool(before), bool(state)
    return states


def _bend(shift: Array) -> Array:
    """Cost of two points being ``shift`` ``(…, 2, 2)`` from where they were expected, in sizes."""
    return np.asarray(np.minimum(np.hypot(shift[..., 0], shift[..., 1]), _SWAP_CAP).sum(-1), np.float64)
