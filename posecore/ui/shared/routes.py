"""Addresses of what the app's server gives out beside Streamlit's own."""

from __future__ import annotations

import streamlit as st


def route_path(address: str) -> str:
    """The route of an address that is relative to the app's pages, wherever the app is put."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{'/' if base else ''}{base}/{address}"
