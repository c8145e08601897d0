"""Choosing a labelled set to measure something with: one of the library, a part of one, or drawn people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from posecore.data.annotations import PoseDataset
from posecore.data.library import StoredSet
from posecore.data.synthetic.sample import SAMPLE_PICTURES, SAMPLE_TITLE, sample_people
from posecore.errors import DataError
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.session import session
from posecore.ui.shared.sets.set_library import choose_name, library, title_of
from posecore.words import counted

#: Stands for the drawn people; no set of the library can be called so.
SAMPLE = "@drawn"
_WHOLE = "all"


@dataclass(frozen=True)
class LabelledSet:
    """A set that was chosen.

    Attributes:
        name: The set's name and, behind a slash, the part of it (``train``, ``val`` or ``test``) when one was chosen.
            :data:`SAMPLE` for drawn people.
        title: Words for people.
        mark: Says what changes whenever labels do; may write to the set's folder, so not for every run of a page.
        read: Reads it; drawn people are drawn when this is called first, which takes some seconds. Raises
            ``PosecoreError`` when that is impossible.
    """

    name: str
    title: str
    mark: Callable[[], str]
    read: Callable[[], PoseDataset]


def pick_labelled_set(*, labels_needed: bool = True) -> LabelledSet | None:
    """The widgets, the part of a set among them, and a button that leads to adding one.

    Args:
        labels_needed: Refuse a set that nobody has labelled, with a sentence.

    Returns:
        None, with the reason shown, when the chosen set cannot be used.
    """
    sets = {stored.name: stored for stored in library().all()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = choose_name({**{name: title_of(stored) for name, stored in sets.items()}, SAMPLE: SAMPLE_TITLE})
        if st.button("Add a set", icon=":material/add:", key="labelled_set_add", help="From annotations and pictures."):
            session().adding_set = True
            open_page("datasets")
    if name == SAMPLE:
        st.caption(
            f"{SAMPLE_PICTURES} pictures drawn by posecore, to try this page; they say little about photographs."
        )
        return LabelledSet(SAMPLE, SAMPLE_TITLE, lambda: SAMPLE, sample_people)
    return _of_library(sets[name], labels_needed)


def _of_library(stored: StoredSet, labels_needed: bool) -> LabelledSet | None:
    if stored.broken:
        show_error(DataError(stored.broken), "Choose another set, or mend or remove this one on the Data page.")
        return None
    part = _pick_part(stored)
    dataset = part_of(stored.dataset(), part)
    labelled = sum(not image.waits for image in dataset)
    st.caption(
        f"{counted(len(dataset), 'picture')}, {labelled} of them labelled · "
        f"{counted(dataset.people, 'person', 'people')} · {counted(len(dataset.skeleton), 'keypoint')}"
    )
    if labels_needed and not labelled:
        st.warning(
            "None of these pictures is labelled yet, so there is nothing to measure against. Label some on the Label "
            "page, or choose another set.",
            icon=":material/info:",
        )
        return None
    name, title = stored.name, title_of(stored)
    if part is not None:
        name, title = f"{name}/{part}", f"{title}, {part}"
    return LabelledSet(name, title, lambda: stored.mark.content, lambda: part_of(stored.dataset(), part))


def _pick_part(stored: StoredSet) -> str | None:
    """The widget for the part of a set that has parts; None for the whole."""
    parts = stored.parts()
    if not parts:
        return None
    part = st.segmented_control(
        "Part",
        [_WHOLE, *parts],
        default="val" if "val" in parts else _WHOLE,
        required=True,
        key=f"labelled_set_part_{stored.name}",
        help="What a model was trained on says little about how good it is on other pictures.",
    )
    return None if part == _WHOLE else part


def part_of(dataset: PoseDataset, part: str | None) -> PoseDataset:
    """The pictures of one part; all of them when None."""
    if part is None:
        return dataset
    return replace(dataset, images=tuple(image for image in dataset if image.split == part))
