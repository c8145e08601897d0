"""Explore: a picture, the poses in it, and what the network saw."""

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.drawing import DrawingOptions
from posecore.errors import ImageError, PosecoreError
from posecore.model import PoseModel
from posecore.ui.downloads import single_downloads, zip_download
from posecore.ui.engine import Analysis, analyse, shared_model
from posecore.ui.model_picker import fetch_panel, is_own_file, pick_model
from posecore.ui.overview import show_overview
from posecore.ui.pictures import OpenPicture, Source, open_picture
from posecore.ui.region import current_region, region_form
from posecore.ui.result import download_buttons, facts, plain, show_picture, under_picture
from posecore.ui.setting_controls import SettingControls
from posecore.ui.sharing import share_link
from posecore.ui.source_picker import Selection, nothing_chosen, pick_source, show_refused, source_strip
from posecore.ui.trouble import show_error
from posecore.ui.viewers import show_heatmaps, show_keypoints, show_timings, show_vectors
from posecore.zoo import ModelInfo


def main() -> None:
    """The page."""
    with st.sidebar:
        selection = pick_source()
        info = pick_model()
        place = st.container()
    show_refused()
    model = load(info)
    if model is not None:
        with place:
            boxes = setting_boxes()
        network = network_controls(model, boxes)
    opened = chosen_picture(selection)
    if opened is not None and model is not None:
        explore(selection, opened, model, network, boxes)
    elif opened is not None:
        without_model(opened, selection, info)
    elif model is not None:
        # Nothing to show, yet the controls stay where they are.
        decoder_controls(model, boxes)
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
            f"**{selection.chosen.label}**: {error} Choose or upload another picture; the others are not affected.",
            icon=":material/error:",
        )
        source_strip(selection)
        return None


def load(info: ModelInfo) -> PoseModel | None:
    """The chosen model when it can be used."""
    if not info.available:
        return None
    try:
        with st.spinner(f"Loading {info.title} …", show_time=False):
            return shared_model(info, is_own_file(info))
    except PosecoreError as error:
        show_error(error, "Choose another model on the left, or fetch this one again on the Models page.")
        return None


def without_model(opened: OpenPicture, selection: Selection, info: ModelInfo) -> None:
    """The picture as it is, and how to get a model."""
    left, right = st.columns([6, 5], gap="medium")
    with left:
        show_picture(opened, plain(opened), DrawingOptions(), None)
        under_picture(opened, None)
        source_strip(selection)
    with right:
        if not info.available:
            fetch_panel(info)


def setting_boxes() -> dict[str, DeltaGenerator]:
    """Places in the sidebar: those of the decoder and the drawing are filled by a part that runs on its own."""
    boxes = {name: st.container() for name in ("network", "decoder")}
    boxes["drawing"] = st.expander("Drawing", icon=":material/palette:")
    with st.expander("More settings", icon=":material/tune:"):
        for name in ("more network", "more decoder", "reset"):
            boxes[name] = st.container()
    return boxes


def network_controls(model: PoseModel, boxes: dict[str, DeltaGenerator]) -> dict[str, Any]:
    """Widgets for what the network sees; returns their values."""
    controls = SettingControls(model.network_settings_class, model.network_defaults.model_dump())
    with boxes["network"]:
        st.markdown("**Network** :small[:gray[· runs again when changed]]")
        controls.draw(controls.main)
    with boxes["more network"]:
        controls.draw(controls.others)
    with boxes["reset"]:
        st.button("Reset all settings", on_click=reset, args=(model,), icon=":material/restart_alt:", width="stretch")
    return controls.values


def reset(model: PoseModel) -> None:
    """Everything back to its default; a callback."""
    SettingControls(model.network_settings_class, model.network_defaults.model_dump()).reset()
    SettingControls(model.decode_settings_class).reset()
    SettingControls(DrawingOptions, prefix="draw_").reset()


def decoder_controls(model: PoseModel, boxes: dict[str, DeltaGenerator]) -> dict[str, Any]:
    """Widgets for how maps become people; returns their values."""
    controls = SettingControls(model.decode_settings_class)
    with boxes["decoder"]:
        st.markdown("**Decoder** :small[:gray[· answers at once]]")
        controls.draw(controls.main)
    with boxes["more decoder"]:
        controls.draw(controls.others)
    return controls.values


def drawing_controls(boxes: dict[str, DeltaGenerator]) -> DrawingOptions:
    """Widgets for how people are drawn."""
    controls = SettingControls(DrawingOptions, prefix="draw_")
    with boxes["drawing"]:
        controls.draw(controls.others)
    return DrawingOptions(**controls.values)


@st.fragment
def explore(
    selection: Selection,
    opened: OpenPicture,
    model: PoseModel,
    network: dict[str, Any],
    boxes: dict[str, DeltaGenerator],
) -> None:
    """Analyse the picture and show everything about it; runs without the rest of the page when decoding changes."""
    decoder, options = decoder_controls(model, boxes), drawing_controls(boxes)
    region = current_region(opened)

    def analyse_source(source: Source) -> Analysis:
        part = region if source.key == opened.source.key else None
        return analyse(model, open_picture(source), part, network, decoder)

    try:
        analysis = analyse_source(opened.source)
    except PosecoreError as error:
        show_error(error, "Change that setting back, or choose another picture.")
        source_strip(selection)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(facts(analysis), width="stretch")
        if (menu := popover("Part", "crop", "Look at a part of the picture")).open:
            with menu:
                region_form(opened, region)
        if (menu := popover("Save", "download", "Download results")).open:
            with menu:
                several = (zip_download(selection.sources, analyse_source, options),)
                download_buttons(single_downloads(analysis, options) + several * (len(selection.sources) > 1))
        if (menu := popover("Link", "link", "A link that shows the same")).open:
            with menu:
                share_link(model.name, opened.source.label if selection.kind == "Samples" else None)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        draw_ms = show_picture(opened, analysis.poses, options, region)
        under_picture(opened, analysis.poses)
        source_strip(selection)
    with right:
        evidence(analysis, draw_ms, selection, analyse_source)


def popover(label: str, icon: str, help_text: str) -> Any:
    """A menu whose content is made only while it is open."""
    return st.popover(
        label, icon=f":material/{icon}:", help=help_text, width="content", key=f"menu_{label}", on_change="rerun"
    )


@st.fragment
def evidence(
    analysis: Analysis, draw_ms: float, selection: Selection, analyse_source: Callable[[Source], Analysis]
) -> None:
    """Tabs about what lies behind the poses; only the open one is drawn."""
    names = ["Heatmaps", "Vectors", "Keypoints", "Timings"]
    if selection.kind != "Samples" and len(selection.sources) > 1:
        names.append("All pictures")
    tabs = dict(zip(names, st.tabs(names, on_change="rerun", key="tab"), strict=True))
    views = {
        "Heatmaps": lambda: show_heatmaps(analysis),
        "Vectors": lambda: show_vectors(analysis),
        "Keypoints": lambda: show_keypoints(analysis),
        "Timings": lambda: show_timings(analysis, draw_ms),
        "All pictures": lambda: show_overview(selection.sources, analyse_source),
    }
    for name, tab in tabs.items():
        if tab.open:
            with tab:
                views[name]()


main()
