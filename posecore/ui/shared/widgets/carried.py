"""Values of widgets on their way from page to page."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

#: Session state: the page on which a key was last used.
_PAGES = "widget_pages"


def carry(key: str) -> None:
    """Keep what was chosen under ``key`` on another page; to be called before the widget is drawn.

    For Streamlit the widget of another page is another widget: unless the value is said again, it begins anew, at the
    lowest number or switched off.
    """
    context = get_script_run_ctx()
    here = "" if context is None else context.page_script_hash
    pages = st.session_state.setdefault(_PAGES, {})
    if pages.get(key, here) != here and key in st.session_state:
        st.session_state[key] = st.session_state[key]
    pages[key] = here
