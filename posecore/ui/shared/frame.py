"""What all pages share: title, logo and menu around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from posecore.ui.shared.widgets.frontend import component

_address = component("address")
STATIC = Path(__file__).resolve().parents[1] / "app" / "static"
SIDEBAR_WIDTH = 340
#: What themes have no setting for: margins (pictures need the room more), contrast of small print and of words on the
#: primary colour, rings of focus, the page's heading, fields of numbers on the line of their labels (a slider says its
#: value itself only while it is dragged), and the menu of the group that the open page is in.
_STYLE = """<style>
:root {{ color-scheme: {scheme}; }}
[data-testid='stMainBlockContainer'] {{ padding-inline: clamp(0.75rem, 2vw, 2rem); }}
[data-testid='stCaptionContainer'] {{ opacity: 1; }}
[data-testid='stCaptionContainer'], [data-testid='stCaptionContainer'] p {{ color: {small_print}; }}
[data-testid^='stBaseButton-primary'], [data-testid^='stBaseLinkButton-primary'],
[data-testid='stMultiSelect'] span[title] {{ color: {on_primary}; }}
[data-testid='stTopNavLink']:focus-visible {{ outline: 2px solid {ring}; outline-offset: 2px; }}
[data-testid='stTopNav'] > div:nth-child({group}) [data-testid='stTopNavSection'] {{
  background: {mark}; border-radius: 8px; font-weight: 600; }}
.st-key-address {{ display: none; }}
[class*='st-key-number_'] {{ position: relative; }}
[class*='st-key-number_'] [data-testid='stWidgetLabel'] {{ padding-inline-end: 4.4rem; min-height: 1.75rem; }}
[class*='st-key-number_'] [role='group'] {{ margin-block: -0.8rem -0.4rem; }}
[class*='st-key-number_'] [data-testid='stSliderThumbValue'] {{
  background: {mark}; border-radius: 6px; padding-inline: 0.3rem; }}
[class*='st-key-number_'] [data-testid='stSlider']:not(:active) [data-testid='stSliderThumbValue'] {{
  visibility: hidden; }}
[class*='st-key-number_'] > [class*='_typed'] {{
  position: absolute; inset-block-start: 0; inset-inline-end: 0; width: 4rem; }}
[class*='st-key-number_'] [data-testid='stNumberInputContainer'] {{ height: 1.75rem; }}
[class*='st-key-number_'] [data-testid='stNumberInputContainer'] input {{ padding: 0 0.5rem; text-align: end; }}
[data-testid='stSidebar'] [data-testid='stButtonGroup'] button {{ padding-inline: 0.5rem; }}
h1.page-heading {{ font-size: 1.05rem; font-weight: 650; margin: 0; padding: 0; }}
h1.page-heading small {{ font-size: 0.9rem; font-weight: 400; color: {small_print}; margin-inline-start: 0.6rem; }}
</style>"""
#: The browser chooses between light and dark, by what Streamlit says of the page, and of what lies over it by what the
#: last run knew: a page does not run again when somebody switches the theme.
_COLORS = {
    "small_print": "light-dark(#4A5964, #A9B6C1)",
    "ring": "light-dark(#0B6B74, #4FC3B8)",
    "mark": "light-dark(#E1E9ED, #22303B)",
    "on_primary": "light-dark(#FFFFFF, #0E1419)",
}
PROJECT = "Explore the classic networks of human pose estimation: what they see, and how they decide."


def set_icon() -> None:
    """The browser tab's icon, to be said before the navigation: for a page's own one browsers ask a foreign server."""
    st.set_page_config(page_icon=str(STATIC / "icon.png"))


def frame(title: str, about: str, group: int) -> None:
    """Set up the page around the content.

    Args:
        title: Name of the page.
        about: What it is for, in a few words.
        group: Place in the bar, from 1, of the menu that the page is in.
    """
    st.set_page_config(
        page_title=f"{title} · posecore",
        page_icon=str(STATIC / "icon.png"),
        layout="wide",
        initial_sidebar_state=SIDEBAR_WIDTH,
        menu_items={"About": f"**posecore**\n\n{PROJECT}"},
    )
    heading = f"<h1 class='page-heading'>{title}<small>{about}</small></h1>"
    scheme = st.context.theme.type or "light"
    # Apart: what holds nothing but styles takes no room on the page, and keeps messages that outlive a run in place.
    st.html(_STYLE.format(group=group, scheme=scheme, **_COLORS))
    st.html(heading)
    _address(key="address", data={})
    st.logo(str(STATIC / "logo.svg"), size="medium")
