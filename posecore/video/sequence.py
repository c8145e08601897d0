"""The poses of a whole video as a few flat arrays, and the way between frames of people and tracks over time.

A video of an hour has a hundred thousand frames; an object for each would weigh more than its numbers. A
:class:`PoseSequence` therefore holds one row per person and frame, in the order of the frames.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.poses import Poses
from posecore.skeleton import Skeleton

#: Identity of a person whom nobody tracks.
UNTRACKED = -1
#: The arrays of a sequence, by attribute; files of results have them under these names.
ARRAYS = ("times", "frames", "keypoints", "keypoint_scores", "scores", "track_ids", "numbers")


@dataclass(frozen=True, eq=False)
class Track:
    """One person over the frames from their first to their last.

    Attributes:
        track_id: Their identity.
        frames: ``(T,)`` int64 consecutive frame numbers.
        times: ``(T,)`` float64 seconds.
        keypoints: ``(T, K, 2)`` float64 source pixels (x, y); NaN where missing, also in frames without the person.
        scores: ``(T, K)`` float64; 0 where missing.
    """

    track_id: int
    frames: NDArray[np.int64]
    times: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(T, K)`` True where a keypoint has a position."""
        return np.isfinite(self.keypoints[..., 0]) & np.isfinite(self.keypoints[..., 1])

    def size(self) -> float:
        """Typical size of the person in pixels: the median over frames of the longer side of their box, at least 1."""
        seen = self.present.any(1)
        if not seen.any():
            return 1.0
        spans = np.nanmax(self.keypoints[seen], 1) - np.nanmin(self.keypoints[seen], 1)
        return max(float(np.median(spans.max(1))), 1.0)


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """The people of every frame of a video.

    Attributes:
        skeleton: Meaning of the K keypoints.
        image_size: (width, height) of the frames in pixels.
        times: ``(F,)`` float64 seconds of each frame on the video's own time line, increasing.
        frames: ``(N,)`` int64 frame of each row, 0 … F - 1, not decreasing.
        keypoints: ``(N, K, 2)`` float32 pixels (x, y); NaN where missing.
        keypoint_scores: ``(N, K)`` float32.
        scores: ``(N,)`` float32.
        track_ids: ``(N,)`` int64, unique within a frame; ``UNTRACKED`` when people were not followed.
        numbers: ``(F,)`` int64 number of each frame in the source, increasing; 0 … F - 1 unless a part was used.
    """

    skeleton: Skeleton
    image_size: tuple[int, int]
    times: NDArray[np.float64]
    frames: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    scores: NDArray[np.float32]
    track_ids: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @classmethod
    def collect(
        cls, items: Iterable[tuple[float, Poses]], skeleton: Skeleton, image_size: tuple[int, int]
    ) -> PoseSequence:
        """All of ``items``, (seconds, poses) of frame after frame, as one sequence."""
        builder = SequenceBuilder(skeleton)
        for time, poses in items:
            builder.add(time, poses)
        return builder.build(image_size)

    @classmethod
    def joined(cls, parts: Sequence[PoseSequence]) -> PoseSequence:
        """Parts of one video, at least one, one after the other."""
        columns: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in parts]) for name in ARRAYS}
        starts = np.cumsum([0, *(len(one) for one in parts[:-1])])
        columns["frames"] = np.concatenate([one.frames + start for one, start in zip(parts, starts, strict=True)])
        return replace(parts[0], **columns)

    def arrays(self) -> dict[str, Any]:
        """The arrays by name, as files keep them."""
        return {name: getattr(self, name) for name in ARRAYS}

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, frame: int) -> Poses:
        """The people of one frame, best first; ``track_ids`` is None when people were not followed."""
        if not -len(self) <= frame < len(self):
            raise IndexError(f"Frame {frame} does not exist; there are {len(self)}.")
        frame %= len(self)
        return self._people(slice(*np.searchsorted(self.frames, [frame, frame + 1])))

    def __iter__(self) -> Iterator[Poses]:
        bounds = np.searchsorted(self.frames, np.arange(len(self) + 1))
        for start, stop in pairwise(bounds):
            yield self._people(slice(start, stop))

    def _people(self, rows: slice) -> Poses:
        ids = self.track_ids[rows]
        return Poses(
            self.keypoints[rows],
            self.keypoint_scores[rows],
            self.scores[rows],
            self.skeleton,
            self.image_size,
            None if self._is_untracked else ids,
        )

    @cached_property
    def _is_untracked(self) -> bool:
        """True when nobody was followed; looked for once, as every frame asks."""
        return bool(self.track_ids.size) and bool((self.track_ids == UNTRACKED).all())

    def rows(self, which: NDArray[np.bool_] | slice) -> PoseSequence:
        """Some rows, by mask ``(N,)`` or slice; all frames stay."""
        return replace(
            self,
            frames=self.frames[which],
            keypoints=self.keypoints[which],
            keypoint_scores=self.keypoint_scores[which],
            scores=self.scores[which],
            track_ids=self.track_ids[which],
        )

    def head(self, frames: int) -> PoseSequence:
        """The first ``frames`` frames."""
        return replace(self.rows(self.frames < frames), times=self.times[:frames], numbers=self.numbers[:frames])

    def with_ids(self, track_ids: NDArray[np.int64]) -> PoseSequence:
        """The same rows under other identities ``(N,)``."""
        return replace(self, track_ids=np.asarray(track_ids, np.int64))

    def tracks(self) -> dict[int, Track]:
        """Every followed person by identity, in the order of identities."""
        ids = np.unique(self.track_ids[self.track_ids != UNTRACKED])
        return {int(number): self._track(int(number)) for number in ids}

    def _track(self, number: int) -> Track:
        rows = np.flatnonzero(self.track_ids == number)
        first, last = self.frames[rows[0]], self.frames[rows[-1]]
        frames = np.arange(first, last + 1)
        keypoints = np.full((len(frames), len(self.skeleton), 2), np.nan)
        scores = np.zeros((len(frames), len(self.skeleton)))
        places = self.frames[rows] - first
        keypoints[places] = self.keypoints[rows]
        scores[places] = self.keypoint_scores[rows]
        return Track(number, frames, self.times[frames], keypoints, scores)

    def with_tracks(self, tracks: Iterable[Track]) -> PoseSequence:
        """This sequence with the people of ``tracks`` put in the place of all followed ones.

        A frame in which a track has no keypoint has no row for it. A row that was not there before takes the lower of
        the pose scores before and after it.
        """
        parts = [self.rows(self.track_ids == UNTRACKED)]
        for track in tracks:
            there = track.present.any(1)
            rows = np.flatnonzero(self.track_ids == track.track_id)
            known = self.frames[rows]
            after = np.searchsorted(known, track.frames[there]).clip(0, len(known) - 1)
            before = (np.searchsorted(known, track.frames[there], side="right") - 1).clip(0, len(known) - 1)
            scores = self.scores[rows]
            parts.append(
                replace(
                    self,
                    frames=track.frames[there],
                    keypoints=track.keypoints[there].astype(np.float32),
                    keypoint_scores=track.scores[there].astype(np.float32),
                    scores=np.minimum(scores[before], scores[after]),
                    track_ids=np.full(int(there.sum()), track.track_id, np.int64),
                )
            )
        # Within a frame the best person comes first, as in every Poses.
        frames = np.concatenate([part.frames for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        order = np.lexsort((-scores, frames))
        return replace(
            self,
            frames=frames[order],
            keypoints=np.concatenate([part.keypoints for part in parts])[order],
            keypoint_scores=np.concatenate([part.keypoint_scores for part in parts])[order],
            scores=scores[order],
            track_ids=np.concatenate([part.track_ids for part in parts])[order],
        )


class SequenceBuilder:
    """Takes the poses of frame after frame and packs them now and then, so that waiting ones stay few.

    A frame takes 16 bytes and a person in it 20 bytes and 12 for each keypoint.
    """

    #: An object weighs ten times its numbers.
    _PACK = 128

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._times = array("d")
        self._numbers = array("q")
        self._waiting: list[tuple[int, Poses]] = []
        self._packed: list[tuple[NDArray[np.generic], ...]] = []

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: float, poses: Poses, number: int | None = None) -> None:
        """Append a frame at ``time`` seconds; ``number`` is its place in the source, the next one when None."""
        if len(poses):
            self._waiting.append((len(self._times), poses))
        self._times.append(time)
        self._numbers.append(len(self._numbers) if number is None else number)
        if len(self._waiting) >= self._PACK:
            self._pack()

    def _pack(self) -> None:
        if not self._waiting:
            return
        people = [poses for _, poses in self._waiting]
        unknown = [np.full(len(one), UNTRACKED) if one.track_ids is None else one.track_ids for one in people]
        self._packed.append(
            (
                np.repeat(np.array([frame for frame, _ in self._waiting]), [len(one) for one in people]),
                np.concatenate([one.keypoints for one in people]),
                np.concatenate([one.keypoint_scores for one in people]),
                np.concatenate([one.scores for one in people]),
                np.concatenate(unknown),
            )
        )
        self._waiting.clear()

    def build(self, image_size: tuple[int, int]) -> PoseSequence:
        """Everything added so far."""
        self._pack()
        count = len(self.skeleton)
        empty = (
            np.zeros(0, np.int64),
            np.zeros((0, count, 2), np.float32),
            np.zeros((0, count), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
        )
        columns = [np.concatenate(column) for column in zip(empty, *self._packed, strict=True)]
        return PoseSequence(
            self.skeleton,
            image_size,
            np.array(self._times, np.float64),
            columns[0].astype(np.int64, copy=False),
            columns[1].astype(np.float32, copy=False),
            columns[2].astype(np.float32, copy=False),
            columns[3].astype(np.float32, copy=False),
            columns[4].astype(np.int64, copy=False),
            np.array(self._numbers, np.int64),
        )
