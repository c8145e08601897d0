"""Explore: a picture, the poses in it, and what the network saw."""

import streamlit as st

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
        settings = st.container()
    show_refused()
    if selection.chosen is None:
        nothing_chosen(selection)
        return
    try:
        opened = open_picture(selection.chosen)
    except ImageError as error:
        show_error(error, "Choose or upload another picture; the others are not affected.")
        source_strip(selection)
        return
    model = load(info)
    if model is None:
        without_model(opened, selection, info)
        return
    with settings:
        network, decoder, drawing = all_controls(model)
    explore(selection, opened, model, network, decoder, DrawingOptions(**drawing.values))


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


def all_controls(model: PoseModel) -> tuple[SettingControls, SettingControls, SettingControls]:
    """Widgets for everything that can be set, made from the settings classes."""
    network = SettingControls(model.network_settings_class, model.network_defaults.model_dump())
    decoder = SettingControls(model.decode_settings_class)
    drawing = SettingControls(DrawingOptions, prefix="draw_")
    st.markdown("**Network** :small[:gray[· runs again when changed]]")
    network.draw(network.main)
    st.markdown("**Decoder** :small[:gray[· answers at once]]")
    decoder.draw(decoder.main)
    with st.expander("Drawing", icon=":material/palette:"):
        drawing.draw(drawing.others)
    with st.expander("More settings", icon=":material/tune:"):
        network.draw(network.others)
        decoder.draw(decoder.others)
    return network, decoder, drawing


def explore(
    selection: Selection,
    opened: OpenPicture,
    model: PoseModel,
    network: SettingControls,
    decoder: SettingControls,
    options: DrawingOptions,
) -> None:
    """Analyse the picture and show everything about it."""
    region = current_region(opened)
    # Taken now: downloads are made later, when no page is being drawn.
    network_values, decode_values = network.values, decoder.values

    def analyse_source(source: Source) -> Analysis:
        part = region if source.key == opened.source.key else None
        return analyse(model, open_picture(source), part, network_values, decode_values)

    try:
        analysis = analyse_source(opened.source)
    except PosecoreError as error:
        show_error(error, "Change that setting back, or choose another picture.")
        source_strip(selection)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(facts(analysis), width="stretch")
        with st.popover("Part", icon=":material/crop:", help="Look at a part of the picture", width="content"):
            region_form(opened, region)
        with st.popover("Save", icon=":material/download:", help="Download results", width="content"):
            several = (zip_download(selection.sources, analyse_source, options),) if len(selection.sources) > 1 else ()
            download_buttons(single_downloads(analysis, options) + several)
        with st.popover("Link", icon=":material/link:", help="A link that shows the same", width="content"):
            share_link(selection.kind == "Samples")
    left, right = st.columns([6, 5], gap="medium")
    with left:
        draw_ms = show_picture(opened, analysis.poses, options, region)
        under_picture(opened, analysis.poses)
        source_strip(selection)
    with right:
        evidence(analysis, draw_ms, selection, analyse_source)


@st.fragment
def evidence(analysis: Analysis, draw_ms: float, selection: Selection, analyse_source) -> None:
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
