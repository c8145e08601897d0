"""What is compared on: a picture, one of many, or a moment of a clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.pictures.source_picker import nothing_chosen, pick_source, show_refused, source_strip
from posecore.ui.shared.videos.moments import frame_source, length_of, moment_key, pick_moment
from posecore.ui.shared.videos.store import Video
from posecore.ui.shared.videos.video_picker import no_video, pick_video, show_refused_videos
from posecore.video import ClipSettings

KINDS = ("Pictures", "Clip")
#: Frames of a clip that are compared at most.
MOST_FRAMES = 60


@dataclass(frozen=True, eq=False)
class What:
    """What was chosen.

    Attributes:
        sources: All pictures that can be compared on together; one where there is no more.
        noun: What one of them is called.
        sample: The sample's name when everybody has it, else None.
        choose: Shows another one of ``sources``; a callback.
        above: Draws what stands above the picture; returns it, or None, with what to do, while there is none.
        below: Draws what stands below it.
    """

    sources: Sequence[Source]
    noun: str
    sample: str | None
    choose: Callable[[Source], None]
    above: Callable[[], Source | None]
    below: Callable[[], None]


def pick_what() -> What:
    """The widgets for the sidebar."""
    kind = st.segmented_control(
        "Compare on", KINDS, default=KINDS[0], required=True, key="compare_on", width="stretch", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return _clip() if kind == "Clip" else _pictures()


def _pictures() -> What:
    selection = pick_source()

    def above() -> Source | None:
        show_refused()
        if selection.chosen is None:
            nothing_chosen(selection)
        return selection.chosen

    sample = selection.chosen.label if selection.chosen is not None and selection.kind == "Samples" else None
    return What(selection.sources, "picture", sample, selection.choose, above, lambda: source_strip(selection))


def _clip() -> What:
    video = pick_video()
    if video is None:
        return What((), "frame", None, lambda source: None, _no_clip, lambda: None)
    moments = frames_of(video)
    sources = [frame_source(video, seconds) for seconds in moments]

    def choose(source: Source) -> None:
        keys = [one.key for one in sources]
        if source.key in keys:
            st.session_state[moment_key(video)] = moments[keys.index(source.key)]

    def above() -> Source | None:
        show_refused_videos()
        return frame_source(video, pick_moment(video, ClipSettings()))

    return What(sources, "frame", None, choose, above, lambda: None)


def _no_clip() -> None:
    show_refused_videos()
    no_video()


def frames_of(video: Video) -> list[float]:
    """Moments of a clip, in seconds, so many at most and at even distances, each the beginning of a frame."""
    rate = float(video.info.rate)
    count = max(int(length_of(video.info) * rate), 1)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round())
    return [float(frame / rate) for frame in chosen]
