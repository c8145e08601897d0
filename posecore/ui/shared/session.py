"""What the app remembers about one visitor, beside the values of widgets: one typed object per session.

What several pages use is an attribute of :class:`Session`; what one page or part of it remembers is a class of its own
beside it, see :func:`state_of`. Values of widgets are Streamlit's, under the widgets' keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from posecore.imaging import Region
from posecore.storage import DraftFolder
from posecore.ui.shared.pictures.sources import Uploads
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.zoo import ModelInfo

_KEY = "posecore"
_State = TypeVar("_State")


@dataclass
class Session:
    """One visitor's things. They last as long as the browser's tab does.

    Attributes:
        uploads: Pictures that were uploaded.
        snapshots: Pictures that the camera took.
        uploader: Counts up, so that upload fields start empty again after files were taken from them.
        refused: Sentences about files that were not taken.
        own_models: Models from files of the visitor's own, by name.
        folder: Where files of the session lie; it goes when the session does.
        region: The part that is looked at, and the key of the picture it belongs to.
        address_read: True once the address of the page was looked at.
        model_gone: What became of a model that was chosen and is not known any more, as a sentence.
        before_published: The model that was chosen when a published one was asked for in its place; None else.
        dataset: Name of the set that was looked at last, on any page.
        adding_set: Whether a set is being added on the Data page.
        pages: States of single pages, by their classes.
    """

    uploads: Uploads = field(default_factory=Uploads)
    snapshots: Uploads = field(default_factory=Uploads)
    uploader: int = 0
    refused: list[str] = field(default_factory=list)
    own_models: dict[str, ModelInfo] = field(default_factory=dict)
    folder: DraftFolder = field(default_factory=visitor_folders.new)
    region: tuple[str, Region] | None = None
    address_read: bool = False
    model_gone: str = ""
    before_published: str | None = None
    dataset: str | None = None
    adding_set: bool = False
    pages: dict[type, Any] = field(default_factory=dict)


def session() -> Session:
    """This visitor's things."""
    mine: Session | None = st.session_state.get(_KEY)
    if mine is None:
        mine = st.session_state[_KEY] = Session()
    return mine


def state_of(kind: type[_State], make: Callable[[], _State] | None = None) -> _State:
    """This visitor's one object of a class, made when it is asked for first.

    Args:
        kind: The class.
        make: Makes it; by default the class itself, without arguments.
    """
    pages = session().pages
    if kind not in pages:
        pages[kind] = (make or kind)()
    kept: _State = pages[kind]
    return kept


def forget_state(kind: type) -> None:
    """Begin anew with what :func:`state_of` gives."""
    session().pages.pop(kind, None)
