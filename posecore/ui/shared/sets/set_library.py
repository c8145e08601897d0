"""The sets of labelled pictures as the pages use them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st

from posecore.data.annotations import AnnotatedImage
from posecore.data.library import Library, StoredSet
from posecore.errors import DataError
from posecore.home import home
from posecore.imaging import read_image
from posecore.poses import Poses
from posecore.skeleton import Skeleton
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.session import session
from posecore.ui.shared.widgets.options import option_texts

_CHOICE = "dataset"


def library() -> Library:
    """The library of this server, which remembers what it read."""
    return _library(str(home() / "datasets"))


@st.cache_resource(show_spinner=False, max_entries=4)
def _library(folder: str) -> Library:
    return Library(Path(folder))


def remember(name: str) -> None:
    """Choose a set for all pages from now on; a widget's own state does not outlive its page."""
    session().dataset = name


def choose_set(sets: Mapping[str, StoredSet]) -> StoredSet:
    """The widget that chooses a set: at first the one that was looked at last on any page, or that the address names.

    Args:
        sets: What there is to choose from, by name; at least one.
    """
    return sets[choose_name({name: title_of(stored) for name, stored in sets.items()})]


def choose_name(titles: Mapping[str, str]) -> str:
    """:func:`choose_set` among names and their titles."""
    linked = asked(Parameter.SET)
    wanted = (
        linked if came_back() else None,
        session().dataset,
        st.session_state.get(_CHOICE),
        linked,
        next(iter(titles)),
    )
    st.session_state[_CHOICE] = next(name for name in wanted if name in titles)
    name = st.selectbox(
        "Set of pictures",
        list(titles),
        format_func=option_texts(titles),
        key=_CHOICE,
        on_change=lambda: remember(st.session_state[_CHOICE]),
    )
    remember(name)
    say(Parameter.SET, name)
    return name


def title_of(stored: StoredSet) -> str:
    """A set in a list of sets."""
    return stored.title if stored.title == stored.name else f"{stored.title} ({stored.name})"


def source_of(image: AnnotatedImage) -> Source:
    """A labelled picture as the app opens pictures; raises ``DataError`` when its file is gone."""
    try:
        status = image.path.stat()
    except OSError as error:
        raise DataError(f"The picture {image.path.name} is not there any more.") from error
    key = f"set {image.path} {status.st_mtime_ns} {status.st_size}"
    return Source(key, image.path.name, image.path.name, lambda: read_image(image.path))


def poses_of(image: AnnotatedImage, skeleton: Skeleton) -> Poses:
    """The labelled people of a picture, crowds left out, as the app draws people."""
    people = [person for person in image.people if not person.crowd]
    if not people:
        return Poses.empty(skeleton, image.size)
    return Poses(
        np.stack([person.keypoints for person in people]),
        np.stack([person.labelled for person in people]).astype(np.float32),
        np.ones(len(people), np.float32),
        skeleton,
        image.size,
    )
