"""A finished run: its clip, people, tracks, measures and files."""

from __future__ import annotations

import streamlit as st

from posecore.errors import VideoError
from posecore.model import PoseModel
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.lifting import can_lift
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.measure_words import in_words
from posecore.ui.shared.pictures.posed_picture import download_buttons
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.components import player
from posecore.ui.video.against import show_against
from posecore.ui.video.chosen_run import draw_again, forget_all_runs, forget_run, start_run
from posecore.ui.video.correcting import correct_people
from posecore.ui.video.files import video_downloads
from posecore.ui.video.measures import Measuring, choose_measures
from posecore.ui.video.people import Followed, choose_people, choose_person, followed, people_table
from posecore.ui.video.plots import CHART, joint_figure, measures_figure, span_of
from posecore.ui.video.progress import show_progress
from posecore.ui.video.room import show_room
from posecore.ui.video.run_folders import KEPT_RUNS
from posecore.ui.video.runs import VideoRun, settings_changed
from posecore.ui.video.serving import clip_address
from posecore.video import PoseSequence, Repetitions, SmoothingSettings, VideoOptions, VideoResult, count_track
from posecore.video.reading import clock

PLAYER_ROOM = "max(240px, 100vh - 330px)"
_PLOTS = "video_plots"
_TABS = ("Measurements", "3D", "Tracks", "Compare", "People", "Files")


def result_facts(result: VideoResult) -> str:
    """What came of a run, as badges in Markdown."""
    parts = []
    if result.options.tracking.track:
        count = len(result.poses.tracks())
        found = "1 person" if count == 1 else f"{count} people"
        parts.append(f":green-badge[**{found}**]" if count else ":orange-badge[**nobody found**]")
    if result.cancelled:
        parts.append(":orange-badge[stopped early]")
    total = result.seconds.get("total", 0.0)
    parts.append(f":gray-badge[{result.frames} {'frame' if result.frames == 1 else 'frames'}]")
    parts.append(f":gray-badge[{clock(total)}, {result.frames / total:.1f} frames/s]" if total else "")
    parts.append(f":gray-badge[{plain(result.model)}]")
    return " ".join(parts)


def show_run(run: VideoRun, model: PoseModel, options: VideoOptions) -> None:
    """A run in whatever state it is.

    Args:
        run: The run.
        model: The model that is chosen now.
        options: The present settings; smoothing and what is measured follow them at once.
    """
    try:
        job, result = run.job, run.result
    except VideoError as error:
        show_error(error)
        return
    _head(run, model, options)
    if job.active:
        show_progress(run)
    elif job.state == "failed":
        st.error(
            f"{plain(job.error)} Your video and settings are still here: change what is wrong and run again.",
            icon=":material/error:",
        )
    elif run.lost:
        st.warning(f"{run.lost} *Run again* does it anew.", icon=":material/warning:")
    elif result is None:
        st.info("The run was stopped before it began.")
    if run.unkept:
        st.warning(run.unkept, icon=":material/save:")
    if result is None or (job.active and run.purpose == "find"):
        return
    for warning in result.warnings:
        st.warning(warning, icon=":material/warning:")
    if not result.frames:
        st.info("The run was stopped before its first frame was done.")
        return
    with st.spinner("Smoothing …", show_time=False):
        sequence = run.smoothed(options.smoothing)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        _show_clip(run, result)
        _draw_again(run, result, options)
    with right:
        _evidence(run, result, sequence, options.smoothing)


def run_buttons(run: VideoRun, model: PoseModel, options: VideoOptions) -> None:
    """Run the video again at the current settings, or drop the result."""
    if run.job.active:
        return
    changed = settings_changed(run, model.name, options)
    st.button(
        "Run again",
        icon=":material/replay:",
        type="primary" if changed else "secondary",
        on_click=start_run,
        args=(run.video, model, options),
        help=f"Changed since this run: {', '.join(changed)}." if changed else "At the current settings.",
        key="video_again",
    )
    with st.popover("", icon=":material/delete:", help="Remove this result", key="video_remove_menu"):
        stays = "until you remove it" if run.owner.at_machine else "until nobody has looked at it for six hours"
        st.markdown(
            "Remove this result with its clip and its copy of the video? This cannot be undone.  \n"
            f":small[:gray[It is kept on the server's disk {stays}, and the newest {KEPT_RUNS} of a visitor are.]]"
        )
        st.button("Remove it", on_click=forget_run, args=(run,), key="video_remove", width="stretch")
        st.button("Remove all of mine", on_click=forget_all_runs, key="video_remove_all", width="stretch")


def _head(run: VideoRun, model: PoseModel, options: VideoOptions) -> None:
    """Whose result this is, what came of it, and whether settings have changed since."""
    facts = "" if run.result is None else result_facts(run.result)
    st.markdown(f"**{plain(run.video.label)}** {facts}")
    changed = settings_changed(run, model.name, options)
    if changed and not run.job.active:
        st.caption(f"Changed on the left since this run: {', '.join(changed)}. *Run again* applies it.")


def _show_clip(run: VideoRun, result: VideoResult) -> None:
    if result.clip is None:
        return
    player(
        clip_address(run.token, result.clip),
        file_name=f"{run.video.stem}_poses.mp4",
        label=f"{run.video.label} with the people found in it",
        size=result.size,
        times=result.poses.times - result.start,
        start=result.start,
        room=PLAYER_ROOM,
        plots=_PLOTS,
        key="video_player",
    )


