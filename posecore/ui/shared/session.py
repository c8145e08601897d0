"""What the app remembers about one visitor: pictures, models of their own, and the part of the picture they look at."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from posecore.imaging import Region
from posecore.storage import DraftFolder
from posecore.ui.shared.pictures.sources import Uploads
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.zoo import ModelInfo

_KEY = "posecore"


@dataclass
class Session:
    """One visitor's things. They last as long as the browser's tab does.

    Attributes:
        uploads: Pictures that were uploaded.
        snapshots: Pictures that the camera took.
        uploader: Counts up, so that the upload field starts empty again after files were taken from it.
        refused: Sentences about files that were not taken.
        own_models: Models from files of the visitor's own, by name.
        folder: Where files of the session lie; it goes when the session does.
        region: The part that is looked at, and the key of the picture it belongs to.
        address_read: True once the address of the page was looked at.
    """

    uploads: Uploads = field(default_factory=Uploads)
    snapshots: Uploads = field(default_factory=Uploads)
    uploader: int = 0
    refused: list[str] = field(default_factory=list)
    own_models: dict[str, ModelInfo] = field(default_factory=dict)
    folder: DraftFolder = field(default_factory=visitor_folders.new)
    region: tuple[str, Region] | None = None
    address_read: bool = False


def session() -> Session:
    """This visitor's things."""
    mine: Session | None = st.session_state.get(_KEY)
    if mine is None:
        mine = st.session_state[_KEY] = Session()
    return mine


def say_in_address(name: str, value: str | None) -> None:
    """Write a value into the page's address, or take it out when None."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
