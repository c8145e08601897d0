"""Which pictures settings are chosen on: a labelled set, or any pictures without labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.data.annotations import AnnotatedImage, Problem, spread
from posecore.errors import ImageError
from posecore.evaluation.predictions import View, pictures_of
from posecore.imaging import Picture, picture_id
from posecore.skeleton import Skeleton
from posecore.ui.shared.pictures.open_picture import Source, open_picture
from posecore.ui.shared.pictures.source_picker import pick_source, show_refused
from posecore.ui.shared.sets.labelled_set import LabelledSet, pick_labelled_set
from posecore.ui.shared.videos.moments import length_of
from posecore.ui.shared.videos.store import Video
from posecore.ui.shared.videos.video_picker import pick_video, show_refused_videos
from posecore.video import ClipSettings, VideoReader

LABELLED, UNLABELLED, OWN, CLIP = "Labelled", "Unlabelled", "Pictures", "Clip"
#: Pictures that are looked at unless somebody wants more, and at most.
_USUAL, _MOST = 300, 5000
#: The same of the frames of a clip.
_USUAL_FRAMES, _MOST_FRAMES = 100, 1000

#: A view, its picture and the picture's identity; see :func:`posecore.evaluation.predictions.pictures_of`.
Looked = tuple[View, Picture, str]


@dataclass(frozen=True, eq=False)
class Opened:
    """Pictures that are ready to be looked at.

    Attributes:
        count: How many there are.
        views: Reads them; takes a list for those that cannot be used and what is called after each.
        labels: Skeleton of their labels; None without labels.
    """

    count: int
    views: Callable[[list[Problem], Callable[[], object]], Iterator[Looked]]
    labels: Skeleton | None


@dataclass(frozen=True)
class Chosen:
    """What was chosen on the page.

    Attributes:
        name: What tells it from other choices.
        labelled: Whether it has labels to measure against.
        mark: Says what changes with the pictures or their labels.
        open: Makes it ready; may take seconds.
        clip: Whether the pictures are frames that follow each other.
    """

    name: Hashable
    labelled: bool
    mark: Callable[[], str]
    open: Callable[[], Opened]
    clip: bool = False


def choose_pictures(beside: DeltaGenerator) -> Chosen | None:
    """The widgets; None, with the reason shown, while nothing usable is chosen.

    Args:
        beside: Where it is asked how many pictures there shall be.
    """
    kind = st.segmented_control(
        "Pictures",
        (LABELLED, UNLABELLED, OWN, CLIP),
        default=LABELLED,
        required=True,
        key="tune_pictures",
        persist_state="session",
        label_visibility="collapsed",
        help="A set of the library, with labels or without; single pictures; or frames of a video.",
    )
    if kind == CLIP:
        return _clip(beside)
    if kind == OWN:
        return _single()
    found = pick_labelled_set(labels_needed=kind == LABELLED)
    if found is None:
        return None
    most = beside.number_input(
        "Pictures at most",
        2,
        _MOST,
        _USUAL,
        step=50,
        key="tune_most",
        help="They are taken from all over the set. The network looks at each once; after that every setting that does "
        "not change what the network sees is tried without it.",
    )
    return _of_set(found, kind == LABELLED, int(most))


def _of_set(found: LabelledSet, labelled: bool, most: int) -> Chosen:
    def opened() -> Opened:
        dataset = found.read()
        images = spread(dataset.images, most)
        return Opened(len(images), _reader(images), dataset.skeleton if labelled else None)

    return Chosen((found.name, labelled, most), labelled, found.mark, opened)


def _reader(images: Sequence[AnnotatedImage]) -> Callable[[list[Problem], Callable[[], object]], Iterator[Looked]]:
    return lambda problems, advance: pictures_of(images, "full", problems, advance)


def _single() -> Chosen | None:
    selection = pick_source()
    show_refused()
    sources = selection.sources
    if not sources:
        st.caption("Give pictures, or choose the samples. Without labels the page shows what each threshold keeps.")
        return None

    def opened() -> Opened:
        return Opened(len(sources), lambda problems, advance: _looked(sources, problems, advance), None)

    name = tuple(source.key for source in sources)
    return Chosen(name, False, lambda: "", opened)


def _clip(beside: DeltaGenerator) -> Chosen | None:
    video = pick_video()
    show_refused_videos()
    if video is None:
        st.caption("Give a video, or choose a sample. Without labels the page shows what each threshold keeps.")
        return None
    seconds = length_of(video.info)
    start = st.number_input("From second", 0.0, seconds, 0.0, 1.0, key=f"tune_from_{video.key}") if seconds else 0.0
    most = beside.number_input(
        "Frames at most",
        2,
        _MOST_FRAMES,
        _USUAL_FRAMES,
        step=50,
        key="tune_frames",
        help="They follow each other, so that it can be seen what flickers.",
    )
    left = round((seconds - start) * float(video.info.rate)) if seconds else most

    def opened() -> Opened:
        views = partial(_frames, video, start, most)
        return Opened(max(min(most, left), 1), views, None)

    return Chosen((video.key, start, most), False, lambda: "", opened, clip=True)


def _frames(
    video: Video, start: float, most: int, problems: list[Problem], advance: Callable[[], object]
) -> Iterator[Looked]:
    """Frames that follow each other, from a moment on."""
    path = Path(video.label)
    with VideoReader(video.path, ClipSettings(start=start)) as reader:
        for number, frame in enumerate(islice(reader.frames(), most)):
            height, width = frame.picture.shape[:2]
            image = AnnotatedImage(path, (width, height), (), number)
            yield View(image, None, None), frame.picture, picture_id(frame.picture)
            advance()
        problems += (Problem(path, "clip", warning) for warning in reader.warnings)


def _looked(sources: Sequence[Source], problems: list[Problem], advance: Callable[[], object]) -> Iterator[Looked]:
    for number, source in enumerate(sources, 1):
        try:
            picture = open_picture(source)
        except ImageError as error:
            problems.append(Problem(Path(source.name), f"picture {number}", str(error)))
            advance()
            continue
        image = AnnotatedImage(Path(source.name), picture.size, (), number)
        yield View(image, None, None), picture.pixels(), picture.contents.identity
        advance()
