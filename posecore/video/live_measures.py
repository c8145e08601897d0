"""What people before a camera measure, as clips do: joint angles, and how often a movement was repeated."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from posecore.drawing.overlay import color_of
from posecore.poses import Poses
from posecore.video.live import LiveSession
from posecore.video.live_options import LiveFrame
from posecore.video.live_telling import LiveTeller
from posecore.video.measures import Measure, most_changing
from posecore.video.repetitions import RepetitionSettings, count_repetitions
from posecore.video.sequence import Track

#: Seconds between two counts: what is repeated takes longer.
_RECOUNT = 0.25
#: Seconds of a curve that are counted together; older repetitions are only remembered in number.
_LONGEST = 300.0
#: People that are told, and whose curves are remembered.
MOST_TOLD, _MOST_KEPT = 4, 20


class RepetitionCounter:
    """Counts completed repetitions of an angle as its values come, by :func:`count_repetitions`, in bounded memory."""

    def __init__(self) -> None:
        self._times, self._values = array("d"), array("d")
        self._before = 0
        self._counted: tuple[float, RepetitionSettings, int] | None = None

    def add(self, seconds: float, degrees: float) -> None:
        """One more value; NaN where there is none."""
        self._times.append(seconds)
        self._values.append(degrees)

    def count(self, settings: RepetitionSettings) -> int:
        """Completed repetitions so far; looked for anew four times a second at most."""
        if not self._times:
            return 0
        now = self._times[-1]
        if self._counted is None or self._counted[1] != settings or now - self._counted[0] >= _RECOUNT:
            self._counted = now, settings, self._count(settings)
        return self._counted[2]

    def _count(self, settings: RepetitionSettings) -> int:
        times, values = np.array(self._times), np.array(self._values)
        found = count_repetitions(times, values, settings)
        total = self._before + found.completed
        if times[-1] - times[0] > _LONGEST:
            middle = times[0] + _LONGEST / 2
            early = found.ends[found.ends <= middle]
            later = times >= (early[-1] if len(early) else middle)
            self._before += len(early)
            self._times, self._values = array("d", times[later]), array("d", values[later])
        return total


class _Names:
    """Who is who before a camera: somebody alone stays the same person, also where the tracker lost them."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._alone: int | None = None

    def of(self, ids: Sequence[int]) -> list[int]:
        """Numbers of the people of a frame, by what the tracker calls them."""
        if len(ids) == 1 and self._alone is not None:
            self._known.setdefault(ids[0], self._alone)
        names = [self._known.setdefault(one, one) for one in ids]
        if len(set(names)) < len(names):
            # Both are there: they were two after all.
            self._known = {one: one for one in ids}
            names = list(ids)
        if names:
            self._alone = names[0] if len(names) == 1 else None
        return names


class LiveMeasures(LiveTeller):
    """Measures what a camera sees, but only as often as somebody asks.

    Args:
        running: The session that looks at the camera's pictures; None while there is none.

    Attributes:
        measures: Angles that are told. May be set at any time, as what follows.
        counted: The angle whose repetitions are counted, or None.
        counting: What counts as a repetition.
    """

    def __init__(self, running: Callable[[], LiveSession | None]) -> None:
        super().__init__(running)
        self.measures: tuple[Measure, ...] = ()
        self.counted: Measure | None = None
        self.counting = RepetitionSettings()
        self._names = _Names()
        self._counters: dict[int, RepetitionCounter] = {}
        self._counts: Measure | None = None

    def likely(self, measures: Sequence[Measure]) -> Measure | None:
        """The angle that is probably to be counted: whoever was seen longest lately moves it most.

        Args:
            measures: To choose from.

        Returns:
            One of them, a knee's when nobody moved any of them as far as a repetition goes; None when there is none.
        """
        live = self._running()
        people = [] if live is None else list(live.lately().tracks().values())
        longest = max(people, key=len, default=None)
        found = None if longest is None else most_changing(measures, longest, self.counting.min_amplitude)
        return found or next((one for one in measures if one.names[1].endswith("knee")), next(iter(measures), None))

    def begin_anew(self) -> None:
        """Count from nought."""
        self._counts = None

    def forget(self) -> None:
        """Nobody is known, and nothing was counted."""
        self._names, self._counts = _Names(), None

    def told(self, frame: LiveFrame) -> dict[str, Any]:
        """What the people of a picture do; see ``frontend/gauges/gauges.js`` for what it holds."""
        measures, counted = self.measures, self.counted
        if self._counts != counted:
            self._counters, self._counts = {}, counted
        poses = frame.poses
        ids = None if poses.track_ids is None else self._names.of(poses.track_ids.tolist())
        people = [
            self._person(poses, place, None if ids is None else ids[place], frame.time, measures, counted)
            for place in range(len(poses))
        ]
        words = "" if people else "Nobody is seen."
        if people and counted is not None and poses.track_ids is None:
            words = "Repetitions are counted of people who are followed: switch Follow people on."
        told = sorted(people[:MOST_TOLD], key=lambda person: int(person["number"]))
        return {"seconds": round(frame.time, 3), "people": told, "words": words}

    def _person(
        self,
        poses: Poses,
        place: int,
        identity: int | None,
        seconds: float,
        measures: tuple[Measure, ...],
        counted: Measure | None,
    ) -> dict[str, Any]:
        number = place + 1 if identity is None else identity
        now = Track(
            number,
            np.zeros(1, np.int64),
            np.array([seconds]),
            poses.keypoints[place].astype(np.float64)[None],
            poses.keypoint_scores[place].astype(np.float64)[None],
        )
        count = None
        if counted is not None and identity is not None:
            counter = self._counter(identity)
            counter.add(seconds, float(counted.values(now)[0]))
            count = counter.count(self.counting)
        degrees = [float(measure.values(now)[0]) for measure in measures]
        return {
            "number": number,
            "color": color_of(number),
            "values": [round(value, 1) if np.isfinite(value) else None for value in degrees],
            "count": count,
        }

    def _counter(self, identity: int) -> RepetitionCounter:
        """Of a person; who was seen last comes last, and who was not seen for the longest time is forgotten."""
        counter = self._counters.pop(identity, None) or RepetitionCounter()
        self._counters[identity] = counter
        while len(self._counters) > _MOST_KEPT:
            del self._counters[next(iter(self._counters))]
        return counter
