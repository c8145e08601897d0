"""A link that shows the same again."""

from __future__ import annotations

import streamlit as st

from posecore.ui.shared.address import Parameter, link_to_this


def share_link(model: str, sample: str | None) -> None:
    """Show the address that brings model, settings, drawing and sample back.

    Args:
        model: Name of the model; said even when it is the first choice here, which it need not be elsewhere.
        sample: The sample that is shown, or None for a picture of the visitor's own.
    """
    said = {Parameter.MODEL: model} | ({Parameter.SAMPLE: sample} if sample else {})
    mine = frozenset() if sample else frozenset({Parameter.SOURCE, Parameter.REGION, Parameter.BOXES})
    st.markdown("Anyone opening this link sees the same:")
    st.code(link_to_this(said, left_out=mine), language=None, wrap_lines=True)
    if sample is None:
        st.caption("It carries the model and all settings, but not your picture: that stays here.")
