"""Explore: a picture, the poses in it, and what the network saw."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from posecore.data.box_files import Box, boxes_inside
from posecore.drawing import DrawingOptions
from posecore.errors import PosecoreError
from posecore.imaging import Region
from posecore.model import PoseModel
from posecore.two_stage import BoxedModel
from posecore.ui.explore.lifted import show_lifted
from posecore.ui.explore.overview import show_overview
from posecore.ui.explore.published import offer_published
from posecore.ui.explore.settings import Settings
from posecore.ui.explore.sharing import share_link
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.lifting import can_lift, lift_controls
from posecore.ui.shared.maps.joint_choice import choose_joint_at
from posecore.ui.shared.maps.map_tabs import show_heatmaps, show_keypoints, show_timings, show_vectors
from posecore.ui.shared.maps.stage_choice import at_stage, pick_stage
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.models.model_picker import chosen_model
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.pictures.downloads import single_downloads
from posecore.ui.shared.pictures.open_picture import OpenPicture
from posecore.ui.shared.pictures.own_boxes import add_box, boxes_form, boxes_here, hint_about
from posecore.ui.shared.pictures.posed_picture import download_buttons, facts, show_picture, under_picture
from posecore.ui.shared.pictures.region import current_region, region_form
from posecore.ui.shared.pictures.source_picker import Selection, source_strip
from posecore.ui.shared.sidebar import (
    Sidebar,
    decoder_controls,
    drawing_controls,
    menu_key,
    picture_page,
    popover,
)

#: Session state: a joint was clicked, so the page with its evidence comes next.
_CLICKED = "joint_clicked"
#: Key of the tabs, and the one about all pictures.
_TAB, _ALL = "tab", "All pictures"
_SAVE = "Save"


@st.fragment
def explore(
    selection: Selection,
    opened: OpenPicture,
    model: PoseModel,
    network: dict[str, Any],
    sidebar: Sidebar,
) -> None:
    """Analyse the picture and show everything about it; runs without the rest of the page when decoding changes."""
    decoder, options = decoder_controls(model, sidebar), drawing_controls(sidebar)
    boxed = isinstance(model, BoxedModel)
    boxes = boxes_here(selection.sources, opened) if boxed else {}
    region = None if boxed else current_region(opened)
    part = None if region is None else (opened.source.key, region)
    settings = Settings(model, network, decoder, options, part, boxes)
    if st.session_state.pop(_CLICKED, False):
        open_page("fields")
    try:
        analysis = settings.analyse(opened.source)
    except PosecoreError as error:
        show_error(error, "Change that setting back, or choose another picture.")
        source_strip(selection)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(facts(analysis), width="stretch")
        _where_to_look(selection, opened, region, boxed=boxed)
        if (menu := popover(_SAVE, "download", "Download results")).open:
            with menu:
                download_buttons(single_downloads(analysis, options))
                if len(selection.sources) > 1:
                    _to_all_pictures(len(selection.sources))
        if (menu := popover("Link", "link", "A link that shows the same")).open:
            with menu:
                share_link(chosen_model() or model.name, opened.source.label if selection.kind == "Samples" else None)

    def clicked(x: float, y: float) -> None:
        choose_joint_at(analysis.poses, x, y)
        st.session_state[_CLICKED] = True

    left, right = st.columns([6, 5], gap="medium")
    with left:
        if boxed:
            draw_ms = _show_boxed(analysis, options, selection, boxes[opened.source.key], clicked)
        else:
            draw_ms = show_picture(opened, analysis.poses, options, region, on_joint=clicked)
            under_picture(opened, analysis.poses)
        source_strip(selection)
    with right:
        evidence(analysis, settings, draw_ms, selection)


def _where_to_look(selection: Selection, opened: OpenPicture, region: Region | None, *, boxed: bool) -> None:
    """The menu of the part of the picture, or the boxes in it, that are looked at."""
    if boxed:
        menu = popover("Boxes", "select_all", "Boxes around the people in this picture")
    else:
        menu = popover("Region", "crop", "Look at a region of the picture")
    if not menu.open:
        return
    with menu:
        if boxed:
            boxes_form(selection.sources, opened)
        else:
            region_form(opened, region)


def _show_boxed(
    analysis: Analysis,
    options: DrawingOptions,
    selection: Selection,
    boxes: Sequence[Box],
    clicked: Callable[[float, float], None],
) -> float:
    """The picture with its boxes, in which more can be dragged; see :func:`show_picture`."""
    opened, poses = analysis.opened, analysis.poses
    draw_ms = show_picture(
        opened,
        poses,
        options,
        on_joint=clicked,
        boxes=[box.region for box in boxes_inside(boxes, opened.size)[0]],
        on_box=partial(add_box, selection.sources, opened),
    )
    under_picture(opened, poses, hint_about(boxes, opened))
    return draw_ms


def _to_all_pictures(count: int) -> None:
    """Leads to where all pictures are looked at and saved together."""

    def go() -> None:
        st.session_state[_TAB] = _ALL
        st.session_state[menu_key(_SAVE)] = False

    st.button(
        f"All {count} pictures …",
        on_click=go,
        icon=":material/folder_zip:",
        width="stretch",
        key="save_all_pictures",
        help="Opens *All pictures*, where the results of all of them are made into one ZIP.",
    )


@st.fragment
def evidence(
    analysis: Analysis,
    settings: Settings,
    draw_ms: float,
    selection: Selection,
) -> None:
    """Tabs about what lies behind the poses; only the open one is drawn."""
    names = ["Heatmaps", "Vectors", "Keypoints", "Timings"]
    if can_lift(analysis.poses.skeleton.keypoints):
        names.append("3D")
    if len(selection.sources) > 1:
        names.append(_ALL)
    tabs = dict(zip(names, st.tabs(names, on_change="rerun", key=_TAB), strict=True))

    def stage() -> Analysis:
        return at_stage(analysis, pick_stage(settings.model, analysis, dict(settings.decode)))

    views = {
        "Heatmaps": lambda: show_heatmaps(stage()),
        "Vectors": lambda: show_vectors(stage()),
        "Keypoints": lambda: show_keypoints(analysis),
        "Timings": lambda: show_timings(analysis, draw_ms),
        "3D": lambda: show_lifted(analysis),
        _ALL: lambda: show_overview(selection, settings),
    }
    for name, tab in tabs.items():
        if tab.open:
            with tab:
                views[name]()


def main() -> None:
    """The page."""
    offer_published()
    picture_page(explore, others=[lift_controls()])
