"""What all pages share: title, logo and menu around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STATIC = Path(__file__).resolve().parents[1] / "app" / "static"
SIDEBAR_WIDTH = 340
#: Streamlit keeps wide margins beside the page, which has no setting; pictures need the room more.
_MARGINS = "<style>[data-testid='stMainBlockContainer'] { padding-inline: clamp(0.75rem, 2vw, 2rem); }</style>"
PROJECT = "Explore the classic networks of human pose estimation: what they see, and how they decide."


def frame() -> None:
    """Set up the page around the content."""
    st.set_page_config(
        page_title="posecore",
        page_icon=str(STATIC / "icon.png"),
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
        menu_items={"About": f"**posecore**\n\n{PROJECT}"},
    )
    st.html(_MARGINS)
    dark = st.context.theme.type == "dark"
    st.logo(str(STATIC / ("logo-dark.svg" if dark else "logo-light.svg")), size="medium")
