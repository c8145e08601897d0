"""Fields: all maps of a model over one picture, and why each joint is where it is."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.errors import PosecoreError
from posecore.model import PoseModel
from posecore.two_stage import BoxedModel
from posecore.ui.fields.evidence_panel import explain, open_case, tell_stage
from posecore.ui.fields.field_picture import show_answer, show_view
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.maps.joint_choice import TAB_KEY, WHY_TAB
from posecore.ui.shared.maps.map_choice import pick_view
from posecore.ui.shared.maps.stage_choice import at_stage, pick_stage
from posecore.ui.shared.models.engine import Analysis, analyse
from posecore.ui.shared.pictures.downloads import map_downloads
from posecore.ui.shared.pictures.open_picture import OpenPicture
from posecore.ui.shared.pictures.own_boxes import boxes_here, hint_about
from posecore.ui.shared.pictures.posed_picture import download_buttons, facts, show_picture, under_picture
from posecore.ui.shared.pictures.region import current_region, region_form
from posecore.ui.shared.pictures.source_picker import Selection, source_strip
from posecore.ui.shared.sidebar import (
    Sidebar,
    decoder_controls,
    picture_page,
    popover,
)

#: Network settings that begin differently here, where there is room to look at more.
LOOK_INSIDE = {"all_stages": True}


@st.fragment
def look_inside(
    selection: Selection,
    opened: OpenPicture,
    model: PoseModel,
    network: Mapping[str, Any],
    sidebar: Sidebar,
) -> None:
    """The maps and the evidence; runs without the rest of the page when what is shown changes."""
    decoder = decoder_controls(model, sidebar)
    boxed = isinstance(model, BoxedModel)
    boxes = boxes_here(selection.sources, opened)[opened.source.key] if boxed else ()
    region = None if boxed else current_region(opened)
    try:
        analysis = analyse(model, opened, region, network, decoder, boxes)
    except PosecoreError as error:
        show_error(error, "Change that setting back, or choose another picture.")
        source_strip(selection)
        return
    if boxed and not analysis.fields.close_ups:
        show_picture(opened, analysis.poses, DrawingOptions(), parts=False)
        under_picture(opened, analysis.poses, f"{hint_about(boxes, opened)} Boxes are drawn on *Explore*.")
        source_strip(selection)
        return
    head = st.container(horizontal=True, vertical_alignment="center", gap="small")
    left, right = st.columns([3, 2], gap="medium")
    with head:
        st.markdown(facts(analysis), width="stretch")
        people = st.toggle("Show poses", key="map_people", help="Draw the people who were found above the map.")
        if not boxed and (menu := popover("Region", "crop", "Look at a region of the picture")).open:
            with menu:
                region_form(opened, region)
        save = popover("Save", "download", "Download maps")
    whole = analysis
    with right:
        stage = pick_stage(model, whole, decoder)
        analysis = at_stage(whole, stage)
        if stage.person is not None:
            tell_stage(open_case(model, whole.fields, decoder), stage.person)
        maps, why = st.tabs(["Maps", WHY_TAB], on_change="rerun", key=TAB_KEY)
    if why.open:
        with why:
            who = "" if stage.person is None else stage.title
            case = open_case(stage.model, stage.fields, stage.settings, who)
            answer = explain(case)
        with left:
            show_answer(analysis, case, answer, people=people)
    with maps:
        # Also when the other tab is open: it says what Save saves.
        view = pick_view(analysis.fields)
    if not why.open:
        with left:
            show_view(analysis, view, people=people)
    with left:
        below(analysis, selection)
    if save.open:
        with save:
            download_buttons(map_downloads(analysis, view))


def below(analysis: Analysis, selection: Selection) -> None:
    """What stands under the picture."""
    under_picture(analysis.opened, analysis.poses)
    source_strip(selection)


def main() -> None:
    """The page."""
    picture_page(look_inside, drawing=False, defaults=LOOK_INSIDE)
