"""A live session whose people are known, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from posecore.poses import Poses
from posecore.video import LiveFrame, PoseSequence
from posecore.video.live_following import mirrored_poses
from posecore.video.live_telling import LiveTeller


class Session:
    """Gives one frame after the other, as a live session does."""

    def __init__(self, people: Sequence[Poses], rate: float, mirrored: bool = False) -> None:
        self.rate, self.mirrored = rate, mirrored
        self.frames: list[LiveFrame] = []
        for poses in people:
            self.add(poses)

    def add(self, poses: Poses) -> None:
        """One more frame; its people are turned where it is a mirror that shows them."""
        number, picture = len(self.frames) + 1, np.zeros((2, 2, 3), np.uint8)
        seen = mirrored_poses(poses) if self.mirrored else poses
        self.frames.append(LiveFrame(number, picture, seen, number / self.rate, self.mirrored))

    def newer(self, number: int, patience: float) -> LiveFrame | None:
        return self.frames[number] if number < len(self.frames) else None

    def lately(self) -> PoseSequence:
        """Everybody so far."""
        seen = [frame.poses for frame in self.frames]
        items = ((frame.time, frame.poses) for frame in self.frames)
        return PoseSequence.collect(items, seen[0].skeleton, seen[0].image_size)


def told(teller: LiveTeller) -> Iterator[dict[str, Any]]:
    """All that is told until nothing new comes."""
    while (answer := teller.newest()) is not None:
        yield answer
