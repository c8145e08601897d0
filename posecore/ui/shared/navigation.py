"""Going from page to page: the one place that knows where pages lie and what becomes of the address on the way."""

from __future__ import annotations

from typing import Literal, NoReturn

import streamlit as st

from posecore.shipped import shipped
from posecore.ui.shared.address import Address

#: The pages.
PAGES = shipped("pages")

Page = Literal[
    "explore",
    "compare",
    "video",
    "webcam",
    "fields",
    "datasets",
    "label",
    "train",
    "runs",
    "models",
    "evaluate",
    "tune",
    "benchmark",
    "about",
]


def open_page(page: Page, address: Address | None = None) -> NoReturn:
    """Go to another page, with ``address`` as its query parameters; ends this run of the script."""
    # Always said, also when empty: Streamlit refuses to drop by itself what widgets have written into the address.
    st.switch_page(PAGES / f"{page}.py", query_params=_said(address))


def page_link(
    page: Page, label: str, icon: str, *, address: Address | None = None, help_text: str | None = None
) -> None:
    """A link to another page, with ``address`` as its query parameters."""
    st.page_link(
        PAGES / f"{page}.py",
        label=label,
        icon=f":material/{icon}:",
        help=help_text,
        query_params=_said(address),
        width="content",
    )


def _said(address: Address | None) -> dict[str, str]:
    return {str(name): value for name, value in (address or {}).items()}
