"""The people of a finished run in three dimensions: a figure that turns, what is measured on it, and its files."""

from __future__ import annotations

import streamlit as st

from posecore.drawing.overlay import color_of
from posecore.lifting.measures import most_moving, room_measures, walking
from posecore.lifting.room_poses import RoomPoses
from posecore.ui.shared.lifting import lift_settings, lifted_room
from posecore.ui.shared.measure_words import in_words
from posecore.ui.shared.pictures.posed_picture import download_buttons
from posecore.ui.shared.plain import plain
from posecore.ui.shared.room_files import room_downloads
from posecore.ui.shared.widgets.figure import figure_view
from posecore.ui.video.people import Followed, choose_people
from posecore.ui.video.plots import CHART, room_figure, span_of
from posecore.ui.video.runs import VideoRun
from posecore.video import Correction, PoseSequence, SmoothingSettings, Track, parse_measure

_FIGURE_ROOM = "clamp(260px, 100vh - 470px, 460px)"


def show_room(
    run: VideoRun,
    sequence: PoseSequence,
    smoothing: SmoothingSettings,
    corrections: tuple[Correction, ...],
    people: list[Followed],
    plots: str,
) -> None:
    """Everything in three dimensions.

    Args:
        run: The run.
        sequence: Its people, smoothed as ``smoothing`` says.
        smoothing: What is in force.
        corrections: What was corrected of who is who.
        people: Everybody who was followed, those seen longest first.
        plots: Key of the container whose charts the player goes along with.
    """
    settings = lift_settings("height", "hold_feet")
    room = lifted_room((run.token, smoothing.model_dump_json(), corrections), sequence, settings)
    if room is None:
        return
    known = {one.track_id for one in room.people}
    chosen = choose_people([one for one in people if one.number in known], "video_room_people") if known else []
    shown = [one for person in chosen for one in room.people if one.track_id == person.number]
    if not shown:
        st.caption("Nobody could be lifted." if not room.people else "Choose at least one person.")
        return
    figure_view(
        shown,
        sequence.times,
        colors=[color_of(one.track_id or 0) for one in shown],
        label="The people in three dimensions",
        room=_FIGURE_ROOM,
        channel=f"st-key-{plots}",
        key="video_figure",
    )
    st.caption(f":material/info: {plain(room.basis)}")
    _chart(sequence, shown, {one.number: one.track for one in chosen}, plots)
    _walking(shown[0], len(shown) > 1)
    with st.expander("Files in three dimensions", icon=":material/download:"):
        download_buttons(tuple(room_downloads(room.people, run.video.stem)))


def _chart(sequence: PoseSequence, shown: list[RoomPoses], tracks: dict[int, Track], plots: str) -> None:
    measures = {measure.text: measure for measure in room_measures(shown[0].skeleton)}
    text = st.selectbox(
        "Measure",
        list(measures),
        index=list(measures).index(most_moving(shown[0]).text),
        format_func=lambda text: in_words(measures[text]),
        key="video_room_measure",
        persist_state="session",
    )
    with st.container(key=plots):
        st.plotly_chart(
            room_figure(shown, tracks, measures[text], parse_measure(text, sequence.skeleton), span_of(sequence)),
            width="stretch",
            config=CHART,
            key="video_room_chart",
            alt=f"{in_words(measures[text])} over time",
        )
    if measures[text].kind == "angle":
        st.caption("Full lines: in three dimensions; dotted: the same angle as it looks in the picture.")


def _walking(person: RoomPoses, several: bool) -> None:
    found = walking(person)
    title = f"Walking, person {person.track_id}" if several else "Walking"
    if isinstance(found, str):
        st.caption(f"**{title}**: {found}")
        return
    facts = {
        "Cadence": f"{found.cadence:.0f} steps/min",
        "Speed": f"{found.speed:.2f} m/s",
        **{f"Step, {side}": f"{metres:.2f} m" for side, metres in found.step_lengths.items()},
        **{f"Stance, {side}": f"{share:.0%}" for side, share in found.stance.items()},
    }
    st.markdown(
        f"**{title}**, {found.steps} steps",
        help="From where each ankle is farthest before and behind the hips; lengths rest on the height. "
        "Approximate, not for clinical use.",
    )
    with st.container(horizontal=True, gap="small"):
        for label, value in facts.items():
            st.metric(label, value, width="content")
