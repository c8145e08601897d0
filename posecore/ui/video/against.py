"""A person of a finished run held against a reference: somebody of another run, or somebody else of the same."""

from __future__ import annotations

from contextlib import suppress

import pandas as pd
import streamlit as st

from posecore.errors import PosecoreError, VideoError
from posecore.results import safe_table
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.measure_words import in_words
from posecore.ui.video.chosen_run import known_runs, titles_of
from posecore.ui.video.people import Followed, choose_person, followed
from posecore.ui.video.plots import CHART, motion_figure, span_of
from posecore.ui.video.runs import VideoRun
from posecore.video import PoseSequence, SmoothingSettings
from posecore.video.motion import Alike, compare_motion

_HELP = (
    "The two are brought together in time first, so that it makes no difference who is faster or begins later. Film "
    "both from the same side."
)


def show_against(
    run: VideoRun, sequence: PoseSequence, smoothing: SmoothingSettings, people: list[Followed], plots: str
) -> None:
    """Choose a reference, and see which joint angles differ, by how much and when.

    Args:
        run: The run.
        sequence: Its people, smoothed as ``smoothing`` says.
        smoothing: What is in force; the reference is smoothed so, too.
        people: Everybody who was followed, those seen longest first.
        plots: Key of the container whose charts the player goes along with.
    """
    references = _references(run, people)
    if not references:
        st.caption(
            "Another movement is needed to hold this one against: run a second video, for example of somebody who does "
            "it well, or one with two people."
        )
        return
    titles = {token: title for token, (title, _) in references.items()}
    token = st.selectbox(
        "Reference", list(titles), format_func=lambda one: titles.get(one, ""), key="video_reference", help=_HELP
    )
    chosen = references[token][1]
    try:
        other = sequence if chosen is run else chosen.smoothed(smoothing)
    except VideoError as error:
        show_error(error)
        return
    theirs = people[1:] + people[:1] if chosen is run else followed(other)
    if not theirs:
        st.caption("Nobody was followed in the reference.")
        return
    first, second = st.columns(2)
    with first:
        one = choose_person(people, "Person", "video_against_person")
    with second:
        reference = choose_person(theirs, "Person of the reference", f"video_against_{token}")
    mirrored = st.toggle(
        "As in a mirror",
        key="video_against_mirrored",
        help="Left in the one is right in the other.",
        persist_state="session",
    )
    try:
        found = compare_motion(reference.track, other.skeleton, one.track, sequence.skeleton, mirrored=mirrored)
    except PosecoreError as error:
        show_error(error)
        return
    _show(found, run, sequence, plots)


def _references(run: VideoRun, people: list[Followed]) -> dict[str, tuple[str, VideoRun]]:
    """What may be a reference, with words for each, by token."""
    found: dict[str, tuple[str, VideoRun]] = {}
    runs = known_runs()
    titles = titles_of(runs)
    for one in runs:
        with suppress(VideoError):
            if one is run:
                found |= {one.token: ("This video, somebody else", one)} if len(people) > 1 else {}
            elif one.result is not None and one.result.frames:
                found[one.token] = titles[one.token], one
    return found


def _show(found: Alike, run: VideoRun, sequence: PoseSequence, plots: str) -> None:
    st.metric("Angles differ in the mean by", f"{found.mean:.0f}°", width="content")
    joints = found.joints()
    st.dataframe(
        pd.DataFrame(
            {
                "Angle": [in_words(joint.measure) for joint in joints],
                "Mean": [joint.mean for joint in joints],
                "9 of 10 below": [joint.most for joint in joints],
                "Farthest at": [joint.other_time for joint in joints],
            }
        ),
        hide_index=True,
        height="content",
        column_config={
            **{name: st.column_config.NumberColumn(name, format="%.0f°") for name in ("Mean", "9 of 10 below")},
            "Farthest at": st.column_config.NumberColumn("Farthest at", format="%.1f s", help="In this video"),
        },
        alt="How far each angle is from the reference's",
    )
    names = {joint.measure.text: in_words(joint.measure) for joint in joints}
    text = st.selectbox("Angle", list(names), format_func=lambda one: names.get(one, ""), key="video_against_angle")
    at = next(at for at, measure in enumerate(found.measures) if measure.text == text)
    with st.container(key=plots):
        st.plotly_chart(
            motion_figure(found, at, span_of(sequence)),
            width="stretch",
            config=CHART,
            key="video_against_chart",
            alt=f"{names[text]} here and in the reference",
        )
    st.caption("The reference is drawn at the times at which this video does the same.")
    st.download_button(
        "All angles (CSV)",
        lambda: safe_table(found.table()).to_csv(index=False).encode(),
        f"{run.video.stem}_against.csv",
        "text/csv",
        icon=":material/table:",
        help="Time and value of every angle in the reference and here, and the difference.",
        on_click="ignore",
        key="video_against_save",
    )
