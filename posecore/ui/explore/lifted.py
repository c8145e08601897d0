"""The people of a picture in three dimensions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from posecore.drawing.overlay import color_of
from posecore.errors import PosecoreError
from posecore.lifting import lift_poses
from posecore.lifting.measures import room_measures
from posecore.lifting.room import make_room
from posecore.lifting.room_poses import RoomPoses
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.lifting import lift_settings
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.widgets.figure import figure_view

_FIGURE_ROOM = "clamp(260px, 100vh - 420px, 460px)"


def show_lifted(analysis: Analysis) -> None:
    """The figure, what it rests on, and the angles of joints in space."""
    poses = analysis.poses
    if not len(poses):
        st.caption("Nobody was found in this picture.")
        return
    settings = lift_settings("height")
    try:
        lifted = lift_poses(replace(poses, track_ids=np.arange(len(poses))))
    except PosecoreError as error:
        show_error(error)
        return
    room = make_room(lifted, settings)
    if not room.people:
        st.caption("Too few joints are known of the people in this picture to lift them.")
        return
    figure_view(
        room.people,
        np.zeros(1),
        colors=[color_of(one.track_id or 0) for one in room.people],
        label="The people of the picture in three dimensions",
        room=_FIGURE_ROOM,
        channel="",
        key="explore_figure",
    )
    st.caption(
        ":material/warning: One picture does not tell how far away a limb is: this is a guess from people who were "
        f"measured while they moved. {room.basis}"
    )
    st.dataframe(
        pd.concat([_angles(one) for one in room.people]),
        hide_index=True,
        height="content",
        column_config={"Angle": st.column_config.NumberColumn("Angle", format="%.0f°", help="180° is straight.")},
        alt="Angles of joints in three dimensions",
    )


def _angles(person: RoomPoses) -> pd.DataFrame:
    measures = [one for one in room_measures(person.skeleton) if one.kind == "angle"]
    return pd.DataFrame(
        {
            "Person": (person.track_id or 0) + 1,
            "Joint": [words(one.names[1]) for one in measures],
            "Angle": [float(one.values(person)[0]) for one in measures],
        }
    )
