"""Pages that need libraries of an extra say so where these are not installed."""

from __future__ import annotations

import streamlit as st

from posecore.errors import MissingExtraError
from posecore.extras import require
from posecore.ui.shared.plain import plain


def extra_is_here(extra: str) -> bool:
    """Whether the page can go on; says what to install where it cannot."""
    try:
        require(extra)
    except MissingExtraError as error:
        st.info(f"{plain(error)} Then start the app again.", icon=":material/extension:")
        return False
    return True
