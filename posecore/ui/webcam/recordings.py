"""What was recorded of a stream: to be taken away, also in three dimensions, or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from posecore.ui.shared.lifting import can_lift, lift_settings, lifted_room
from posecore.ui.shared.pictures.posed_picture import download_buttons
from posecore.ui.shared.plain import plain
from posecore.ui.shared.room_files import room_downloads
from posecore.ui.shared.session import state_of
from posecore.ui.webcam.camera import Recording, Webcam

#: Before the names of how recordings are lifted: those of the live figure may be on the page as well.
RECORDED_PREFIX = "recorded_"
#: Kind of table → its button, type, icon and what is said about it.
_TABLES = {
    "csv": ("Keypoints", "text/csv", ":material/table:", None),
    "json": (
        "Poses",
        "application/json",
        ":material/data_object:",
        "Keypoints and what made them (JSON), which `posecore lift` and `posecore motion` read.",
    ),
}


@dataclass
class _Opened:
    """Name of the recording whose files in three dimensions are shown, or None."""

    name: str | None = None


def show_recordings(camera: Webcam, recordings: Sequence[Recording]) -> None:
    """What was recorded, the newest first."""
    for recording in recordings:
        with st.container(border=True):
            _recording(camera, recording)
            if state_of(_Opened).name == recording.name:
                _in_space(recording)


def _recording(camera: Webcam, recording: Recording) -> None:
    frames = recording.result.frames
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{plain(recording.name)}** :small[:gray[{recording.seconds:.0f} s, {frames} pictures]]", width="stretch"
        )
        st.download_button(
            "Clip",
            recording.clip.read_bytes,
            f"{recording.name}.mp4",
            "video/mp4",
            icon=":material/movie:",
            on_click="ignore",
            key=f"clip_{recording.name}",
        )
        for kind, (label, mime, icon, words) in _TABLES.items():
            st.download_button(
                label,
                partial(recording.table, kind),
                f"{recording.name}.{kind}",
                mime,
                icon=icon,
                help=words,
                on_click="ignore",
                key=f"{kind}_{recording.name}",
            )
        _space_button(recording)
        st.button(
            "",
            icon=":material/delete:",
            help="Delete this recording",
            on_click=camera.forget,
            args=(recording.name,),
            key=f"forget_{recording.name}",
        )


def _space_button(recording: Recording) -> None:
    """Shows or hides the files in three dimensions."""
    possible = can_lift(recording.result.poses.skeleton.keypoints)
    st.button(
        "3D",
        icon=":material/view_in_ar:",
        type="primary" if state_of(_Opened).name == recording.name else "secondary",
        on_click=_open,
        args=(recording.name,),
        disabled=not possible,
        help="The people in three dimensions, as files for Blender, OpenSim and others"
        if possible
        else "The model of this recording does not find all the joints of the limbs that three dimensions need.",
        key=f"space_{recording.name}",
    )


def _open(name: str) -> None:
    opened = state_of(_Opened)
    opened.name = None if opened.name == name else name


@st.fragment
def _in_space(recording: Recording) -> None:
    """The people of a recording in three dimensions, as files."""
    people = recording.followed
    if not len(people.frames):
        st.caption(
            "Nobody was followed in this recording, so nothing is known over time. Switch *Follow people* on, see that "
            "somebody is found, and record again."
        )
        return
    settings = lift_settings("height", "hold_feet", prefix=RECORDED_PREFIX)
    room = lifted_room(recording.clip, people, settings)
    if room is None:
        return
    if not room.people:
        st.caption("Nobody could be lifted: too few joints were seen.")
        return
    st.caption(f":material/info: {plain(room.basis)}")
    download_buttons(tuple(room_downloads(room.people, recording.name)))
