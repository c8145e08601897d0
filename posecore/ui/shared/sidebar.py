"""What pages about one picture and one model share: settings in the sidebar, and what to show when one is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.errors import ImageError, PosecoreError
from posecore.model import PoseModel
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.decode_controls import decode_controls, pick_preset, tell_chances
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.engine import shared_model
from posecore.ui.shared.models.model_picker import is_own_file, pick_model
from posecore.ui.shared.models.second_stage import pick_where
from posecore.ui.shared.pictures.open_picture import OpenPicture, open_picture
from posecore.ui.shared.pictures.own_boxes import pick_boxes
from posecore.ui.shared.pictures.posed_picture import nobody_in, show_picture, under_picture
from posecore.ui.shared.pictures.source_picker import Selection, nothing_chosen, pick_source, show_refused, source_strip
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.zoo import ModelInfo


@dataclass(frozen=True)
class Sidebar:
    """Places in the sidebar, from top to bottom; a part of the page that runs on its own fills some of them again.

    Attributes:
        network: What the network sees; changing it runs the network again.
        decoder: How maps become people.
        own: Settings that only this page has.
        drawing: How people are drawn; None on a page that does not ask.
        more_network: Network settings that are seldom touched.
        more_decoder: Decoder settings that are seldom touched.
        reset: The button that puts everything back.
    """

    network: DeltaGenerator
    decoder: DeltaGenerator
    own: DeltaGenerator
    drawing: DeltaGenerator | None
    more_network: DeltaGenerator
    more_decoder: DeltaGenerator
    reset: DeltaGenerator


def lay_out_sidebar(*, drawing: bool = True) -> Sidebar:
    """Make the places where the script is now."""
    network, decoder, own = st.container(), st.container(), st.container()
    drawn = st.expander("Drawing", icon=":material/palette:") if drawing else None
    with st.expander("More settings", icon=":material/tune:"):
        return Sidebar(network, decoder, own, drawn, st.container(), st.container(), st.container())


def picture_page(
    show: Callable[[Selection, OpenPicture, PoseModel, dict[str, Any], Sidebar], None],
    *,
    drawing: bool = True,
    defaults: Mapping[str, Any] | None = None,
    others: Sequence[SettingControls] = (),
) -> None:
    """A page about one picture and one model, or what to do while one of them is missing.

    Args:
        show: Draws the page; called with what was chosen, the opened picture, the model, its network settings and the
            places of the other settings.
        drawing: Whether the sidebar has settings of how people are drawn.
        defaults, others: The page's own defaults of network settings, and its own controls, see
            :func:`network_controls`.
    """
    with st.sidebar:
        selection = pick_source()
        info, boxed = pick_where(pick_model())
        if boxed:
            pick_boxes(selection.sources)
        place = st.container()
    show_refused()
    model = load(info, boxed)
    if model is not None:
        with place:
            sidebar = lay_out_sidebar(drawing=drawing)
        network = network_controls(model, sidebar, defaults, others)
    opened = chosen_picture(selection)
    if opened is not None and model is not None:
        show(selection, opened, model, network, sidebar)
    elif opened is not None:
        without_model(opened, selection, info)
    elif model is not None:
        # Nothing to show, yet the controls stay where they are.
        decoder_controls(model, sidebar)
        drawing_controls(sidebar)


def chosen_picture(selection: Selection) -> OpenPicture | None:
    """The picture when there is one that can be read; else the page says what to do."""
    if selection.chosen is None:
        nothing_chosen(selection)
        return None
    try:
        return open_picture(selection.chosen)
    except ImageError as error:
        st.error(
            f"**{plain(selection.chosen.label)}**: {plain(error)} Choose or upload another picture; the "
            "others are not affected.",
            icon=":material/error:",
        )
        source_strip(selection)
        return None


def load(info: ModelInfo, boxed: bool = False) -> PoseModel | None:
    """The chosen model when it can be used; see :func:`shared_model`."""
    if not info.available:
        return None
    try:
        with st.spinner(f"Loading {plain(info.title)} …", show_time=False):
            return shared_model(info, is_own_file(info), boxed)
    except PosecoreError as error:
        show_error(error, "Choose another model on the left, or download this one again on the Models page.")
        return None


def without_model(opened: OpenPicture, selection: Selection, info: ModelInfo) -> None:
    """The picture as it is, and how to get a model."""
    left, right = st.columns([6, 5], gap="medium")
    with left:
        show_picture(opened, nobody_in(opened), DrawingOptions(), None)
        under_picture(opened, None)
        source_strip(selection)
    with right:
        if not info.available:
            fetch_panel(info)


def network_controls(
    model: PoseModel,
    sidebar: Sidebar,
    defaults: Mapping[str, Any] | None = None,
    others: Sequence[SettingControls] = (),
) -> dict[str, Any]:
    """Widgets for what the network sees; returns their values.

    ``defaults`` are a page's own; names that the model's settings do not have are left out. ``others`` are controls of
    the page that are reset together with these.
    """
    controls = _network(model, defaults or {})
    with sidebar.network:
        st.markdown("**Network** :small[:gray[· runs again when changed]]")
        controls.draw(controls.main)
    with sidebar.more_network:
        controls.draw(controls.others)
    with sidebar.reset:
        st.button(
            "Reset all settings",
            on_click=_reset,
            args=(model, defaults or {}, others),
            icon=":material/restart_alt:",
            width="stretch",
        )
    return controls.values


def _network(model: PoseModel, defaults: Mapping[str, Any]) -> SettingControls:
    ours = {name: value for name, value in defaults.items() if name in model.network_settings_class.model_fields}
    return SettingControls(model.network_settings_class, model.network_defaults.model_dump() | ours)


def _reset(model: PoseModel, defaults: Mapping[str, Any], others: Sequence[SettingControls]) -> None:
    """Everything back to its default; a callback."""
    _network(model, defaults).reset()
    decode_controls(model).reset()
    SettingControls(DrawingOptions, prefix="draw_").reset()
    for controls in others:
        controls.reset()


def decoder_controls(model: PoseModel, sidebar: Sidebar, when: str = "answers at once") -> dict[str, Any]:
    """Widgets for how maps become people, and ``when`` a change of them shows; returns their values."""
    controls = decode_controls(model)
    with sidebar.decoder:
        st.markdown(f"**Decoder** :small[:gray[· {when}]]")
        pick_preset(model, controls)
        controls.draw(controls.main)
        tell_chances(model)
    with sidebar.more_decoder:
        controls.draw(controls.others)
    return controls.values


def drawing_controls(sidebar: Sidebar) -> DrawingOptions:
    """Widgets for how people are drawn; the defaults on a page that does not ask."""
    if sidebar.drawing is None:
        return DrawingOptions()
    controls = SettingControls(DrawingOptions, prefix="draw_")
    with sidebar.drawing:
        controls.draw(controls.others)
    return DrawingOptions(**controls.values)


def menu_key(label: str) -> str:
    """Key of a :func:`popover`, whose value is whether it is open."""
    return f"menu_{label}"


def popover(label: str, icon: str, help_text: str) -> Any:
    """A menu whose content is made only while it is open."""
    return st.popover(
        label, icon=f":material/{icon}:", help=help_text, width="content", key=menu_key(label), on_change="rerun"
    )
