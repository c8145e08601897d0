"""Which pages there are. The app's entry script: ``app.py`` starts it, and it runs before every page."""

from __future__ import annotations

import streamlit as st

from posecore.ui.shared.frame import frame
from posecore.ui.shared.navigation import PAGES


def _page(file: str, title: str, icon: str, help_text: str, *, default: bool = False) -> st.Page:
    return st.Page(PAGES / file, title=title, icon=f":material/{icon}:", help=help_text, default=default)


#: Group → its pages. A group of one page stands in the bar under the page's own name, larger groups as a menu.
GROUPS: dict[str, tuple[st.Page, ...]] = {
    "Pictures": (_page("explore.py", "Explore", "person_search", "Poses in a picture, and why.", default=True),),
    "Motion": (
        _page("video.py", "Video", "movie", "People over time: tracks, angles, repetitions."),
        _page("webcam.py", "Webcam", "videocam", "Poses before your own camera, live."),
    ),
    "Fields": (_page("fields.py", "Fields", "blur_on", "What the network sees, map by map."),),
    "Fine-tuning": (
        _page("datasets.py", "Data", "photo_library", "Pictures to learn from: add, check, split, export."),
        _page("label.py", "Label", "draw", "A model proposes people, you correct them."),
        _page("train.py", "Train", "model_training", "Fine-tune a model on labelled pictures."),
        _page("runs.py", "Runs", "monitoring", "What training brought, before and after."),
    ),
    "Models": (_page("models.py", "Models", "deployed_code", "Fetch, check and remove models."),),
    "About": (_page("about.py", "About", "info", "Versions, licences and limits."),),
}


def main() -> None:
    """Draw the frame, then the page that was asked for."""
    frame()
    page = st.navigation(_menu(), position="top")
    page.run()


def _menu() -> dict[str, list[st.Page]]:
    menu: dict[str, list[st.Page]] = {"": []}
    for group, pages in GROUPS.items():
        # Pages without a heading come first in the bar, whatever their place here.
        menu["" if len(pages) == 1 else group] = [*menu.get("" if len(pages) == 1 else group, []), *pages]
    return menu


main()
