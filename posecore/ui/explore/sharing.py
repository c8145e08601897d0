"""A link that shows the same again."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import streamlit as st


def share_link(model: str, sample: str | None) -> None:
    """Show the address that brings model, settings, drawing and sample back.

    Args:
        model: Name of the model; said even when it is the first choice here, which it need not be elsewhere.
        sample: The sample that is shown, or None for a picture of the visitor's own.
    """
    query = st.query_params.to_dict() | {"model": model} | ({"sample": sample} if sample else {})
    if sample is None:
        query = {name: value for name, value in query.items() if name not in ("source", "part")}
    parts = urlsplit(st.context.url or "")
    st.markdown("Anyone opening this link sees the same:")
    st.code(
        f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{urlencode(query, safe=',')}",
        language=None,
        wrap_lines=True,
    )
    if sample is None:
        st.caption("It carries the model and all settings, but not your picture: that stays here.")
