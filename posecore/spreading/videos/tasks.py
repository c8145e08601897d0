"""What workers are asked about videos, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass

from posecore.video import VideoResult
from posecore.video.reading import VideoInfo
from posecore.video.sequence import PoseSequence


@dataclass(frozen=True)
class Probe:
    """Work: look what a video says about itself."""

    source: str


@dataclass(frozen=True)
class Segment:
    """Work: find the people in a part of a video.

    Attributes:
        source: The video.
        index: Number of the part.
        start, end: Its seconds, the end not included; an end of 0 is that of the video.
        first: Number of the video's first frame that is used, from which every n-th one counts.
    """

    source: str
    index: int
    start: float
    end: float
    first: int


@dataclass(frozen=True, eq=False)
class Joining:
    """Work: follow and smooth the people of a whole video."""

    source: str
    about: Probed
    frames: PoseSequence
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Probed:
    """What a video says, and the number of the first frame that is used."""

    info: VideoInfo
    first: int


@dataclass(frozen=True, eq=False)
class Looked:
    """The people of a segment as they were found, followed by nobody, and what was wrong with the video."""

    frames: PoseSequence
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """Why a video cannot be used."""

    reason: str


Task = Probe | Segment | Joining
Answer = Probed | Looked | VideoResult | Refused
