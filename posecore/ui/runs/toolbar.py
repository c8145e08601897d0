"""What can be done with a run: use its model, take it away, go on from it, name it, delete it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from posecore.runs import Run
from posecore.training.card import archive
from posecore.training.config import any_config
from posecore.ui.runs.before_after import measured
from posecore.ui.shared.address import Parameter
from posecore.ui.shared.models.export_model import export_button
from posecore.ui.shared.models.model_picker import all_models
from posecore.ui.shared.navigation import Page, open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_actions import ask, use_model
from posecore.ui.shared.runs.run_words import ACTIVE, state_badge
from posecore.ui.shared.runs.train_setup import set_base
from posecore.ui.shared.sets.set_library import library, remember

#: Pages that take a model, with their icons.
_PAGES: dict[str, tuple[Page, str]] = {
    "Explore": ("explore", "person_search"),
    "Fields": ("fields", "blur_on"),
    "Video": ("video", "movie"),
    "Webcam": ("webcam", "photo_camera"),
}


def toolbar(run: Run) -> None:
    """State and buttons of a run, for a row that the page makes."""
    state = run.state
    usable = run.weights is not None
    busy = state in ACTIVE and state != "waiting"
    st.markdown(state_badge(state), width="content")
    page = st.menu_button(
        "Use the model",
        list(_PAGES),
        key="use_in",
        type="primary" if usable else "secondary",
        icon=":material/play_arrow:",
        disabled=not usable,
        help="Choose this run's model there. It is in every list of models as well.",
    )
    if page is not None:
        use_model(run, _PAGES[page][0])
    st.download_button(
        "Download",
        _made(run),
        f"{run.name}.zip",
        "application/zip",
        icon=":material/download:",
        on_click="ignore",
        disabled=not usable,
        help="Weights, configuration, curves and a model card, as a zip.",
    )
    export_button(all_models().get(f"run:{run.name}") if usable else None, "export_run")
    if st.button(
        "Continue from it",
        icon=":material/model_training:",
        disabled=not usable,
        help="Set up another run that starts from what this one has learnt.",
    ):
        _go_on(run)
    waits = "It is at work; pause or cancel it first." if busy else None
    if st.button("Rename, note", icon=":material/edit:", disabled=busy, help=waits):
        ask("rename", run)
    if st.button("Delete", icon=":material/delete:", disabled=busy, help=waits):
        ask("delete", run)


def _go_on(run: Run) -> None:
    """The Train page with the run's model and, while it is there, the set that the run learnt from."""
    set_base(f"run:{run.name}")
    kept = {stored.name: stored for stored in library().all()}
    for mark in any_config(run.config).stored_sets:
        if mark.name not in kept:
            st.toast(f"The set {plain(mark.name)} that {plain(run.name)} learnt from is gone; choose another.")
            continue
        if mark != kept[mark.name].mark:
            st.toast(f"The labels of {plain(mark.name)} have changed since {plain(run.name)} learnt from them.")
        remember(mark.name)
        open_page("train", {Parameter.SET: mark.name})
    open_page("train")


def _made(run: Run) -> Callable[[], bytes]:
    def make() -> bytes:
        return archive(run, measured(run))

    return make
