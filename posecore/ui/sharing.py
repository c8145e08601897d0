"""A link that shows the same again."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st


def share_link(is_sample: bool) -> None:
    """Show the address that brings model, settings, drawing and sample back."""
    query = urlencode(st.query_params.to_dict())
    base = (st.context.url or "").partition("?")[0]
    st.markdown("This address shows the same again:")
    st.code(f"{base}?{query}" if query else base, language=None, wrap_lines=True)
    if not is_sample:
        st.caption("It carries the model and all settings, but not your picture: that stays here.")
