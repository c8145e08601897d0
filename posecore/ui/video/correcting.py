"""Correcting who is who in a finished run, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from posecore.errors import PosecoreError
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.visitors import require
from posecore.ui.video.people import Followed
from posecore.ui.video.runs import VideoRun
from posecore.video import Correction, PoseSequence, VideoResult
from posecore.video.corrections import CorrectionKind

#: What can be corrected, in words.
_KINDS: dict[CorrectionKind, str] = {"merge": "Is somebody else", "swap": "Exchanged", "remove": "Leave out"}
_HELP: dict[CorrectionKind, str] = {
    "merge": "One person was taken for two: from a moment on, the first is the second.",
    "swap": "Two people changed numbers, as when they cross: from a moment on, each is the other.",
    "remove": "Nobody is there, or nobody who matters: the person is left out from a moment on.",
}


def correct_people(run: VideoRun, result: VideoResult, sequence: PoseSequence, people: list[Followed]) -> None:
    """Widgets that say who is who, and what was corrected so far.

    Args:
        run: The run.
        result: What it found.
        sequence: Its people, as they are smoothed now.
        people: Everybody who was followed, those seen longest first.
    """
    with st.expander("Correct who is who", icon=":material/person_edit:", expanded=bool(result.corrections)):
        if run.job.active:
            st.caption("This can be corrected once the clip is drawn.")
            return
        if people:
            correction = _ask(sequence, people)
            if st.button("Correct", icon=":material/check:", key="correct_apply"):
                _correct(run, [*result.corrections, correction])
        _so_far(run, result)


def _ask(sequence: PoseSequence, people: list[Followed]) -> Correction:
    kinds: list[CorrectionKind] = list(_KINDS) if len(people) > 1 else ["remove"]
    kind = st.segmented_control(
        "What is wrong",
        kinds,
        default=kinds[0],
        required=True,
        format_func=lambda kind: _KINDS[kind],
        key=f"correct_kind_{len(kinds)}",
        width="stretch",
        label_visibility="collapsed",
    )
    st.caption(_HELP[kind])
    left, *middle, right = st.columns(2 if kind == "remove" else 3, gap="small", vertical_alignment="bottom")
    # Who was seen for a moment only is probably somebody else, or nobody.
    person = _pick(left, "Person", people[::-1], "correct_person")
    other = 0
    if kind != "remove":
        others = [one for one in people if one.number != person.number]
        other = _pick(middle[0], "Is person" if kind == "merge" else "With person", others, "correct_other").number
    first, last = float(sequence.times[0]), float(sequence.times[-1])
    since = right.number_input(
        "From second",
        first,
        max(last, first),
        float(person.track.times[0]),
        0.1,
        key=f"correct_since_{person.number}",
        help="The player says the second of the frame that it shows.",
    )
    return Correction(kind, person.number, float(since), other)


def _pick(place: DeltaGenerator, label: str, people: Sequence[Followed], key: str) -> Followed:
    numbers = {one.number: one for one in people}
    return numbers[place.selectbox(label, list(numbers), key=key)]


def _so_far(run: VideoRun, result: VideoResult) -> None:
    """What was corrected, and taking it back."""
    if not result.corrections:
        return
    st.markdown("\n".join(f"1. {one.words}." for one in result.corrections))
    with st.container(horizontal=True, gap="small"):
        if st.button("Undo the last", icon=":material/undo:", key="correct_undo"):
            _correct(run, result.corrections[:-1])
        if len(result.corrections) > 1 and st.button("Undo all", key="correct_undo_all"):
            _correct(run, ())


def _correct(run: VideoRun, corrections: Sequence[Correction]) -> None:
    """Correct, and draw the whole page anew."""
    try:
        require("use", "Working on videos")
        with st.spinner("Smoothing …", show_time=False):
            run.correct(corrections)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()
