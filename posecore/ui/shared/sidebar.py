"""What pages about one picture and one model share: settings in the sidebar, and what to show when one is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.errors import ImageError, PosecoreError
from posecore.model import PoseModel
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import shared_model
from posecore.ui.shared.models.model_picker import fetch_panel, is_own_file, pick_model
from posecore.ui.shared.pictures.open_picture import OpenPicture, open_picture
from posecore.ui.shared.pictures.posed_picture import nobody_in, show_picture, under_picture
from posecore.ui.shared.pictures.source_picker import Selection, nothing_chosen, pick_source, show_refused, source_strip
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.zoo import ModelInfo


def picture_page(
    show: Callable[[Selection, OpenPicture, PoseModel, dict[str, Any], dict[str, DeltaGenerator]], None],
    *,
    drawing: bool = True,
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """A page about one picture and one model, or what to do while one of them is missing.

    Args:
        show: Draws the page; called with what was chosen, the opened picture, the model, its network settings and the
            places of the other settings.
        drawing: Whether the sidebar has settings of how people are drawn.
        defaults: The page's own defaults of network settings, see :func:`network_controls`.
    """
    with st.sidebar:
        selection = pick_source()
        info = pick_model()
        place = st.container()
    show_refused()
    model = load(info)
    if model is not None:
        with place:
            boxes = setting_boxes(drawing=drawing)
        network = network_controls(model, boxes, defaults)
    opened = chosen_picture(selection)
    if opened is not None and model is not None:
        show(selection, opened, model, network, boxes)
    elif opened is not None:
        without_model(opened, selection, info)
    elif model is not None:
        # Nothing to show, yet the controls stay where they are.
        decoder_controls(model, boxes)
        if drawing:
            drawing_controls(boxes)


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


def load(info: ModelInfo) -> PoseModel | None:
    """The chosen model when it can be used."""
    if not info.available:
        return None
    try:
        with st.spinner(f"Loading {plain(info.title)} …", show_time=False):
            return shared_model(info, is_own_file(info))
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


def setting_boxes(*, drawing: bool = True, others: Sequence[tuple[str, str, str]] = ()) -> dict[str, DeltaGenerator]:
    """Places in the sidebar: those of the decoder and the drawing are filled by a part that runs on its own.

    ``others`` are a page's own: the name of each, its title and its icon.
    """
    boxes = {name: st.container() for name in ("network", "decoder")}
    boxes |= {name: st.expander(title, icon=f":material/{icon}:") for name, title, icon in others}
    if drawing:
        boxes["drawing"] = st.expander("Drawing", icon=":material/palette:")
    with st.expander("More settings", icon=":material/tune:"):
        for name in ("more network", "more decoder", "reset"):
            boxes[name] = st.container()
    return boxes


def network_controls(
    model: PoseModel,
    boxes: Mapping[str, DeltaGenerator],
    defaults: Mapping[str, Any] | None = None,
    others: Sequence[SettingControls] = (),
) -> dict[str, Any]:
    """Widgets for what the network sees; returns their values.

    ``defaults`` are a page's own; names that the model's settings do not have are left out. ``others`` are controls of
    the page that are reset together with these.
    """
    controls = _network(model, defaults or {})
    with boxes["network"]:
        st.markdown("**Network** :small[:gray[· runs again when changed]]")
        controls.draw(controls.main)
    with boxes["more network"]:
        controls.draw(controls.others)
    with boxes["reset"]:
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
    SettingControls(model.decode_settings_class).reset()
    SettingControls(DrawingOptions, prefix="draw_").reset()
    for controls in others:
        controls.reset()


def decoder_controls(model: PoseModel, boxes: Mapping[str, DeltaGenerator]) -> dict[str, Any]:
    """Widgets for how maps become people; returns their values."""
    controls = SettingControls(model.decode_settings_class)
    with boxes["decoder"]:
        st.markdown("**Decoder** :small[:gray[· answers at once]]")
        controls.draw(controls.main)
    with boxes["more decoder"]:
        controls.draw(controls.others)
    return controls.values


def drawing_controls(boxes: Mapping[str, DeltaGenerator]) -> DrawingOptions:
    """Widgets for how people are drawn."""
    controls = SettingControls(DrawingOptions, prefix="draw_")
    with boxes["drawing"]:
        controls.draw(controls.others)
    return DrawingOptions(**controls.values)


def popover(label: str, icon: str, help_text: str) -> Any:
    """A menu whose content is made only while it is open."""
    return st.popover(
        label, icon=f":material/{icon}:", help=help_text, width="content", key=f"menu_{label}", on_change="rerun"
    )
