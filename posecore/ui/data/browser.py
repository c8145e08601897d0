"""Looking through the pictures of a set, labels drawn on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import streamlit as st

from posecore.boxes import to_positions
from posecore.data.annotations import AnnotatedImage, Label, PoseDataset
from posecore.data.library import StoredSet
from posecore.drawing import DrawingOptions, draw_poses
from posecore.errors import DataError, ImageError
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.pictures.open_picture import open_picture, to_jpeg
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.sets.set_library import poses_of, source_of
from posecore.ui.shared.widgets.components import Mark, field_view, filmstrip
from posecore.words import counted

#: Thumbnails at a time.
PAGE = 14
#: Height that the picture may take: the window's, less what stands above and below it.
_ROOM = "max(240px, 100vh - 330px)"
ALL, WAITING, NOBODY, FEW = "All", "Not labelled yet", "Nobody on it", "Few keypoints"
_WORDS = {Label.VISIBLE: "visible", Label.HIDDEN: "hidden", Label.ABSENT: "not in the picture"}


@dataclass
class _Browsing:
    """Number of the picture that is looked at, in whatever set."""

    picture: int | None = None


def matching(dataset: PoseDataset, part: str, labels: str, text: str) -> list[AnnotatedImage]:
    """The pictures that a filter lets through.

    Args:
        dataset: The set.
        part: ``train``, ``val``, ``test``, ``none`` for those of no part, or ``All``.
        labels: One of the module's words for states.
        text: Part of the file's name, in any case.
    """
    states = {
        ALL: lambda image: True,
        WAITING: lambda image: image.waits,
        NOBODY: lambda image: not image.people and not image.waits,
        FEW: has_few,
    }
    return [
        image
        for image in dataset
        if part in (ALL, image.split or "none") and text.lower() in image.path.name.lower() and states[labels](image)
    ]


def has_few(image: AnnotatedImage) -> bool:
    """True when somebody on the picture has less than half of the keypoints labelled (absent ones count as known)."""
    return any(
        np.count_nonzero(person.labels == Label.UNLABELLED) > len(person.labels) / 2
        for person in image.people
        if not person.crowd
    )


@st.fragment
def browse(stored: StoredSet) -> None:
    """The tab."""
    dataset = stored.dataset()
    left, right = st.columns([6, 5], gap="medium")
    with right:
        images = _filter(stored, dataset)
    if not images:
        left.info("No picture passes this filter.", icon=":material/filter_alt_off:")
        return
    chosen = _chosen(images)
    with left:
        _picture(chosen, dataset)
        _strip(images, chosen)
    with right:
        _people(chosen, dataset)


def _filter(stored: StoredSet, dataset: PoseDataset) -> list[AnnotatedImage]:
    parts = [ALL, *stored.parts()]
    if len(parts) > 1 and any(image.split is None for image in dataset):
        parts.append("none")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        part = st.selectbox("Part", parts, key="dataset_part", width=110) if len(parts) > 1 else ALL
        labels = st.selectbox("Labels", (ALL, WAITING, NOBODY, FEW), key="dataset_labels", width=160)
        text = st.text_input("Name contains", key="dataset_text", width=180)
    images = matching(dataset, part, labels, text)
    if len(images) < len(dataset):
        st.caption(f"{len(images)} of {counted(len(dataset), 'picture')}")
    return images


def _chosen(images: Sequence[AnnotatedImage]) -> AnnotatedImage:
    wanted = state_of(_Browsing).picture
    return next((image for image in images if image.image_id == wanted), images[0])


def _picture(image: AnnotatedImage, dataset: PoseDataset) -> None:
    poses = poses_of(image, dataset.skeleton)
    try:
        opened = open_picture(source_of(image))
    except (ImageError, DataError) as error:
        st.error(f"**{plain(image.path.name)}**: {plain(error)}", icon=":material/error:")
        return
    field_view(
        to_jpeg(draw_poses(opened.preview, poses, DrawingOptions(boxes=True, thickness=0.8))),
        poses,
        picture=str(image.path),
        alt=f"{image.path.name} with {counted(len(poses), 'labelled person', 'labelled people')}",
        room=_ROOM,
        values=None,
        legend=None,
        marks=_marks(image),
        on_spot=lambda x, y, reach: None,
        key="dataset_picture_view",
    )
    width, height = image.size
    facts = [image.path.name, f"{width} × {height}", *([image.split] if image.split else [])]
    if image.waits:
        facts.append("not labelled yet")
    if hidden := sum(int((person.labels == Label.HIDDEN).sum()) for person in image.people):
        facts.append(f"{counted(hidden, 'hidden joint')} ringed")
    st.caption(" · ".join(facts))


def _marks(image: AnnotatedImage) -> list[Mark]:
    """Rings around hidden joints, and outlines of regions that training passes over."""
    marks = []
    for person in image.people:
        for x, y in person.keypoints[person.labels == Label.HIDDEN].tolist():
            marks.append(Mark("ring", ((x, y),), "rejected"))
    regions = [person.box for person in image.people if person.crowd]
    regions += [] if image.waits else list(image.ignore)
    for region in regions:
        x0, y0, x1, y1 = to_positions(np.reshape(region, (2, 2))).ravel().tolist()
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
        marks += [Mark("line", (a, b), "rejected") for a, b in pairwise(corners)]
    return marks


def _strip(images: Sequence[AnnotatedImage], chosen: AnnotatedImage) -> None:
    place = images.index(chosen)
    start = place // PAGE * PAGE
    shown = images[start : start + PAGE]

    def pick(key: str) -> None:
        state_of(_Browsing).picture = int(key)

    filmstrip(
        [(str(image.image_id), image.path.name, _thumbnail(image)) for image in shown],
        str(chosen.image_id),
        title="Pictures of the set",
        on_pick=pick,
        key="dataset_strip",
    )
    if len(images) <= PAGE:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", horizontal_alignment="center"):
        _turn("Previous", "chevron_left", images, start - PAGE)
        st.markdown(f":small[{start + 1} to {start + len(shown)} of {len(images)}]", width="content")
        _turn("Next", "chevron_right", images, start + PAGE)


def _turn(label: str, icon: str, images: Sequence[AnnotatedImage], start: int) -> None:
    def turn() -> None:
        state_of(_Browsing).picture = images[start].image_id

    st.button(label, icon=f":material/{icon}:", disabled=not 0 <= start < len(images), on_click=turn, type="tertiary")


def _thumbnail(image: AnnotatedImage) -> bytes | None:
    try:
        return open_picture(source_of(image)).contents.thumbnail
    except (ImageError, DataError):
        return None


def _people(image: AnnotatedImage, dataset: PoseDataset) -> None:
    """What is labelled on the picture, person by person."""
    rows = list(_rows(image, dataset.skeleton.keypoints))
    if not rows:
        st.caption("Nobody is labelled on this picture." if not image.waits else "Label it on the Label page.")
        return
    st.dataframe(
        pd.DataFrame(rows, columns=["Person", "Keypoint", "x", "y", "Label"]),
        hide_index=True,
        height=min(38 + 35 * len(rows), 430),
        column_config={
            "Person": st.column_config.TextColumn(width="small"),
            "x": st.column_config.NumberColumn(format="%.1f", width="small", help="Pixels from the left edge"),
            "y": st.column_config.NumberColumn(format="%.1f", width="small", help="Pixels from the top edge"),
        },
        alt="Keypoints that are labelled on the picture",
    )


def _rows(image: AnnotatedImage, names: Sequence[str]) -> Iterable[tuple[str, str, float | None, float | None, str]]:
    for number, person in enumerate(image.people, 1):
        if person.crowd:
            yield (f"{number}", "a crowd, not told apart", None, None, "ignored")
            continue
        for name, (x, y), label in zip(names, person.keypoints.tolist(), person.labels.tolist(), strict=True):
            known = Label(label) in (Label.HIDDEN, Label.VISIBLE)
            yield (
                f"{number}",
                words(name),
                x if known else None,
                y if known else None,
                _WORDS.get(Label(label), "not labelled"),
            )