def _draw_again(run: VideoRun, result: VideoResult, options: VideoOptions) -> None:
    """Offer to bring the clip up to date with settings that need no new run."""
    used = result.options
    parts = {
        "who is who": result.corrections != result.drawn,
        "smoothing": options.smoothing != used.smoothing and used.tracking.track,
        "drawing": options.drawing != used.drawing,
        "clip": options.output != used.output,
    }
    changed = [name for name, differs in parts.items() if differs]
    if result.clip is None or not changed or run.job.active:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"Changed since the clip was drawn: {', '.join(changed)}."
            + (" Charts and tables follow already." if {"smoothing", "who is who"} & set(changed) else ""),
            width="stretch",
        )
        st.button(
            "Draw it again",
            icon=":material/brush:",
            on_click=draw_again,
            args=(run, options),
            help="Without the network: only drawing and encoding.",
        )


@st.fragment
def _evidence(run: VideoRun, result: VideoResult, sequence: PoseSequence, smoothing: SmoothingSettings) -> None:
    """Tabs about what was found; only the open one is drawn."""
    names = [name for name in _TABS if name != "3D" or can_lift(sequence.skeleton.keypoints)]
    tabs = dict(zip(names, st.tabs(names, on_change="rerun", key="video_tab"), strict=True))
    people = followed(sequence)
    for name, tab in tabs.items():
        if not tab.open:
            continue
        with tab:
            if name == "Files":
                _files(run, result, sequence, people)
            elif name == "People":
                _people(run, result, sequence, people)
            elif not people:
                _nobody(result)
            elif name == "Measurements":
                _measures(sequence, people)
            elif name == "3D":
                show_room(run, sequence, smoothing, result.corrections, people, _PLOTS)
            elif name == "Compare":
                show_against(run, sequence, smoothing, people, _PLOTS)
            else:
                _tracks(result, sequence, people)


def _people(run: VideoRun, result: VideoResult, sequence: PoseSequence, people: list[Followed]) -> None:
    if people:
        people_table(people)
    else:
        _nobody(result)
    if people or result.corrections:
        correct_people(run, result, sequence, people)


def _nobody(result: VideoResult) -> None:
    if result.corrections:
        st.caption("Everybody was left out by hand: undo that under *People*.")
    elif not result.options.tracking.track:
        st.caption("People were not followed, so nothing is known over time. Switch *Follow people* on and run again.")
    else:
        st.caption(
            ":material/lightbulb: Nobody was found and followed. Lower the pose threshold or *Fewest frames*, choose a "
            "larger input size or another model, and look at the preview."
        )


def _measures(sequence: PoseSequence, people: list[Followed]) -> None:
    measuring = choose_measures(sequence.skeleton, people[0].track)
    chosen = choose_people(people, "video_people")
    counted = _count(measuring, chosen)
    if not measuring.measures or not chosen:
        st.caption("Choose at least one measure and one person.")
        return
    figure = measures_figure(
        {one.number: one.track for one in chosen},
        [(measure, in_words(measure)) for measure in measuring.measures],
        counted,
        span_of(sequence),
    )
    with st.container(key=_PLOTS):
        st.plotly_chart(figure, width="stretch", config=CHART, key="video_measure_chart", alt="Measures over time")
    st.caption("Click in a chart to move the player there; drag to zoom, double-click to see everything again.")


def _count(measuring: Measuring, chosen: list[Followed]) -> tuple[int, str, Repetitions] | None:
    """Count, and say it plainly; returns what to mark: the first person's."""
    measure = measuring.counted
    if measure is None or not chosen:
        return None
    found = [(one.number, count_track(one.track, measure, measuring.counting)) for one in chosen]
    with st.container(horizontal=True, gap="small", key="video_counts"):
        for number, repetitions in found:
            open_end = repetitions.count - repetitions.completed
            st.metric(
                f"Repetitions, {plain(in_words(measure))}" if len(found) == 1 else f"Repetitions, person {number}",
                repetitions.count,
                width="content",
                help=f"Of the {plain(in_words(measure))}. "
                + ("The last one was not completed before the end." if open_end else "All were completed."),
            )
    number, repetitions = found[0]
    return number, measure.text, repetitions


def _tracks(result: VideoResult, sequence: PoseSequence, people: list[Followed]) -> None:
    skeleton = sequence.skeleton
    first, second = st.columns(2)
    with first:
        one = choose_person(people, "Person", "video_person")
    with second:
        joint = st.selectbox(
            "Joint", list(skeleton.keypoints), format_func=words, key="video_joint", persist_state="session"
        )
    raw = result.raw.tracks().get(one.number, one.track)
    smoothed = one.track if sequence is not result.raw else None
    figure = joint_figure(raw, smoothed, skeleton.index(joint), span_of(sequence), sequence.image_size)
    with st.container(key=_PLOTS):
        st.plotly_chart(figure, width="stretch", config=CHART, key="video_track_chart", alt=f"{words(joint)} over time")
    st.caption(
        "Grey: as found; coloured: smoothed as the settings on the left say, at once. Click in a chart to move the "
        "player there."
        if smoothed is not None
        else "As found; smoothing is off. Click in a chart to move the player there."
    )


def _files(run: VideoRun, result: VideoResult, sequence: PoseSequence, people: list[Followed]) -> None:
    with st.expander("Measures in the tables", icon=":material/straighten:"):
        measuring = choose_measures(sequence.skeleton, people[0].track if people else None)
    stem = f"{run.video.stem}_poses"
    if result.clip is not None:
        st.link_button(
            "Clip (MP4)",
            f"{clip_address(run.token, result.clip)}?save={stem}.mp4",
            icon=":material/movie:",
            help="The video with the people drawn in.",
            width="stretch",
        )
    download_buttons(tuple(video_downloads(result, sequence, measuring, run.video.stem)))
    if can_lift(sequence.skeleton.keypoints):
        st.caption("For Blender, OpenSim and others: the files on the tab *3D*.")
