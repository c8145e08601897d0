"""Which pages there are. The app's entry script: ``app.py`` starts it, and it runs before every page."""

from __future__ import annotations

import streamlit as st

from posecore.ui.shared.address import restore_address
from posecore.ui.shared.frame import frame, set_icon
from posecore.ui.shared.navigation import PAGES


def _page(file: str, title: str, icon: str, help_text: str, *, default: bool = False) -> st.Page:
    return st.Page(PAGES / file, title=title, icon=f":material/{icon}:", help=help_text, default=default)


#: Menus of the bar, in their order, so few that one sees all of them at once.
MENU: dict[str, tuple[st.Page, ...]] = {
    "Explore": (
        _page("explore.py", "Explore", "person_search", "Poses in a picture, and why.", default=True),
        _page("fields.py", "Fields", "blur_on", "What the network sees, map by map."),
        _page("compare.py", "Compare", "compare", "Models and settings side by side, on the same picture."),
    ),
    "Evidence": (
        _page("evaluate.py", "Evaluate", "insights", "How good a model is on your pictures, and what goes wrong."),
        _page("tune.py", "Tune", "tune", "Which settings suit your pictures, and what they are worth."),
        _page("benchmark.py", "Benchmark", "speed", "How long this machine takes, by model, runtime and settings."),
    ),
    "Motion": (
        _page("video.py", "Video", "movie", "People over time: tracks, angles, repetitions."),
        _page("webcam.py", "Webcam", "videocam", "Poses before your own camera, live."),
    ),
    "Fine-tuning": (
        _page("datasets.py", "Data", "photo_library", "Pictures to learn from: add, check, split, export."),
        _page("label.py", "Label", "draw", "A model proposes people, you correct them."),
        _page("train.py", "Train", "model_training", "Fine-tune a model on labelled pictures."),
        _page("runs.py", "Runs", "monitoring", "What training brought, before and after."),
    ),
    "Models": (
        _page("models.py", "Models", "deployed_code", "Download, check and remove models."),
        _page("about.py", "About", "info", "Versions, licences and limits."),
    ),
}


def main() -> None:
    """Draw the frame, then the page that was asked for."""
    set_icon()
    page = st.navigation({group: list(pages) for group, pages in MENU.items()}, position="top")
    frame(page.title, page.help or "", place_of(page))
    restore_address()
    page.run()


def place_of(page: st.Page) -> int:
    """The place in the bar, from 1, of the menu that a page is in."""
    pages_by_place = enumerate(MENU.values(), start=1)
    return next(place for place, pages in pages_by_place if any(one.url_path == page.url_path for one in pages))


if __name__ == "__main__":  # as Streamlit runs it
    main()
