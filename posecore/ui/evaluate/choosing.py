"""The side panel: what is measured, on which pictures, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.errors import PosecoreError
from posecore.evaluation import Protocol, protocol_settings
from posecore.model import PoseModel
from posecore.ui.evaluate.work import Asked
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.model_picker import pick_model
from posecore.ui.shared.models.second_stage import finds_boxes_alone
from posecore.ui.shared.pictures.open_picture import safe_stem
from posecore.ui.shared.pictures.uploads import take_over_to
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session, state_of
from posecore.ui.shared.sets.labelled_set import pick_labelled_set
from posecore.ui.shared.sidebar import load
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.setting_controls import SettingControls

MODEL, RESULTS = "Model", "Results file"
_WORDS: dict[Protocol, str] = {"full": "Whole pictures", "crops": "Person by person"}
_PROTOCOLS: tuple[Protocol, ...] = ("full", "crops")
#: Before the names of this page's settings, which begin where the protocol has them and not where Explore is.
_PREFIX = "eval_"
#: Pictures that are measured unless somebody wants more.
_USUAL, _MOST = 500, 100_000


@dataclass
class Given:
    """The file of results that this visitor gave last."""

    path: Path | None = None


def choose(place: DeltaGenerator, settings_place: DeltaGenerator) -> Asked | None:
    """The widgets; None, with the reason shown, while something is missing.

    Args:
        place: Where in the side panel they are.
        settings_place: Where the model's settings are.
    """
    with place:
        kind = st.segmented_control(
            "Measure",
            (MODEL, RESULTS),
            default=MODEL,
            required=True,
            key="evaluate_what",
            width="stretch",
            persist_state="session",
            label_visibility="collapsed",
            help="A results file holds what any other program found, in COCO's format.",
        )
        info = pick_model() if kind == MODEL else None
        results = _pick_results() if kind == RESULTS else None
        labelled = pick_labelled_set()
        protocol: Protocol = _pick_protocol() if kind == MODEL else "full"
        most = st.number_input(
            "Pictures at most",
            1,
            _MOST,
            _USUAL,
            step=100,
            key="evaluate_most",
            persist_state="session",
            help="The first ones of the set.",
        )
    model = None if info is None else load(info)
    if info is not None and model is None:
        if not info.available:
            fetch_panel(info)
        return None
    if labelled is None or (kind == RESULTS and results is None) or (model is not None and finds_boxes_alone(model)):
        return None
    settings = {} if model is None else _settings(model, protocol, settings_place)
    return Asked(labelled, int(most), protocol, model, settings, results)


def _pick_protocol() -> Protocol:
    return st.segmented_control(
        "What the model sees",
        _PROTOCOLS,
        default="full",
        required=True,
        key="evaluate_protocol",
        persist_state="session",
        width="stretch",
        format_func=lambda protocol: _WORDS[protocol],
        help="**Whole pictures**: everybody whom the model finds, as in use. **Person by person**: a square around "
        "every labelled person, and the best pose in it; compares models for one person with those for several.",
    )


def _settings(model: PoseModel, protocol: Protocol, place: DeltaGenerator) -> dict[str, Any]:
    """Widgets for network and decoder, which begin where the protocol has them."""
    network, decode = protocol_settings(model, protocol)
    groups = tuple(
        SettingControls(settings_class, defaults, _PREFIX)
        for settings_class, defaults in ((model.network_settings_class, network), (model.decode_settings_class, decode))
    )
    values: dict[str, Any] = {}
    with place.expander("Settings", icon=":material/tune:"):
        for title, controls in zip(("Network", "Decoder"), groups, strict=True):
            st.markdown(f"**{title}**")
            controls.draw((*controls.main, *controls.others))
            values |= controls.values
        st.button(
            "Reset all settings",
            on_click=_reset,
            args=groups,
            icon=":material/restart_alt:",
            width="stretch",
            key="evaluate_reset",
        )
    return values


def _reset(*groups: SettingControls) -> None:
    """Everything back to its default; a callback."""
    for controls in groups:
        controls.reset()


def _pick_results() -> Path | None:
    """The file that was given last; it goes with the session."""
    mine = state_of(Given)
    file = st.file_uploader(
        "Results in COCO's format",
        type="json",
        max_upload_size=500,
        key=f"evaluate_results_{session().uploader}",
        help="A list of image_id, category_id, keypoints (x, y, confidence …) and score, as "
        "cocodataset.org describes it; image_id is the number that the labels give a picture.",
    )
    if file is not None:
        path = session().folder.path / f"{safe_stem(file.name, 'results')}.json"
        try:
            require("use", "Giving files")
            take_over_to(file, path)
        except PosecoreError as error:
            show_error(error)
            return mine.path
        mine.path = path
        session().uploader += 1
        st.rerun()
    if mine.path is not None:
        st.caption(f":material/description: {plain(mine.path.name)}")
    return mine.path
