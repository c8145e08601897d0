"""The part of the picture that the network looks at: dragged with the mouse, typed, or taken from the address."""

from __future__ import annotations

import streamlit as st

from posecore.errors import ImageError
from posecore.imaging import Region, check_region
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.pictures.open_picture import OpenPicture
from posecore.ui.shared.session import session


def current_region(opened: OpenPicture) -> Region | None:
    """The chosen part of this picture; another picture starts as a whole."""
    mine = session()
    if came_back():
        mine.region = None
    if mine.region is None and (text := asked(Parameter.REGION)) is not None:
        box = _parse(text)
        if box is not None:
            mine.region = (opened.source.key, box)
    if mine.region is not None and mine.region[0] != opened.source.key:
        mine.region = None
    box = None if mine.region is None else mine.region[1]
    say(Parameter.REGION, None if box is None else ",".join(f"{side:.0f}" for side in box))
    return box


def set_region(opened: OpenPicture, box: Region | None) -> None:
    """Look at ``box`` from now on, or at the whole picture when None; to be used in callbacks."""
    session().region = None if box is None else (opened.source.key, box)
    # Read again on the next run; without this the address would bring the old part back.
    say(Parameter.REGION, None)


def region_form(opened: OpenPicture, box: Region | None) -> None:
    """Number fields for the part, for those who do not drag."""
    width, height = opened.size
    x0, y0, x1, y1 = box or (0.0, 0.0, float(width), float(height))
    st.markdown("Drag a box on the picture, or type its edges in pixels.")
    # New names when the box was changed elsewhere, so that the fields show it.
    stamp = f"{opened.source.key}:{x0:.0f}:{y0:.0f}:{x1:.0f}:{y1:.0f}"
    with st.form("part", border=False):
        columns = st.columns(4)
        edges = (("Left", x0, width), ("Top", y0, height), ("Right", x1, width), ("Bottom", y1, height))
        values = [
            column.number_input(name, 0, limit, round(min(max(value, 0), limit)), key=f"part_{name}_{stamp}")
            for column, (name, value, limit) in zip(columns, edges, strict=True)
        ]
        if st.form_submit_button("Look at this region", type="primary", width="stretch"):
            _submit(opened, values)
    st.button(
        "Whole picture", on_click=set_region, args=(opened, None), disabled=box is None, width="stretch", key="whole"
    )


def _submit(opened: OpenPicture, values: list[int]) -> None:
    left, top, right, bottom = values
    try:
        box = check_region((left, top, right, bottom))
    except ImageError:
        st.error("The region is empty: its right edge must lie right of its left one, its bottom below its top.")
        return
    set_region(opened, box)
    st.rerun()


def _parse(text: str) -> Region | None:
    """A part from the address; None for what is not one."""
    try:
        sides = tuple(float(side) for side in text.split(","))
        return check_region(sides) if len(sides) == 4 else None
    except (ValueError, ImageError):
        return None
